"""What a cache hit costs, and what the pipeline costs on one core: `python -m bench hit_path`.

Each server is kept on the first core and what speaks to it on the second, so a rate is that of one core.
Hits are measured against a bare Litestar handler that decodes the same 6 KB body and sends it back; both
are served by uvicorn with the same options.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from bench.harness import (
    ROUNDS,
    Json,
    Mock,
    Process,
    Row,
    Worker,
    bare_litestar,
    interleave,
    mock_llm,
    ratio,
    redis_server,
    service,
    show,
)
from bench.news import make_article
from bench.recording import CHARACTERS_PER_TOKEN, REPLY, SHORT_CHARACTERS, record
from service.callers import Limits
from service.keys import create

ECHO_CHARACTERS = 6_000
CONNECTIONS = 32
HITS_PER_SECOND = 50
HUGE_TOKENS = 100_000


# Checked and counted for each hit, and never reached.
_LIMITS = Limits(requests_per_minute=1_000_000_000, requests_per_day=1_000_000_000)


class Hits:
    """Servers, each with a key that has limits, the load on them, and the body that all of them get."""

    def __init__(self, stack: ExitStack, folder: Path, requests: int) -> None:
        self.mock: Mock = stack.enter_context(mock_llm())
        self.load = stack.enter_context(Worker("bench.load"))
        self.requests = requests
        redis = stack.enter_context(redis_server())
        file = folder / "keys.json"
        _, token = create(file, "bench", ["summaries"], _LIMITS)
        self.headers = {"Authorization": f"Bearer {token}"}
        start = partial(service, self.mock.url, model="mock", keys_file=file)
        self.servers: dict[str, Process] = {
            "echo": stack.enter_context(bare_litestar()),
            "memory": stack.enter_context(start(cache_url="memory://")),
            "sqlite": stack.enter_context(start()),
            # Without the layer of memory before it, so that each hit is read from Redis.
            "redis": stack.enter_context(start(cache_url=f"{redis.url}?local_ttl_s=0.000001")),
        }
        self.folder = folder
        self.bodies = self.write("hit", [{"text": make_article(7, ECHO_CHARACTERS)}])
        for server in self.servers.values():
            server.pin(0)
        for process in (self.mock.process, self.load, redis.process):
            process.pin(1)

    def write(self, name: str, bodies: list[Json]) -> str:
        """A file of request bodies."""
        path = self.folder / f"{name}.json"
        path.write_bytes(msgspec.json.encode(bodies))
        return str(path)

    def job(self, server: str, **more: object) -> Json:
        """A job for the load's process."""
        return {
            "url": self.servers[server].url,
            "path": "/v1/summaries",
            "bodies": self.bodies,
            "headers": self.headers,
            **more,
        }

    def rate(self, server: str) -> float:
        """Answered requests a second."""
        answer = self.load.ask(self.job(server, in_flight=CONNECTIONS, times=self.requests))
        assert answer["statuses"] == {"200": self.requests}, answer["statuses"]
        return self.requests / float(answer["seconds"])


def compare_hits(hits: Hits, rounds: int) -> None:
    """Hits a second against echoes a second."""
    cpu: dict[str, list[float]] = {name: [] for name in hits.servers}

    def measure(name: str) -> float:
        before = hits.servers[name].cpu_s
        rate = hits.rate(name)
        cpu[name].append((hits.servers[name].cpu_s - before) / hits.requests * 1e6)
        return rate

    rates = interleave({name: partial(measure, name) for name in hits.servers}, rounds)
    for name, limit in (("memory", 0.9), ("sqlite", 0.75), ("redis", 0.45)):
        note = (
            f"{statistics.median(rates[name]):.0f} to {statistics.median(rates['echo']):.0f} a second; "
            f"CPU {statistics.median(cpu[name]):.0f} to {statistics.median(cpu['echo']):.0f} µs"
        )
        what = f"hits on {name}, a second: against a bare Litestar echo"
        show([Row(what, ratio(rates[name], rates["echo"]), limit, at_least=True, note=note)])


def hits_beside_huge_articles(hits: Hits, seconds: float, rounds: int) -> None:
    """The slowest hundredth of hits while articles of 100,000 tokens are summarized, against idle."""
    articles = [{"text": make_article(900 + n, int(HUGE_TOKENS * CHARACTERS_PER_TOKEN))} for n in range(2)]
    huge = hits.write("huge", articles)
    paced = hits.job("memory", per_second=HITS_PER_SECOND, seconds=seconds)
    idle, busy = [], []
    hits.mock.configure(**REPLY)
    with Worker("bench.load") as other:
        for _ in range(rounds):
            idle.append(float(hits.load.ask(paced)["p99_s"]))
            other.start(
                hits.job("memory")
                | {"bodies": huge, "in_flight": 2, "times": 50, "seconds": seconds + 1}
                | {"headers": hits.headers | {"Cache-Control": "no-store"}}
            )
            busy.append(float(hits.load.ask(paced)["p99_s"]))
            done = other.finish()
            assert set(done["statuses"]) == {"200"}, done
    note = f"{statistics.median(busy) * 1000:.1f} ms to {statistics.median(idle) * 1000:.1f} ms"
    what = f"hits at {HITS_PER_SECOND}/s beside articles of {HUGE_TOKENS:,} tokens: p99 against idle"
    show([Row(what, ratio(busy, idle), 2, note=note)])


def calls_on_one_core(stack: ExitStack, mock: Mock, folder: Path, count: int, rounds: int) -> None:
    """LLM calls a second of CPU through the library's whole pipeline, against a bare loop over the SDK.

    The mock, on the other core, cannot keep the bare loop busy, so that time on the clock would flatter us.
    """
    articles = asyncio.run(record(folder, "short", count=count, characters=SHORT_CHARACTERS, chunks=1))
    workers = {way: stack.enter_context(Worker("bench.baselines")) for way in ("pipeline", "bare_openai")}

    def measure(way: str) -> float:
        job = {"way": way, "url": mock.url, "articles": str(articles.calls), "in_flight": 50}
        workers[way].pin(0)  # threads that were started since are on that core already
        answer = workers[way].ask(job)
        wall[way].append(count / float(answer["seconds"]))
        return count / float(answer["cpu_s"])

    wall: dict[str, list[float]] = {way: [] for way in workers}
    mock.configure()
    ways: dict[str, Callable[[], float]] = {way: partial(measure, way) for way in workers}
    rates = interleave(ways, rounds)
    medians = {way: statistics.median(rates[way]) for way in rates}
    seen = f"{statistics.median(wall['pipeline']):.0f} to {statistics.median(wall['bare_openai']):.0f}"
    note = f"{medians['pipeline']:.0f} to {medians['bare_openai']:.0f} a second of CPU; by the clock {seen}"
    what = "LLM calls a second of CPU: against AsyncOpenAI's create"
    show([Row(what, ratio(rates["pipeline"], rates["bare_openai"]), 1.0, at_least=True, note=note)])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="standfirst-bench-")))
        hits = Hits(stack, folder, options.requests)
        compare_hits(hits, options.rounds)
        calls_on_one_core(stack, hits.mock, folder, 100, options.rounds)
        hits_beside_huge_articles(hits, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
