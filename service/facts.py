"""The facts of a sentence that can be looked up: numbers, dates and names."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from service.dates import DateMention, find_dates
from service.entities import Name, find_names
from service.models import FindingKind
from service.numbers import Number, find_numbers
from service.vocabulary import DATE, NAME, NUMBER, roles_of, vocabulary_of
from service.words import Tokens, stem, tokenize

Fact: TypeAlias = Number | DateMention | Name


class FactSheet(NamedTuple):
    """The tokens of a sentence, their stems, and its facts in order."""

    tokens: Tokens
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
    roles = [roles_of(form, language) for form in tokens.forms]
    taken = [False] * len(roles)
    dates = find_dates(text, tokens, vocabulary, [i for i, role in enumerate(roles) if role & DATE])
    _mark(taken, dates)
    numbers = find_numbers(
        text, tokens, vocabulary, [i for i, role in enumerate(roles) if role & NUMBER], taken
    )
    _mark(taken, numbers)
    names = find_names(text, tokens, [i for i, role in enumerate(roles) if role & NAME], taken)
    return FactSheet(tokens, [stem(form) for form in tokens.forms], dates, numbers, names)


def _mark(taken: list[bool], facts: list[DateMention] | list[Number]) -> None:
    for fact in facts:
        taken[fact.first : fact.last] = [True] * (fact.last - fact.first)


def kind_of(fact: Fact) -> FindingKind:
    """What a finding calls the fact."""
    if isinstance(fact, Number):
        return "number"
    return "date" if isinstance(fact, DateMention) else "name"
