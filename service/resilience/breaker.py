"""A circuit breaker: an endpoint that fails is left alone until it is well again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal, TypeAlias

from service.errors import (
    LLMBusyError,
    LLMConnectionError,
    LLMError,
    LLMResponseError,
    LLMServerError,
    LLMTimeoutError,
    LLMUnavailableError,
)
from service.llm import LLM, ChatReply, ChatRequest
from service.resilience.deadline import Clock

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]

_FAILURES = (LLMTimeoutError, LLMConnectionError, LLMServerError, LLMResponseError)
_NOT_SENT = (LLMBusyError, LLMUnavailableError)
_SHORTEST_RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """The breaker went into `state`; `error` is the failure that opened it."""

    state: BreakerState
    error: LLMError | None = None


class Breaker:
    """Fails calls at once while the endpoint is down, and tries it with one call from time to time.

    It opens after `failures` of the last `window` calls. That is the share of failures over a window of
    calls that Resilience4j documents, half of them by default, so an endpoint that fails every other call
    opens it too; a count of consecutive failures (M. Nygard, "Release It!", 2007) would start again at each
    success, and calls that run side by side have no order to speak of.

    Timeouts, broken connections, 5xx and answers that are not of the protocol are failures. Everything
    else that the endpoint answered shows that it is up, 429 too: what helps against throttling is fewer
    calls, which is the business of `Limited` and `Retrying`, not none. What ends without an answer of the
    endpoint says nothing: a cancelled call, one that was not sent, one whose caller had little time. A probe
    that ends so leaves it to the next call to be the probe. Calls that began before the last change of
    state do not count.

    Args:
        llm: The endpoint.
        failures: Failed calls in the window that open the breaker.
        window: How many of the last calls are looked at.
        open_s: Seconds from opening to the probe.
        fair_timeout_s: A timeout counts if the call was given at least this many seconds.
        clock: What time is measured by.
        on_change: Told of every change of state.
    """

    def __init__(
        self,
        llm: LLM,
        *,
        failures: int = 5,
        window: int = 10,
        open_s: float = 15.0,
        fair_timeout_s: float = 5.0,
        clock: Clock = monotonic,
        on_change: Callable[[BreakerChange], object] | None = None,
    ) -> None:
        self._llm = llm
        self._failures = failures
        self._failed: deque[bool] = deque(maxlen=window)
        self._open_s = open_s
        self._fair_timeout_s = fair_timeout_s
        self._clock = clock
        self._on_change = on_change
        self._state: BreakerState = "closed"
        self._probe_due = 0.0
        self._era = 0

    @property
    def state(self) -> BreakerState:
        """`half_open` while a probe is under way."""
        return self._state

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`.

        Raises:
            LLMUnavailableError: the breaker is open; `retry_after_s` says when the probe is due.
            LLMError: one of its subclasses, as the endpoint raised it.
        """
        era = self._admit()
        failed: bool | None = None
        error: LLMError | None = None
        try:
            reply = await self._llm.complete(request)
            failed = False
        except LLMError as exc:
            failed, error = self._judge(exc, request), exc
            raise
        finally:
            if era == self._era:
                self._record(failed, error)
        return reply

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        await self._llm.aclose()

    def _admit(self) -> int:
        """Let a call through or raise; returns the era for which its outcome counts."""
        if self._state != "closed":
            left_s = self._probe_due - self._clock()
            if self._state == "half_open" or left_s > 0:
                raise LLMUnavailableError(
                    "the model's endpoint failed too often and is left alone for a while",
                    retry_after_s=max(left_s, _SHORTEST_RETRY_AFTER_S),
                )
            self._change("half_open")
        return self._era

    def _judge(self, error: LLMError, request: ChatRequest) -> bool | None:
        """Whether `error` speaks of a sick endpoint; None if it says nothing."""
        if isinstance(error, _NOT_SENT):
            return None
        if isinstance(error, LLMTimeoutError) and request.timeout_s < self._fair_timeout_s:
            return None
        return isinstance(error, _FAILURES)

    def _record(self, failed: bool | None, error: LLMError | None) -> None:
        if self._state == "half_open":
            if failed is False:
                self._change("closed")
            else:
                self._open(self._open_s if failed else 0.0, error)
        elif failed is not None:
            self._failed.append(failed)
            if sum(self._failed) >= self._failures:
                self._open(self._open_s, error)

    def _open(self, seconds: float, error: LLMError | None) -> None:
        self._probe_due = self._clock() + seconds
        self._failed.clear()
        self._change("open", error)

    def _change(self, state: BreakerState, error: LLMError | None = None) -> None:
        self._state = state
        self._era += 1
        if self._on_change is not None:
            self._on_change(BreakerChange(state, error))
