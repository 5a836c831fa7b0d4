"""The cache in a SQLite file, shared by all processes of a machine."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from service.cache.base import CacheStore, to_bytes, to_seconds
from service.cache.memory import MemoryStore
from service.cache.sqlite_file import CacheFile, Entry, is_damage, open_file, set_aside

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_TOUCH_AFTER_S = 60.0
_MAX_TOUCHED = 1_000
_MAX_FALLBACK_BYTES = 64 << 20


class SQLiteStore(CacheStore):
    """Keeps the most recently used values within `max_bytes` in a file, none longer than `max_age_s`.

    Any number of processes may use one file at once. What a read finds at once it finds on the event loop,
    some 10 µs; everything that can wait runs on one thread of the store's own. A file that is damaged, or not
    ours, is set aside under another name, and a fresh one made; where that fails too, values are kept in
    memory until the process ends. `clock` gives seconds since the epoch, alike in all processes.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 512 << 20,
        max_age_s: float = math.inf,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="standfirst-cache")
        self._touched: dict[str, float] = {}
        # Set on the thread alone.
        self._file: CacheFile | None = None
        self._memory: MemoryStore | None = None
        self._problem: str | None = None
        self._closed = False

    @property
    def problem(self) -> str | None:
        """Why values are kept in memory, or not at all; None while the file works."""
        return self._problem

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """The value, or None; `renew_for` gives one that expires that long from now."""
        entry = await self._read(key)
        if self._memory is not None:
            return await self._memory.get(key, renew_for)
        if entry is None:
            return None
        now, renew_s = self._clock(), to_seconds(renew_for)
        if renew_s is not None and entry.expires_at is not None:
            await self._do(lambda file: file.renew(key, now + renew_s), None)
        if now - entry.used_at >= _TOUCH_AFTER_S:
            self._touched[key] = now
            if len(self._touched) >= _MAX_TOUCHED:
                self._thread.submit(self._run, self._take_touched(), None)
        return entry.value

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """Keep `value`, unless it is over the bounds by itself."""
        data, period_s, now = to_bytes(value), to_seconds(expires_in), self._clock()
        if (period_s is not None and period_s <= 0) or len(data) > self._max_bytes:
            await self.delete(key)
            return
        expires_at = None if period_s is None else now + period_s
        touch = self._take_touched()

        def write(file: CacheFile) -> None:
            touch(file)
            file.write(key, data, now, expires_at)

        await self._do(write, None)
        if self._memory is not None:
            await self._memory.set(key, value, expires_in)

    async def delete(self, key: str) -> None:
        """Forget the key, if it is there."""
        await self._do(lambda file: file.delete(key), None)
        if self._memory is not None:
            await self._memory.delete(key)

    async def delete_all(self) -> None:
        """Forget everything."""
        await self._do(lambda file: file.delete_all(), None)
        if self._memory is not None:
            await self._memory.delete_all()

    async def exists(self, key: str) -> bool:
        """Whether `get` would find a value."""
        entry = await self._read(key)
        return entry is not None if self._memory is None else await self._memory.exists(key)

    async def expires_in(self, key: str) -> int | None:
        """Seconds until the value expires; None if there is none, or it was set without an expiry."""
        entry = await self._read(key)
        if self._memory is not None:
            return await self._memory.expires_in(key)
        return None if entry is None or entry.expires_at is None else int(entry.expires_at - self._clock())

    async def aclose(self) -> None:
        """Write down what was used lately, and close the file."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._finish)
            self._thread.shutdown(wait=False)

    async def _read(self, key: str) -> Entry | None:
        now, file = self._clock(), self._file
        if file is not None:
            try:
                return file.read_now(key, now)
            except (BlockingIOError, sqlite3.Error):
                pass  # whatever it was, the thread can wait for it, or see to it
        return await self._do(lambda file: file.read(key, now), None)

    def _take_touched(self) -> Callable[[CacheFile], None]:
        touched, self._touched = self._touched, {}
        return lambda file: file.touch(touched) if touched else None

    async def _do(self, operate: Callable[[CacheFile], _T], default: _T) -> _T:
        """Run an operation on the thread; `default` where it fails or values are in memory."""
        if self._memory is not None:
            return default
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, operate, default)

    # What follows runs on the thread.

    def _run(self, operate: Callable[[CacheFile], _T], default: _T) -> _T:
        for _ in range(2):
            file = self._open()
            if file is None:
                break
            try:
                result = operate(file)
            except sqlite3.Error as exc:
                if not self._recover(file, exc):
                    break
            else:
                self._problem = None
                return result
        return default

    def _open(self) -> CacheFile | None:
        if self._file is not None and not self._file.is_current:
            self._close_file()
        if self._file is None and self._memory is None:
            try:
                self._file = open_file(self._path, max_bytes=self._max_bytes, max_age_s=self._max_age_s)
            except (OSError, sqlite3.Error) as exc:
                self._fall_back(exc)
        return self._file

    def _recover(self, file: CacheFile, error: sqlite3.Error) -> bool:
        """Whether to try again, on another file."""
        if not is_damage(error):
            if self._problem is None:
                _log.warning(
                    "the cache file %s fails (%s); values are not kept until it recovers", self._path, error
                )
            self._problem = f"the cache file fails: {error}"
            return False
        self._close_file()
        try:
            set_aside(self._path, file.identity, error)
        except (OSError, sqlite3.Error) as exc:
            self._fall_back(exc)
            return False
        return True

    def _fall_back(self, error: Exception) -> None:
        self._problem = f"no cache file can be used: {error}"
        _log.warning("no cache file can be used at %s (%s); values are kept in memory", self._path, error)
        max_bytes = min(self._max_bytes, _MAX_FALLBACK_BYTES)
        self._memory = MemoryStore(max_bytes=max_bytes, max_age_s=self._max_age_s, clock=self._clock)

    def _finish(self) -> None:
        if self._file is not None:
            self._run(self._take_touched(), None)
        self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
