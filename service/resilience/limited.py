"""A bound on the calls in flight, and a waiting room before it."""

from __future__ import annotations

from time import monotonic

from service.errors import LLMRateLimitedError, LLMTimeoutError
from service.llm import LLM, ChatReply, ChatRequest
from service.resilience.adaptive_limit import AdaptiveLimit, MovingAverage
from service.resilience.deadline import Clock, Deadline
from service.resilience.waiting_room import Admission, AdmissionHook, WaitingRoom

_CHARACTERS_PER_TOKEN = 4
_UNOBSERVED_LATENCY_S = 1.0


class Limited:
    """Lets so many calls through at once as the endpoint can take; a bounded number of others waits.

    The limit adapts between `min_concurrent` and `max_concurrent` (see `AdaptiveLimit`); waiting goes by
    arrival, interactive before batch (see `WaitingRoom`), and counts towards `timeout_s`.

    Args:
        llm: The LLM to call.
        max_concurrent: Most calls in flight, and how many there may be at first.
        min_concurrent: What the limit never falls below; equal to `max_concurrent`, it does not adapt.
        max_waiting: How many may wait.
        clock: What time is measured by.
        on_admission: Told of every call that is let through.
    """

    def __init__(
        self,
        llm: LLM,
        max_concurrent: int,
        *,
        min_concurrent: int = 1,
        max_waiting: int = 1000,
        clock: Clock = monotonic,
        on_admission: AdmissionHook | None = None,
    ) -> None:
        self._llm = llm
        self._limit = AdaptiveLimit(min(min_concurrent, max_concurrent), max_concurrent)
        self._room = WaitingRoom(max_waiting)
        self._clock = clock
        self._on_admission = on_admission
        self._in_flight = 0
        self._latency_s = MovingAverage()

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return self._limit.value

    @property
    def in_flight(self) -> int:
        """How many calls are in flight."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._room)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`.

        Raises:
            LLMBusyError: the waiting room is full, or the place in it was needed for a more urgent call.
            LLMTimeoutError: no place became free in time, or no answer came.
            LLMError: one of its other subclasses, as the inner LLM raised it.
        """
        deadline = Deadline(request, self._clock)
        await self._enter(request)
        try:
            if self._on_admission is not None:
                waited_s = request.timeout_s - deadline.left_s()
                self._on_admission(Admission(request.priority, waited_s, self.waiting))
            return await self._observe(deadline.request())
        finally:
            self._leave()

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        await self._llm.aclose()

    async def _enter(self, request: ChatRequest) -> None:
        if self._in_flight < self.limit and not self._room.head():
            self._in_flight += 1
            return
        # Little's law: calls in flight = throughput x latency.
        throughput = self.limit / (self._latency_s.value or _UNOBSERVED_LATENCY_S)
        retry_after_s = (self.waiting + 1) / throughput
        place = self._room.enter(request, retry_after_s)
        try:
            await self._room.wait(place, retry_after_s)
        except BaseException:
            if place.admitted:
                self._leave()
            raise

    def _leave(self) -> None:
        """Give a place in flight back, and hand what is free to those whose turn it is."""
        self._in_flight -= 1
        while self._in_flight < self.limit and self._room.head():
            self._in_flight += 1
            self._room.admit()

    async def _observe(self, request: ChatRequest) -> ChatReply:
        began = self._clock()
        try:
            reply = await self._llm.complete(request)
        except (LLMRateLimitedError, LLMTimeoutError):
            self._limit.on_loss(began, self._clock())
            raise
        now = self._clock()
        self._latency_s.add(now - began)
        tokens = reply.usage.output_tokens if reply.usage else len(reply.text) // _CHARACTERS_PER_TOKEN
        self._limit.on_reply(began, now, tokens, self._in_flight)
        return reply
