"""Threads for what batches compute, apart from those of requests that somebody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from service.offload import IN_BATCH

P = ParamSpec("P")
R = TypeVar("R")

# Threads share the interpreter: more of them make nothing faster, and the event loop wait for its turn.
_THREADS = 2


class Lanes(ThreadPoolExecutor):
    """An event loop's threads, of which calls from tasks that `enter_batch_lane` use a few of their own."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="requests")
        self._batch = ThreadPoolExecutor(_THREADS, thread_name_prefix="batch-articles")

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """See `Executor.submit`."""
        if IN_BATCH.get():
            return self._batch.submit(fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `Executor.shutdown`."""
        self._batch.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


def open_lanes() -> None:
    """Part the threads of the running event loop."""
    asyncio.get_running_loop().set_default_executor(Lanes())


def enter_batch_lane() -> None:
    """What the current task has threads compute from now on is a batch's."""
    IN_BATCH.set(True)
