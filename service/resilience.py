"""LLMs around LLMs: retries, and a bound on the calls in flight."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import monotonic

import msgspec
import tenacity

from service.errors import LLMError, LLMTimeoutError
from service.llm import LLM, ChatReply, ChatRequest

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 20.0


class Retrying:
    """Repeats calls that failed with a `retryable` error, within the request's own `timeout_s`.

    Waits grow exponentially with full jitter, or are as long as the provider asked for. Where the time
    that is left would not outlast the wait, the last error is raised at once.

    Args:
        llm: The LLM to call.
        attempts: Calls at most, the first one included.
        sleep: Waits for a number of seconds; a test may pass one that does not.
    """

    def __init__(
        self, llm: LLM, attempts: int = 3, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._llm = llm
        self._attempts = attempts
        self._sleep = sleep

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        deadline = monotonic() + request.timeout_s
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_is_retryable),
            wait=_wait_s,
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self._attempts),
                tenacity.stop_before_delay(request.timeout_s),
            ),
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(self._complete_before, request, deadline)

    async def _complete_before(self, request: ChatRequest, deadline: float) -> ChatReply:
        left_s = deadline - monotonic()
        if left_s <= 0:
            raise LLMTimeoutError(f"no answer within {request.timeout_s:g} s")
        return await self._llm.complete(msgspec.structs.replace(request, timeout_s=left_s))

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        await self._llm.aclose()


class Limited:
    """Lets `max_concurrent` calls through at once; further ones wait, which counts towards `timeout_s`."""

    def __init__(self, llm: LLM, max_concurrent: int) -> None:
        self._llm = llm
        self._free = asyncio.Semaphore(max_concurrent)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        deadline = monotonic() + request.timeout_s
        try:
            async with asyncio.timeout(request.timeout_s):
                await self._free.acquire()
        except TimeoutError as exc:
            raise LLMTimeoutError(f"no free place for the call within {request.timeout_s:g} s") from exc
        try:
            left_s = max(deadline - monotonic(), 0.0)
            return await self._llm.complete(msgspec.structs.replace(request, timeout_s=left_s))
        finally:
            self._free.release()

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        await self._llm.aclose()


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, LLMError) and error.retryable


def _wait_s(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, LLMError) and error.retry_after_s is not None:
        return error.retry_after_s + random.uniform(0, _FIRST_WAIT_S)  # noqa: S311 - see below
    longest = min(_FIRST_WAIT_S * 2 ** (state.attempt_number - 1), _LONGEST_WAIT_S)
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
