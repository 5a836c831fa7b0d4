from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bench.slack_screen import PING, check_message, check_view, render
from service.models import (
    ArticleInfo,
    Finding,
    Notice,
    PromptReference,
    Quote,
    Sentence,
    Span,
    Speaker,
    Summary,
    Usage,
)
from service.slack.blocks import (
    Heading,
    Message,
    buttons,
    modal,
    pack,
    show_evidence,
    show_summary,
    show_text,
)
from service.slack.orders import Link, Order

URL = "https://news.example/mill"
SPEAKER = Speaker(name="Ada Lund", start=0, end=8)
HOSTILE = "<!channel> <@U1> *bold* _i_ ~s~ `code` :smile: <https://evil.example|click> & &lt;!here&gt;"


def sentence(text: str, **more: Any) -> Sentence:
    fields: dict[str, Any] = {"support": "facts_found", "evidence": [], "unsupported": [], "not_checked": []}
    return Sentence(text=text, **(fields | more))


def quote(text: str, **more: Any) -> Quote:
    fields: dict[str, Any] = {"start": 0, "end": len(text), "kind": "quotation", "speaker": SPEAKER}
    return Quote(text=text, **(fields | more))


BASE = Summary(
    id="1",
    summary="The mill burned down in 30 minutes.",
    sentences=[sentence("The mill burned down in 30 minutes.")],
    key_quotes=[quote("It was old,")],
    rejected_quotes=[],
    revisions=[],
    degraded=False,
    warnings=[],
    style="brief",
    language="en",
    policy="flag",
    model="gpt-4o-mini",
    prompt=PromptReference(name="article", version=1, digest="sha256:0"),
    article=ArticleInfo(digest="sha256:0", tokens=1, chunks=1, truncated=False),
    usage=Usage(llm_calls=2),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def summary(**changes: Any) -> Summary:
    return msgspec.structs.replace(BASE, **changes)


def shown(
    made: Summary, title: str = "Mill burns", rows: list[dict[str, Any]] | None = None
) -> list[Message]:
    messages = show_summary(made, Heading(title, URL), lambda _: None, rows or [])
    assert [check_message(m.text, m.blocks) for m in messages] == [None] * len(messages)
    return messages


def as_text(made: Summary, **more: Any) -> str:
    return "\n".join(render(m.blocks) for m in shown(made, **more))


def test_summary_has_headline_quotes_and_how_it_was_made() -> None:
    assert as_text(BASE).splitlines() == [
        f"Mill burns <{URL}>",
        "The mill burned down in 30 minutes.",
        "> It was old,",
        "— Ada Lund",
        "- gpt-4o-mini · article@1 · 2 calls · English -",
    ]


def test_bullets_are_a_list() -> None:
    made = summary(style="bullets", sentences=[sentence("One."), sentence("Two.")])
    assert "• One.\n• Two." in as_text(made)


def test_unsupported_fact_is_flagged() -> None:
    finding = Finding(text="30 minutes", start=24, end=34, kind="number", reason="not_in_article")
    made = summary(sentences=[sentence("In 30 minutes.", support="unsupported", unsupported=[finding])])
    assert "- ⚠ unsupported: 30 minutes -" in as_text(made)


def test_degraded_summary_says_so_and_why() -> None:
    why = Notice(code="model_unavailable", message="The model did not answer in time; sentences stand in.")
    assert "- degraded: The model did not answer in time" in as_text(summary(degraded=True, warnings=[why]))
    assert "- degraded: sentences of the article" in as_text(summary(degraded=True))


def test_speaker_that_code_and_model_dispute_is_shown_with_both() -> None:
    other = Speaker(name="Ben Ito", start=9, end=16)
    made = summary(key_quotes=[quote("Old.", attribution="conflict", other_speaker=other)])
    assert "— Ada Lund (the model says: Ben Ito)" in as_text(made)


def test_author_of_a_message_overrules_who_was_found() -> None:
    (message,) = show_summary(BASE, Heading("Thread"), lambda _: "ben.ito", [])
    assert "— ben.ito" in render(message.blocks)


def test_article_cannot_mention_link_or_format() -> None:
    hostile = summary(
        summary=HOSTILE,
        sentences=[sentence(HOSTILE)],
        key_quotes=[quote(HOSTILE, speaker=Speaker(name="<!here>", start=0, end=1))],
        warnings=[Notice(code="a", message=HOSTILE)],
    )
    (message,) = shown(hostile, title=HOSTILE)

    assert render(message.blocks).count(HOSTILE) == 4  # word for word, as text that nothing reads as markup
    assert not PING.search(message.text)
    assert not any(b["type"] == "section" for b in message.blocks)


@pytest.mark.parametrize(
    "text", ["مرحبا بالعالم. " * 400, "👩‍👩‍👧‍👦" * 900, "x" * 9_000, "長い文章です。" * 1_200]
)
def test_long_summary_is_parted_and_loses_nothing(text: str) -> None:
    seen = as_text(summary(summary=text, key_quotes=[]))
    assert "".join(text.split()) in "".join(seen.split())


def test_quotes_are_never_parted() -> None:
    quotes = [quote(f"{n} " + "“a<b> & so on” 😀 " * 110) for n in range(20)]
    messages = shown(summary(key_quotes=quotes))

    assert len(messages) > 2
    parts = [
        e["text"] for m in messages for b in m.blocks for q in b["elements"] for e in q.get("elements", ())
    ]
    assert [p for p in parts if p in {q.text for q in quotes}] == [q.text for q in quotes]


def test_many_sentences_stay_within_slacks_number_of_blocks() -> None:
    many = summary(style="bullets", sentences=[sentence(f"Sentence {n}.") for n in range(200)])
    assert len(shown(many)) == 5


def test_buttons_offer_what_is_not_shown_already() -> None:
    rows = buttons(Order(Link(URL)), "sealed", BASE, ("en", "de", "pt-BR"))
    text = as_text(BASE, rows=rows)
    assert text.endswith(
        "[In style: standfirst] [In style: bullets] [Show evidence]\n[In German] [In Portuguese (Brazil)]"
    )


def test_embargoed_summary_has_no_evidence_since_nothing_is_kept() -> None:
    rows = buttons(Order(Link(URL), kept=False), "sealed", BASE, ())
    assert "evidence" not in render(rows)
    assert buttons(Order(Link(URL), kept=False), None, BASE, ("de",)) == []


def test_degraded_summary_has_no_evidence_since_it_is_not_kept() -> None:
    assert "evidence" not in render(buttons(Order(Link(URL)), "sealed", summary(degraded=True), ()))


def test_evidence_is_the_passages_under_their_sentence() -> None:
    article = "Before. The mill burned down. After."
    made = summary(
        sentences=[
            sentence("It burned.", support="supported", evidence=[Span(start=8, end=29)]),
            sentence("Then."),
        ]
    )
    view = modal(show_evidence(made, article))
    assert check_view(view) is None
    assert render(view["blocks"]).splitlines() == [
        "It burned.",
        "> The mill burned down.",
        "- in the article word for word -",
        "Then.",
        "- names and figures found; wording not judged -",
    ]


def test_evidence_of_an_endless_summary_fits_a_window() -> None:
    article = "w" * 5_000
    spans = [Span(start=0, end=5_000)] * 5
    view = modal(show_evidence(summary(sentences=[sentence("s" * 9_000, evidence=spans)] * 90), article))
    assert check_view(view) is None


def test_sentence_of_our_own_is_no_markup() -> None:
    message = show_text(HOSTILE)
    assert render(message.blocks) == HOSTILE
    assert not PING.search(message.text)


def test_block_that_is_too_long_stands_alone() -> None:
    block = {"type": "x", "text": "y" * 20_000}
    assert pack([{"type": "a"}, block, {"type": "b"}]) == [[{"type": "a"}], [block], [{"type": "b"}]]
