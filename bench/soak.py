"""Mixed load for as long as is wanted, and what the service holds before and after it.

`python -m bench.soak --minutes 30`. Callers hit the cache, miss it, follow streams, hand in batches, go away
in the middle and send nonsense, while the mock LLM fails in one way after the other. Memory, open files and
tasks are taken twice while nothing is asked: after a warm-up, and at the end. Latency is that of cache hits
at the start and at the end of the load, which no fault of the model may touch. Needs Linux's /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from bench.harness import Mock, Process, Row, mock_llm, service, show
from bench.news import make_article

KNOWN = 50
CHARACTERS = 2_500
LINES = 20
WARM_S = 45.0
QUIET_S = 8.0
FAULT_S = 6.0
TELL_S = 60.0
SLOW = {"first_token_s": 0.15, "per_token_s": 0.002}
# How the mock behaves in turn; between two faults it is well for as long.
FAULTS: tuple[dict[str, Any], ...] = (
    {"always": {"kind": "status", "status": 500}},
    {"always": {"kind": "status", "status": 429, "headers": {"retry-after": "1"}}},
    {"always": {"kind": "hang"}},
    {"always": {"kind": "reset"}},
    {"always": {"kind": "cut"}},
    {"always": {"kind": "drip"}},
    {"always": {"kind": "not_json"}},
    {"always": {"kind": "length"}},
    {"always": {"kind": "refusal"}},
    {"always": {"kind": "prose"}},
)
BAD: tuple[tuple[bytes, str], ...] = (
    (b"{", "application/json"),
    (b'{"text": ""}', "application/json"),
    (b'{"text": "A story.", "style": "haiku"}', "application/json"),
    (b'{"text": "A story.", "colour": 1}', "application/json"),
    (b"\xff\xfe\x00", "text/plain"),
    (b"A story.", "image/png"),
    (b'{"text": "' + b"a" * 2_000_000 + b'"}', "application/json"),
)
# Shares of what callers do.
MIX = {"hit": 60, "miss": 14, "stream": 8, "abort": 8, "bad": 7, "quotes": 3}
# What may be answered to each; anything else is a finding.
EXPECTED: Mapping[str, frozenset[int]] = {
    "hit": frozenset({200}),
    "miss": frozenset({200}),
    "stream": frozenset({200}),
    "abort": frozenset({0, 200}),
    "bad": frozenset({400, 413, 415, 422}),
    "quotes": frozenset({200}),
    "batch": frozenset({201}),
    "results": frozenset({200}),
}


class Holding(NamedTuple):
    """What the service holds while nothing is asked of it."""

    resident_mib: float
    files: int
    tasks: int
    threads: int


class Load:
    """Callers of one service, at a rate that it can bear."""

    def __init__(self, server: Process, mock: Mock, per_second: float) -> None:
        self.server = server
        self.mock = mock
        self.per_second = per_second
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.hits_s: list[tuple[float, float]] = []
        self._rng = random.Random(4)
        self._number = 0
        self._do: dict[str, Callable[[aiohttp.ClientSession], Awaitable[None]]] = {
            "hit": self._hit,
            "miss": self._miss,
            "stream": self._stream,
            "abort": self._abort,
            "bad": self._bad,
            "quotes": self._quotes,
        }

    async def run(self, seconds: float) -> None:
        """Load, faults and batches for so long; returns when all that was begun has ended."""
        end = time.monotonic() + seconds
        timeout = aiohttp.ClientTimeout(total=120)
        connector = aiohttp.TCPConnector(limit=256)
        async with (
            aiohttp.ClientSession(self.server.url, timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._break(end))
            group.create_task(self._batches(session, end))
            group.create_task(self._tell(end))
            kinds, shares = list(MIX), list(MIX.values())
            while (now := time.monotonic()) < end:
                [kind] = self._rng.choices(kinds, shares)
                group.create_task(self._guarded(kind, session))
                await asyncio.sleep(max(0.0, now + self._rng.expovariate(self.per_second) - time.monotonic()))

    async def _guarded(self, kind: str, session: aiohttp.ClientSession) -> None:
        try:
            await self._do[kind](session)
        except (aiohttp.ClientError, TimeoutError) as exc:
            print(f"{kind}: {type(exc).__name__}", file=sys.stderr, flush=True)
            self.statuses[kind, -1] += 1

    async def _post(self, kind: str, session: aiohttp.ClientSession, body: object, **headers: str) -> None:
        async with session.post("/v1/summaries", json=body, headers=headers) as answer:
            await answer.read()
            self.statuses[kind, answer.status] += 1

    async def _hit(self, session: aiohttp.ClientSession) -> None:
        text = make_article(self._rng.randrange(KNOWN), CHARACTERS)
        begun = time.monotonic()
        async with session.post("/v1/summaries", json={"text": text}) as answer:
            await answer.read()
            self.statuses["hit", answer.status] += 1
            # A known article is made anew where a fault kept its first summary from being kept.
            if "; hit" in answer.headers.get("Cache-Status", "; hit"):
                self.hits_s.append((begun, time.monotonic() - begun))

    async def _miss(self, session: aiohttp.ClientSession) -> None:
        await self._post("miss", session, self._new())

    async def _stream(self, session: aiohttp.ClientSession) -> None:
        await self._post("stream", session, self._new(), Accept="text/event-stream")

    async def _abort(self, session: aiohttp.ClientSession) -> None:
        streamed = self._rng.random() < 0.5
        headers = {"Accept": "text/event-stream"} if streamed else {}
        try:
            async with asyncio.timeout(self._rng.uniform(0.0, 0.4)):
                await self._post("abort", session, self._new(), **headers)
        except TimeoutError:
            self.statuses["abort", 0] += 1

    async def _bad(self, session: aiohttp.ClientSession) -> None:
        body, kind = self._rng.choice(BAD)
        async with session.post("/v1/summaries", data=body, headers={"Content-Type": kind}) as answer:
            await answer.read()
            self.statuses["bad", answer.status] += 1

    async def _quotes(self, session: aiohttp.ClientSession) -> None:
        async with session.post("/v1/quotes", json=self._new()) as answer:
            await answer.read()
            self.statuses["quotes", answer.status] += 1

    def _new(self) -> dict[str, str]:
        self._number += 1
        return {"text": f"Report {self._number}. {make_article(self._number % 997, CHARACTERS)}"}

    async def _batches(self, session: aiohttp.ClientSession, end: float) -> None:
        """One batch after the other, each followed to its end."""
        while time.monotonic() < end:
            try:
                await self._batch(session)
            except (aiohttp.ClientError, TimeoutError) as exc:
                print(f"batch: {type(exc).__name__}", file=sys.stderr, flush=True)
                self.statuses["batch", -1] += 1

    async def _batch(self, session: aiohttp.ClientSession) -> None:
        lines = b"\n".join(msgspec.json.encode(self._new()) for _ in range(LINES))
        headers = {"Content-Type": "application/jsonl"}
        async with session.post("/v1/batches", data=lines, headers=headers) as answer:
            made = msgspec.json.decode(await answer.read())
            self.statuses["batch", answer.status] += 1
        if answer.status != 201:
            await asyncio.sleep(1)
            return
        path = f"/v1/batches/{made['batch']['id']}"
        while True:
            async with session.get(path) as answer:
                state = msgspec.json.decode(await answer.read())["state"]
            if state not in ("running", "paused"):
                break
            await asyncio.sleep(0.5)
        async with session.get(f"{path}/results") as answer:
            whole = len((await answer.read()).splitlines()) == LINES
            self.statuses["results", answer.status if whole else -1] += 1

    async def _tell(self, end: float) -> None:
        """A line every minute, so that a long run shows where it is."""
        begun = time.monotonic()
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(TELL_S, left))
            minutes, files = (time.monotonic() - begun) / 60, _count(self.server, "fd")
            size = self.server.resident_mib
            total = sum(self.statuses.values())
            print(f"    {minutes:.0f} min: {size:.0f} MiB, {files} files, {total} answers", flush=True)

    async def _break(self, end: float) -> None:
        """The mock fails in one way after the other, and is well at the end."""
        number = 0
        while (left := end - time.monotonic()) > 0:
            fault = FAULTS[number // 2 % len(FAULTS)] if number % 2 else {}
            await asyncio.to_thread(self.mock.configure, **SLOW, **fault)
            await asyncio.sleep(min(FAULT_S, left))
            number += 1
        await asyncio.to_thread(self.mock.configure, **SLOW)

    async def know(self) -> None:
        """Ask for each of the known articles once, so that the next time is a hit."""
        async with aiohttp.ClientSession(self.server.url) as session:
            for number in range(KNOWN):
                await self._post("hit", session, {"text": make_article(number, CHARACTERS)})

    def hits_between(self, begin: float, end: float) -> list[float]:
        """Seconds of the hits that began between two moments."""
        return sorted(took for begun, took in self.hits_s if begin <= begun < end)


async def hold(server: Process) -> Holding:
    """What the service holds when all has ended and been let go of."""
    await asyncio.sleep(QUIET_S)
    async with aiohttp.ClientSession(server.url) as session, session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    tasks = next(float(line.split()[1]) for line in lines if line.startswith("standfirst_tasks "))
    return Holding(server.resident_mib, _count(server, "fd"), int(tasks), _count(server, "task"))


async def soak(server: Process, mock: Mock, seconds: float, per_second: float) -> bool:
    """Load the service, print the table; whether all of it is within its limits."""
    load = Load(server, mock, per_second)
    mock.configure(**SLOW)
    await load.know()
    # Caches of words and of requests fill until they are at their bounds: a long run warms up for longer.
    await load.run(min(max(WARM_S, seconds / 8), 240.0))
    before = await hold(server)
    gc.collect()
    began = time.monotonic()
    calls, cpu_s = sum(load.statuses.values()), server.cpu_s
    await load.run(seconds)
    ended = time.monotonic()
    after = await hold(server)
    window = min(120.0, seconds / 4)
    first, last = load.hits_between(began, began + window), load.hits_between(began + seconds - window, ended)
    rows = [
        Row("resident memory while idle: growth, MiB", after.resident_mib - before.resident_mib, 40),
        Row("open files while idle: growth", after.files - before.files, 4),
        Row("tasks of the event loop while idle: growth", after.tasks - before.tasks, 3),
        Row("threads while idle: growth", after.threads - before.threads, 8),
        Row(
            "hits at the end against the start, median",
            statistics.median(last) / statistics.median(first),
            1.5,
        ),
        Row("hits at the end against the start, p95", _p95(last) / _p95(first), 2.0),
        Row("answers that were not expected", sum(_unexpected(load).values()), 0),
    ]
    show(rows)
    for when, holding in (("start", before), ("end", after)):
        print(
            f"{when}: {holding.resident_mib:.1f} MiB, {holding.files} files, {holding.tasks} tasks, "
            f"{holding.threads} threads"
        )
    for when, hits in (("start", first), ("end", last)):
        print(
            f"hits at the {when}: {len(hits)}, median {statistics.median(hits) * 1000:.1f} ms, "
            f"p95 {_p95(hits) * 1000:.1f} ms"
        )
    total = sum(load.statuses.values()) - calls
    print(
        f"{total} answers in {ended - began:.0f} s, "
        f"{(server.cpu_s - cpu_s) / total * 1000:.1f} ms of CPU each"
    )
    print(", ".join(f"{kind} {status}: {n}" for (kind, status), n in sorted(load.statuses.items())))
    if unexpected := _unexpected(load):
        print(f"not expected: {unexpected}")
    return all(row.holds for row in rows)


def _unexpected(load: Load) -> dict[tuple[str, int], int]:
    return {key: n for key, n in load.statuses.items() if key[1] not in EXPECTED[key[0]]}


def _count(server: Process, what: str) -> int:
    """How many files (`fd`) or threads (`task`) a process has."""
    return len(list(Path(f"/proc/{server.pid}/{what}").iterdir()))


def _p95(ordered: list[float]) -> float:
    return ordered[int(len(ordered) * 0.95)]


def main() -> None:
    """Run it; exit code 1 if a limit does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--per-second", type=float, default=20.0)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="standfirst-soak-"))
        mock = stack.enter_context(mock_llm())
        server = stack.enter_context(
            service(
                mock.url,
                model="mock",
                jobs_url=f"sqlite:///{folder}/jobs.sqlite3",
                max_article_bytes=1_000_000,
                llm_timeout_s=3,
                llm_attempts=2,
                breaker_open_s=2,
                deadline_s=20,
                log_level="error",
            )
        )
        well = asyncio.run(soak(server, mock, options.minutes * 60, options.per_second))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
