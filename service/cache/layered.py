"""A small cache in memory before a shared one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from service.cache.base import CacheStore, CommandFailedError, to_seconds
from service.cache.flight import SingleFlight
from service.cache.memory import MemoryStore

if TYPE_CHECKING:
    from service.cache.redis_link import RedisLink  # redis-py takes 0.4 s and 20 MiB

_DELETED: Final = "standfirst:deleted"
_RESUBSCRIBE_S: Final = 1.0


class Layered(CacheStore):
    """Answers from `local` what it read or wrote in the last `local_ttl_s`, and from `shared` all else.

    Everything is written to and deleted from both, but only this process's own `local` is reached: what
    another process replaces, and what expires in `shared`, may be read here for `local_ttl_s` longer. What
    another process deletes is told over `link`, the way to the Redis of `shared`, and forgotten within
    milliseconds; where a message is lost, within `local_ttl_s`. While `shared` has a problem, `local` keeps
    what is written for `outage_ttl_s`. It owns both.
    """

    __slots__ = (
        "_deletions",
        "_listener",
        "_local",
        "_local_ttl_s",
        "_outage_ttl_s",
        "_reads",
        "link",
        "shared",
    )

    def __init__(
        self,
        local: MemoryStore,
        shared: CacheStore,
        *,
        local_ttl_s: float = 30.0,
        outage_ttl_s: float = 600.0,
        link: RedisLink | None = None,
    ) -> None:
        self.link = link
        self.shared = shared
        self._local = local
        self._local_ttl_s = local_ttl_s
        self._outage_ttl_s = outage_ttl_s
        self._deletions = 0
        self._reads = SingleFlight()
        self._listener: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        """What the shared store says."""
        return self.shared.problem

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """The value, or None; one that is renewed is read from the shared store."""
        value = await self._local.get(key) if renew_for is None else None
        if value is None:
            self._listen()
            deletions = self._deletions
            # Of many who ask at once for what is not here, one goes on to the shared store.
            value, _ = await self._reads.run(f"{key} {renew_for}", lambda: self.shared.get(key, renew_for))
            # What was deleted while it was being read must not come back.
            if value is not None and deletions == self._deletions:
                await self._local.set(key, value, timedelta(seconds=self._local_ttl_s))
        return value

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """Keep `value` in both."""
        self._listen()
        await self.shared.set(key, value, expires_in)
        local_s = self._local_ttl_s if self.shared.problem is None else self._outage_ttl_s
        period_s = to_seconds(expires_in)
        await self._local.set(
            key, value, timedelta(seconds=local_s if period_s is None else min(period_s, local_s))
        )

    async def delete(self, key: str) -> None:
        """Forget the key in both, if it is there."""
        await self.shared.delete(key)
        self._deletions += 1
        await self._local.delete(key)
        if self.link is not None:
            with suppress(CommandFailedError):  # others read it for `local_ttl_s` at most
                await self.link.call("PUBLISH", _DELETED, key)

    async def delete_all(self) -> None:
        """Forget everything in both."""
        await self.shared.delete_all()
        self._deletions += 1
        await self._local.delete_all()

    async def exists(self, key: str) -> bool:
        """Whether `get` would find a value."""
        return await self._local.exists(key) or await self.shared.exists(key)

    async def expires_in(self, key: str) -> int | None:
        """What the shared store says."""
        return await self.shared.expires_in(key)

    async def aclose(self) -> None:
        """Close both."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])
        await self._reads.aclose()
        await self.shared.aclose()
        await self._local.aclose()

    def _listen(self) -> None:
        """Hear from now on what others delete."""
        if self._listener is None and self.link is not None:
            self._listener = asyncio.create_task(self._hear(self.link))

    async def _hear(self, link: RedisLink) -> None:
        while True:
            with suppress(CommandFailedError):
                await link.subscribe(_DELETED, self._forget)
            await asyncio.sleep(_RESUBSCRIBE_S)

    def _forget(self, key: bytes | None) -> None:
        if key is not None:
            self._deletions += 1
            self._local.drop(key.decode(errors="replace"))
