from __future__ import annotations

import io
from datetime import UTC, datetime

import msgspec
from rich.console import Console, RenderableType

from service.models import (
    ArticleInfo,
    Finding,
    FoundQuote,
    FoundQuotes,
    Notice,
    PromptReference,
    Quote,
    Sentence,
    Speaker,
    Style,
    Summary,
    Usage,
)
from service.rendering import render_quotes, render_summary

SPEAKER = Speaker(name="Ada Lund", start=0, end=8)


def printed(part: RenderableType) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in console.export_text().splitlines())


def summary(style: Style = "brief", text: str = "The mill burned down.") -> Summary:
    finding = Finding(text="mill", start=4, end=8, kind="name", reason="not_in_article")
    return Summary(
        id="1",
        summary=text,
        sentences=[
            Sentence(text=text, support="unsupported", evidence=[], unsupported=[finding], not_checked=[])
        ],
        key_quotes=[
            Quote(text="It was old,", start=10, end=21, kind="quotation", speaker=SPEAKER),
            Quote(text="Nobody knows.", start=30, end=43, kind="quotation", speaker=None),
        ],
        rejected_quotes=[],
        revisions=[],
        degraded=False,
        warnings=[Notice(code="a", message="A part was left out.")],
        style=style,
        language="en",
        policy="flag",
        model="gpt-4o-mini",
        prompt=PromptReference(name="article", version=1, digest="sha256:0"),
        article=ArticleInfo(digest="sha256:0", tokens=1, chunks=1, truncated=False),
        usage=Usage(llm_calls=2, input_tokens=30, output_tokens=4),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_sentence_is_followed_by_what_was_found_of_it() -> None:
    assert "The mill burned down.  [not borne out by the article]" in printed(render_summary(summary()))


def test_sentence_whose_facts_were_found_is_not_said_to_be_true() -> None:
    found = Sentence(
        text="The mill burned.", support="facts_found", evidence=[], unsupported=[], not_checked=[]
    )
    shown = render_summary(msgspec.structs.replace(summary(), sentences=[found]))

    assert "The mill burned.  [names and figures found; wording not judged]" in printed(shown)


def test_bullets_have_their_dots() -> None:
    assert printed(render_summary(summary("bullets"))).startswith("• The mill burned down.")


def test_quotes_stand_with_their_speakers_where_there_are_any() -> None:
    text = printed(render_summary(summary()))
    assert "“It was old,” — Ada Lund\n" in text
    assert "“Nobody knows.”\n" in text


def test_warnings_and_costs_come_last() -> None:
    *_, warning, footer = printed(render_summary(summary())).splitlines()
    assert warning == "! A part was left out."
    assert footer == "gpt-4o-mini, prompt article@1, 2 calls, 30 + 4 tokens"


def test_terminal_gets_no_commands_from_an_article() -> None:
    assert "\x1b" not in printed(render_summary(summary(text="The mill \x1b[2Jburned down.")))


def test_found_quotes_stand_with_offsets_speaker_and_role() -> None:
    quote = FoundQuote(text="No", start=3, end=5, role="fragment", speaker=SPEAKER)
    found = FoundQuotes(quotes=[quote], language="en", article_digest="sha256:0")
    assert printed(render_quotes(found)) == "3-5 “No” Ada Lund (fragment)\n"


def test_absence_of_quotes_is_said() -> None:
    none = FoundQuotes(quotes=[], language="en", article_digest="sha256:0")
    assert printed(render_quotes(none)) == "no quotations\n"
