"""Other endpoints for calls that one cannot answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import msgspec

from service.errors import LLMContextLengthError, LLMError, LLMOutputError, LLMRefusalError
from service.llm import LLM, ChatReply, ChatRequest
from service.resilience.deadline import Clock, Deadline

# What the prompt or the model's words are to blame for. All other errors are of one endpoint, one account
# or one server's features, so another may do better: timeouts, connections, 429, 5xx, answers not of the
# protocol, keys, unknown models, quotas and features that lack, full waiting rooms, open breakers.
_NO_USE_ELSEWHERE = (LLMContextLengthError, LLMOutputError, LLMRefusalError)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An LLM, and what the model is called there; None keeps the request's name."""

    llm: LLM
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Failover:
    """The endpoint of number `failed` (from 0) did not answer; `error` is None where it refused."""

    failed: int
    error: LLMError | None


class Fallback:
    """Asks endpoints in order until one answers; `ChatReply.model` tells which model did.

    An endpoint may take `share` of the time that is left, the last one all of it, so that one that hangs
    leaves time to the next. If none answers, the first one's error is raised: it is the one that the
    operator chose, and its `retry_after_s` is what the caller should go by. A prompt that is too long is not
    asked about elsewhere: the others are not known to take more, and the caller can cut it.

    Args:
        endpoints: In the order in which to ask.
        share: Of the time that is left, for an endpoint that is not the last; above 0, below 1.
        on_refusal: Ask the next endpoint after a refusal too. If none answers, the refusal is the reply.
        clock: What time is measured by.
        on_failover: Told when the next endpoint is asked.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        share: float = 0.5,
        on_refusal: bool = False,
        clock: Clock = monotonic,
        on_failover: Callable[[Failover], object] | None = None,
    ) -> None:
        if not endpoints or not 0 < share < 1:
            raise ValueError("a fallback needs endpoints, and a share of time for those before the last")
        self._endpoints = tuple(endpoints)
        self._share = share
        self._on_refusal = on_refusal
        self._clock = clock
        self._on_failover = on_failover

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        deadline = Deadline(request, self._clock)
        last = len(self._endpoints) - 1
        refusal: ChatReply | None = None
        first_error: LLMError | None = None
        for number, endpoint in enumerate(self._endpoints):
            error: LLMError | None = None
            try:
                reply = await self._ask(endpoint, deadline, is_last=number == last)
            except _NO_USE_ELSEWHERE:
                raise
            except LLMError as exc:
                error = exc
                first_error = first_error or exc
            else:
                if not self._on_refusal or reply.finish_reason not in {"refusal", "content_filter"}:
                    return reply
                refusal = refusal or reply
            if number < last and self._on_failover is not None:
                self._on_failover(Failover(number, error))
        if refusal is not None:
            return refusal
        assert first_error is not None  # noqa: S101 - for the type checker: there is an endpoint
        raise first_error

    async def _ask(self, endpoint: Endpoint, deadline: Deadline, *, is_last: bool) -> ChatReply:
        request = deadline.request()
        return await endpoint.llm.complete(
            msgspec.structs.replace(
                request,
                model=endpoint.model or request.model,
                timeout_s=request.timeout_s * (1.0 if is_last else self._share),
            )
        )

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        for endpoint in self._endpoints:
            await endpoint.llm.aclose()
