"""Single flight across processes and machines, by leases in Redis."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from service.cache.base import CommandFailedError
from service.cache.flight import SingleFlight
from service.cache.redis_link import RedisLink

T = TypeVar("T")

_PREFIX: Final = "standfirst:lease:"
_CHANNEL: Final = "standfirst:ended"
_RESUBSCRIBE_S: Final = 1.0
# Waiting for one leader after another takes as long as all of them together, so that it has an end.
_MOST_LEADERS: Final = 2

# A lease is a hash: `owner` is the leader's token, `awaited` is there when somebody was turned away.
# Taking it again renews it, or restores it after Redis lost its data; whether somebody waits is then unknown.
_TAKE: Final = """
redis.call('HSETNX', KEYS[1], 'owner', ARGV[1])
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
redis.call('HSET', KEYS[1], 'awaited', 1)
return 0
"""
_RELEASE: Final = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
if not owner or redis.call('HEXISTS', KEYS[1], 'awaited') == 1 then
    redis.call('PUBLISH', ARGV[2], KEYS[1])
end
return redis.call('DEL', KEYS[1])
"""


class SharedFlight:
    """A `SingleFlight` whose callers may be in other processes and on other machines.

    In each process one caller goes on to Redis for all, so that a key has one waiter a process. The first
    to take the key's lease is the leader and works; the others wait until the lease is released, and look
    for the result in the store. What does not come to lie there (a result that may not be kept, an error, a
    leader that died) is not handed on: one of the waiters takes the lease and works in turn. Whoever saw
    two leaders end without a result works without a lease, so that nobody waits for a row of failures.

    A lease lasts until the work has ended, even if it is being cancelled; the leader renews it every third of
    `lease_s`, so that a dead one is replaced within about 1.4 times that. One that was halted for longer may
    find itself replaced and works on: results of equal requests are equally good and the last one written
    stays, so that no fencing is needed. Without Redis each process works for itself.

    Waiters are woken by pub/sub: one connection a process serves any number of keys and waiters, nothing is
    left behind in Redis, and the leader publishes only where somebody waits. (A blocking list would hold a
    connection for each key, and need one element for each waiter.) A message may be lost, and so waiters
    try for the lease every third of `lease_s` all the same.
    """

    def __init__(self, link: RedisLink, *, lease_s: float = 6.0) -> None:
        self._link = link
        self._lease_s = lease_s
        self._local = SingleFlight()
        self._bells = _Bells(link)

    def __len__(self) -> int:
        """How many keys have work under way that somebody here waits for."""
        return len(self._local)

    async def run(
        self,
        key: str,
        make: Callable[[], Awaitable[T]],
        find: Callable[[], Awaitable[T | None]] | None = None,
    ) -> tuple[T, bool]:
        """See `Flights.run`."""
        (value, found), joined = await self._local.run(key, lambda: self._share(key, make, find))
        return value, found or joined

    async def aclose(self) -> None:
        """Cancel all work, release its leases, and wait for its end."""
        await self._local.aclose()
        await self._bells.aclose()

    async def _share(
        self, key: str, make: Callable[[], Awaitable[T]], find: Callable[[], Awaitable[T | None]] | None
    ) -> tuple[T, bool]:
        """The result, and whether it was found rather than made."""
        if find is None:
            return await make(), False
        name, token, ended = _PREFIX + key, secrets.token_hex(8), 0
        with self._bells.at(name) as bell:
            while ended < _MOST_LEADERS:
                bell.clear()
                taken = await self._take(name, token)
                if taken is None:
                    break
                if taken:
                    return await self._lead(name, token, make, find)
                if not self._bells.heard and await self._bells.listen():
                    continue  # it may have ended before anything was heard
                ended += await _within(self._lease_s / 3, bell)
                if (value := await find()) is not None:
                    return value, True
        return await make(), False

    async def _lead(
        self,
        name: str,
        token: str,
        make: Callable[[], Awaitable[T]],
        find: Callable[[], Awaitable[T | None]],
    ) -> tuple[T, bool]:
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew(name, token, done))
        try:
            # An earlier leader may have ended between the caller's look into the store and now.
            if (value := await find()) is not None:
                return value, True
            return await make(), False
        finally:
            # Awaited, not cancelled: a renewal that Redis gets after the release would take the lease anew.
            done.set()
            await asyncio.wait([renewal])
            await self._release(name, token)

    async def _renew(self, name: str, token: str, done: asyncio.Event) -> None:
        while not await _within(self._lease_s / 3, done):
            await self._take(name, token)

    async def _take(self, name: str, token: str) -> bool | None:
        """Whether the lease is ours now; None if Redis does not say."""
        try:
            taken: int = await self._link.call("EVAL", _TAKE, 1, name, token, int(self._lease_s * 1_000))
        except CommandFailedError:
            return None
        return taken == 1

    async def _release(self, name: str, token: str) -> None:
        with suppress(CommandFailedError):  # it will expire
            await self._link.call("EVAL", _RELEASE, 1, name, token, _CHANNEL)


class _Bells:
    """Rings for whoever waits for a lease when that is released."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._bells: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listener: asyncio.Task[None] | None = None
        self._subscribed = asyncio.Event()

    @property
    def heard(self) -> bool:
        """Whether releases are being heard."""
        return self._subscribed.is_set()

    @contextmanager
    def at(self, name: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the lease of that name is released."""
        bell = asyncio.Event()
        self._bells[name].add(bell)
        try:
            yield bell
        finally:
            self._bells[name].discard(bell)
            if not self._bells[name]:
                del self._bells[name]

    async def listen(self) -> bool:
        """Begin to hear releases, unless that has begun; False if it takes too long."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        return await _within(_RESUBSCRIBE_S, self._subscribed)

    async def aclose(self) -> None:
        """Stop hearing."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])

    async def _listen(self) -> None:
        while True:
            try:
                await self._link.subscribe(_CHANNEL, self._hear)
            except CommandFailedError:
                self._subscribed.clear()
            await asyncio.sleep(_RESUBSCRIBE_S)

    def _hear(self, message: bytes | None) -> None:
        if message is None:
            self._subscribed.set()
            return
        for bell in self._bells.get(message.decode(errors="replace"), ()):
            bell.set()


async def _within(period_s: float, event: asyncio.Event) -> bool:
    """Whether the event is set within that time."""
    try:
        async with asyncio.timeout(period_s):
            return await event.wait()
    except TimeoutError:
        return False
