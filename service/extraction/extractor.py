"""Extraction in processes of its own, which a hostile document can hold up or crash without harm.

A process is started with the first document, kept for the next ones, and ended when it has had nothing to do
for a while, after a number of documents (trafilatura's caches grow), or when a document takes too long. It
gets no secret of this process, neither in its environment nor in its memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Final

import msgspec

from service.errors import NoArticleError, PageError, PageTimeoutError
from service.extraction.worker import LENGTH_BYTES, Answer, Task, frame
from service.models import Source
from service.turns import Turns

_MOST_DOCUMENTS: Final = 200
_LARGE: Final = 200_000  # bytes from which packing a document would hold up the event loop
_LONGEST_ANSWER: Final = 100_000_000  # bytes; a hostile document may have taken over who answers
_PATIENCE: Final = 3  # times what a document may take that one waits for its turn
_IDLE_S: Final = 60.0
_STOP_S: Final = 2.0
_INHERITED: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "PYTHONPATH",
    "SYSTEMROOT",
    "TMPDIR",
    "COVERAGE_PROCESS_CONFIG",
)


class Extractor:
    """Reads documents for articles, a few at a time.

    Args:
        processes: How many documents at once.
        max_waiting: How many may wait.
        timeout_s: Seconds that reading one may take.
    """

    def __init__(self, processes: int = 2, *, max_waiting: int = 200, timeout_s: float = 10.0) -> None:
        self._turns = Turns(processes, max_waiting=max_waiting, wait_s=timeout_s * _PATIENCE)
        self._timeout_s = timeout_s
        self._idle: list[_Worker] = []
        self._retiring: set[asyncio.Task[None]] = set()

    async def extract(
        self, data: bytes, media_type: str, *, charset: str | None = None, url: str | None = None
    ) -> Source:
        """The article in a document of `media_type`, whose header named `charset`, from `url` if anywhere.

        Raises:
            NoArticleError, PaywallError, ConsentWallError: there is none, for that reason.
            PageTypeError, PageTooLargeError: the document cannot be read.
            PageTimeoutError: the document takes too long to read, or crashes what reads it.
            IntakeBusyError: too many documents wait already.
        """
        field = "html" if url is None else "url"
        async with self._turns.turn(field):
            answer = await self._ask(Task(data, media_type, charset, url, self._timeout_s), field)
        if answer.source is not None:
            return answer.source
        if answer.refusal is None:
            raise NoArticleError("the page cannot be read", field=field)
        kinds = {kind.__name__: kind for kind in PageError.__subclasses__()}
        raise kinds.get(answer.refusal.error, NoArticleError)(
            answer.refusal.message, field=field, remedy=answer.refusal.remedy
        )

    async def aclose(self) -> None:
        """End the processes."""
        for worker in self._idle:
            self._retire(worker)
        self._idle.clear()
        if self._retiring:
            await asyncio.wait(self._retiring)

    async def _ask(self, task: Task, field: str) -> Answer:
        worker = self._rested() or _Worker()
        answered = False
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await worker.ask(task)
            answered = True
        except TimeoutError as exc:
            raise PageTimeoutError(f"the page takes over {self._timeout_s:g} s to read", field=field) from exc
        except (OSError, EOFError, msgspec.MsgspecError) as exc:
            raise PageTimeoutError("the page crashes what reads it", field=field) from exc
        finally:
            if answered and worker.documents < _MOST_DOCUMENTS:
                self._rest(worker)
            else:
                self._retire(worker, at_once=not answered)
        return answer

    def _rested(self) -> _Worker | None:
        """An idle process that nobody has killed meanwhile."""
        while self._idle:
            worker = self._idle.pop()
            if not worker.ended:
                return worker
            self._retire(worker)
        return None

    def _rest(self, worker: _Worker) -> None:
        self._idle.append(worker)
        documents = worker.documents

        def leave() -> None:
            if worker in self._idle and worker.documents == documents:
                self._idle.remove(worker)
                self._retire(worker)

        asyncio.get_running_loop().call_later(_IDLE_S, leave)

    def _retire(self, worker: _Worker, *, at_once: bool = False) -> None:
        task = asyncio.create_task(worker.end(at_once=at_once))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


class _Worker:
    """One process, started with its first document."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self.documents = 0

    @property
    def ended(self) -> bool:
        """Whether it was started, and is no longer there."""
        return self._process is not None and self._process.returncode is not None

    async def ask(self, task: Task) -> Answer:
        """What it makes of a document; raises OSError or EOFError if it ends over it."""
        if self._process is None:
            self._process = await _spawn()
        process = self._process
        assert process.stdin is not None  # noqa: S101 - it was opened with pipes
        assert process.stdout is not None  # noqa: S101
        self.documents += 1
        large = len(task.data) > _LARGE
        process.stdin.write(await asyncio.to_thread(frame, task) if large else frame(task))
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
        if length > _LONGEST_ANSWER:
            raise EOFError
        body = await process.stdout.readexactly(length)
        return msgspec.msgpack.decode(body, type=Answer)

    async def end(self, *, at_once: bool) -> None:
        """Let it go: it leaves when its input ends, and is killed when it is needed no longer."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if not at_once:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_S)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    """What the process gets of ours, so that it finds this package and no secret."""
    own = str(Path(__file__).resolve().parents[2])
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return environment | {"PYTHONPATH": os.pathsep.join(filter(None, (own, environment.get("PYTHONPATH"))))}


async def _spawn() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "service.extraction.worker"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=_environment(),
    )
