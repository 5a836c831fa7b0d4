"""Every fault of the mock LLM against one article, a stream, and 200 at once: `python -m bench fault_matrix`.

The service runs in this process, so that what it leaves behind can be counted. For each fault it is started
anew, asked, and asked again when the fault is over; the run fails where a request got no answer or one after
its deadline, where a summary that was paid for was paid for again, or where a task, a connection or a call of
the model was left.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import aiohttp
import msgspec
import uvicorn

from bench.harness import Json
from bench.mock_llm import Kind, MockLLM, Reply
from bench.news import make_article
from service.app import create_app
from service.settings import Settings

DEADLINE_S = 12.0
GRACE_S = 2.0  # for the article's own work, on a machine that does other things too
REFUSED_MS = 50.0
TOGETHER = 200
AFTERWARDS = 20  # at once when the fault is over: this process is service, mock and callers in one
CHARACTERS = 2_500
FAULTS: dict[str, Reply] = {
    "none": Reply(),
    "429, Retry-After 1": Reply(kind="status", status=429, headers={"Retry-After": "1"}),
    "500": Reply(kind="status", status=500),
    "401": Reply(kind="status", status=401),
    "404": Reply(kind="status", status=404),
} | {kind: Reply(kind=kind) for group in get_args(Kind) for kind in (get_args(group) or (group,))}
_NOT_FAULTS = {"answer", "status"}


@dataclass(slots=True)
class Seen:
    """What callers saw: kinds of answers with their numbers, and the longest time to one."""

    kinds: Counter[str]
    longest_s: float
    calls: int

    def __str__(self) -> str:
        kinds = ", ".join(kind if n == 1 else f"{n} × {kind}" for kind, n in self.kinds.most_common())
        return f"{kinds}; {self.calls} calls; {self.longest_s:.1f} s"


class Caller:
    """Asks the service at `url`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, mock: MockLLM) -> None:
        self._session = session
        self._url = f"{url}/v1/summaries"
        self._mock = mock

    async def ask(self, numbers: Sequence[int], *, stream: bool = False, at_once: int = TOGETHER) -> Seen:
        """Ask for all these articles, so many of them at once."""
        before = self._mock.stats.calls
        texts = await asyncio.to_thread(lambda: [make_article(n, CHARACTERS) for n in numbers])
        places = asyncio.Semaphore(at_once)

        async def ask_one(text: str) -> tuple[str, float]:
            async with places:
                return await self._one(text, stream=stream)

        answers = await asyncio.gather(*map(ask_one, texts))
        kinds = Counter(kind for kind, _ in answers)
        return Seen(kinds, max(seconds for _, seconds in answers), self._mock.stats.calls - before)

    async def _one(self, text: str, *, stream: bool) -> tuple[str, float]:
        began = time.monotonic()
        headers = {"Accept": "text/event-stream"} if stream else {}
        try:
            async with self._session.post(self._url, json={"text": text}, headers=headers) as answer:
                body = await answer.read()
        except aiohttp.ClientError as exc:
            return f"LOST ({type(exc).__name__})", time.monotonic() - began
        return _kind(answer.status, _last_event(body) if stream else body), time.monotonic() - began


def _last_event(body: bytes) -> bytes:
    return next(line[6:] for line in reversed(body.split(b"\n")) if line.startswith(b"data: "))


def _kind(status: int, body: bytes) -> str:
    answer: Json = msgspec.json.decode(body)
    if "sentences" in answer:
        return f"{status} " + ("extract" if answer["degraded"] else "summary")
    return f"{answer['status']} {str(answer['type']).rpartition(':')[2]}"


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave signals to the benchmark."""


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """The service on a free port, on this event loop; its URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(create_app(settings), log_config=None, timeout_graceful_shutdown=2)
    server = _Server(config)
    serve = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serve
        listener.close()


async def examine(name: str, reply: Reply, fallback: str) -> list[str]:
    """Show a row of the table for one fault; what is wrong with it."""
    with MockLLM() as mock:
        settings = Settings(
            openai_base_url=mock.base_url,
            cache_url="memory://",
            deadline_s=DEADLINE_S,
            llm_timeout_s=5.0,
            llm_attempts=2,
            breaker_open_s=0.5,
            stream_linger_s=0.0,
            log_level="error",
            fallback=fallback,  # type: ignore[arg-type] # one of its values
        )
        tasks, sockets = len(asyncio.all_tasks()), _sockets()
        async with serving(settings) as url:
            # Less than the 5 s after which uvicorn closes a connection: a request of that moment is lost.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
            async with aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(60)
            ) as session:
                caller = Caller(session, url, mock)
                wrong = await _ask_all(caller, mock, name, reply)
        return wrong + await _leftovers(mock, tasks, sockets)


async def _ask_all(caller: Caller, mock: MockLLM, name: str, reply: Reply) -> list[str]:
    mock.configure(always=reply, first_token_s=0.05)
    cells = []
    for numbers, stream in (([1], False), ([2], True), (range(10, 10 + TOGETHER), False)):
        cells.append(await caller.ask(numbers, stream=stream))
        await asyncio.sleep(0.6)  # the breaker's pause, so that the next cell begins as the first did
    mock.configure(always=Reply())
    await caller.ask([3])  # the breaker's probe
    healed = await caller.ask(range(10, 10 + TOGETHER), at_once=AFTERWARDS)
    again = await caller.ask(range(10, 10 + TOGETHER), at_once=AFTERWARDS)
    print(f"| {name} | " + " | ".join(map(str, [*cells, healed])) + " |", flush=True)
    wrong = [
        f"{name}: an answer took {seen.longest_s:.1f} s"
        for seen in cells
        if seen.longest_s > DEADLINE_S + GRACE_S
    ]
    wrong += [f"{name}: {kind}" for seen in cells for kind in seen.kinds if kind.startswith(("LOST", "500"))]
    kept = sum(n for kind, n in cells[2].kinds.items() if kind == "200 summary")
    if healed.kinds != Counter({"200 summary": TOGETHER}):
        wrong.append(f"{name}: not healed: {healed}")
    if healed.calls > TOGETHER - kept or again.calls:
        wrong.append(f"{name}: paid again: {healed.calls} calls for {TOGETHER - kept}, then {again.calls}")
    return wrong


async def refuse() -> list[str]:
    """Show how soon callers hear that there is no room for them."""
    with MockLLM() as mock:
        settings = Settings(
            openai_base_url=mock.base_url,
            cache_url="memory://",
            llm_concurrency=1,
            llm_max_waiting=0,
            fallback="none",
        )
        mock.configure(always=Reply(kind="hang"))
        async with serving(settings) as url, aiohttp.ClientSession() as session:
            caller = Caller(session, url, mock)
            holding = asyncio.create_task(caller.ask([1]))
            while mock.stats.in_flight == 0:  # noqa: ASYNC110 - the mock is in another thread
                await asyncio.sleep(0.01)
            times, began_cpu_s = [], time.process_time()
            for number in range(100, 150):
                seen = await caller.ask([number])
                if seen.kinds != Counter({"503 model-busy": 1}):
                    return [f"no room: {seen}"]
                times.append(seen.longest_s * 1000)
            cpu_ms = (time.process_time() - began_cpu_s) / len(times) * 1000
            holding.cancel()
            await asyncio.wait([holding])
    median, most = statistics.median(times), max(times)
    print(
        f"\nNo room: 503 model-busy with Retry-After after {median:.0f} ms, at most {most:.0f} ms, "
        f"{cpu_ms:.0f} ms of CPU."
    )
    # By CPU time too, as the machine may do other things.
    return ["no room: told late"] * (min(median, 2 * cpu_ms) > REFUSED_MS)


async def _leftovers(mock: MockLLM, tasks: int, sockets: int) -> list[str]:
    end = time.monotonic() + 5
    while time.monotonic() < end and (len(asyncio.all_tasks()) > tasks or _sockets() > sockets):
        gc.collect()
        await asyncio.sleep(0.05)
    left = {
        "tasks": len(asyncio.all_tasks()) - tasks,
        "sockets": _sockets() - sockets,
        "calls of the model": mock.stats.in_flight,
    }
    return [f"{n} {what} left behind" for what, n in left.items() if n > 0]


def _sockets() -> int:
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += str(entry.readlink()).startswith("socket:")
    return count


async def run(names: Sequence[str], fallbacks: Sequence[str]) -> int:
    """Print the tables; the number of things that are wrong."""
    wrong: list[str] = []
    for fallback in fallbacks:
        print(f"\nSTANDFIRST_FALLBACK={fallback}")
        print(
            f"| fault | one article | a stream | {TOGETHER} at once "
            f"| the {TOGETHER} when it is over, {AFTERWARDS} at a time |"
        )
        print("|---|---|---|---|---|", flush=True)
        for name in names:
            wrong += await examine(name, FAULTS[name], fallback)
    wrong += await refuse()
    print("\n" + ("\n".join(wrong) or "Nothing lost, late, paid for again, or left behind."))
    return len(wrong)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = [name for name in FAULTS if name not in _NOT_FAULTS]
    parser.add_argument("--faults", nargs="*", default=known, choices=known)
    parser.add_argument("--fallbacks", nargs="*", default=["extractive", "none"])
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # one line for each failure would be thousands
    sys.exit(bool(asyncio.run(run(options.faults, options.fallbacks))))


if __name__ == "__main__":
    main()
