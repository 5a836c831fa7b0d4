from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.partial import PartialAnswer
from service.run import DraftedSentence, Event, Restart

DRAFT = {
    "sentences": [
        {"text": 'The "Marsh" {bridge} closes.', "passages": ["p1", "p2"]},
        {"text": "Nobody was asked\\.", "passages": []},
    ],
    "quotes": [{"id": "q1", "speaker": "Ines Roth"}],
}


def told(pieces: Iterable[str]) -> list[Event]:
    events: list[Event] = []
    answer = PartialAnswer(events.append)
    answer.begin()
    for piece in pieces:
        answer.add(piece)
    return events


def texts(pieces: Iterable[str]) -> list[str]:
    return [event.text for event in told(pieces) if isinstance(event, DraftedSentence)]


def test_sentence_is_told_as_soon_as_it_is_whole() -> None:
    events: list[Event] = []
    answer = PartialAnswer(events.append)
    answer.begin()
    answer.add('{"sentences": [{"text": "One.", "passages": ["p1"]')
    assert events == []
    answer.add("}")
    assert events == [DraftedSentence(0, "One.")]
    answer.add(', {"text": "Two."}, {"text": "Thr')
    assert events == [DraftedSentence(0, "One."), DraftedSentence(1, "Two.")]


@given(st.lists(st.integers(0, 300), max_size=20), st.booleans())
def test_sentences_do_not_depend_on_where_the_answer_is_cut(cuts: list[int], indented: bool) -> None:
    text = msgspec.json.encode(DRAFT).decode()
    if indented:
        text = msgspec.json.format(text, indent=2)
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(ends)]
    assert texts(pieces) == ['The "Marsh" {bridge} closes.', "Nobody was asked\\."]


def test_fenced_json_is_read() -> None:
    assert texts(['```json\n{"sentences": [{"text": "One."}]}\n```']) == ["One."]


def test_quotes_are_no_sentences() -> None:
    assert texts(['{"sentences": [{"text": "One."}], "quotes": [{"text": "Two."}]}']) == ["One."]


def test_prose_is_told_but_for_its_last_sentence() -> None:
    prose = "The Marsh Lane bridge closes on Friday. The council voted 7-2. It will take nine months."
    assert texts(prose) == ["The Marsh Lane bridge closes on Friday.", "The council voted 7-2."]


@pytest.mark.parametrize(
    "text", ["", "   ", "]]}}", '{"a": [[[[', '"' * 50, "{" * 5_000, "null", '{"sentences": [{"text": 5}]}']
)
def test_what_is_no_answer_tells_nothing(text: str) -> None:
    assert told(text) == []


def test_answer_that_is_begun_anew_voids_what_was_told() -> None:
    events: list[Event] = []
    answer = PartialAnswer(events.append)
    answer.begin()
    answer.begin()
    answer.add('{"sentences": [{"text": "One."}, {"text": "Tw')
    answer.begin()
    answer.add('{"sentences": [{"text": "Other."}]}')
    assert events == [DraftedSentence(0, "One."), Restart(), DraftedSentence(0, "Other.")]


def test_model_that_writes_without_end_is_told_of_for_a_while_only() -> None:
    assert len(texts(['{"sentences": [', *['{"text": "Again and again."},'] * 1_000])) == 200
