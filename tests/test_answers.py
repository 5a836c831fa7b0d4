"""What models answer, read: strictly where it keeps to the schema, tolerantly where it does not."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.answers import read_answer
from service.errors import LLMOutputError

ONE = "The bridge was closed on Monday."
TWO = "It opens again in May."


def sentences(text: str) -> list[str]:
    return [s.text for s in read_answer(text).answer.sentences]


def test_answer_of_the_schema_is_read_exactly() -> None:
    draft = {"sentences": [{"text": ONE, "passages": ["p1"]}], "quotes": [{"id": "q2", "speaker": None}]}
    answer, reading = read_answer(json.dumps(draft))
    assert reading == "exact"
    assert answer.sentences[0].passages == ["p1"]
    assert (answer.quotes[0].id, answer.quotes[0].speaker) == ("q2", None)


@pytest.mark.parametrize(
    "text",
    [
        f'```json\n{{"sentences": [{{"text": "{ONE}"}}]}}\n```',
        f'Sure: {{"sentences": [{{"text": "{ONE}", "passages": ["p1"],}}]}}',
        f'{{"sentences": [{{"text": "{ONE}"',
        f'{{"summary": "{ONE}"}}',
        f'{{"summary": {{"sentences": ["{ONE}"]}}}}',
        f'{{"bullets": ["- {ONE}"]}}',
        f'["{ONE}"]',
        f'[{{"sentence": "{ONE}"}}]',
        f'[{{"sentences": [{{"text": "{ONE}"}}]}}]',
        ONE,
        f"Here is the summary:\n\n{ONE}",
        f"1. {ONE}",
        f"* {ONE}",
    ],
)
def test_sentence_is_found_in_whatever_it_comes(text: str) -> None:
    assert sentences(text) == [ONE]


def test_prose_is_split_into_its_sentences() -> None:
    assert sentences(f"{ONE} {TWO}") == [ONE, TWO]


@pytest.mark.parametrize(
    ("quotes", "ids"),
    [
        ('["q1", 2]', ["q1", "2"]),
        ('[{"quote": "We stay."}]', ["We stay."]),
        ("[true, null, {}]", []),
        ('"q3"', ["q3"]),
    ],
)
def test_quotes_are_found_in_other_shapes(quotes: str, ids: list[str]) -> None:
    answer = read_answer(f'{{"summary": "{ONE}", "quotes": {quotes}}}').answer
    assert [q.id for q in answer.quotes] == ids


@pytest.mark.parametrize(
    "text", ["", " ", "{}", "[]", "null", "42", '{"sentences": []}', '{"sentences": [{"text": " "}]}']
)
def test_answer_without_a_sentence_is_an_error(text: str) -> None:
    with pytest.raises(LLMOutputError):
        read_answer(text)


@given(st.text(max_size=200))
def test_any_answer_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(LLMOutputError):
        assert read_answer(text).answer.sentences
