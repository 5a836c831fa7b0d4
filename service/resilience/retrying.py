"""Calls that are repeated when they fail."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

import tenacity

from service.errors import LLMError
from service.llm import LLM, ChatReply, ChatRequest
from service.resilience.deadline import Clock, Deadline

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Retry:
    """A call failed with `error` and is repeated as number `attempt`, after `wait_s`."""

    attempt: int
    wait_s: float
    error: LLMError


class Retrying:
    """Repeats calls that failed with a `retryable` error, within the request's own `timeout_s`.

    Waits are as long as the provider asked for, and a little more, so that callers do not return all at
    once; where it did not say, they double, and half of each is left to chance (M. Brooker, "Exponential
    Backoff and Jitter", AWS Architecture Blog, 2015). Where the time that is left would not outlast the
    wait, the last error is raised at once.

    Args:
        llm: The LLM to call.
        attempts: Calls at most, the first one included.
        sleep: Waits for a number of seconds; a test may pass one that does not.
        clock: What time is measured by.
        on_retry: Told before each wait.
    """

    def __init__(
        self,
        llm: LLM,
        attempts: int = 3,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Clock = monotonic,
        on_retry: Callable[[Retry], object] | None = None,
    ) -> None:
        self._llm = llm
        self._attempts = attempts
        self._sleep = sleep
        self._clock = clock
        self._on_retry = on_retry

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        deadline = Deadline(request, self._clock)
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_is_retryable),
            wait=_wait_s,
            stop=lambda state: (
                state.attempt_number >= self._attempts or state.upcoming_sleep >= deadline.left_s()
            ),
            sleep=self._sleep,
            before_sleep=self._report,
            reraise=True,
        )
        return await retrying(self._complete_before, deadline)

    async def _complete_before(self, deadline: Deadline) -> ChatReply:
        return await self._llm.complete(deadline.request())

    def _report(self, state: tenacity.RetryCallState) -> None:
        error = _error(state)
        if self._on_retry is not None and error is not None:
            self._on_retry(Retry(state.attempt_number + 1, state.upcoming_sleep, error))

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        await self._llm.aclose()


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, LLMError) and error.retryable


def _error(state: tenacity.RetryCallState) -> LLMError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, LLMError) else None


def _wait_s(state: tenacity.RetryCallState) -> float:
    error = _error(state)
    if error is not None and error.retry_after_s is not None:
        return error.retry_after_s + random.uniform(0, _FIRST_WAIT_S)  # noqa: S311 - see below
    longest = min(_FIRST_WAIT_S * 2 ** (state.attempt_number - 1), _LONGEST_WAIT_S)
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
