"""The cache in Redis or Valkey, shared by all processes of all machines."""

from __future__ import annotations

import asyncio
import math
import struct
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple

from service.cache.base import CacheStore, CommandFailedError, to_bytes, to_seconds
from service.cache.redis_link import RedisLink

_PREFIX: Final = "standfirst:cache:"
_SCAN_COUNT: Final = 500
_LARGE_BYTES: Final = 256 << 10  # from which framing would hold the event loop for most of a millisecond

_MAGIC: Final = b"Sfc1"
_CHECKSUM: Final = struct.Struct(">4sI")  # magic, CRC-32 of key, stamp and value
_STAMP: Final = struct.Struct(">d?")  # when it was stored, whether it was given an expiry
_HEADER_BYTES: Final = _CHECKSUM.size + _STAMP.size


class _Entry(NamedTuple):
    value: bytes
    stored_at: float
    expires: bool


class RedisStore(CacheStore):
    """Keeps values of up to `max_value_bytes` for `max_age_s` at most; Redis itself bounds their sum.

    Set Redis's own `maxmemory`, and `maxmemory-policy allkeys-lru` or `volatile-lru`: every value has a
    time to live. Expiry goes by Redis's clock; `clock` gives seconds since the epoch and is asked only how
    far a value may be renewed. Each value is framed with a checksum over its key and itself, so that what
    others wrote, or what was damaged on its way, is a miss.
    """

    __slots__ = ("_clock", "_max_age_s", "_max_value_bytes", "link")

    def __init__(
        self,
        link: RedisLink,
        *,
        max_value_bytes: int = 16 << 20,
        max_age_s: float = 30 * 86_400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.link = link
        self._max_value_bytes = max_value_bytes
        self._max_age_s = max_age_s
        self._clock = clock

    @property
    def problem(self) -> str | None:
        """Why reads miss or writes vanish; None while Redis does what it is asked."""
        return self.link.problem

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """The value, or None; `renew_for` gives one that expires that long from now."""
        entry = await self._read(key)
        if entry is None:
            return None
        renew_s = to_seconds(renew_for)
        if renew_s is not None and entry.expires:
            left_s = entry.stored_at + self._max_age_s - self._clock()
            await self._call(None, "PEXPIRE", _PREFIX + key, _ms(min(renew_s, left_s)))
        return entry.value

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """Keep `value`, unless it is over the bounds by itself."""
        data, period_s = to_bytes(value), to_seconds(expires_in)
        if (period_s is not None and period_s <= 0) or len(data) > self._max_value_bytes:
            await self.delete(key)
            return
        lasts_s = min(self._max_age_s, math.inf if period_s is None else period_s)
        entry = _Entry(data, self._clock(), period_s is not None)
        if len(data) < _LARGE_BYTES:
            frame = _encode(key, entry)
        else:
            frame = await asyncio.to_thread(_encode, key, entry)
        await self._call(None, "SET", _PREFIX + key, frame, "PX", _ms(lasts_s))

    async def delete(self, key: str) -> None:
        """Forget the key, if it is there."""
        await self._call(None, "UNLINK", _PREFIX + key)

    async def delete_all(self) -> None:
        """Forget every value of this service, and nothing else in that Redis."""
        cursor: bytes | None = b"0"
        while cursor is not None:
            following, names = await self._call(
                (b"0", []), "SCAN", cursor, "MATCH", f"{_PREFIX}*", "COUNT", _SCAN_COUNT
            )
            if names:
                await self._call(None, "UNLINK", *names)
            cursor = following if following != b"0" else None

    async def exists(self, key: str) -> bool:
        """Whether `get` would find a value."""
        return await self.get(key) is not None

    async def expires_in(self, key: str) -> int | None:
        """Seconds until the value expires; None if there is none, or it was set without an expiry."""
        entry = await self._read(key)
        if entry is None or not entry.expires:
            return None
        left_ms: int = await self._call(-1, "PTTL", _PREFIX + key)
        return math.ceil(left_ms / 1_000) if left_ms >= 0 else None

    async def aclose(self) -> None:
        """Close the link to Redis."""
        await self.link.aclose()

    async def _read(self, key: str) -> _Entry | None:
        frame: bytes | None = await self._call(None, "GET", _PREFIX + key)
        if frame is None or len(frame) < _HEADER_BYTES:
            return None
        if len(frame) < _LARGE_BYTES:
            return _decode(key, frame)
        return await asyncio.to_thread(_decode, key, frame)

    async def _call(self, default: Any, *command: str | bytes | int) -> Any:  # noqa: ANN401 - by command
        """What Redis answers; `default` where it does not."""
        try:
            return await self.link.call(*command)
        except CommandFailedError:
            return default


def _ms(period_s: float) -> int:
    return max(math.ceil(period_s * 1_000), 1)


def _checksum(key: str, stamp: bytes, value: bytes | memoryview) -> int:
    return zlib.crc32(value, zlib.crc32(stamp + key.encode()))


def _encode(key: str, entry: _Entry) -> bytes:
    stamp = _STAMP.pack(entry.stored_at, entry.expires)
    return _CHECKSUM.pack(_MAGIC, _checksum(key, stamp, entry.value)) + stamp + entry.value


def _decode(key: str, frame: bytes) -> _Entry | None:
    magic, checksum = _CHECKSUM.unpack_from(frame)
    stamp = frame[_CHECKSUM.size : _HEADER_BYTES]
    if magic != _MAGIC or checksum != _checksum(key, stamp, memoryview(frame)[_HEADER_BYTES:]):
        return None
    return _Entry(frame[_HEADER_BYTES:], *_STAMP.unpack(stamp))
