"""Workers that are killed, stopped and many: no article is lost, and none is paid for twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bench.mock_llm import MockLLM
from service.assembly import Assembly
from service.batches import Batch, Batches, RawLine, Submission
from service.settings import Settings

ARTICLES = 60
AT_ONCE = 8

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def start_worker(jobs_url: str, mock_llm: MockLLM, tmp_path: Path) -> Iterator[Start]:
    """Starts `standfirst worker`, each with a cache of its own, and waits until it works."""
    workers: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        settings = {
            "STANDFIRST_JOBS_URL": jobs_url,
            "STANDFIRST_CACHE_URL": f"sqlite:///{tmp_path}/cache{len(workers)}.sqlite3",
            "STANDFIRST_BATCH_CONCURRENCY": str(AT_ONCE),
            "STANDFIRST_BATCH_TAKEOVER_S": "4",
            "OPENAI_BASE_URL": mock_llm.base_url,
        }
        command = [sys.executable, "-c", "from service.cli import main; main()", "worker"]
        worker = subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.PIPE, text=True)
        workers.append(worker)
        assert worker.stderr is not None
        assert any("working on batches" in line for line in worker.stderr)
        return worker

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()
        assert worker.stderr is not None
        worker.stderr.close()


@pytest.fixture
async def batches(jobs_url: str, mock_llm: MockLLM) -> AsyncIterator[Batches]:
    """Batches as a service has them that leaves the work to others."""
    settings = Settings(
        jobs_url=jobs_url, batch_concurrency=0, openai_base_url=mock_llm.base_url, cache_url="memory://"
    )
    async with Assembly(settings) as assembly:
        yield assembly.batches


async def submit(batches: Batches) -> Batch:
    async def lines() -> AsyncIterator[list[RawLine]]:
        for number in range(1, ARTICLES + 1):
            text = f"Ferry {number} was late on Tuesday. “Nobody told us,” said Ada Holm."
            yield [RawLine(number, json.dumps({"text": text}).encode())]

    return (await batches.submit(lines(), Submission())).batch


async def reached(batches: Batches, batch: Batch, wanted: Callable[[Batch], bool]) -> Batch:
    async for now in batches.watch(batch.id, "local"):
        if wanted(now):
            return now
    raise AssertionError("the batch ended before")


async def check_all_done(batches: Batches, batch: Batch) -> None:
    last = await reached(batches, batch, lambda now: now.state == "completed")
    assert (last.counts.done, last.counts.failed, last.counts.under_way) == (ARTICLES, 0, 0)
    body = b"".join([part async for part in await batches.results(batch.id, "local")])
    results = [msgspec.json.decode(line) for line in body.splitlines()]
    assert [result["line"] for result in results] == list(range(1, ARTICLES + 1))


@pytest.mark.parametrize("jobs_url", ["sqlite"], indirect=True)
async def test_on_a_file_one_worker_goes_on_where_another_ended(
    batches: Batches, start_worker: Start, mock_llm: MockLLM
) -> None:
    mock_llm.configure(first_token_s=0.3)
    killed = await asyncio.to_thread(start_worker)
    batch = await submit(batches)
    await reached(batches, batch, lambda now: now.counts.done >= AT_ONCE)
    killed.kill()
    await asyncio.to_thread(killed.wait)
    stopped = await asyncio.to_thread(start_worker)
    before = (await batches.progress(batch.id, "local")).counts.done
    await reached(batches, batch, lambda now: now.counts.done > before)
    stopped.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(stopped.wait) == 0
    left = await batches.progress(batch.id, "local")
    assert (left.state, left.counts.done < ARTICLES) == ("running", True)
    await asyncio.to_thread(start_worker)
    await check_all_done(batches, batch)
    assert ARTICLES <= mock_llm.stats.calls <= ARTICLES + AT_ONCE


@pytest.mark.parametrize("jobs_url", ["postgres"], indirect=True)
async def test_workers_share_a_batch_and_take_over_from_one_that_is_killed(
    batches: Batches, start_worker: Start, mock_llm: MockLLM
) -> None:
    mock_llm.configure(first_token_s=0.2)
    killed, _ = await asyncio.gather(asyncio.to_thread(start_worker), asyncio.to_thread(start_worker))
    batch = await submit(batches)
    await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.most_in_flight > AT_ONCE)
    killed.kill()
    await check_all_done(batches, batch)
    assert ARTICLES <= mock_llm.stats.calls <= ARTICLES + AT_ONCE
    assert mock_llm.stats.most_in_flight <= 2 * AT_ONCE
