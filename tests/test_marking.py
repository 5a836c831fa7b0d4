"""Ids in what a model reads, and what they stand for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.marking import Marked, mark
from service.passages import Passage
from service.reading import read

FIRST = "The council of Norvik voted on Tuesday to close the old bridge over the river at once."
SECOND = (
    "“We cannot ask people to drive over rust,” said Mayor Ines Roth after the long vote in the town hall."
)
ARTICLE = f"{FIRST}\n\n{SECOND}"


def marked(text: str, start: int = 0, end: int | None = None) -> Marked:
    reading = read(text)
    within = Passage(start, len(text) if end is None else end)
    return mark(text, within, reading.paragraphs, reading.candidates)


def test_paragraphs_and_quotations_have_ids_before_them() -> None:
    assert marked(ARTICLE).text == f"[p1] {FIRST}\n\n[p2] [q1] {SECOND}"


def test_plain_text_has_no_marks() -> None:
    assert marked(ARTICLE).plain == ARTICLE


def test_ids_lead_back_to_the_article() -> None:
    found = marked(ARTICLE)

    (passage,) = found.passages_of("p2")
    candidate = found.candidate("q1")
    assert ARTICLE[passage.start : passage.end] == SECOND
    assert candidate
    assert candidate.text == ARTICLE[candidate.start : candidate.end]


def test_short_paragraphs_share_an_id() -> None:
    assert marked(f"NORVIK\n\n{SECOND}").text == f"[p1] NORVIK\n\n[q1] {SECOND}"


def test_stretch_is_marked_alike_wherever_it_stands() -> None:
    start = ARTICLE.index(SECOND)

    assert marked(ARTICLE, start).text == marked(f"{FIRST}\n\n{ARTICLE}", start + len(FIRST) + 2).text
    assert marked(ARTICLE, start).text == f"[p1] [q1] {SECOND}"


def test_paragraph_is_clipped_to_the_stretch() -> None:
    (passage,) = marked(ARTICLE, 4, 20).passages_of("p1")

    assert passage == Passage(4, 20)


def test_quotation_that_the_stretch_cuts_is_no_candidate() -> None:
    assert marked(ARTICLE, 0, len(FIRST) + 20).candidates == ()


def test_invisible_characters_are_not_shown_to_the_model() -> None:
    found = marked(ARTICLE.replace("river", "ri\u200bver"))

    assert found.text == marked(ARTICLE).text
    assert found.plain == ARTICLE


@pytest.mark.parametrize("name", ["p1", "[p1]", "P1", "p 1", "1", "p01"])
def test_ids_are_understood_as_models_write_them(name: str) -> None:
    assert marked(ARTICLE).passages_of(name) == (Passage(0, len(FIRST)),)


@pytest.mark.parametrize("name", ["", "p0", "p3", "q1", "px", "p1 p2", "p" + "9" * 50])
def test_other_names_stand_for_no_passage(name: str) -> None:
    assert marked(ARTICLE).passages_of(name) == ()


@given(st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("“” .\nab"))))
def test_any_text_keeps_its_letters(text: str) -> None:
    found = marked(text)

    assert (
        re.sub(r"\[[pq]\d+\] ?", "", found.text).split() == re.sub(r"\[[pq]\d+\] ?", "", found.plain).split()
    )
    assert all(found.candidate(f"q{n}") is c for n, c in enumerate(found.candidates, 1))


@given(st.text(st.sampled_from("“”ab .\n"), min_size=1), st.integers(0), st.integers(0))
def test_what_is_named_in_a_stretch_lies_in_it(text: str, start: int, end: int) -> None:
    start %= len(text)
    end = start + 1 + end % (len(text) - start)
    found = marked(text, start, end)

    named = [p for passages in found.passages for p in passages]
    assert all(start <= p.start < p.end <= end for p in named)
    assert all(start <= c.mark_at <= c.start < c.end <= end for c in found.candidates)
