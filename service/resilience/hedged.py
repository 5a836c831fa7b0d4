"""A second call for those that are slow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import msgspec

from service.errors import LLMError
from service.llm import LLM, ChatReply, ChatRequest
from service.resilience.deadline import Clock, Deadline

_MOST_SAVED = 5.0


@dataclass(frozen=True, slots=True)
class Hedge:
    """A second call was sent, `after_s` the first."""

    after_s: float


class Hedged:
    """Sends a call again that takes longer than most; the first answer wins, the other call is cancelled.

    (J. Dean, L. A. Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013.) The second call is
    a batch call to the limits below, so it waits behind callers and goes first where there is no room for
    all; its failure is not the caller's.

    Args:
        llm: The LLM to call.
        quantile: Of the latencies seen; calls that take longer are sent again.
        share: Second calls at most, as a share of all calls; what was not used is saved for up to 5.
        window: How many of the last latencies are looked at.
        observed: How many have to be known before the first hedge.
        clock: What time is measured by.
        on_hedge: Told of every second call.
    """

    def __init__(
        self,
        llm: LLM,
        *,
        quantile: float = 0.95,
        share: float = 0.05,
        window: int = 100,
        observed: int = 20,
        clock: Clock = monotonic,
        on_hedge: Callable[[Hedge], object] | None = None,
    ) -> None:
        self._llm = llm
        self._quantile = quantile
        self._share = share
        self._latencies_s: deque[float] = deque(maxlen=window)
        self._observed = max(observed, 1)
        self._clock = clock
        self._on_hedge = on_hedge
        self._saved = 0.0

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        began = self._clock()
        self._saved = min(self._saved + self._share, _MOST_SAVED)
        if len(self._latencies_s) < self._observed or self._saved < 1:
            reply = await self._llm.complete(request)
        else:
            reply = await self._race(request)
        self._latencies_s.append(self._clock() - began)
        return reply

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        await self._llm.aclose()

    async def _race(self, request: ChatRequest) -> ChatReply:
        deadline = Deadline(request, self._clock)
        calls = [asyncio.ensure_future(self._llm.complete(request))]
        try:
            after_s = sorted(self._latencies_s)[int(self._quantile * len(self._latencies_s))]
            done, _ = await asyncio.wait(calls, timeout=after_s)
            if not done and self._saved >= 1 and deadline.left_s() > 0:
                self._saved -= 1
                # Two answers cannot be heard at once.
                again = msgspec.structs.replace(deadline.request(), priority="batch", listener=None)
                calls.append(asyncio.ensure_future(self._llm.complete(again)))
                if self._on_hedge is not None:
                    self._on_hedge(Hedge(after_s))
            return await _first_answer(calls)
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


async def _first_answer(calls: Sequence[asyncio.Future[ChatReply]]) -> ChatReply:
    """The answer that comes first; the first call's error if none comes."""
    for call in asyncio.as_completed(calls):
        try:
            return await call
        except LLMError:
            continue
    return await calls[0]
