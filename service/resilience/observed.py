"""A call of an endpoint, told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from service.errors import LLMError
from service.llm import LLM, ChatReply, ChatRequest, FinishReason, TokenUsage
from service.resilience.deadline import Clock


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `endpoint` for `model` is over.

    `error` is the class of what it ended with, or None; `answered_by` is what the endpoint calls the model
    that answered. A call that was cancelled has neither a reply nor an LLMError: its `error` is
    `CancelledError`. `usage` is None where nothing was counted.
    """

    endpoint: str
    model: str
    duration_s: float
    max_output_tokens: int
    temperature: float | None
    seed: int | None
    error: type[BaseException] | None = None
    answered_by: str | None = None
    finish_reason: FinishReason | None = None
    usage: TokenUsage | None = None


class Observed:
    """Tells `on_call` of every call that reached the endpoint; belongs right around it.

    Args:
        llm: The endpoint.
        endpoint: What it is called.
        on_call: Told of every call when it is over.
        clock: What time is measured by.
    """

    def __init__(
        self, llm: LLM, endpoint: str, on_call: Callable[[Call], object], *, clock: Clock = monotonic
    ) -> None:
        self._llm = llm
        self._endpoint = endpoint
        self._on_call = on_call
        self._clock = clock

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        began = self._clock()
        try:
            reply = await self._llm.complete(request)
        except BaseException as exc:
            self._report(request, began, error=exc)
            raise
        self._report(request, began, reply=reply)
        return reply

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        await self._llm.aclose()

    def _report(
        self,
        request: ChatRequest,
        began: float,
        *,
        reply: ChatReply | None = None,
        error: BaseException | None = None,
    ) -> None:
        self._on_call(
            Call(
                endpoint=self._endpoint,
                model=request.model,
                duration_s=self._clock() - began,
                max_output_tokens=request.max_output_tokens,
                temperature=request.temperature,
                seed=request.seed,
                error=None if error is None else type(error),
                answered_by=None if reply is None else reply.model,
                finish_reason=None if reply is None else reply.finish_reason,
                usage=None if reply is None else reply.usage,
            )
        )


def outcome(call: Call) -> str:
    """How a call ended, in a word: `ok`, `cancelled`, or the error's name, such as `rate_limited`."""
    if call.error is None:
        return "ok"
    return name_of(call.error)


def name_of(error: type[BaseException]) -> str:
    """An error's class in a word: `LLMRateLimitedError` is `rate_limited`; foreign ones are `internal`."""
    if issubclass(error, LLMError):
        name = error.__name__.removeprefix("LLM").removesuffix("Error")
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_") or "llm"
    return "cancelled" if error.__name__ == "CancelledError" else "internal"
