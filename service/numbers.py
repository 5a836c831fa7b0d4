"""Numbers in running text: digits or words, with magnitude, unit, currency and percent."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from service.vocabulary import CJK_MAGNITUDES, CJK_UNITS, SYMBOLS, Vocabulary
from service.words import Tokens

_SPACES = frozenset([" ", "\u00a0", "\u202f", "\u2009"])
_JOINTS = _SPACES | {"-", "‑", "‐", "–", ""}
_OF = frozenset(["of", "de", "d'"])
_ORDINAL_ENDINGS = frozenset(["st", "nd", "rd", "th", "er", "e", "eme", "re"])
_LONGEST_EXACT = 15  # digits that a float holds exactly
_DOLLARS = frozenset(["us", "canadian", "australian"])
_CODES = {
    "usd": "dollar",
    "eur": "euro",
    "gbp": "pound",
    "jpy": "yen",
    "us": "dollar",
    "chf": "franc",
    "rs": "rupee",
}


class Number(NamedTuple):
    """A number of `text[start:end]`; `value` is a string where a float could not hold the digits.

    `unit` is an id such as `%`, `dollar`, `hour` or `ordinal`, or None; `noun` is the folded word that
    follows; `first` and `last` are the half-open range of its tokens; `weak` marks "an hour": it confirms,
    never accuses. `hedge` says how it rounds: 0 is "about", 1 "more than", -1 "nearly"; None is exact.
    """

    start: int
    end: int
    first: int
    last: int
    value: float | str
    unit: str | None
    noun: str | None
    weak: bool
    hedge: float | None


class _Reader:
    """Reads numbers from the tokens of one text."""

    def __init__(self, text: str, tokens: Tokens, vocabulary: Vocabulary) -> None:
        self.text = text
        self.tokens = tokens
        self.count = len(tokens.forms)
        self.vocabulary = vocabulary

    def gap(self, i: int) -> str:
        """What stands between token `i - 1` and token `i`."""
        return self.text[self.tokens.ends[i - 1] : self.tokens.starts[i]]

    def folded(self, i: int) -> str:
        return self.tokens.folded[i] if 0 <= i < self.count else ""

    def joined(self, i: int) -> bool:
        return 0 < i < self.count and self.gap(i) in _JOINTS

    def read(self, i: int) -> Number | None:
        """The number that begins at token `i`."""
        read = self._digits(i) if self.tokens.forms[i][0].isdecimal() else self._words(i)
        if read is None:
            return None
        value, j, unit, weak = read
        if unit is None:
            unit, j = self._unit(j)
        if weak and unit is None:
            return None
        if unit == "割" and isinstance(value, float):
            value, unit = value * 10, "%"
        first = i
        if i and (symbol := self._prefix(i)):
            unit, first = symbol, i - 1
        return Number(
            self.tokens.starts[first],
            self.tokens.ends[j - 1],
            first,
            j,
            value,
            unit,
            self._noun(j),
            weak,
            self._hedge(first),
        )

    def _hedge(self, first: int) -> float | None:
        before, last = self.folded(first - 2), self.folded(first - 1)
        pair = self.vocabulary.hedge_pairs.get(f"{before}-{last}")
        return self.vocabulary.hedges.get(last) if pair is None else pair

    def _prefix(self, i: int) -> str | None:
        if self.gap(i) not in ("", " ", "\u00a0"):
            return None
        form, folded = self.tokens.forms[i - 1], self.tokens.folded[i - 1]
        return SYMBOLS.get(form) or (_CODES.get(folded) if form.isupper() else None)

    def _digits(self, i: int) -> tuple[float | str, int, str | None, bool]:
        value = parse_digits(self.tokens.forms[i], decimal_comma=self.vocabulary.decimal_comma)
        j = i + 1
        while (
            j < self.count
            and self.gap(j) in _SPACES
            and (self.gap(j) != " " or self.vocabulary.decimal_comma)
            and len(self.tokens.forms[j]) == 3
            and self.tokens.forms[j].isdecimal()
            and len(self.tokens.forms[j - 1]) <= 3
            and isinstance(value, float)
            and value < 1e15
        ):
            value = value * 1000 + float(self.tokens.forms[j])
            j += 1
        if self.joined(j) and self.tokens.forms[j][0].isnumeric() and len(self.tokens.forms[j]) == 1:
            fraction = unicodedata.numeric(self.tokens.forms[j])
            if fraction < 1 and isinstance(value, float):
                value, j = value + fraction, j + 1
        if j < self.count and self.gap(j) == "" and self.tokens.folded[j] in _ORDINAL_ENDINGS:
            return value, j + 1, "ordinal", False
        if isinstance(value, float) and (ratio := self._ratio(value, j)):
            return *ratio, None, False
        value, j = self._magnitude(value, j)
        return value, j, None, False

    def _magnitude(self, value: float | str, j: int) -> tuple[float | str, int]:
        while isinstance(value, float) and self.joined(j):
            word = self.tokens.folded[j]
            factor = self.vocabulary.magnitudes.get(word)
            if factor is None and self.gap(j) == "":
                factor = self.vocabulary.suffixes.get(word) or CJK_MAGNITUDES.get(word[0])
            if factor is None or value * factor > 1e18:
                break
            value, j = tidy(value * factor), j + 1
        if self._half_follows(j) and isinstance(value, float) and value < 1e3:
            return value + 0.5, j + 3
        return value, j

    def _half_follows(self, j: int) -> bool:
        return self.folded(j) == "and" and self.folded(j + 1) == "a" and self.folded(j + 2) == "half"

    def _and_half(
        self, value: float | str, j: int, unit: str | None, weak: bool
    ) -> tuple[float | str, int, str | None, bool]:
        """Read on in "four and a half", "two and a half million"."""
        if isinstance(value, float) and value < 1e3 and unit is None and self._half_follows(j):
            value, j = self._magnitude(value + 0.5, j + 3)
            return value, j, unit, False
        return value, j, unit, weak

    def _words(self, i: int) -> tuple[float | str, int, str | None, bool] | None:
        vocabulary, word = self.vocabulary, self.tokens.folded[i]
        if word in vocabulary.numbers or word in vocabulary.magnitudes:
            return self._and_half(*self._cardinal(i))
        if word in vocabulary.indefinite:
            return self._indefinite(i)
        if word in vocabulary.vague:
            return f"~{vocabulary.vague[word]:g}", i + 1, None, False
        if word in vocabulary.ordinals:
            return float(vocabulary.ordinals[word]), i + 1, "ordinal", False
        value = unicodedata.numeric(word) if len(word) == 1 and word.isnumeric() else None
        if vocabulary.fractions.get(word) == 2:
            return self._of_a_magnitude(0.5, i + 1)
        return None if value is None else (value, i + 1, None, False)

    def _of_a_magnitude(self, value: float, j: int) -> tuple[float | str, int, str | None, bool]:
        """Read on in "half a million", "a quarter of a billion"."""
        at = j + 1 if self.folded(j) in _OF else j
        if self.folded(at) in self.vocabulary.indefinite:
            factor = self.vocabulary.magnitudes.get(self.folded(at + 1))
            if factor is not None and self.joined(at + 1):
                return tidy(value * factor), at + 2, None, False
        return value, j, None, False

    def _indefinite(self, i: int) -> tuple[float | str, int, str | None, bool] | None:
        follower = self.folded(i + 1)
        if not self.joined(i + 1):
            return None
        if follower in self.vocabulary.fractions:
            return self._of_a_magnitude(tidy(1 / self.vocabulary.fractions[follower]), i + 2)
        if follower == "couple":
            j = i + 3 if self.folded(i + 2) == "of" else i + 2
            value, end = self._magnitude(2.0, j)
            return value, end, None, end == j
        if follower in self.vocabulary.magnitudes:
            value, j = self._magnitude(1.0, i + 1)
            return value, j, None, False
        return 1.0, i + 1, None, True

    def _cardinal(self, i: int) -> tuple[float | str, int, str | None, bool]:
        vocabulary = self.vocabulary
        total, current, j, smallest = 0.0, -1.0, i, 1e18
        while j < self.count and (j == i or self.joined(j)):
            word = self.folded(j)
            if word in vocabulary.connectors and current >= 0 and j + 1 < self.count and self.joined(j + 1):
                follower = vocabulary.numbers.get(self.folded(j + 1))
                if follower is None or not 0 < follower < smallest or smallest == 1:
                    break
                j += 1
                word = self.folded(j)
            if (part := vocabulary.numbers.get(word)) is not None:
                if current == 4 and part == 20 and vocabulary.language == "fr":
                    current, smallest = 80.0, 20.0
                elif current < 0 or part < smallest:
                    current = max(current, 0.0) + part
                    smallest = _room(part, vocabulary.language)
                else:
                    break
            elif (factor := vocabulary.magnitudes.get(word)) is not None:
                if factor == 100:
                    current = (current if current > 0 else 1.0) * 100
                    smallest = 100.0
                else:
                    total, current = total + (current if current > 0 else 1.0) * factor, 0.0
                    smallest = 1e3
            else:
                break
            j += 1
        value = total + max(current, 0.0)
        return self._fraction(i, j, value)

    def _fraction(self, i: int, j: int, value: float) -> tuple[float | str, int, str | None, bool]:
        vocabulary = self.vocabulary
        if self.joined(j) and (part := vocabulary.fractions.get(self.folded(j))) and value < part:
            return self._of_a_magnitude(tidy(value / part), j + 1)
        if ratio := self._ratio(value, j):
            return *ratio, None, False
        weak = value in (0, 1) and j == i + 1  # "below zero", "one of them"
        return value, j, None, weak

    def _ratio(self, value: float, j: int) -> tuple[float, int] | None:
        """Read "one in five": the number before token `j` as a share of the one after it."""
        if self.folded(j) not in self.vocabulary.ratio_words or j + 1 >= self.count or not 0 < value < 10:
            return None
        form = self.tokens.forms[j + 1]
        whole = float(form) if form.isdecimal() and len(form) <= 3 else self.vocabulary.numbers.get(form, 0)
        if whole <= value or self.vocabulary.units.get(self.folded(j + 2)):
            return None
        return tidy(value / whole), j + 2

    def _unit(self, j: int) -> tuple[str | None, int]:
        inside = CJK_UNITS.get(self.tokens.forms[j - 1][1:])  # 万円 is one token
        if inside or not self.joined(j):
            return inside, j
        if self.folded(j) in ("de", "d'") and (unit := self.vocabulary.units.get(self.folded(j + 1))):
            return unit, j + 2  # millions d'euros
        word, form = self.folded(j), self.tokens.forms[j]
        if word in ("per", "pour", "por") and self.folded(j + 1) in ("cent", "ciento"):
            return "%", j + 2
        if word in _DOLLARS and self.vocabulary.units.get(self.folded(j + 1)) == "dollar":
            return "dollar", j + 2
        unit = SYMBOLS.get(form) or self.vocabulary.units.get(word)
        if unit is None and self.gap(j) == "" and form[0] in CJK_UNITS:
            return CJK_UNITS[form[0]], j
        return unit, j + 1 if unit else j

    def _noun(self, j: int) -> str | None:
        return self.tokens.folded[j] if self.joined(j) and self.tokens.forms[j][0].isalpha() else None


def _room(value: float, language: str) -> float:
    """The largest value, exclusive, that may follow `value` within one number."""
    if value >= 100:
        return 100.0
    if value >= 20 and value % 10 == 0:
        return 20.0 if language == "fr" else 10.0
    return 10.0 if value == 10 and language == "fr" else 1.0  # dix-sept


def tidy(value: float) -> float:
    """`value` without the dust of binary arithmetic: 2.3 million is 2300000."""
    return float(f"{value:.12g}")


def parse_digits(form: str, *, decimal_comma: bool) -> float | str:
    """The value of digits with separators; a string where they are no single number or too long for one."""
    if form.isdecimal():
        return float(int(form)) if len(form) <= _LONGEST_EXACT else form
    if len(form) > 2 * _LONGEST_EXACT:
        return form
    form = form.replace("٫", "\0").replace("٬", "").replace("’", "").replace("'", "")
    marks = [c for c in form if not c.isdecimal()]
    if ":" in marks:
        return form
    if marks and "\0" not in marks:
        form = _resolve(form, marks, decimal_comma=decimal_comma)
    form = form.replace("\0", ".")
    return float(form) if form.count(".") <= 1 else form


def _resolve(form: str, marks: list[str], *, decimal_comma: bool) -> str:
    """`form` with its grouping marks taken out and its decimal mark as NUL."""
    if len(set(marks)) == 2 and marks.count(marks[-1]) == 1:
        return form.replace(marks[0], "").replace(marks[-1], "\0")
    groups = form.replace(",", ".").split(".")
    grouped = all(len(group) == 3 for group in groups[1:]) and 1 <= len(groups[0]) <= 3
    if len(set(marks)) == 1 and len(marks) > 1:
        return form.replace(marks[0], "") if grouped else form
    decimal = "," if decimal_comma else "."
    if grouped and marks[0] != decimal and groups[0] != "0":
        return form.replace(marks[0], "")
    return form.replace(marks[0], "\0")


def find_numbers(
    text: str, tokens: Tokens, vocabulary: Vocabulary, candidates: Sequence[int], taken: Sequence[bool]
) -> list[Number]:
    """The numbers that begin at one of `candidates`, in order; tokens marked in `taken` begin none."""
    reader = _Reader(text, tokens, vocabulary)
    found: list[Number] = []
    past = 0
    for i in candidates:
        if i >= past and not taken[i] and (number := reader.read(i)):
            found.append(number)
            past = number.last
    return _share_units(tokens, found, vocabulary)


def _share_units(tokens: Tokens, found: list[Number], vocabulary: Vocabulary) -> list[Number]:
    """Give the first number of "20 to 30 percent" the unit of the second."""
    for k in range(len(found) - 2, -1, -1):
        this, other = found[k], found[k + 1]
        between = tokens.folded[this.last : other.first]
        if this.unit is None and other.unit and all(word in vocabulary.range_words for word in between):
            found[k] = this._replace(unit=other.unit, noun=other.noun)
    return found
