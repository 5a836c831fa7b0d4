"""Where an article has a number or a date, in whatever form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from service.amounts import MOST_POINTS, conversions, is_near
from service.dates import Date, DateMention, agrees
from service.evidence import SentenceIndex
from service.facts import FactSheet
from service.lookup.located import NOWHERE, Located
from service.numbers import Number, tidy
from service.vocabulary import vocabulary_of
from service.words import fold, stem, words_of

# Points of percent that "a third" may be off, "about a third", and "more than a third" on one side.
_EXACT_POINTS, _NEAR_POINTS = 1.5, 4.0
_MOST_SHARES = 20  # percentages of a sentence that are compared; more is a table
_POINT = stem("points")
# "600 layoffs" are 600 workers, and "five of some 90 planets" are planets.
_UNTELLING = frozenset(
    map(stem, words_of("layoff job cut position death fatality casualty victim arrest injury case vote of"))
)
# "Four years and six months" are four and a half years.
_PARTS = {("year", "month"): 12, ("hour", "minute"): 60, ("week", "day"): 7, ("foot", "inch"): 12}
_CLOCK = frozenset([stem("o'clock"), stem("am"), stem("pm")])


class _Told(NamedTuple):
    """How a sentence has a number: its unit, and the stem of the noun after it."""

    sentence: int
    unit: str | None
    noun: str | None


class FigureIndex:
    """The numbers and dates of an article's sentences, read when they are asked for."""

    def __init__(self, words: SentenceIndex, sheet: Callable[[int], FactSheet], language: str) -> None:
        self._words = words
        self._sheet = sheet
        self._language = language

    @cached_property
    def _figured(self) -> list[int]:
        """The sentences that may have a number or a date."""
        vocabulary = vocabulary_of(self._language)
        return self._with(vocabulary.number_start | vocabulary.date_start - vocabulary.directions.keys())

    def _with(self, wanted: frozenset[str]) -> list[int]:
        """The sentences with a figure or one of the folded words."""
        found: set[int] = set()
        for form, where in self._words.by_form.items():
            if form[0].isnumeric() or fold(form) in wanted:
                found.update(where)
        return sorted(found)

    @cached_property
    def _numbers(self) -> dict[float | str, set[_Told]]:
        found: dict[float | str, set[_Told]] = defaultdict(set)
        for i in self._figured:
            numbers = self._sheet(i).numbers
            for number in numbers:
                found[number.value].add(_Told(i, number.unit, stem(number.noun) if number.noun else None))
            for whole, part in pairwise(numbers):
                if (value := _united(whole, part)) is not None:
                    found[value].add(_Told(i, whole.unit, None))
        return found

    def locate_number(self, fact: Number) -> Located:
        """Where the article has `fact`: this value, with this unit and for the same noun."""
        same = self._numbers.get(fact.value, set())
        fitting = {told for told in same if _fits(fact, told)}
        if fitting:
            where = {told.sentence for told in fitting} | (
                set() if fact.hedge is None else self._rounded(fact)
            )
            return Located(where, "other_noun" if self._counts_another(fact, fitting) else None)
        if other := self._equivalents(fact):
            return Located(other)
        if same:
            return Located({told.sentence for told in same}, "other_unit")
        if fact.value == 1.0 and fact.unit:
            units = {
                i
                for i in range(len(self._words.lengths))
                if any(n.unit == fact.unit for n in self._sheet(i).numbers)
            }
            return Located(units) if units else NOWHERE
        if fact.unit == "hour" and (times := self._at(fact.value)):
            return Located(times)
        years = {i for i, date in self._dates if fact.value in (date.year, date.day)}
        return Located(years) if years else NOWHERE

    def _counts_another(self, fact: Number, same: set[_Told]) -> bool:
        """Whether the article counts something else by this number, and what `fact` counts by another."""
        if fact.unit or fact.noun is None:
            return False
        noun = stem(fact.noun)
        if any(told.noun in (noun, None) or told.noun in _UNTELLING or told.unit for told in same):
            return False
        return any(
            number.noun is not None and stem(number.noun) == noun and number.value != fact.value
            for told in same
            for number in self._sheet(told.sentence).numbers
        )

    def _equivalents(self, fact: Number) -> set[int]:
        """Sentences that say the same number in another way, or the exact one behind a rounded one."""
        value = fact.value
        if isinstance(value, str):
            return self._above(float(value[1:])) if value.startswith("~") else set()
        return self._converted(fact.unit, value) or self._as_share(fact, value) or self._rounded(fact)

    def _as_share(self, fact: Number, value: float) -> set[int]:
        """The sentences that have a share as a percentage, a fraction, one in so many, or a lead."""
        if fact.unit == "%":
            return {told.sentence for told in self._numbers.get(tidy(value / 100), ()) if told.unit is None}
        if fact.unit == "ordinal" and value:
            return {told.sentence for told in self._numbers.get(tidy(1 / value), ())}
        if 0 < value < 1:
            return self._shares(value, fact.hedge)
        is_lead = fact.noun is not None and stem(fact.noun) == _POINT
        return self._leads(value) if is_lead else set()

    def _converted(self, unit: str | None, value: float) -> set[int]:
        """The sentences with the same measure in a larger or a smaller unit: 1.2 km for 1,200 metres."""
        return {
            told.sentence
            for other, there in conversions(unit, value)
            for told in self._numbers.get(there, ())
            if told.unit == other
        }

    def _rounded(self, fact: Number) -> set[int]:
        """The sentences with a number that `fact` rounds: "over 70 percent" for 71.4."""
        value, hedge = fact.value, fact.hedge
        if hedge is None or isinstance(value, str):
            return set()
        return {
            told.sentence
            for other, found in self._numbers.items()
            if isinstance(other, float)
            for told in found
            if is_near(value, hedge, other, told.unit) and _fits(fact, told)
        }

    def _shares(self, part: float, hedge: float | None) -> set[int]:
        """The sentences with the percentage of "a third", "more than half"."""
        low = high = _EXACT_POINTS if hedge is None else _NEAR_POINTS
        if hedge:
            low, high = (MOST_POINTS, 0.0) if hedge < 0 else (0.0, MOST_POINTS)
        return {
            i
            for i, shares in self._percentages.items()
            if any(-low <= s - 100 * part <= high for s in shares)
        }

    def _leads(self, points: float) -> set[int]:
        """The sentences in which one percentage is `points` above another."""
        return {
            i
            for i, shares in self._percentages.items()
            if any(tidy(a - b) == points for a in shares[:_MOST_SHARES] for b in shares[:_MOST_SHARES])
        }

    @cached_property
    def _percentages(self) -> dict[int, list[float]]:
        found: dict[int, list[float]] = defaultdict(list)
        for value, told in self._numbers.items():
            for number in told:
                if number.unit == "%" and isinstance(value, float):
                    found[number.sentence].append(value)
        return found

    def _above(self, least: float) -> set[int]:
        """The sentences with a number that "dozens" or "thousands" may stand for."""
        return {
            told.sentence
            for value, found in self._numbers.items()
            if isinstance(value, float) and 2 * least <= value < 1000 * least
            for told in found
        }

    @cached_property
    def _dates(self) -> set[tuple[int, Date]]:
        return self._dates_of(self._figured)

    @cached_property
    def _relative_dates(self) -> set[tuple[int, Date]]:
        vocabulary = vocabulary_of(self._language)
        return self._dates_of(self._with(frozenset([*vocabulary.directions, *vocabulary.relative_days])))

    def _dates_of(self, sentences: Iterable[int]) -> set[tuple[int, Date]]:
        return {
            (i, date)
            for i in sentences
            for mention in self._sheet(i).dates
            for date in (mention.date, mention.other)
            if date is not None
        }

    def locate_date(self, fact: DateMention) -> Located | None:
        """Where the article has `fact`; None where its language has no words for such a date here."""
        for claim in (fact.date, fact.other):
            if claim is None:
                continue
            dates = self._relative_dates if claim.relative else self._dates
            where = {i for i, date in dates if agrees(claim, date)}
            if claim.year and claim.month and not any(date.year == claim.year for _, date in dates):
                where = set()
            if where := where or self._loosely(claim):
                return Located(where)
        if fact.date.relative and not vocabulary_of(self._language).directions:
            return None
        return NOWHERE

    def _at(self, hour: float | str) -> set[int]:
        """The sentences with that time of day, before noon or after."""
        if isinstance(hour, str):
            return set()
        return {i for i, date in self._dates if date.time is not None and (date.time - hour * 60) % 720 == 0}

    def _loosely(self, claim: Date) -> set[int]:
        """Sentences that say it otherwise: a year of the decade, a time without "p.m.", a bare number."""
        if claim.span == "decade" and claim.year is not None:
            return {
                i for i, date in self._dates if date.year is not None and 0 <= date.year - claim.year < 10
            }
        if claim.time is not None:
            hours = {
                told for h in (claim.time / 60, claim.time / 60 % 12) for told in self._numbers.get(h, ())
            }
            return self._at(claim.time / 60) | {
                t.sentence for t in hours if t.unit == "hour" or t.noun in _CLOCK
            }
        if claim.year is not None and claim.month is None:
            return {told.sentence for told in self._numbers.get(float(claim.year), ())}
        return set()


def _united(whole: Number, part: Number) -> float | None:
    """The value of two numbers that are one: "four years and six months"."""
    parts = _PARTS.get((whole.unit or "", part.unit or ""))
    if parts is None or part.first - whole.last > 1 or isinstance(whole.value, str):
        return None
    return None if isinstance(part.value, str) else tidy(whole.value + part.value / parts)


def _fits(claim: Number, told: _Told) -> bool:
    """Whether a number of the same value can be the one claimed: of its unit, or of none that is said."""
    return claim.unit in (told.unit, None) or (told.unit is None and told.noun is None)
