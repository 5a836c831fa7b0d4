"""Requests and tokens a minute, kept to before the provider has to say so."""

from __future__ import annotations

import asyncio
from time import monotonic

from service.errors import LLMBusyError, LLMUnavailableError
from service.llm import LLM, ChatReply, ChatRequest
from service.resilience.deadline import Clock, Deadline
from service.resilience.waiting_room import Admission, AdmissionHook, WaitingRoom

_CHARACTERS_PER_TOKEN = 4
_CLOCK_STEP_S = 1e-6


class Rate:
    """So many units a minute, by the generic cell rate algorithm (ITU-T I.371, virtual scheduling).

    It holds one number, the time at which all that was taken will have been earned.

    Args:
        per_minute: Units that may be taken in a minute; None sets no bound.
        burst_s: How many seconds' worth may be taken at once, by one who comes after a pause.
    """

    def __init__(self, per_minute: int | None, burst_s: float) -> None:
        self._unit_s = 60 / per_minute if per_minute else 0.0
        self._burst_s = max(burst_s, self._unit_s)
        self._earned_at = float("-inf")

    def delay_s(self, now: float, units: int, ahead: int = 0) -> float:
        """Seconds until `units` may be taken after `ahead` others, 0 or less for now.

        Units beyond a burst do not have to be earned before, only after.
        """
        needed_s = min(units * self._unit_s, self._burst_s)
        return max(self._earned_at - now, 0.0) + ahead * self._unit_s + needed_s - self._burst_s

    def take(self, now: float, units: int) -> None:
        """Take `units`, or give them back where negative."""
        self._earned_at = max(self._earned_at, now) + units * self._unit_s


class RateLimited:
    """Holds calls back so that an account's requests and tokens a minute are kept to.

    A call counts as `input_tokens` of its request (or a quarter of its characters) and `max_output_tokens`;
    the usage in its reply puts the count right. Calls that were not sent count for nothing. Who would have
    to wait for longer than its `timeout_s` is told so at once.

    Args:
        llm: The LLM to call.
        requests_per_minute: None sets no bound.
        tokens_per_minute: Input and output together; None sets no bound.
        burst_s: How many seconds' worth may go at once.
        max_waiting: How many calls may wait.
        clock: What time is measured by.
        on_admission: Told of every call that is let through.
    """

    def __init__(
        self,
        llm: LLM,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        burst_s: float = 10.0,
        max_waiting: int = 256,
        clock: Clock = monotonic,
        on_admission: AdmissionHook | None = None,
    ) -> None:
        self._llm = llm
        self._requests = Rate(requests_per_minute, burst_s)
        self._tokens = Rate(tokens_per_minute, burst_s)
        self._room = WaitingRoom(max_waiting)
        self._clock = clock
        self._on_admission = on_admission
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._room)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`.

        Raises:
            LLMBusyError: the rates leave no room within `timeout_s`, or too many wait.
            LLMError: one of its other subclasses, as the inner LLM raised it.
        """
        deadline = Deadline(request, self._clock)
        await self._enter(request)
        if self._on_admission is not None:
            waited_s = request.timeout_s - deadline.left_s()
            self._on_admission(Admission(request.priority, waited_s, self.waiting))
        try:
            reply = await self._llm.complete(deadline.request())
        except (LLMBusyError, LLMUnavailableError):
            self._take(-1, -_tokens(request))
            raise
        if reply.usage is not None:
            spent = reply.usage.input_tokens + reply.usage.output_tokens
            self._take(0, spent - _tokens(request))
        return reply

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        self._stop_timer()
        await self._llm.aclose()

    async def _enter(self, request: ChatRequest) -> None:
        ahead = self._room.ahead_of(request.priority)
        wait_s = self._delay_s(request, ahead)
        if wait_s > request.timeout_s:
            raise LLMBusyError(
                "the limits of requests and tokens a minute leave no room in time", retry_after_s=wait_s
            )
        if wait_s <= _CLOCK_STEP_S and not ahead:
            self._take(1, _tokens(request))
            return
        place = self._room.enter(request, max(wait_s, 0.0))
        self._admit()
        try:
            await self._room.wait(place, max(wait_s, 0.0))
        except BaseException:
            if place.admitted:
                self._take(-1, -_tokens(request))
            self._admit()
            raise

    def _delay_s(self, request: ChatRequest, ahead: list[ChatRequest]) -> float:
        now = self._clock()
        return max(
            self._requests.delay_s(now, 1, len(ahead)),
            self._tokens.delay_s(now, _tokens(request), sum(map(_tokens, ahead))),
        )

    def _take(self, requests: int, tokens: int) -> None:
        now = self._clock()
        self._requests.take(now, requests)
        self._tokens.take(now, tokens)
        if requests <= 0:
            self._admit()

    def _admit(self) -> None:
        """Let those through whose turn has come, and come back when the next one's has."""
        self._stop_timer()
        while head := self._room.head():
            delay_s = self._delay_s(head, [])
            if delay_s > _CLOCK_STEP_S:
                self._timer = asyncio.get_running_loop().call_later(delay_s, self._admit)
                return
            self._take(1, _tokens(head))
            self._room.admit()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _tokens(request: ChatRequest) -> int:
    sent = request.input_tokens
    if sent is None:
        sent = sum(len(message.content) for message in request.messages) // _CHARACTERS_PER_TOKEN
    return sent + request.max_output_tokens
