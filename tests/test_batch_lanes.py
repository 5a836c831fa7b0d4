"""Threads of batches and of requests, apart."""

from __future__ import annotations

import asyncio
import threading

from service.batches.lanes import enter_batch_lane, open_lanes


async def test_what_batches_compute_never_takes_the_threads_of_requests() -> None:
    open_lanes()
    go, begun = threading.Event(), threading.Semaphore(0)

    def hold() -> str:
        begun.release()
        go.wait(60)
        return threading.current_thread().name

    async def article() -> str:
        enter_batch_lane()
        return await asyncio.to_thread(hold)

    articles = [asyncio.create_task(article()) for _ in range(50)]
    await asyncio.to_thread(begun.acquire)
    name = await asyncio.to_thread(lambda: threading.current_thread().name)
    assert name.startswith("requests")
    go.set()
    names = set(await asyncio.gather(*articles))
    assert {name.rsplit("_", 1)[0] for name in names} == {"batch-articles"}
    assert len(names) <= 2
