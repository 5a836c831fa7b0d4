"""Dates in running text: whole or partial, in words or figures, weekdays, times of day and relative days."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from service.vocabulary import PERIODS, Vocabulary
from service.words import Tokens, words_of

_NUMERIC = re.compile(r"\d{1,4}")
_YEAR_SPAN = range(1100, 2200)
_SPACES = frozenset([" ", "\u00a0", "\u202f"])
_AMBIGUOUS_MONTHS = words_of(
    """
    may march mar dec mai mars jan sept sep
    """
)
_AMBIGUOUS_WEEKDAYS = frozenset(["sun", "sat", "mon", "wed", "fri", "tue"])
_MONTH_PREPOSITIONS = words_of(
    """
    in of on since until till by last this next early late mid from between before after during through
    every past im am seit bis en de le du depuis
    """
)


class Date(NamedTuple):
    """What a date says; None where it is silent.

    `weekday` is 0 for Monday. `time` is minutes after midnight. `relative` is a word such as `-1 week`.
    `span` is `decade` where `year` stands for the ten years from it.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    time: int | None = None
    relative: str | None = None
    span: str | None = None


class DateMention(NamedTuple):
    """A date at `text[start:end]`, tokens `first` to `last`, half-open; `other` is its second reading."""

    start: int
    end: int
    first: int
    last: int
    date: Date
    other: Date | None = None


class _Reader:
    """Reads dates from the tokens of one text."""

    def __init__(self, text: str, tokens: Tokens, vocabulary: Vocabulary) -> None:
        self.text = text
        self.tokens = tokens
        self.count = len(tokens.forms)
        self.vocabulary = vocabulary

    def gap(self, i: int) -> str:
        return self.text[self.tokens.ends[i - 1] : self.tokens.starts[i]] if 0 < i < self.count else "\n"

    def folded(self, i: int) -> str:
        return self.tokens.folded[i] if 0 <= i < self.count else ""

    def number(self, i: int, low: int, high: int) -> int | None:
        """Token `i` as a whole number from `low` to `high`."""
        if not 0 <= i < self.count:
            return None
        form = self.tokens.forms[i]
        if len(form) > 4 or not form.isdecimal():
            return None
        value = int(form)
        return value if low <= value <= high else None

    def read(self, i: int) -> tuple[int, Date, Date | None] | None:
        """The date that begins at token `i`: index after it, the date, another reading."""
        word = self.tokens.folded[i]
        if self.tokens.forms[i][0].isdecimal():
            return self._cjk(i) or self._figures(i) or self._clock(i) or self._day_month(i) or self._year(i)
        if self._is_month(i):
            return self._month_first(i)
        if self._is_weekday(i):
            return i + 1, Date(weekday=self.vocabulary.weekdays[word]), None
        return self._relative(i)

    def _is_month(self, i: int) -> bool:
        word = self.folded(i)
        if word not in self.vocabulary.months:
            return False
        form = self.tokens.forms[i]
        if self.vocabulary.language in ("en", "de") and not form[0].isupper():
            return False
        if word not in _AMBIGUOUS_MONTHS or self.vocabulary.language not in ("en", "fr"):
            return True
        beside = self.number(i + 1, 1, 2199) is not None or self._day(i - 1) is not None
        return (
            beside
            or self.folded(i - 1) in _MONTH_PREPOSITIONS
            or self.folded(i - 1) in self.vocabulary.range_words
        )

    def _is_weekday(self, i: int) -> bool:
        word, form = self.folded(i), self.tokens.forms[i]
        if word not in self.vocabulary.weekdays:
            return False
        if self.vocabulary.language in ("en", "de") and not form[0].isupper():
            return False
        return word not in _AMBIGUOUS_WEEKDAYS or self.gap(i + 1)[:1] in (".", ",")

    def _day(self, i: int) -> int | None:
        """Token `i` as a day of the month: 27, or the 27 of 27th."""
        return self.number(i, 1, 31)

    def _skip_ordinal(self, i: int) -> int:
        return i + 1 if self.gap(i) == "" and self.folded(i) in ("st", "nd", "rd", "th", "er") else i

    def _year_after(self, j: int) -> tuple[int | None, int]:
        if self.gap(j).strip(" ,.\u00a0\n") == "" and self.gap(j) != "\n":
            k = j + 1 if self.folded(j) in ("of", "de", "del") else j
            year = self.number(k, _YEAR_SPAN.start, _YEAR_SPAN.stop - 1)
            if year is not None:
                return year, k + 1
        return None, j

    def _month_first(self, i: int) -> tuple[int, Date, Date | None]:
        month = self.vocabulary.months[self.folded(i)]
        near = self.gap(i + 1) in (" ", ". ", "\u00a0", ".\u00a0", ".")
        j = i + 2 if near and self.folded(i + 1) == "the" else i + 1
        day = self._day(j) if near else None
        j = self._skip_ordinal(j + 1) if day is not None else i + 1
        year, j = self._year_after(j)
        return j, Date(year, month, day), None

    def _day_month(self, i: int) -> tuple[int, Date, Date | None] | None:
        """27 October, 27. Oktober, 27 de octubre, 27th of October."""
        day = self._day(i)
        if day is None:
            return None
        j = self._skip_ordinal(i + 1)
        if self.folded(j) in ("of", "de"):
            j += 1
        if j >= self.count or self.gap(j) not in (" ", ". ", "\u00a0", ".\u00a0", "-"):
            return None
        if self.folded(j) not in self.vocabulary.months or not self._is_month(j):
            return None
        year, end = self._year_after(j + 1)
        return end, Date(year, self.vocabulary.months[self.folded(j)], day), None

    def _figures(self, i: int) -> tuple[int, Date, Date | None] | None:
        """10/27/2023, 27.10.2023, 2023-10-27, 10/27."""
        form = self.tokens.forms[i]
        if "." in form and len(form) <= 10:
            parts, j = _NUMERIC.findall(form), i + 1
            if len(parts) != 3 or form.count(".") != 2:
                return None
        elif self.gap(i + 1) in ("/", "-") and self.tokens.forms[i + 1].isdecimal() and form.isdecimal():
            mark, j = self.gap(i + 1), i + 1
            while j < self.count and self.gap(j) == mark and self.tokens.forms[j].isdecimal() and j < i + 4:
                j += 1
            parts = self.tokens.forms[i:j]
            if len(parts) not in (2, 3) or (mark == "-" and len(parts) == 2):
                return None
        else:
            return None
        if any(len(p) > 4 for p in parts):
            return None
        return _date_of([int(p) for p in parts], j, american=self.vocabulary.language == "en")

    def _clock(self, i: int) -> tuple[int, Date, Date | None] | None:
        """3 p.m., 3:30 pm, 15:00, 15 Uhr, 15h30."""
        hours, mark, minutes = self.tokens.forms[i].partition(":")
        if mark and not (minutes.isdecimal() and len(minutes) == 2 and int(minutes) < 60):
            return None
        if not hours.isdecimal() or len(hours) > 2 or int(hours) > 24:
            return None
        minute = int(minutes) if mark else 0
        after = self.folded(i + 1) if self.gap(i + 1) in ("", " ", "\u00a0") else ""
        if after in ("am", "pm") and int(hours) <= 12 and not (after == "am" and self._is_verb(i + 1)):
            return i + 2, Date(time=(int(hours) % 12 + 12 * (after == "pm")) * 60 + minute), None
        if after == "uhr" or (after == "h" and self.vocabulary.language in ("fr", "es")):
            return i + 2, Date(time=int(hours) * 60 + minute), None
        return (i + 1, Date(time=int(hours) * 60 + minute), None) if mark else None

    def _is_verb(self, i: int) -> bool:
        return self.tokens.forms[i] == "am" and self.gap(i) != ""

    def _year(self, i: int) -> tuple[int, Date, Date | None] | None:
        year = self.number(i, _YEAR_SPAN.start, _YEAR_SPAN.stop - 1)
        short = (
            self.number(i, 10, 99)
            if self.text[self.tokens.starts[i] - 1 : self.tokens.starts[i]] in "'’‘"
            else None
        )
        decade = self.gap(i + 1) in ("", "'", "’") and self.folded(i + 1) == "s"
        if decade and (year or short) is not None:
            value = year if year is not None else 1900 + (short or 0)
            return i + 2, Date(year=value, span="decade"), None
        if (
            year is None
            or self.gap(i) in ("$", "€", "£")
            or (i and self.tokens.forms[i - 1] in ("$", "€", "£"))
        ):
            return None
        if self.folded(i + 1) in self.vocabulary.units and self.gap(i + 1) in _SPACES | {"-", ""}:
            return None
        if self.folded(i + 1) in self.vocabulary.magnitudes or self.folded(i + 1) == "%":
            return None
        return i + 1, Date(year=year), None

    def _cjk(self, i: int) -> tuple[int, Date, Date | None] | None:
        parts: dict[str, int] = {}
        j = i
        while j + 1 < self.count and self.gap(j + 1) == "" and self.tokens.forms[j].isdecimal():
            mark = self.tokens.forms[j + 1][0]
            if mark not in "年月日" or len(self.tokens.forms[j]) > 4 or mark in parts:
                break
            parts[mark] = int(self.tokens.forms[j])
            j += 2
            if len(self.tokens.forms[j - 1]) > 1 or (j < self.count and self.gap(j) != ""):
                break
        if not parts or (list(parts) == ["年"] and parts["年"] not in _YEAR_SPAN):
            return None
        return j, Date(parts.get("年"), parts.get("月"), parts.get("日")), None

    def _relative(self, i: int) -> tuple[int, Date, Date | None] | None:
        vocabulary, word = self.vocabulary, self.folded(i)
        if word == "morgen" and i and self.tokens.forms[i][0].isupper():
            return None  # am Morgen: in the morning
        if word in vocabulary.relative_days:
            return i + 1, Date(relative=f"{vocabulary.relative_days[word]} day"), None
        direction = vocabulary.directions.get(word)
        if direction is None or self.gap(i + 1) != " ":
            return None
        follower = self.folded(i + 1)
        unit = follower if follower in vocabulary.seasons else vocabulary.units.get(follower)
        if unit is None or not (unit in PERIODS or unit in vocabulary.seasons) or follower.endswith("s"):
            return None
        return i + 2, Date(relative=f"{direction:g} {unit}"), None


def _date_of(parts: list[int], last: int, *, american: bool) -> tuple[int, Date, Date | None] | None:
    if len(parts) == 3 and parts[0] in _YEAR_SPAN:
        year, month, day = parts
        return (last, Date(year, month, day), None) if 1 <= month <= 12 and 1 <= day <= 31 else None
    year_part = parts[2] if len(parts) == 3 else None
    if year_part is not None and year_part < 100:
        year_part += 2000 if year_part < 70 else 1900
    if year_part is not None and year_part not in _YEAR_SPAN:
        return None
    readings = [
        Date(year_part, month, day)
        for month, day in ((parts[0], parts[1]), (parts[1], parts[0]))
        if 1 <= month <= 12 and 1 <= day <= 31
    ]
    if not readings:
        return None
    if not american:
        readings.reverse()
    return last, readings[0], readings[1] if len(readings) > 1 else None


def find_dates(
    text: str, tokens: Tokens, vocabulary: Vocabulary, candidates: Sequence[int]
) -> list[DateMention]:
    """The dates that begin at one of `candidates`, in order."""
    reader = _Reader(text, tokens, vocabulary)
    found: list[DateMention] = []
    past = 0
    for i in candidates:
        if i >= past and (read := reader.read(i)):
            past, date, other = read
            found.append(DateMention(tokens.starts[i], tokens.ends[past - 1], i, past, date, other))
    return found


def agrees(claim: Date, date: Date) -> bool:
    """Whether `date` says what `claim` says; a year that `date` leaves open does not count against it."""
    if claim.span != date.span and claim.span is not None:
        return False
    pairs = zip(claim[1:6], date[1:6], strict=True)
    if any(mine is not None and mine != theirs for mine, theirs in pairs):
        return False
    if claim.year is None or claim.year == date.year:
        return True
    return date.year is None and claim.month is not None
