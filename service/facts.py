"""The facts of a sentence that can be looked up: numbers, dates and names."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from service.dates import DateMention, find_dates
from service.entities import Name, find_names
from service.vocabulary import vocabulary_of
from service.models import FindingKind
from service.numbers import Number, find_numbers
from service.words import Token, stem, tokenize

Fact: TypeAlias = Number | DateMention | Name


class FactSheet(NamedTuple):
    """The tokens of a sentence, their stems, and its facts in order."""

    tokens: list[Token]
    stems: list[str]
    dates: list[DateMention]
    numbers: list[Number]
    names: list[Name]

    @property
    def facts(self) -> list[Fact]:
        """All facts in the order in which they stand."""
        return sorted([*self.dates, *self.numbers, *self.names], key=lambda fact: fact.first)


def read_facts(text: str, language: str = "en") -> FactSheet:
    """The facts of `text`; offsets are within it."""
    vocabulary = vocabulary_of(language)
    tokens = tokenize(text)
    taken = [False] * len(tokens)
    dates = find_dates(text, tokens, vocabulary)
    _mark(taken, dates)
    numbers = find_numbers(text, tokens, vocabulary, taken)
    _mark(taken, numbers)
    stems = [stem(t.form) for t in tokens]
    return FactSheet(tokens, stems, dates, numbers, find_names(text, tokens, taken))


def _mark(taken: list[bool], facts: list[DateMention] | list[Number]) -> None:
    for fact in facts:
        taken[fact.first : fact.last] = [True] * (fact.last - fact.first)


def kind_of(fact: Fact) -> FindingKind:
    """What a finding calls the fact."""
    if isinstance(fact, Number):
        return "number"
    return "date" if isinstance(fact, DateMention) else "name"
