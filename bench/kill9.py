"""What callers see when something is killed: `python -m bench kill9`.

Two processes of the service share a Redis and the mock LLM. Killed, always with SIGKILL: the process that
leads a single flight, Redis under load, one of the two processes under load; and, with nothing killed,
1,000 identical requests at both. Callers send again, to the other process, what got no answer, as a load
balancer does.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import signal
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import aiohttp
import msgspec

from bench.harness import Json, Mock, Process, RedisProcess, mock_llm, redis_server, service
from bench.news import make_article

CHARACTERS = 2_500
IDENTICAL = 1_000
LEASE_S = 6.0
LOAD_PER_S = 20


class Stand:
    """Two processes of the service, the Redis that they share, and the mock LLM."""

    def __init__(self, stack: ExitStack) -> None:
        self.mock: Mock = stack.enter_context(mock_llm())
        self.redis: RedisProcess = stack.enter_context(redis_server())
        self.both: list[Process] = [
            stack.enter_context(service(self.mock.url, model="mock", cache_url=self.redis.url))
            for _ in range(2)
        ]


class Caller:
    """Asks one process, and the other one where the first gives no answer."""

    def __init__(self, session: aiohttp.ClientSession, servers: Sequence[Process]) -> None:
        self._session = session
        self._servers = servers
        self.seen: Counter[str] = Counter()
        self.longest_s = 0.0

    async def ask(self, text: str, first: int = 0, cache_control: str = "") -> str:
        """What came of it; a summary's `id`, where there is one."""
        began = time.monotonic()
        headers = {"Cache-Control": cache_control} if cache_control else {}
        for attempt, number in enumerate((first, 1 - first), 1):
            url = f"{self._servers[number].url}/v1/summaries"
            try:
                async with self._session.post(url, json={"text": text}, headers=headers) as answer:
                    body: Json = msgspec.json.decode(await answer.read())
            except aiohttp.ClientError:
                continue
            kind = "summary" if not body.get("degraded", True) else "extract" if "id" in body else "problem"
            self.seen[f"{answer.status} {kind}" + (" from the other process" if attempt > 1 else "")] += 1
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            return str(body.get("id", ""))
        self.seen["NO ANSWER"] += 1
        return ""

    def __str__(self) -> str:
        kinds = ", ".join(f"{n} × {kind}" for kind, n in self.seen.most_common())
        return f"{kinds}; longest {self.longest_s:.1f} s"


async def identical(stand: Stand, session: aiohttp.ClientSession) -> list[str]:
    """1,000 equal requests at once, half of them at each process."""
    stand.mock.configure(first_token_s=0.5)
    caller = Caller(session, stand.both)
    text = make_article(1, CHARACTERS)
    ids = await asyncio.gather(*(caller.ask(text, n % 2) for n in range(IDENTICAL)))
    calls = await asyncio.to_thread(lambda: stand.mock.calls)
    _show(f"{IDENTICAL:,} identical requests at two processes", f"{caller}; LLM calls {calls}")
    return [] if calls == 1 and len(set(ids)) == 1 and len(caller.seen) == 1 else ["identical requests"]


async def kill_redis(stand: Stand, session: aiohttp.ClientSession) -> list[str]:
    """Redis is killed under load, and started again."""
    stand.mock.configure(first_token_s=0.1)
    caller = Caller(session, stand.both)
    async with _load(caller, 1_000):
        await asyncio.sleep(1)
        stand.redis.kill()
        told_s = await _until(lambda: _ready(stand.both[0])["status"] == "degraded")
        await asyncio.sleep(1)
        stand.redis.start()
        healed_s = await _until(lambda: all(_ready(one)["status"] == "ok" for one in stand.both))
    calls = await asyncio.to_thread(lambda: stand.mock.calls)
    asked = sum(caller.seen.values())
    _show(
        "Redis killed under load, started again after 1 s",
        f"{caller}; LLM calls {calls} for {asked // 2} articles asked for twice; /readyz says so after "
        f"{told_s:.1f} s, and that it is well {healed_s:.1f} s after the start",
    )
    return [f"Redis killed: {kind}" for kind in caller.seen if kind != "200 summary"]


async def kill_leader(stand: Stand, session: aiohttp.ClientSession) -> list[str]:
    """The first process is killed while it works on an article that the second one waits for."""
    stand.mock.configure(first_token_s=2.0)
    text = make_article(3, CHARACTERS)
    first, second = Caller(session, stand.both[:1] * 2), Caller(session, stand.both)
    leading = asyncio.create_task(first.ask(text))
    await _until(lambda: stand.mock.calls == 1)
    waiting = asyncio.create_task(second.ask(text, 1))
    await asyncio.sleep(0.5)
    os.kill(stand.both[0].pid, signal.SIGKILL)
    await asyncio.gather(leading, waiting)
    calls = await asyncio.to_thread(lambda: stand.mock.calls)
    _show(
        "the leader of a single flight killed",
        f"its own callers: {first.seen.most_common(1)[0][0]}; "
        f"who waited at the other process: {second}; LLM calls {calls}",
    )
    late = second.longest_s > 1.4 * LEASE_S + 4 + 2
    return ["the leader killed"] * (late or second.seen != Counter({"200 summary": 1}) or calls != 2)


async def kill_one(stand: Stand, session: aiohttp.ClientSession) -> list[str]:
    """The first process is killed under load that goes to both."""
    stand.mock.configure(first_token_s=0.3)
    caller = Caller(session, stand.both)
    async with _load(caller, 5_000):
        await asyncio.sleep(2)
        os.kill(stand.both[0].pid, signal.SIGKILL)
        await asyncio.sleep(3)
    calls = await asyncio.to_thread(lambda: stand.mock.calls)
    asked = sum(caller.seen.values())
    _show(
        "one of two processes killed under load",
        f"{caller}; LLM calls {calls} for {asked // 2} articles asked for twice",
    )
    return [f"a process killed: {kind}" for kind in caller.seen if not kind.startswith("200 summary")]


class _load:  # noqa: N801 - reads as a function
    """Within the block, articles are asked for at a steady rate, each of them at both processes at once."""

    def __init__(self, caller: Caller, first: int) -> None:
        self._caller = caller
        self._numbers = itertools.count(first)
        self._asked: set[asyncio.Task[str]] = set()

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._ask())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await asyncio.wait(self._asked)

    async def _ask(self) -> None:
        for number in self._numbers:
            text = make_article(number, CHARACTERS)
            self._asked |= {asyncio.create_task(self._caller.ask(text, process)) for process in (0, 1)}
            await asyncio.sleep(1 / LOAD_PER_S)


async def _until(reached: Callable[[], bool], seconds: float = 30.0) -> float:
    """Wait for something that blocks to become true; how long it took."""
    began = time.monotonic()
    while not await asyncio.to_thread(reached):
        if time.monotonic() - began > seconds:
            raise TimeoutError("what was waited for did not happen")
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def _ready(process: Process) -> Json:
    with urllib.request.urlopen(f"{process.url}/readyz", timeout=5) as answer:  # noqa: S310 - our own
        health: Json = msgspec.json.decode(answer.read())
        return health


def _show(what: str, seen: str) -> None:
    print(f"| {what} | {seen} |", flush=True)


async def run() -> int:
    """Print the table; how many rows are wrong."""
    wrong: list[str] = []
    print("| what | what callers saw |\n|---|---|", flush=True)
    with ExitStack() as stack:
        stand = Stand(stack)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as session:
            for scene in (identical, kill_redis, kill_leader):
                wrong += await scene(stand, session)
    with ExitStack() as stack:
        stand = Stand(stack)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2), timeout=aiohttp.ClientTimeout(60)
        ) as session:
            wrong += await kill_one(stand, session)
    print("\n" + ("\n".join(wrong) or "No request was lost that was sent again."))
    return len(wrong)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.exit(bool(asyncio.run(run())))


if __name__ == "__main__":
    main()
