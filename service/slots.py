"""Whether the article has another fact where a sentence has this one: the same words around another value."""

from __future__ import annotations

from collections.abc import Sequence

from service.dates import DateMention, agrees
from service.entities import FUNCTION_WORDS, Name
from service.facts import Fact, FactSheet
from service.numbers import Number

_REACH = 4
_ENOUGH = 1.6
_FUNCTION_WEIGHT = 0.3
_EDGE = "\0"


def find_rival(fact: Fact, sheet: FactSheet, others: Sequence[FactSheet], homes: Sequence[FactSheet]) -> bool:
    """Whether one of `others`, sentences without `fact`, has a fact of its kind amid the same words.

    `homes` are sentences that do have `fact`: where its surroundings are as close, there is no rival.
    """
    best = max(
        (_likeness(fact, sheet, rival, other) for other in others for rival in _rivals(fact, sheet, other)),
        default=0.0,
    )
    if best < _ENOUGH:
        return False
    own = max(
        (_likeness(fact, sheet, same, home) for home in homes for same in _like(fact, home)), default=0.0
    )
    return best > own


def _rivals(fact: Fact, sheet: FactSheet, other: FactSheet) -> list[Fact]:
    """The facts of the same kind in `other` that `sheet` does not state."""
    return [f for f in _of_kind(fact, other) if not any(_same(f, mine) for mine in _of_kind(fact, sheet))]


def _like(fact: Fact, home: FactSheet) -> list[Fact]:
    return [f for f in _of_kind(fact, home) if _same(f, fact)]


def _of_kind(fact: Fact, sheet: FactSheet) -> Sequence[Fact]:
    if isinstance(fact, Name):
        return sheet.names
    if isinstance(fact, DateMention):
        return sheet.dates
    return sheet.numbers


def _same(a: Fact, b: Fact) -> bool:
    if isinstance(a, Name) and isinstance(b, Name):
        return not set(a.words).isdisjoint(b.words)
    if isinstance(a, DateMention) and isinstance(b, DateMention):
        return agrees(a.date, b.date) or agrees(b.date, a.date)
    return isinstance(a, Number) and isinstance(b, Number) and a.value == b.value


def _likeness(fact: Fact, sheet: FactSheet, rival: Fact, other: FactSheet) -> float:
    """How many words around two facts are the same, counted outwards until they differ."""
    before = _run(sheet.stems, fact.first - 1, other.stems, rival.first - 1, -1)
    after = _run(sheet.stems, fact.last, other.stems, rival.last, 1)
    return before + after


def _run(mine: Sequence[str], i: int, theirs: Sequence[str], j: int, step: int) -> float:
    score = 0.0
    for _ in range(_REACH):
        a = mine[i] if 0 <= i < len(mine) else _EDGE
        b = theirs[j] if 0 <= j < len(theirs) else _EDGE
        if a != b:
            break
        score += _FUNCTION_WEIGHT if a in FUNCTION_WORDS or a == _EDGE else 1.0
        if a == _EDGE:
            break
        i, j = i + step, j + step
    return score
