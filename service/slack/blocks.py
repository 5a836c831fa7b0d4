"""Summaries as Slack's Block Kit, in as many messages as Slack's lengths make of them.

Text of articles stands in rich text or plain text alone, where nothing is markup: an article cannot mention,
link or format. The text beside the blocks, which notifications show, is mrkdwn and is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from service.languages import language_name, same_language
from service.models import Quote, Sentence, Summary
from service.slack.orders import STYLES, Order
from service.slack.text import Json, escape, pieces, shorten, size

# Slack's own are 50 and about 13,200; nobody knows how it counts (slackapi/bolt-js issues 2509 and 2867).
MOST_BLOCKS: Final = 48
MOST_CHARACTERS: Final = 12_000
_TURNS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PIECE: Final = 2_800  # of the 3,000 characters of one text
_NOTE: Final = 600
_PREVIEW: Final = 150
_TITLE: Final = 300
_MOST_URL: Final = 3_000
_MOST_FLAGS: Final = 10
_MOST_BUTTONS: Final = 20

SUPPORT: Final = {
    "supported": "in the article word for word",
    "facts_found": "names and figures found; wording not judged",
    "partial": "facts found, but not together",
    "unsupported": "not borne out by the article",
    "unchecked": "not checked",
}


class Message(NamedTuple):
    """Blocks, and the text that notifications show for them, as mrkdwn."""

    blocks: list[Json]
    text: str


class Heading(NamedTuple):
    """What a summary is of; `url` makes it a link."""

    title: str
    url: str | None = None


def show_summary(
    summary: Summary, heading: Heading, author_of: Callable[[Quote], str | None], buttons: Sequence[Json]
) -> list[Message]:
    """The summary in one message or more; the last one has the buttons."""
    blocks = [
        _heading(heading),
        *_summary(summary),
        *_flags(summary.sentences),
        *(_quote(quote, author_of(quote)) for quote in summary.key_quotes),
        *_notes(summary),
        _footer(summary),
        *buttons,
    ]
    preview = shorten(" ".join(summary.summary.split()), _PREVIEW)
    packed = pack(blocks)
    texts = [f"{heading.title[:_PREVIEW]}: {preview}", *("(continued)" for _ in packed[1:])]
    return [Message(part, escape(text)) for part, text in zip(packed, texts, strict=True)]


def buttons(order: Order, sealed: str | None, summary: Summary, languages: Sequence[str]) -> list[Json]:
    """Rows of buttons that ask for the same in another style or language, and for the evidence."""
    if sealed is None:
        return []
    styles = [_button(f"In style: {s}", f"style:{s}", sealed) for s in STYLES if s != summary.style]
    if order.kept and not summary.degraded:
        styles.append(_button("Show evidence", "evidence", sealed))
    others = [t for t in languages if not same_language(t, summary.language)][:_MOST_BUTTONS]
    in_languages = [_button(f"In {language_name(t)}", f"language:{t}", sealed) for t in others]
    return [{"type": "actions", "elements": row} for row in (styles, in_languages) if row]


def show_text(text: str) -> Message:
    """A sentence of our own, in which nothing is markup."""
    return Message([_rich(_section([_text(piece)])) for piece in pieces(text, _PIECE)], escape(text))


def show_evidence(summary: Summary, article: str) -> list[Json]:
    """For each sentence of the summary the passages that it rests on, as blocks for a modal."""
    blocks: list[Json] = []
    for sentence in summary.sentences:
        said = _section([_text(shorten(sentence.text, _PIECE), bold=True)])
        found = [_quoted(shorten(article[e.start : e.end], _NOTE)) for e in sentence.evidence]
        notes = [SUPPORT[sentence.support], *_unsupported(sentence)]
        blocks += [_rich(said, *found), _context(" · ".join(notes))]
    return pack(blocks)[0]


def modal(blocks: Sequence[Json]) -> Json:
    """A window with blocks."""
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": "Evidence"},
        "close": {"type": "plain_text", "text": "Close"},
        "blocks": list(blocks),
    }


def pack(blocks: Iterable[Json]) -> list[list[Json]]:
    """Blocks in groups that each fit a message; no block is parted."""
    groups: list[list[Json]] = [[]]
    length = 0
    for block in blocks:
        own = size(block) + 1
        if groups[-1] and (len(groups[-1]) == MOST_BLOCKS or length + own > MOST_CHARACTERS):
            groups.append([])
            length = 0
        groups[-1].append(block)
        length += own
    return groups


def _heading(heading: Heading) -> Json:
    # A page's title may turn the direction of what stands beside it.
    title = shorten(" ".join(_TURNS.sub("", heading.title).split()), _TITLE) or "Untitled"
    if heading.url is None or len(heading.url) > _MOST_URL:
        return _rich(_section([_text(title, bold=True)]))
    link = {"type": "link", "url": heading.url, "text": title, "style": {"bold": True}}
    return _rich(_section([link]))


def _summary(summary: Summary) -> list[Json]:
    if summary.style != "bullets":
        return [_rich(_section([_text(piece)])) for piece in pieces(summary.summary, _PIECE)]
    items = [_section([_text(p)]) for s in summary.sentences for p in pieces(s.text, _PIECE)]
    return [_rich({"type": "rich_text_list", "style": "bullet", "elements": [item]}) for item in items]


def _flags(sentences: Sequence[Sentence]) -> list[Json]:
    flags = [flag for sentence in sentences for flag in _unsupported(sentence)][:_MOST_FLAGS]
    return [_context(f"⚠ {flag}") for flag in flags]


def _unsupported(sentence: Sentence) -> list[str]:
    return [f"unsupported: {shorten(finding.text, _PREVIEW)}" for finding in sentence.unsupported]


def _quote(quote: Quote, author: str | None) -> Json:
    """A quote whole, whatever its length: no quotation that is offered has more than 2,000 characters."""
    speaker = author or (quote.speaker.name if quote.speaker else None)
    if speaker is None:
        return _rich(_quoted(quote.text))
    doubt = ""
    if author is None and quote.other_speaker is not None:
        doubt = f" (the model says: {shorten(quote.other_speaker.name, _PREVIEW)})"
    return _rich(_quoted(quote.text), _section([_text(f"— {shorten(speaker, _PREVIEW)}{doubt}")]))


def _notes(summary: Summary) -> list[Json]:
    notes = [
        "degraded: " + w.message if w.code == "model_unavailable" else w.message for w in summary.warnings
    ]
    if summary.degraded and not any(note.startswith("degraded") for note in notes):
        notes.insert(0, "degraded: sentences of the article stand in for what the model did not write")
    return [_context(shorten(note, _NOTE)) for note in notes]


def _footer(summary: Summary) -> Json:
    prompt = f"{summary.prompt.name}@{summary.prompt.version}" if summary.prompt else "no prompt"
    calls = f"{summary.usage.llm_calls} call{'s' * (summary.usage.llm_calls != 1)}"
    return _context(
        f"{shorten(summary.model, _PREVIEW)} · {prompt} · {calls} · {language_name(summary.language)}"
    )


def _button(label: str, action: str, value: str) -> Json:
    text = {"type": "plain_text", "text": shorten(label, 75), "emoji": False}
    return {"type": "button", "text": text, "action_id": action, "value": value}


def _context(text: str) -> Json:
    return {"type": "context", "elements": [{"type": "plain_text", "text": text, "emoji": False}]}


def _rich(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": list(elements)}


def _section(elements: list[Json]) -> Json:
    return {"type": "rich_text_section", "elements": elements}


def _quoted(text: str) -> Json:
    return {"type": "rich_text_quote", "elements": [_text(text)]}


def _text(text: str, *, bold: bool = False) -> Json:
    return {"type": "text", "text": text, **({"style": {"bold": True}} if bold else {})}
