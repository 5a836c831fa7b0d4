"""What code finds in an article before any model is asked: passages, quotations, speakers, language."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from service.extractive import rank_passages
from service.intrusions import find_instructions, words_of
from service.languages import detect_language
from service.marking import Candidate
from service.models import FoundQuote, FoundQuotes, Speaker
from service.names import NameIndex
from service.passages import Passage, find_paragraphs, find_sentences
from service.quotes import Quotation, find_quotations
from service.speakers import attribute

_Span = TypeVar("_Span", Passage, Quotation)

_QUOTABLE_ROLES = frozenset({"speech", "fragment"})
_FEWEST_WORDS = 4
_FEWEST_LETTERS = 12  # for scripts that put no spaces between words
_MOST_CHARACTERS = 2_000  # a quotation of more is a chapter, or a mark that was never meant to open
_MOST_PASSAGES = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """An article as code reads it; `speakers` maps the start of a quotation to who said it.

    `sentences` are those that tell the news: what stands in `instructions` is meant for a model, and
    `instructed` has the words of these. `narration` is what code may show as the article's own words:
    sentences with their quotations whole or, in an article of nothing else, quotations with their marks.
    `candidates`, in order, may be shown as key quotes.
    """

    text: str
    language: str
    paragraphs: Sequence[Passage]
    sentences: Sequence[Passage]
    quotations: Sequence[Quotation]
    speakers: Mapping[int, Speaker]
    names: NameIndex
    instructions: Sequence[Passage]
    instructed: Sequence[frozenset[str]]
    narration: Sequence[Passage]
    candidates: Sequence[Candidate]


def read(text: str) -> Reading:
    """Read an article. Takes time in proportion to its length; call it in a thread for long ones."""
    paragraphs = find_paragraphs(text)
    quotations = find_quotations(text, paragraphs)
    instructions = find_instructions(text, paragraphs)
    names = NameIndex(text)
    speakers = attribute(text, quotations, paragraphs, names)
    sentences = _outside(instructions, find_sentences(text, paragraphs))
    uttered = _outside(instructions, quotations)
    narration = _narrated(sentences, uttered)
    return Reading(
        text=text,
        language=detect_language(text),
        paragraphs=paragraphs,
        sentences=sentences,
        instructions=instructions,
        instructed=words_of(text, instructions),
        quotations=quotations,
        names=names,
        narration=narration,
        candidates=_quotable(text, uttered) or _telling(text, narration, paragraphs),
        speakers={q.start: s for q, s in zip(quotations, speakers, strict=True) if s is not None},
    )


def _quotable(text: str, quotations: Sequence[Quotation]) -> list[Candidate]:
    """Quotations that say something and can be shown."""
    return [
        Candidate(text[q.start : q.end], q.start, q.end, q.outer_start, "quotation")
        for q in quotations
        if q.role in _QUOTABLE_ROLES and q.depth == 0 and _says_enough(text[q.start : q.end])
    ]


def _telling(text: str, sentences: Sequence[Passage], paragraphs: Sequence[Passage]) -> list[Candidate]:
    """What stands in for quotations in an article without any: the sentences that say most of it."""
    told = rank_passages(text, sentences=sentences, paragraphs=paragraphs, limit=_MOST_PASSAGES)
    return [Candidate(text[s.start : s.end], s.start, s.end, s.start, "passage") for s in sorted(told)]


def _narrated(sentences: Sequence[Passage], quotations: Sequence[Quotation]) -> Sequence[Passage]:
    """The sentences that no edge of a quotation parts from their speaker; else the quotations."""
    outer = [Passage(q.outer_start, q.outer_end) for q in quotations if q.depth == 0]
    starts = [q.start for q in outer]

    def cuts(place: int) -> bool:
        before = bisect_left(starts, place) - 1
        return before >= 0 and place < outer[before].end

    return [s for s in sentences if not cuts(s.start) and not cuts(s.end)] or outer


def _outside(instructions: Sequence[Passage], spans: Sequence[_Span]) -> Sequence[_Span]:
    """Those of `spans` that share nothing with `instructions`, which are in order and apart."""
    ends = [i.end for i in instructions]
    after = ((s, bisect_right(ends, s.start)) for s in spans)
    return [s for s, n in after if n == len(ends) or s.end <= instructions[n].start]


def find_quotes(text: str) -> FoundQuotes:
    """All quotations of an article with their speakers."""
    reading = read(text)
    return FoundQuotes(
        quotes=[
            FoundQuote(
                text=text[q.start : q.end],
                start=q.start,
                end=q.end,
                role=q.role,
                speaker=reading.speakers.get(q.start),
            )
            for q in reading.quotations
        ],
        language=reading.language,
        article_digest=digest_of(text),
    )


def digest_of(text: str) -> str:
    """The digest by which results name an article: `sha256:` and the hex digest of its UTF-8."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _says_enough(words: str) -> bool:
    if len(words) > _MOST_CHARACTERS:
        return False
    return len(words.split()) >= _FEWEST_WORDS or (
        " " not in words and sum(map(str.isalpha, words)) >= _FEWEST_LETTERS
    )
