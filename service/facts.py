"""The facts of a sentence that can be looked up: numbers, dates and names."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

from service.dates import DateMention, find_dates
from service.entities import Name, find_names
from service.models import FindingKind
from service.numbers import Number, find_numbers
from service.vocabulary import DATE, NAME, NUMBER, roles_of, vocabulary_of
from service.words import stem, tokenize

Fact: TypeAlias = Number | DateMention | Name

_HYPHENS = ("-", "‐", "‑")


class FactSheet:
    """The tokens of a sentence and its facts in order; names and stems are read when they are asked for."""

    def __init__(self, text: str, language: str) -> None:
        vocabulary = vocabulary_of(language)
        self._text = text
        self._german = vocabulary.language == "de"
        self.tokens = tokenize(text)
        roles = [roles_of(form, language) for form in self.tokens.forms]
        self._roles = [(i, role) for i, role in enumerate(roles) if role]
        self._taken = [False] * len(roles)
        self.dates = find_dates(text, self.tokens, vocabulary, self._candidates(DATE))
        _mark(self._taken, self.dates)
        self.numbers = find_numbers(text, self.tokens, vocabulary, self._candidates(NUMBER), self._taken)
        _mark(self._taken, self.numbers)

    def _candidates(self, wanted: int) -> list[int]:
        return [i for i, role in self._roles if role & wanted]

    def is_hyphened(self, fact: Fact) -> bool:
        """Whether a hyphen joins a fact to the word behind it: "Canadian-born"."""
        return self._text[fact.end : fact.end + 1] in _HYPHENS

    @cached_property
    def names(self) -> list[Name]:
        """The names, which no number or date is a part of."""
        candidates = self._candidates(NAME)
        return find_names(self._text, self.tokens, candidates, self._taken, german=self._german)

    @cached_property
    def stems(self) -> list[str]:
        """The stem of every token."""
        return [stem(form) for form in self.tokens.forms]

    @property
    def facts(self) -> list[Fact]:
        """All facts in the order in which they stand."""
        return sorted([*self.dates, *self.numbers, *self.names], key=lambda fact: fact.first)


def read_facts(text: str, language: str = "en") -> FactSheet:
    """The facts of `text`; offsets are within it."""
    return FactSheet(text, language)


def _mark(taken: list[bool], facts: list[DateMention] | list[Number]) -> None:
    for fact in facts:
        taken[fact.first : fact.last] = [True] * (fact.last - fact.first)


def kind_of(fact: Fact) -> FindingKind:
    """What a finding calls the fact."""
    if isinstance(fact, Number):
        return "number"
    return "date" if isinstance(fact, DateMention) else "name"
