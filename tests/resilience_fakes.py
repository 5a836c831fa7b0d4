"""What the tests of `service.resilience` share: LLMs that do as told, and time that is not waited for."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from service.errors import LLMError
from service.llm import ChatReply, ChatRequest, TokenUsage
from service.models import Message

REQUEST = ChatRequest(
    model="m", messages=(Message(role="user", content="Hello"),), max_output_tokens=10, timeout_s=60.0
)
BATCH = msgspec.structs.replace(REQUEST, priority="batch")
REPLY = ChatReply(text="Hi", finish_reason="stop", model="m", usage=None)


def request(**changes: Any) -> ChatRequest:
    return msgspec.structs.replace(REQUEST, **changes)


def reply(**changes: Any) -> ChatReply:
    return msgspec.structs.replace(REPLY, **changes)


def usage(input_tokens: int, output_tokens: int) -> TokenUsage:
    return TokenUsage(input_tokens=input_tokens, output_tokens=output_tokens)


class ScriptedLLM:
    """Answers from a queue, at once, and keeps what it was asked."""

    def __init__(self, *answers: ChatReply | LLMError) -> None:
        self.answers = list(answers)
        self.requests: list[ChatRequest] = []
        self.closed = False

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, LLMError):
            raise answer
        return answer

    async def aclose(self) -> None:
        self.closed = True


class HeldLLM:
    """Holds every call until the test answers it; `calls` are those in flight, in order of arrival."""

    def __init__(self) -> None:
        self.calls: dict[asyncio.Future[ChatReply], ChatRequest] = {}
        self.requests: list[ChatRequest] = []
        self.most_in_flight = 0

    async def complete(self, request: ChatRequest) -> ChatReply:
        call: asyncio.Future[ChatReply] = asyncio.get_running_loop().create_future()
        self.calls[call] = request
        self.requests.append(request)
        self.most_in_flight = max(self.most_in_flight, len(self.calls))
        try:
            return await call
        finally:
            del self.calls[call]

    async def aclose(self) -> None:
        """Nothing is open."""

    def answer(self, outcome: ChatReply | LLMError = REPLY, *, call: int = 0) -> None:
        """End a call in flight, the oldest where it is not said which."""
        held = list(self.calls)[call]
        if isinstance(outcome, LLMError):
            held.set_exception(outcome)
        else:
            held.set_result(outcome)


class SlowLLM:
    """Takes the given seconds for each of its answers, or the request's timeout where that is less."""

    def __init__(self, *seconds: float, error: LLMError | None = None) -> None:
        self.seconds = list(seconds)
        self.requests: list[ChatRequest] = []
        self.ended: list[str] = []
        self._error = error

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        number = len(self.requests)
        try:
            await asyncio.sleep(self.seconds.pop(0))
        except asyncio.CancelledError:
            self.ended.append(f"{number} cancelled")
            raise
        self.ended.append(f"{number} answered")
        if self._error is not None:
            raise self._error
        return reply(text=f"answer {number}")

    async def aclose(self) -> None:
        """Nothing is open."""


class Waits:
    """Stands for `asyncio.sleep`: writes down the seconds and waits none of them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class ManualClock:
    """A clock that the test turns on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def settle() -> None:
    """Let all tasks run until each of them waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


async def outcome(call: Awaitable[ChatReply]) -> ChatReply | LLMError:
    try:
        return await call
    except LLMError as exc:
        return exc


class _Skipping(selectors.DefaultSelector):
    """Adds to `now` what it was to wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits for another: nothing can happen any more")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when there is nothing else to do."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def loop_time() -> float:
    """The clock of the loop that runs."""
    return asyncio.get_running_loop().time()


def in_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in a `VirtualTimeLoop`; it fails if it leaves a task behind."""

    async def checked(*args: Any, **kwargs: Any) -> None:
        await test(*args, **kwargs)
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(checked(*args, **kwargs))

    return run
