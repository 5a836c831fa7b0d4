"""What the service adds to the model's own time: `python -m bench llm_path`.

The mock answers in 0.5 s: 0.2 s to the first token, then 60 tokens. Every way takes its turn in every round,
on the same articles and the same mock; a figure is the median over the rounds of the ratio within a round.
Mock, load and each way run in processes of their own.
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
    OTHERS_PYTHON,
    ROUNDS,
    Mock,
    Process,
    Row,
    Worker,
    interleave,
    mock_llm,
    ratio,
    service,
    show,
)
from bench.recording import (
    LONG_CHARACTERS,
    LONG_MODEL,
    MODELS_FILE,
    REPLY,
    REPLY_S,
    SHORT_CHARACTERS,
    Articles,
    record,
)

OTHERS = ("langchain", "llamaindex", "bare_openai")


class Bench:
    """The processes of one run, and what they can be asked for."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.mock: Mock = stack.enter_context(mock_llm())
        (folder / "models.toml").write_text(MODELS_FILE)
        self.server: Process = stack.enter_context(
            service(
                self.mock.url,
                model="mock",
                models=LONG_MODEL,
                models_file=folder / "models.toml",
                policy="strict",
                llm_concurrency=220,
                chunk_concurrency=10,
            )
        )
        self.load = stack.enter_context(Worker("bench.load"))
        # The SDK as we have it; the frameworks with the one that they want.
        self._workers = {"bare_openai": stack.enter_context(Worker("bench.baselines"))}
        for way in ("raw_aiohttp", "langchain", "llamaindex"):
            self._workers[way] = stack.enter_context(Worker("bench.baselines", OTHERS_PYTHON))

    def ours(self, articles: Articles, in_flight: int) -> float:
        """Seconds for all articles, each as a request to the service that reads nothing from its caches."""
        job = {
            "url": self.server.url,
            "path": "/v1/summaries",
            "headers": {"Cache-Control": "no-cache"},
            "bodies": str(articles.bodies),
            "in_flight": in_flight,
            "want_body": True,
        }
        answer = self.load.ask(job)
        assert set(answer["statuses"]) == {"200"}, answer
        assert '"degraded":false' in answer["body"], answer["body"]
        seconds: float = answer["seconds"]
        return seconds

    def other(self, way: str, articles: Articles, in_flight: int) -> float:
        """Seconds for all articles, done in another way."""
        job = {"way": way, "url": self.mock.url, "articles": str(articles.calls), "in_flight": in_flight}
        seconds: float = self._workers[way].ask(job)["seconds"]
        return seconds

    def ways(
        self, articles: Articles, in_flight: int, others: tuple[str, ...]
    ) -> dict[str, Callable[[], float]]:
        """Every way to do these articles."""
        found: dict[str, Callable[[], float]] = {"ours": partial(self.ours, articles, in_flight)}
        return found | {
            way: partial(self.other, way, articles, in_flight) for way in ("raw_aiohttp", *others)
        }

    def count_calls(self, way: Callable[[], float]) -> int:
        """LLM calls of one turn."""
        self.mock.configure(**REPLY)
        way()
        return self.mock.calls


def compare(bench: Bench, what: str, articles: Articles, in_flight: int, limit: float, rounds: int) -> None:
    """Ours and others' time against raw aiohttp's."""
    ways = bench.ways(articles, in_flight, OTHERS)
    calls = {name: bench.count_calls(way) for name, way in ways.items()}  # the warm-up too
    before = bench.server.cpu_s
    times = interleave(ways, rounds, warm=False)
    cpu_ms = (bench.server.cpu_s - before) / rounds / len(articles.recorded) * 1000
    assert calls["ours"] == calls["raw_aiohttp"] == articles.llm_calls, calls
    note = f"{statistics.median(times['ours']):.2f} s; {cpu_ms:.1f} ms of CPU an article"
    show([Row(f"{what}: against raw aiohttp", ratio(times["ours"], times["raw_aiohttp"]), limit, note=note)])
    for name in OTHERS:
        note = f"{statistics.median(times[name]):.2f} s, {calls[name]} calls"
        show([Row(f"    {name}", ratio(times[name], times["raw_aiohttp"]), note=note)])


def against_ideal(
    bench: Bench, what: str, articles: Articles, in_flight: int, ideal_s: float, limit: float, rounds: int
) -> None:
    """Every way's time against the model's own."""
    bench.mock.configure(**REPLY)
    times = interleave(bench.ways(articles, in_flight, OTHERS), rounds, warm=False)  # they are
    medians = {name: statistics.median(found) for name, found in times.items()}
    show([Row(f"{what}: against the ideal {ideal_s:g} s", medians["ours"] / ideal_s, limit)])
    show([Row(f"    {name}", medians[name] / ideal_s) for name in ("raw_aiohttp", *OTHERS)])


def identical(bench: Bench, articles: Articles) -> None:
    """How often 50 equal requests at once reach the model."""
    bench.mock.configure(**REPLY)
    body = bench_file(articles, 1)
    job = {
        "url": bench.server.url,
        "path": "/v1/summaries",
        "bodies": str(body),
        "in_flight": 50,
        "times": 50,
    }
    answer = bench.load.ask(job)
    assert answer["statuses"] == {"200": 50}, answer
    show([Row("50 identical requests at once: LLM calls", bench.mock.calls, 1)])


def bench_file(articles: Articles, count: int) -> Path:
    """The requests for the first articles alone, with a title so that nothing kept answers them."""
    path = articles.bodies.with_name(f"first-{count}-{articles.bodies.name}")
    bodies = [{"text": one.text, "title": "Asked for at once"} for one in articles.recorded[:count]]
    path.write_bytes(msgspec.json.encode(bodies))
    return path


def first(articles: Articles, count: int) -> Articles:
    """The first articles alone."""
    bodies = articles.bodies.with_name(f"{count}-{articles.bodies.name}")
    calls = articles.calls.with_name(f"{count}-{articles.calls.name}")
    for whole, part in ((articles.bodies, bodies), (articles.calls, calls)):
        part.write_bytes(msgspec.json.encode(msgspec.json.decode(whole.read_bytes())[:count]))
    return Articles(articles.recorded[:count], bodies, calls)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--articles", type=int, default=200)
    options = parser.parse_args()
    if not Path(OTHERS_PYTHON).exists():
        parser.exit(2, f"{OTHERS_PYTHON} is not there: `make bench` sets it up\n")
    count, rounds = options.articles, options.rounds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="standfirst-bench-")))
        short = asyncio.run(record(folder, "short", count=count, characters=SHORT_CHARACTERS, chunks=1))
        long = asyncio.run(record(folder, "long", count=count // 5, characters=LONG_CHARACTERS, chunks=10))
        bench = Bench(stack, folder)
        compare(bench, f"{count} articles of 1,000 tokens, 50 in flight", short, 50, 1.2, rounds)
        compare(bench, f"{count // 5} articles of 10 chunks, 20 in flight", long, 20, 1.35, rounds)
        ideal_s = count / 10 * REPLY_S
        against_ideal(bench, f"{count} articles, 10 in flight", short, 10, ideal_s, 1.05, rounds)
        against_ideal(bench, "one short article", first(short, 1), 1, REPLY_S, 1.02, rounds)
        against_ideal(bench, "one long article", first(long, 1), 1, 2 * REPLY_S, 1.04, rounds)
        identical(bench, short)


if __name__ == "__main__":
    main()
