"""The cache in this process's memory."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import NamedTuple

from service.cache.base import CacheStore, to_bytes, to_seconds

# What an entry costs beside its key and value: the tuple, its floats, its place in the dict (measured,
# CPython 3.11).
_OVERHEAD_BYTES = 350


class _Entry(NamedTuple):
    value: bytes
    stored_at: float
    expires_at: float | None


class MemoryStore(CacheStore):
    """Keeps the most recently used values within `max_bytes`, none longer than `max_age_s`."""

    __slots__ = ("_bytes", "_clock", "_entries", "_max_age_s", "_max_bytes")

    def __init__(
        self,
        *,
        max_bytes: int = 64 << 20,
        max_age_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock

    @property
    def problem(self) -> str | None:
        """Always None: memory does not fail."""
        return None

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """The value, or None; `renew_for` gives one that expires that long from now."""
        entry = self._live(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        renew_s = to_seconds(renew_for)
        if renew_s is not None and entry.expires_at is not None:
            self._entries[key] = entry._replace(expires_at=self._clock() + renew_s)
        return entry.value

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """Keep `value`, unless it is over the bounds by itself."""
        self._drop(key)
        period_s, now, data = to_seconds(expires_in), self._clock(), to_bytes(value)
        if (period_s is not None and period_s <= 0) or _size(key, data) > self._max_bytes:
            return
        self._entries[key] = _Entry(data, now, None if period_s is None else now + period_s)
        self._bytes += _size(key, data)
        # What has expired goes a few at a time, since the event loop waits meanwhile.
        for oldest in list(islice(self._entries, 16)):
            self._live(oldest)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    async def delete(self, key: str) -> None:
        """Forget the key, if it is there."""
        self._drop(key)

    def drop(self, key: str) -> None:
        """What `delete` does, at once."""
        self._drop(key)

    async def delete_all(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    async def exists(self, key: str) -> bool:
        """Whether `get` would find a value."""
        return self._live(key) is not None

    async def expires_in(self, key: str) -> int | None:
        """Seconds until the value expires; None if there is none, or it was set without an expiry."""
        entry = self._live(key)
        return None if entry is None or entry.expires_at is None else int(entry.expires_at - self._clock())

    async def aclose(self) -> None:
        """Let go of the values."""
        await self.delete_all()

    def _expired(self, entry: _Entry) -> bool:
        now = self._clock()
        return now - entry.stored_at >= self._max_age_s or (
            entry.expires_at is not None and now >= entry.expires_at
        )

    def _live(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None and self._expired(entry):
            self._drop(key)
            return None
        return entry

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry.value)


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + _OVERHEAD_BYTES
