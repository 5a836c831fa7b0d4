"""How near to limits and budgets callers come, and what keys cost a cache hit: `python -m bench limits`.

Two real processes of the service count in one Redis, and 64 callers send them more than is allowed, all at
once. What they got is compared with the limit: never more, and not a hundredth less.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Sequence
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
    interleave,
    mock_llm,
    ratio,
    redis_server,
    service,
    show,
)
from bench.news import make_article
from service.callers import Limits
from service.keys import create

CALLERS = 64
MODEL = "gpt-6-luna"
CHARACTERS = 1_200
_LEAST_USD = 0.000_05  # that a summary costs
HIT_CHARACTERS = 6_000


class Bench:
    """Two services behind one Redis, two processes that load them, and a file of keys."""

    def __init__(self, stack: ExitStack, folder: Path, limit: int, usd: float) -> None:
        self.folder = folder
        self.keys_file = folder / "keys.json"
        self.keys = {
            "requests": self.key("requests", Limits(requests_per_day=limit)),
            "key": self.key("money", Limits(usd_per_day=usd)),
            "budget": self.key("operator", Limits()),
            "counted": self.key(
                "counted", Limits(requests_per_minute=10_000_000, requests_per_day=1_000_000_000)
            ),
        }
        self.mock: Mock = stack.enter_context(mock_llm())
        redis_url = stack.enter_context(redis_server()).url
        settings: Json = {
            "model": MODEL,
            "cache_url": redis_url,
            "keys_file": self.keys_file,
            "daily_budget_usd": 2 * usd,
            "when_spent": "refuse",
        }
        self.services: list[Process] = [
            stack.enter_context(service(self.mock.url, **settings)) for _ in range(2)
        ]
        self.loads = [stack.enter_context(Worker("bench.load")) for _ in range(2)]

    def key(self, name: str, limits: Limits) -> Json:
        """The headers that bring a new key."""
        _, token = create(self.keys_file, name, ["summaries", "metrics"], limits)
        return {"Authorization": f"Bearer {token}"}

    def write(self, name: str, articles: Sequence[str]) -> str:
        """A file of request bodies."""
        path = self.folder / f"{name}.json"
        path.write_bytes(msgspec.json.encode([{"text": text} for text in articles]))
        return str(path)

    def send(self, headers: Json, bodies: Sequence[str], times: int = 1) -> dict[str, int]:
        """Send both services their bodies, with half of the callers each; answers by status."""
        for process, load, file in zip(self.services, self.loads, bodies, strict=True):
            load.start(
                {"url": process.url, "path": "/v1/summaries", "bodies": file, "in_flight": CALLERS // 2}
                | {"times": times, "headers": headers}
            )
        statuses: dict[str, int] = {}
        for load in self.loads:
            for status, count in load.finish()["statuses"].items():
                statuses[status] = statuses.get(status, 0) + count
        return statuses

    def spent(self, headers: Json, whose: str = "") -> tuple[float, int]:
        """What usage says was spent, in US dollars, and in how many calls."""
        request = urllib.request.Request(  # noqa: S310 - the service's own address
            f"{self.services[0].url}/v1/usage{whose}", headers=headers
        )
        calls = -1
        while True:  # each process writes its book every second
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                usage = msgspec.json.decode(answer.read())
            before, calls = calls, sum(line["llm_calls"] for line in usage["lines"])
            if calls == before:
                return usage["cost_usd"], calls
            time.sleep(1.5)


def requests_a_day(bench: Bench, limit: int) -> None:
    """Cache hits against a limit of requests."""
    article = [make_article(7, CHARACTERS)]
    statuses = bench.send(bench.keys["requests"], [bench.write("hit", article)] * 2, times=limit)
    assert set(statuses) == {"200", "429"}, statuses
    show(
        [
            Row("requests through, of a day's limit", statuses["200"] / limit, 0.99, at_least=True),
            Row("the same, at most", statuses["200"] / limit, 1.0, note=f"{statuses} of {limit}"),
        ]
    )


def money_a_day(bench: Bench, what: str, limit_usd: float, first: int) -> None:
    """Summaries that cost money against a limit, or the budget, of US dollars."""
    count = round(limit_usd / _LEAST_USD)
    bodies = [
        bench.write(f"{what}-{n}", [make_article(first + n + 2 * i, CHARACTERS) for i in range(count // 2)])
        for n in range(2)
    ]
    statuses = bench.send(bench.keys[what], bodies)
    refused = "429" if what == "key" else "503"
    assert set(statuses) == {"200", refused}, statuses
    spent, calls = bench.spent(bench.keys[what], "" if what == "key" else "?key=all")
    note = f"${spent:.5f} of ${limit_usd}; {calls} calls, the mock saw {bench.mock.calls}; {statuses}"
    share = spent / limit_usd
    show(
        [
            Row(f"US dollars spent, of the {what}'s limit", share, 0.99, at_least=True),
            Row("the same, at most", share, 1.0, note=note),
        ]
    )


def cost_of_keys(bench: Bench, stack: ExitStack, requests: int, rounds: int) -> None:
    """CPU of cache hits with keys and limits, against those without."""
    servers = {
        "without": stack.enter_context(service(bench.mock.url, model=MODEL, cache_url="memory://")),
        "with": stack.enter_context(
            service(bench.mock.url, model=MODEL, cache_url="memory://", keys_file=bench.keys_file)
        ),
    }
    bodies = bench.write("hits", [make_article(7, HIT_CHARACTERS)])

    def measure(name: str) -> float:
        job = {"url": servers[name].url, "path": "/v1/summaries", "bodies": bodies, "in_flight": 32}
        before = servers[name].cpu_s
        answer = bench.loads[0].ask(job | {"times": requests, "headers": bench.keys["counted"]})
        assert answer["statuses"] == {"200": requests}, answer["statuses"]
        return (servers[name].cpu_s - before) / requests * 1e6

    cpu = interleave({name: partial(measure, name) for name in servers}, rounds)
    medians = {name: statistics.median(times) for name, times in cpu.items()}
    note = f"{medians['with']:.0f} to {medians['without']:.0f} µs"
    show(
        [
            Row(
                "CPU of a hit with key and limits: against one without",
                ratio(cpu["with"], cpu["without"]),
                1.15,
                note=note,
            )
        ]
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--usd", type=float, default=0.25)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="standfirst-bench-")))
        bench = Bench(stack, folder, options.limit, options.usd)
        requests_a_day(bench, options.limit)
        money_a_day(bench, "key", options.usd, 1_000_000)
        money_a_day(bench, "budget", 2 * options.usd, 2_000_000)
        cost_of_keys(bench, stack, options.requests, options.rounds)


if __name__ == "__main__":
    main()
