"""The service's side of the annex: starts the process, lends it model and store, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Final, NamedTuple, get_args

import msgspec
from litestar.stores.base import Store

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
    read_upward,
)
from service.annex.process import AnnexProcess
from service.drafts import ask_paid
from service.errors import AnnexError, LLMBusyError, LLMTimeoutError
from service.hooks import NO_HOOKS, Hooks, Stage
from service.llm import LLM, ChatReply
from service.models import Summary
from service.pipeline import Job
from service.run import Event, Run

# Characters in the annex at once. One takes 20 bytes of memory, and 300 of a hostile text.
_ROOM: Final = 10_000_000
_IDLE_S: Final = 60.0
_EVENTS: Final = {kind.__name__: kind for kind in get_args(Event)}


class Annex:
    """Makes summaries of long articles in a process of its own, as `Pipeline.make` does in this one.

    The process is started with the first article and ended when it has had nothing to do for a minute. If it
    dies over an article, that is tried once more: what the model answered until then is in the store.

    Args:
        equipment: How it is to work.
        llm: The model that it asks.
        store: Where it keeps the model's answers.
        hooks: Told of each question to the model.
        room: Characters that may be in it at once; further articles wait.
    """

    def __init__(
        self, equipment: Equipment, llm: LLM, store: Store, hooks: Hooks = NO_HOOKS, *, room: int = _ROOM
    ) -> None:
        self._equipment = equipment
        self._lent = _Lent(llm, store, hooks)
        self._room = _Room(room)
        self._opening: asyncio.Task[_House] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def make(self, job: Job, run: Run) -> Summary:
        """Summarize one article.

        Raises:
            LLMError: the model did not answer, and there is no fallback.
            LLMBusyError: other long articles took all the room until the deadline.
            AnnexError: the process cannot be started, or died over the article, twice.
        """
        async with self._room.taken(len(job.text), run.deadline):
            for _ in range(2):
                house = await self._open_house()
                with contextlib.suppress(_DiedError):
                    return await house.make(job, run)
        raise AnnexError("the process that reads long articles died over this one, twice")

    @property
    def pid(self) -> int | None:
        """The id of the process, if there is one."""
        return None if self._house is None or self._house.is_dead else self._house.process.pid

    async def aclose(self) -> None:
        """End the process."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._house is not None:
            self._close(self._house)
        if self._ending:
            await asyncio.wait(self._ending)

    @property
    def _house(self) -> _House | None:
        opening = self._opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
            return None
        return opening.result()

    async def _open_house(self) -> _House:
        if self._house is not None and self._house.is_dead:
            self._close(self._house)
        if self._opening is None or (self._opening.done() and self._house is None):
            self._opening = asyncio.create_task(_House.start(self._equipment, self._lent, self._rest))
        try:
            # Others may wait for it when this caller has gone.
            return await asyncio.shield(self._opening)
        except OSError as exc:
            raise AnnexError("the process that reads long articles cannot be started") from exc

    def _rest(self, house: _House) -> None:
        """Nothing is left to do; end the process if that stays so for a while."""

        def leave() -> None:
            if house is self._house and house.is_idle:
                self._close(house)

        asyncio.get_running_loop().call_later(_IDLE_S, leave)

    def _close(self, house: _House) -> None:
        self._opening = None
        task = asyncio.create_task(house.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class _Lent(NamedTuple):
    """What of the service the process may use."""

    llm: LLM
    store: Store
    hooks: Hooks


class _DiedError(Exception):
    """The process ended in the midst of its work."""


class _Room:
    """So many characters may be in the annex at once; the others wait in turn."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def taken(self, size: int, deadline: float) -> AsyncIterator[None]:
        size = min(size, self._size)
        try:
            async with asyncio.timeout_at(deadline), self._turn:
                while self._left < size:
                    self._freed.clear()
                    await self._freed.wait()
                self._left -= size
        except TimeoutError as exc:
            raise LLMBusyError("too many long articles are under way") from exc
        try:
            yield
        finally:
            self._left += size
            self._freed.set()


@dataclass(frozen=True, slots=True)
class _Work:
    """An article in the annex: its run, what waits for it, and the context in which its calls are made."""

    run: Run
    made: asyncio.Future[Summary]
    context: Context


class _Ear:
    """Hears an answer for the process; see `TextListener`."""

    def __init__(self, call: int, send: Callable[[Downward], None]) -> None:
        self._call = call
        self._send = send

    def begin(self) -> None:
        self._send(Heard(self._call, None))

    def add(self, text: str) -> None:
        self._send(Heard(self._call, text))


class _House:
    """One process and what is under way in it."""

    def __init__(self, process: AnnexProcess, lent: _Lent, rest: Callable[[_House], None]) -> None:
        self.process = process
        self._lent = lent
        self._rest = rest
        self._numbers = itertools.count(1)
        self._works: dict[int, _Work] = {}
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._is_over = False
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, equipment: Equipment, lent: _Lent, rest: Callable[[_House], None]) -> _House:
        """Start a process; `rest` is called whenever it has nothing left to do."""
        house = cls(await AnnexProcess.open(), lent, rest)
        house._send(equipment)
        return house

    @property
    def is_dead(self) -> bool:
        """Whether the process has ended."""
        return self._is_over

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._works

    async def make(self, job: Job, run: Run) -> Summary:
        """See `Annex.make`; raises _DiedError if the process ends."""
        if self.is_dead:
            raise _DiedError
        number = next(self._numbers)
        work = _Work(run, asyncio.get_running_loop().create_future(), copy_context())
        self._works[number] = work
        try:
            self._send(_order(number, job, run))
            return await work.made
        finally:
            del self._works[number]
            if not work.made.done() or work.made.cancelled():
                self._send(Cancel(number))
            if self.is_idle:
                self._rest(self)

    async def end(self) -> None:
        """Let it go: it leaves when its input ends, and is killed when it does not."""
        await self.process.close()
        await asyncio.wait([self._listening])

    def _send(self, message: Downward) -> None:
        self.process.write(frame(message))

    async def _listen(self) -> None:
        """Heed the process until it ends; then nobody waits for it any more."""
        try:
            while True:
                self._heed(await read_upward(self.process.reader))
                # Messages come in bursts; short requests take their turns between them.
                await asyncio.sleep(0)
        except (EOFError, OSError, msgspec.MsgspecError):
            pass
        finally:
            self._is_over = True
            for call in self._calls.values():
                call.cancel()
            for work in self._works.values():
                if not work.made.done():
                    work.made.set_exception(_DiedError())

    def _heed(self, message: Upward) -> None:
        if isinstance(message, Ask | Look | Keep):
            self._lend(message)
        elif isinstance(message, Withdraw):
            if call := self._calls.get(message.call):
                call.cancel()
        elif isinstance(message, Logged):
            logging.getLogger(message.logger).log(message.level, "%s", message.message)
        elif (work := self._works.get(message.work)) is None:
            return  # who waited for it has gone
        elif isinstance(message, Told):
            work.run.report(msgspec.msgpack.decode(message.event, type=_EVENTS[message.kind]))
        else:
            _finish(work, message)

    def _lend(self, message: Ask | Look | Keep) -> None:
        """Answer a call beside others, in the context of the work that it is for."""
        work = self._works.get(message.work)
        if work is not None and not isinstance(message, Ask) and message.key not in work.run.draft_keys:
            work.run.draft_keys.append(message.key)
        call = asyncio.create_task(self._answer(message, work), context=work.context if work else None)
        self._calls[message.call] = call
        call.add_done_callback(lambda _: self._calls.pop(message.call, None))

    async def _answer(self, message: Ask | Look | Keep, work: _Work | None) -> None:
        store = self._lent.store
        try:
            if isinstance(message, Ask):
                reply = Reply(message.call, reply=await self._ask(message, work))
            elif isinstance(message, Look):
                reply = Reply(message.call, value=await store.get(message.key))
            else:
                await store.set(message.key, message.value, expires_in=message.expires_in)
                reply = Reply(message.call)
        except Exception as exc:  # noqa: BLE001 - told to the process, whose pipeline deals with it
            reply = Reply(message.call, failure=failure_of(exc))
        self._send(reply)

    async def _ask(self, message: Ask, work: _Work | None) -> ChatReply:
        """The model's reply, for the account of the work, and heard by whoever follows that."""
        if work is None:
            raise LLMTimeoutError("nobody waits for the answer any more")
        request = message.request
        if message.listens and work.run.is_followed():
            request = msgspec.structs.replace(request, listener=_Ear(message.call, self._send))
        with self._lent.hooks.on_stage(Stage("draft", model=request.model, prompt=message.prompt)):
            return await ask_paid(self._lent.llm, request, work.run, message.prompt)


def _order(number: int, job: Job, run: Run) -> Begin:
    prompts = None
    if (p := job.prompts) is not None:
        article, chunk, combine = (f"{one.name}@{one.version}" for one in (p.article, p.chunk, p.combine))
        prompts = article, chunk, combine, f"{p.repair.name}@{p.repair.version}" if p.repair else None
    return Begin(
        work=number,
        id=job.id,
        digest=job.digest,
        text=job.text,
        title=job.title,
        style=job.style,
        max_quotes=job.max_quotes,
        language=job.language,
        model=job.model,
        policy=job.policy,
        prompts=prompts,
        seconds_left=run.deadline - asyncio.get_running_loop().time(),
        call_timeout_s=run.call_timeout_s,
        cache=run.cache,
        priority=run.priority,
    )


def _finish(work: _Work, ended: Ended) -> None:
    work.run.degraded = ended.degraded
    work.run.draft_keys = list(dict.fromkeys((*work.run.draft_keys, *ended.draft_keys)))
    if work.made.done():
        return
    if ended.summary is not None:
        work.made.set_result(ended.summary)
    elif ended.failure is not None:
        work.made.set_exception(error_of(ended.failure))
