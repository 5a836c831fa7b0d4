from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidArticleError
from service.reading import find_quotes
from service.slack.threads import Turn, converse, is_said, people_in

NAMES = {"U1": "Ada Lund", "U2": "ben.ito", "U3": "Méli ✨"}


def message(text: str, user: str = "U1", **more: Any) -> dict[str, Any]:
    return {"text": text, "user": user, "ts": "1.0", **more}


def test_messages_are_paragraphs_of_their_authors() -> None:
    talk = converse(
        [message("We close on &lt;Tuesday&gt;."), message("Who pays, <@U1>?", "U2")], NAMES.__getitem__
    )
    assert talk.text == "Ada Lund: “We close on <Tuesday>.”\n\nben.ito: “Who pays, @Ada Lund?”"
    assert [talk.text[t.start : t.end] for t in talk.turns] == [
        "We close on <Tuesday>.",
        "Who pays, @Ada Lund?",
    ]


def test_every_message_is_a_quotation_of_its_author() -> None:
    talk = converse(
        [
            message("We close the bridge on Tuesday. It is too old."),
            message("He said “no way” and walked out.", "U2"),
            message("It's 5\" of ice, isn't it?", "U3"),
        ],
        NAMES.__getitem__,
    )
    quotes = find_quotes(talk.text).quotes
    authors = {q.text: talk.author_of(q.start, q.end) for q in quotes}
    assert authors["We close the bridge on Tuesday. It is too old."] == "Ada Lund"
    assert authors["He said “no way” and walked out."] == "ben.ito"
    assert {a for text, a in authors.items() if "ice" in text} == {"Méli ✨"}


def test_words_of_two_messages_have_no_author() -> None:
    talk = converse([message("One."), message("Two.", "U2")], NAMES.__getitem__)
    assert talk.turns[0] == Turn("Ada Lund", 11, 15)
    assert talk.author_of(11, 15) == "Ada Lund"
    assert talk.author_of(11, len(talk.text)) is None
    assert talk.author_of(0, 5) is None


@pytest.mark.parametrize(
    "more",
    [
        {"subtype": "channel_join"},
        {"subtype": "bot_message"},
        {"bot_id": "B1"},
        {"bot_profile": {"id": "B1"}},
        {"text": ""},
    ],
)
def test_bots_joins_and_empty_messages_are_left_out(more: dict[str, Any]) -> None:
    assert not is_said(message("Hello.") | more)


@pytest.mark.parametrize(
    "more", [{}, {"subtype": "thread_broadcast"}, {"subtype": "file_share", "files": []}]
)
def test_what_people_write_is_taken(more: dict[str, Any]) -> None:
    assert is_said(message("Hello.") | more)


def test_thread_without_words_is_no_article() -> None:
    with pytest.raises(InvalidArticleError, match="nobody wrote"):
        converse([message("  ")], NAMES.__getitem__)


def test_authors_and_then_the_mentioned_are_asked_for_once() -> None:
    messages = [message("a <@U3|m>"), message("b <@U1>"), message("c", "U2"), {"text": "d"}]
    assert people_in(messages) == ["U1", "U2", "U3"]


def test_name_cannot_begin_a_paragraph() -> None:
    assert converse([message("Hi there.")], lambda _: "A\n\nB").text == "A B: “Hi there.”"
