"""Summaries and quotes as text for people at a terminal."""

from __future__ import annotations

import re

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from service.models import FoundQuotes, Quote, Sentence, Summary

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SUPPORT = {
    "supported": ("in the article word for word", "green"),
    "facts_found": ("names and figures found; wording not judged", "cyan"),
    "partial": ("facts found, but not together", "yellow"),
    "unsupported": ("not borne out by the article", "red"),
    "unchecked": ("not checked", "dim"),
}


def render_summary(summary: Summary) -> RenderableType:
    """The summary, what the checks found, and the quotes."""
    parts: list[RenderableType] = [_render_sentence(s, summary.style == "bullets") for s in summary.sentences]
    if summary.key_quotes:
        parts += [Text(), *(_render_quote(q) for q in summary.key_quotes)]
    notes = [Text(f"! {w.message}", "yellow") for w in summary.warnings]
    if summary.prompt is not None:
        made = f"{summary.model}, prompt {summary.prompt.name}@{summary.prompt.version}"
    else:
        made = f"{summary.model}"
    usage = summary.usage
    footer = Text(
        f"{made}, {usage.llm_calls} calls, {usage.input_tokens} + {usage.output_tokens} tokens", "dim"
    )
    return Group(*parts, Text(), *notes, footer)


def render_quotes(found: FoundQuotes) -> RenderableType:
    """Every quotation with its offsets, role and speaker."""
    lines = []
    for q in found.quotes:
        line = Text(f"{q.start}-{q.end} ", "dim")
        line.append(f"“{_printable(q.text)}”")
        line.append(f" {q.speaker.name}" if q.speaker else "", "bold")
        line.append(f" ({q.role})", "dim")
        lines.append(line)
    return Group(*lines) if lines else Text("no quotations", "dim")


def _render_sentence(sentence: Sentence, bullet: bool) -> RenderableType:
    words, colour = _SUPPORT[sentence.support]
    text = Text(("• " if bullet else "") + _printable(sentence.text))
    for finding in sentence.unsupported:
        offset = 2 if bullet else 0
        text.stylize("bold red underline", offset + finding.start, offset + finding.end)
    text.append(f"  [{words}]", colour)
    return text


def _render_quote(quote: Quote) -> RenderableType:
    text = Text(f"“{_printable(quote.text)}”")
    if quote.speaker:
        text.append(f" — {quote.speaker.name}", "bold")
    return Padding(text, (0, 0, 0, 2))


def _printable(text: str) -> str:
    """`text` without what a terminal would take for a command, of the same length."""
    return _CONTROL.sub("\ufffd", text)
