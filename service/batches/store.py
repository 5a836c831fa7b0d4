"""The database of batches, called from an event loop that it never blocks."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from service.batches.deliveries import Deliveries
from service.batches.ledger import Ledger
from service.batches.receiving import Receiving
from service.batches.tables import open_database
from service.batches.views import Views
from service.errors import JobStoreError, JobStoreFullError

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = 6
_CALL_S = 60.0
_AGAIN_S = 2.0
_POSTGRES_FULL = "53100"


class Store:
    """The tables of batches by what is done with them; `call` runs any of their methods in a thread.

    `problem` says what is wrong with the database, None while it answers.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.receiving = Receiving(engine)
        self.deliveries = Deliveries(engine)
        self.ledger = Ledger(engine)
        self.views = Views(engine)
        self.problem: str | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="batches")

    @classmethod
    def open(cls, url: str) -> Store:
        """Open the database of that URL, making its tables; blocks, and raises JobStoreError."""
        try:
            return cls(open_database(url))
        except (SQLAlchemyError, OSError, ValueError) as exc:  # a port that is no number is a ValueError
            raise _in_our_words(exc) from exc

    async def call(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of a method that blocks; raises JobStoreError where the database does not do it."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CALL_S):
                result = await loop.run_in_executor(self._threads, lambda: method(*args, **kwargs))
        except (SQLAlchemyError, OSError) as exc:  # a TimeoutError is an OSError
            error = _in_our_words(exc)
            self.problem = str(error)
            raise error from exc
        self.problem = None
        return result

    async def insist(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `call`, again and again until it is done: a full disk or a restart of the database passes."""
        while True:
            try:
                return await self.call(method, *args, **kwargs)
            except JobStoreError as exc:
                _log.warning("%s; trying again in %g s", exc, _AGAIN_S)
            except Exception as exc:  # noqa: BLE001 - the engine's own errors; the work must not end with one
                _log.warning("batches: %s; trying again in %g s", type(exc).__name__, _AGAIN_S)
            await asyncio.sleep(_AGAIN_S)

    def close(self) -> None:
        """Let go of the database; blocks until calls under way have returned."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.engine.dispose()


def _in_our_words(error: Exception) -> JobStoreError:
    """`error` without its statement, which has addresses and may have more."""
    cause = getattr(error, "orig", None) or error
    full = getattr(cause, "errno", None) == errno.ENOSPC or getattr(cause, "sqlstate", "") == _POSTGRES_FULL
    if full or "disk is full" in str(cause):
        return JobStoreFullError("there is no space left for batches")
    if isinstance(error, TimeoutError):
        return JobStoreError("the database of batches does not answer in time")
    return JobStoreError(f"the database of batches cannot be used ({type(cause).__name__})")
