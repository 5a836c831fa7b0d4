"""When two numbers are one amount: one rounds the other, or has it in another unit."""

from __future__ import annotations

from collections.abc import Iterator

from service.numbers import Number, tidy

MOST_POINTS = 6.0  # of percent, that "more than a third" may be off
_TOLERANCE = 0.06
_MARGIN = 0.25  # "more than 100" may be 118, not 200
_MEASURES = {
    ("mm", "cm"): 10, ("cm", "meter"): 100, ("meter", "km"): 1000, ("gram", "kg"): 1000, ("kg", "ton"): 1000,
    ("second", "minute"): 60, ("minute", "hour"): 60, ("hour", "day"): 24, ("day", "week"): 7,
    ("month", "year"): 12, ("year", "decade"): 10, ("cent", "dollar"): 100, ("mw", "gw"): 1000,
}  # fmt: skip


def is_same_amount(a: Number, b: Number) -> bool:
    """Whether two numbers may be one amount."""
    if a.value == b.value:
        return True
    if isinstance(a.value, str) or isinstance(b.value, str):
        return False
    one, other = _percentage(a.unit, a.value), _percentage(b.unit, b.value)
    if one is not None and other is not None and a.unit != b.unit:
        return abs(one - other) <= MOST_POINTS
    if any((unit, value) == (b.unit, b.value) for unit, value in conversions(a.unit, a.value)):
        return True
    return a.unit == b.unit and any(
        n.hedge is not None and is_near(value, n.hedge, other, n.unit)
        for n, value, other in ((a, a.value, b.value), (b, b.value, a.value))
    )


def _percentage(unit: str | None, value: float) -> float | None:
    if unit == "%":
        return value
    return 100 * value if unit is None and 0 < value < 1 else None


def conversions(unit: str | None, value: float) -> Iterator[tuple[str, float]]:
    """The same measure in other units, larger and smaller: 1.2 km for 1,200 metres."""
    for (small, large), factor in _MEASURES.items():
        if unit == small:
            yield large, tidy(value / factor)
        elif unit == large:
            yield small, tidy(value * factor)


def is_near(value: float, hedge: float, other: float, unit: str | None) -> bool:
    """Whether `value` may round `other`, told with more digits: up for -1, down for 1, either way for 0."""
    if _digits(value) >= max(_digits(other), 2):
        return False
    if not hedge:
        return abs(other - value) <= _TOLERANCE * value
    margin = _MARGIN * value if _digits(value) == 1 else 2 * _TOLERANCE * value
    return 0 <= (other - value) * hedge <= (min(margin, MOST_POINTS) if unit == "%" else margin)


def _digits(value: float) -> int:
    """How many digits of a number tell something: 2 of 1,500. A rounded one has fewer than what it rounds."""
    return len(f"{value:.15f}".rstrip("0").replace(".", "").strip("0"))
