"""Where an article has a number, a date or a name, in whatever form."""

from __future__ import annotations

from collections.abc import Sequence

from service.dates import DateMention
from service.evidence import SentenceIndex
from service.facts import Fact, FactSheet, read_facts
from service.lookup.figures import FigureIndex
from service.lookup.located import UNCHECKED, Located
from service.lookup.names import NameIndex, primary
from service.lookup.ties import Ties
from service.numbers import Number

_LONGEST = 20_000  # characters of a sentence that are read; a longer one is a table, or an attack

__all__ = ["FactIndex", "Located"]


class _Sheets:
    """The facts of each sentence, read once."""

    def __init__(self, texts: Sequence[str], language: str) -> None:
        self._texts = texts
        self._language = language
        self._read: dict[int, FactSheet] = {}

    def sheet(self, i: int) -> FactSheet:
        found = self._read.get(i)
        if found is None:
            found = self._read[i] = read_facts(self._texts[i][:_LONGEST], self._language)
        return found


class FactIndex:
    """The facts of an article by sentence, read as far as somebody asks for them.

    `sheet(i)` has those of sentence `i`.
    """

    def __init__(self, texts: Sequence[str], words: SentenceIndex, language: str) -> None:
        # No part refers back to the whole: an article's facts go when the last who asked does, at once.
        self.sheet = _Sheets(texts, language).sheet
        self._language = language
        self._is_cut = any(len(text) > _LONGEST for text in texts)
        self._figures = FigureIndex(words, self.sheet, language)
        self._names = NameIndex(words, self.sheet, language)
        self._ties = Ties(words, self.sheet, self._names.find)
        self.can_read = self._names.can_read

    def locate(self, fact: Fact, sheet: FactSheet, language: str) -> Located | None:
        """Where the article has `fact`, a fact of `sheet` in `language`; None if it is no fact after all."""
        found = self._locate(fact, sheet, language)
        if self._is_cut and found is not None and found.reason == "not_in_article":
            return UNCHECKED  # it may stand where nobody read
        if found is None or found.reason or found.alike or primary(language) != primary(self._language):
            return found
        return found._replace(reason=self._ties.broken(fact, sheet, found.where))

    def _locate(self, fact: Fact, sheet: FactSheet, language: str) -> Located | None:
        if isinstance(fact, Number):
            return None if fact.weak else self._figures.locate_number(fact)
        if isinstance(fact, DateMention):
            return self._figures.locate_date(fact)
        return self._names.locate(fact, sheet, language)
