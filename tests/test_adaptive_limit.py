from __future__ import annotations

import pytest

from service.resilience.adaptive_limit import AdaptiveLimit


class Endpoint:
    """Tells a limit of calls that take `token_s` a token, each of them beginning after the last one's end."""

    def __init__(self, limit: AdaptiveLimit) -> None:
        self.limit = limit
        self.now = 0.0

    def answer(self, calls: int, *, token_s: float, tokens: int = 100, in_flight: int | None = None) -> None:
        for _ in range(calls):
            began, self.now = self.now + 0.001, self.now + 0.001 + token_s * (tokens + 20)
            self.limit.on_reply(began, self.now, tokens, in_flight or self.limit.value)

    def throttle(self) -> None:
        began, self.now = self.now + 0.001, self.now + 0.002
        self.limit.on_loss(began, self.now)


def test_limit_starts_at_the_ceiling() -> None:
    assert AdaptiveLimit(1, 32).value == 32


def test_throttling_cuts_the_limit() -> None:
    limit = AdaptiveLimit(1, 10)
    Endpoint(limit).throttle()
    assert limit.value == 7


def test_burst_of_errors_of_one_round_is_one_cut() -> None:
    limit = AdaptiveLimit(1, 10)
    for _ in range(10):
        limit.on_loss(began=5.0, now=6.0)
    assert limit.value == 7


def test_limit_stays_above_its_floor() -> None:
    limit = AdaptiveLimit(3, 10)
    endpoint = Endpoint(limit)
    for _ in range(50):
        endpoint.throttle()
    assert limit.value == 3


def test_answers_raise_the_limit_by_one_a_round() -> None:
    limit = AdaptiveLimit(1, 10)
    endpoint = Endpoint(limit)
    endpoint.throttle()
    endpoint.answer(8, token_s=0.01)
    assert limit.value == 8


def test_limit_stays_below_its_ceiling() -> None:
    limit = AdaptiveLimit(1, 10)
    Endpoint(limit).answer(500, token_s=0.01)
    assert limit.value == 10


def test_limit_that_is_not_used_does_not_grow() -> None:
    limit = AdaptiveLimit(1, 10)
    endpoint = Endpoint(limit)
    endpoint.throttle()
    endpoint.answer(100, token_s=0.01, in_flight=2)
    assert limit.value == 7


def test_slower_answers_cut_the_limit() -> None:
    limit = AdaptiveLimit(1, 32)
    endpoint = Endpoint(limit)
    endpoint.answer(50, token_s=0.01)
    endpoint.answer(50, token_s=0.05)
    assert limit.value < 16


def test_longer_answers_do_not_cut_the_limit() -> None:
    limit = AdaptiveLimit(1, 32)
    endpoint = Endpoint(limit)
    endpoint.answer(50, token_s=0.01, tokens=20)
    endpoint.answer(50, token_s=0.01, tokens=2000)
    assert limit.value == 32


def test_limit_recovers_when_answers_are_fast_again() -> None:
    limit = AdaptiveLimit(1, 32)
    endpoint = Endpoint(limit)
    for token_s in (0.01, 0.05, 0.01):
        endpoint.answer(800, token_s=token_s)
    assert limit.value == 32


@pytest.mark.parametrize(("floor", "ceiling"), [(0, 5), (6, 5)])
def test_impossible_bounds_are_refused(floor: int, ceiling: int) -> None:
    with pytest.raises(ValueError, match="floor"):
        AdaptiveLimit(floor, ceiling)
