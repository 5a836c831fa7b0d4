"""The annex itself: `python -m service.annex.worker` makes summaries of what comes on its standard input."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import msgspec
from litestar.stores.base import Store
from msgspec import Raw

from service.annex.messages import (
    Ask,
    Begin,
    Cancel,
    Downward,
    Ended,
    Equipment,
    Heard,
    Keep,
    Logged,
    Look,
    Reply,
    Told,
    Upward,
    Withdraw,
    error_of,
    failure_of,
    frame,
    read_downward,
)
from service.catalogue import Catalogue
from service.drafts import Drafter
from service.hooks import Hooks, Stage
from service.llm import ChatReply, ChatRequest, TextListener
from service.mapreduce import Prompts
from service.models import Summary
from service.pipeline import Job, Pipeline
from service.prompts import PromptLibrary
from service.run import Event, Run

# What the service itself does goes first; more would starve long articles on a busy machine.
_NICENESS = 5
_work: ContextVar[int] = ContextVar("work")
_prompt: ContextVar[str] = ContextVar("prompt")


class Line:
    """The way to the service: messages, and calls that it answers."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._listening: dict[int, TextListener] = {}

    def send(self, message: Upward) -> None:
        """Send a message; the pipe takes it when it can."""
        self._writer.write(frame(message))

    async def call(self, make: Callable[[int], Upward], listener: TextListener | None = None) -> Reply:
        """What the service answers to the message with that number; raises its error."""
        number = next(self._numbers)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        if listener is not None:
            self._listening[number] = listener
        self.send(make(number))
        try:
            reply = await answer
        except asyncio.CancelledError:
            self.send(Withdraw(number))
            raise
        finally:
            del self._waiting[number]
            self._listening.pop(number, None)
        if reply.failure is not None:
            raise error_of(reply.failure)
        return reply

    def answer(self, reply: Reply) -> None:
        """The service has answered a call."""
        waiting = self._waiting.get(reply.call)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def hear(self, heard: Heard) -> None:
        """An answer goes on."""
        listener = self._listening.get(heard.call)
        if listener is None:
            return
        if heard.text is None:
            listener.begin()
        else:
            listener.add(heard.text)


class LentLLM:
    """The service's model."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        listener, plain = request.listener, msgspec.structs.replace(request, listener=None)
        answer = await self._line.call(
            lambda number: Ask(_work.get(), number, plain, _prompt.get(), listener is not None), listener
        )
        assert answer.reply is not None  # noqa: S101 - a question is answered or fails
        return answer.reply

    async def aclose(self) -> None:
        """See `LLM.aclose`."""


class LentStore(Store):
    """The service's store, as far as drafts need it."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:  # noqa: ARG002
        """See `Store.get`."""
        return (await self._line.call(lambda number: Look(_work.get(), number, key))).value

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """See `Store.set`."""
        data = value.encode() if isinstance(value, str) else value
        seconds = round(expires_in.total_seconds()) if isinstance(expires_in, timedelta) else expires_in
        await self._line.call(lambda number: Keep(_work.get(), number, key, data, seconds))

    async def delete(self, key: str) -> None:
        """Not lent."""
        raise NotImplementedError

    async def delete_all(self) -> None:
        """Not lent."""
        raise NotImplementedError

    async def exists(self, key: str) -> bool:
        """Not lent."""
        raise NotImplementedError

    async def expires_in(self, key: str) -> int | None:
        """Not lent."""
        raise NotImplementedError


@contextmanager
def _note_prompt(stage: Stage) -> Iterator[None]:
    """Remember, for the calls of a stage, which prompt they are for."""
    token = _prompt.set(stage.prompt)
    try:
        yield
    finally:
        _prompt.reset(token)


class Workshop:
    """Makes the summaries that the service orders."""

    def __init__(self, equipment: Equipment, line: Line) -> None:
        self._line = line
        self._library = PromptLibrary.load(Path(equipment.prompts_dir) if equipment.prompts_dir else None)
        self._catalogue = Catalogue.load(Path(equipment.models_file) if equipment.models_file else None)
        self._pipeline = Pipeline(
            Drafter(
                LentLLM(line),
                LentStore(line),
                source=equipment.source,
                ttl_s=equipment.ttl_s,
                hooks=Hooks(on_stage=_note_prompt),
            ),
            max_chunks=equipment.max_chunks,
            chunk_concurrency=equipment.chunk_concurrency,
            fallback=equipment.fallback,
        )
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def heed(self, message: Downward) -> None:
        """Do what the service says."""
        if isinstance(message, Begin):
            work = message.work
            self._tasks[work] = asyncio.create_task(self._make(message))
            self._tasks[work].add_done_callback(lambda _: self._tasks.pop(work, None))
        elif isinstance(message, Cancel):
            if message.work in self._tasks:
                self._tasks[message.work].cancel()
        elif isinstance(message, Reply):
            self._line.answer(message)
        elif isinstance(message, Heard):
            self._line.hear(message)

    async def _make(self, order: Begin) -> None:
        _work.set(order.work)
        run = self._run(order)
        try:
            made = await self._pipeline.make(self._job(order), run)
        except Exception as exc:  # noqa: BLE001 - told to the service, which raises it
            self._end(order.work, run, error=exc)
        else:
            self._end(order.work, run, summary=made)

    def _job(self, order: Begin) -> Job:
        prompts = None
        if order.prompts is not None:
            article, chunk, combine, repair = order.prompts
            get = self._library.get
            prompts = Prompts(get(article), get(chunk), get(combine), get(repair) if repair else None)
        return Job(
            id=order.id,
            digest=order.digest,
            text=order.text,
            title=order.title,
            style=order.style,
            max_quotes=order.max_quotes,
            language=order.language,
            model=order.model,
            policy=order.policy,
            prompts=prompts,
        )

    def _run(self, order: Begin) -> Run:
        def report(event: Event) -> None:
            data = Raw(msgspec.msgpack.encode(event))
            self._line.send(Told(order.work, type(event).__name__, data))

        return Run(
            model=self._catalogue.find(order.model),
            deadline=asyncio.get_running_loop().time() + order.seconds_left,
            call_timeout_s=order.call_timeout_s,
            cache=order.cache,
            find_model=self._catalogue.find,
            priority=order.priority,
            report=report,
            is_followed=lambda: True,  # whether it is, the service knows when it is asked for the answer
        )

    def _end(
        self, work: int, run: Run, *, summary: Summary | None = None, error: Exception | None = None
    ) -> None:
        self._line.send(
            Ended(
                work=work,
                summary=summary,
                failure=None if error is None else failure_of(error),
                degraded=run.degraded,
                draft_keys=run.draft_keys,
            )
        )


class _ToService(logging.Handler):
    """Log lines on their way to the service's own log."""

    def __init__(self, line: Line, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(logging.INFO)
        self._line = line
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        told = Logged(record.name, record.levelno, record.getMessage())
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._line.send, told)


async def _serve(read_fd: int, write_fd: int) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_fd, "rb"))
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(write_fd, "wb")
    )
    line = Line(asyncio.StreamWriter(transport, protocol, None, loop))
    log = logging.getLogger("service")
    log.addHandler(_ToService(line, loop))
    log.propagate = False
    workshop: Workshop | None = None
    while True:
        message = await read_downward(reader)
        if isinstance(message, Equipment):
            workshop = Workshop(message, line)
        elif workshop is not None:
            workshop.heed(message)


def main() -> NoReturn:
    """Work until the service closes the pipe, or is gone."""
    os.nice(_NICENESS)
    # Whatever a library prints is no message.
    to_service = os.dup(1)
    os.dup2(2, 1)
    # Its words, and those of an error, may be an article's: of these only the class is told.
    logging.getLogger().addHandler(logging.NullHandler())
    sys.excepthook = lambda kind, *_: sys.stderr.write(f"{kind.__qualname__}\n")
    threading.excepthook = lambda args: sys.stderr.write(f"{args.exc_type.__qualname__}\n")
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with suppress(EOFError, OSError):
        asyncio.run(_serve(os.dup(0), to_service))
    # A thread may be in the midst of an article that nobody waits for any more.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
