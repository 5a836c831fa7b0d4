"""A worker that is stopped at any moment leaves its process fit for the next one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from service.assembly import Assembly
from service.batches import RawLine, Submission, engine
from service.settings import Settings


async def one_line() -> AsyncIterator[Sequence[RawLine]]:
    yield [RawLine(1, json.dumps({"text": "The pier of Holm opened on Monday."}).encode())]


async def test_worker_stopped_while_its_engine_starts_leaves_room_for_the_next(tmp_path: Path) -> None:
    settings = Settings(
        model="extractive", cache_url="memory://", jobs_url=f"sqlite:///{tmp_path}/jobs.sqlite3"
    )
    async with Assembly(settings) as assembly:
        await assembly.batches.work()
        while not engine._ONE.locked():  # noqa: ASYNC110 - it starts in a thread
            await asyncio.sleep(0)
    async with Assembly(settings) as assembly:
        receipt = await assembly.batches.submit(one_line(), Submission())
        await assembly.batches.work()
        states = [batch.state async for batch in assembly.batches.watch(receipt.batch.id, "local")]
    assert states[-1] == "completed"
