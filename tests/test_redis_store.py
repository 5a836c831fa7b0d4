"""The Redis store: what it leaves alone, and what it survives; its contract is in test_cache.py."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest
import redis

from service.cache import CacheStore, Layered, MemoryStore, open_store
from service.cache.base import CommandFailedError
from service.cache.redis_link import RedisLink
from service.cache.redis_store import RedisStore
from tests.resilience_fakes import settle

if TYPE_CHECKING:
    from tests.conftest import RedisServer

MIB = 1 << 20
NAME = "standfirst:cache:key"


class Pause:
    """Pauses between questions whether Redis is back, which end when the test says so."""

    def __init__(self) -> None:
        self.periods: list[float] = []
        self._ends: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, period_s: float) -> None:
        self.periods.append(period_s)
        await self._ends.get()

    def end(self) -> None:
        self._ends.put_nowait(None)


@pytest.fixture
def pause() -> Pause:
    return Pause()


Opened = Callable[..., AbstractAsyncContextManager[RedisStore]]


@pytest.fixture
def opened(pause: Pause) -> Opened:
    """Opens a store, and shows at its end that it leaves no task behind."""

    @asynccontextmanager
    async def opened(
        url: str, *, timeout_s: float = 10, max_connections: int = 4
    ) -> AsyncIterator[RedisStore]:
        link = RedisLink(url, timeout_s=timeout_s, max_connections=max_connections, pause=pause)
        before = asyncio.all_tasks()
        async with (store := RedisStore(link)):
            yield store
        assert asyncio.all_tasks() == before

    return opened


async def until(condition: Callable[[], object]) -> None:
    """Wait for what only another process can tell."""
    while not condition():  # noqa: ASYNC110 - it gives no sign
        await asyncio.sleep(0.01)


async def healed(store: CacheStore, pause: Pause) -> None:
    """Wait until the store has found out that Redis is back."""

    def asked() -> bool:
        pause.end()
        return store.problem is None

    await until(asked)


def connections(client: redis.Redis) -> int:
    """Connections that Redis has from others than this client."""
    count: int = client.info("clients")["connected_clients"]
    return count - 1


# --- what is kept


async def test_a_value_is_not_kept_forever(opened: Opened, redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as store:
        await store.set("key", b"value")
    assert 0 < redis_server.client.ttl(NAME) <= 30 * 86_400


@pytest.mark.parametrize("value", [b"", b"value", b"Sfc1", bytes(17), bytes(100)])
async def test_a_value_that_others_wrote_is_a_miss(
    opened: Opened, redis_server: RedisServer, value: bytes
) -> None:
    redis_server.client.set(NAME, value)
    async with opened(redis_server.url) as store:
        assert await store.get("key") is None
        assert not await store.exists("key")
        assert await store.expires_in("key") is None


async def test_a_value_of_another_type_is_a_miss_and_is_replaced(
    opened: Opened, redis_server: RedisServer
) -> None:
    redis_server.client.rpush(NAME, "list")
    async with opened(redis_server.url) as store:
        assert await store.get("key") is None
        await store.set("key", b"value")
        assert await store.get("key") == b"value"


@pytest.mark.parametrize("place", [0, 5, 10, 18, -1])
async def test_a_damaged_value_is_a_miss(opened: Opened, redis_server: RedisServer, place: int) -> None:
    async with opened(redis_server.url) as store:
        await store.set("key", b"value")
        frame = bytearray(cast("bytes", redis_server.client.get(NAME)))
        frame[place] ^= 1
        redis_server.client.set(NAME, bytes(frame))
        assert await store.get("key") is None


async def test_a_value_under_the_key_of_another_is_a_miss(opened: Opened, redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as store:
        await store.set("other", b"value")
        redis_server.client.rename("standfirst:cache:other", NAME)
        assert await store.get("key") is None


async def test_deleting_all_leaves_the_keys_of_others(opened: Opened, redis_server: RedisServer) -> None:
    redis_server.client.mset({"standfirst:lease:key": "1", "standfirst": "2", "other": "3"})
    async with opened(redis_server.url) as store:
        for number in range(1_200):
            await store.set(str(number), b"value")
        await store.delete_all()
    assert set(redis_server.client.keys()) == {b"standfirst:lease:key", b"standfirst", b"other"}


async def test_values_of_several_mib_come_back(opened: Opened, redis_server: RedisServer) -> None:
    values = [hashlib.shake_128(b"%d" % number).digest(5 * MIB) for number in range(4)]
    async with opened(redis_server.url) as store:
        await asyncio.gather(*(store.set(str(number), value) for number, value in enumerate(values)))
        assert await asyncio.gather(*(store.get(str(number)) for number in range(4))) == values


async def test_a_unix_socket_will_do(redis_server: RedisServer) -> None:
    async with (store := open_store(f"unix://{redis_server.socket}?db=3")):
        await store.set("key", b"value")
    assert redis_server.client.info("keyspace").keys() == {"db3"}


# --- connections


async def test_connections_are_few_however_many_ask_and_all_are_closed(
    opened: Opened, redis_server: RedisServer
) -> None:
    async with opened(redis_server.url, max_connections=3) as store:
        await asyncio.gather(*(store.set(str(number), bytes(10_000)) for number in range(500)))
        assert 1 <= connections(redis_server.client) <= 3
    await until(lambda: not connections(redis_server.client))


async def test_callers_that_leave_do_not_mix_up_the_replies_of_others(
    opened: Opened, redis_server: RedisServer
) -> None:
    async with opened(redis_server.url, max_connections=2) as store:
        for number in range(50):
            await store.set(str(number), b"%d" % number)
        for turns in range(40):
            tasks = [asyncio.create_task(store.get(str(number))) for number in range(50)]
            for _ in range(turns % 8):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert found[1::2] == [b"%d" % number for number in range(1, 50, 2)]
        assert store.problem is None


async def test_a_connection_that_redis_closed_while_idle_costs_no_miss(
    opened: Opened, redis_server: RedisServer
) -> None:
    async with opened(redis_server.url) as store:
        await store.set("key", b"value")
        redis_server.client.client_kill_filter(_type="normal", skipme=True)
        assert await store.get("key") == b"value"
        assert store.problem is None


# --- outages


async def test_a_redis_that_is_not_there_is_asked_once(
    opened: Opened, pause: Pause, redis_server: RedisServer
) -> None:
    redis_server.kill()
    async with opened(redis_server.url) as store:
        await store.set("key", b"value")
        assert "127.0.0.1" in (store.problem or "")
        async with asyncio.timeout(5):
            for _ in range(1_000):
                assert await store.get("key") is None
        assert pause.periods == [0.5]


async def test_everyone_who_waits_learns_of_an_outage_at_once(
    opened: Opened, redis_server: RedisServer
) -> None:
    async with opened(redis_server.url, timeout_s=0.1, max_connections=1) as store:
        await store.set("key", b"value")
        redis_server.process.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(5):  # one by one it would take 20 s
            assert set(await asyncio.gather(*(store.get("key") for _ in range(200)))) == {None}
        assert store.problem == "Redis cannot be used: no answer within 0.1 s"


async def test_a_redis_that_was_slow_is_used_again(
    opened: Opened, pause: Pause, redis_server: RedisServer
) -> None:
    async with opened(redis_server.url, timeout_s=0.1) as store:
        await store.set("key", b"value")
        redis_server.process.send_signal(signal.SIGSTOP)
        assert await store.get("key") is None
        redis_server.process.send_signal(signal.SIGCONT)
        await healed(store, pause)
        assert await store.get("key") == b"value"


async def test_a_redis_that_was_restarted_is_used_again(
    opened: Opened, pause: Pause, redis_server: RedisServer
) -> None:
    async with opened(redis_server.url) as store:
        await store.set("key", b"value")
        redis_server.process.terminate()
        redis_server.process.wait()
        assert await store.get("key") is None
        redis_server.start()
        await healed(store, pause)
        await store.set("key", b"value")
        assert await store.get("key") == b"value"


async def test_a_restart_that_nobody_noticed_costs_nothing(opened: Opened, redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as store:
        await store.set("key", b"value")
        redis_server.kill()
        redis_server.start()
        await store.set("key", b"value")
        assert await store.get("key") == b"value"


async def test_questions_whether_redis_is_back_come_at_growing_intervals(
    opened: Opened, pause: Pause, redis_server: RedisServer
) -> None:
    redis_server.kill()
    async with opened(redis_server.url) as store:
        await store.get("key")
        for _ in range(6):
            pause.end()
        await until(lambda: len(pause.periods) == 7)
    assert pause.periods == [0.5, 1, 2, 4, 5, 5, 5]


async def test_a_full_redis_is_read_and_says_so(opened: Opened, redis_server: RedisServer) -> None:
    client = redis_server.client
    async with opened(redis_server.url) as store:
        await store.set("key", b"value")
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        await store.set("other", bytes(4 * MIB))
        await store.set("other", b"value")
        assert await store.get("other") is None
        assert await store.get("key") == b"value"
        assert "maxmemory" in (store.problem or "")
        client.config_set("maxmemory", 0)
        await store.set("other", b"value")
        assert await store.get("other") == b"value"
        assert store.problem is None


async def test_a_replica_is_read_and_says_that_it_takes_no_writes(
    opened: Opened, redis_server: RedisServer
) -> None:
    async with opened(redis_server.url) as store:
        await store.set("key", b"value")
        redis_server.client.replicaof("127.0.0.1", 1)
        await store.set("key", b"other")
        await store.delete("key")
        assert await store.get("key") == b"value"
        assert "READONLY" in (store.problem or "") or "read only" in (store.problem or "")


async def test_flushing_redis_means_misses(opened: Opened, redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as store:
        await store.set("key", b"value")
        redis_server.client.flushall()
        assert await store.get("key") is None
        assert store.problem is None


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:wrong@"])
async def test_a_wrong_password_means_misses_until_it_is_right(
    opened: Opened, pause: Pause, redis_server: RedisServer, login: str
) -> None:
    redis_server.client.config_set("requirepass", "right")
    async with opened(redis_server.url.replace("//", f"//{login}")) as store:
        await store.set("key", b"value")
        assert await store.get("key") is None
        assert store.problem is not None
        assert "wrong" not in store.problem
        redis_server.client.config_set("requirepass", "wrong" if login == ":wrong@" else "")
        redis_server.client.acl_setuser("nobody", True, passwords="+wrong", keys="*", commands=["+@all"])
        await healed(store, pause)
        await store.set("key", b"value")
        assert await store.get("key") == b"value"


async def test_closing_frees_those_who_wait(redis_server: RedisServer) -> None:
    link = RedisLink(redis_server.url, timeout_s=60)
    redis_server.process.send_signal(signal.SIGSTOP)
    calls = [asyncio.create_task(link.call("PING")) for _ in range(40)]
    await asyncio.sleep(0)
    await link.aclose()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(end) for end in ends} == {CommandFailedError}
    with pytest.raises(CommandFailedError):
        await link.call("PING")


# --- layers


class Slow(MemoryStore):
    """A store whose reads end when the test says so."""

    __slots__ = ("go",)

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        value = await super().get(key, renew_for)
        await self.go.wait()
        return value


async def test_what_was_read_once_is_read_from_memory_for_a_while() -> None:
    now = 0.0
    local, shared = MemoryStore(clock=lambda: now), MemoryStore()
    async with (store := Layered(local, shared, local_ttl_s=30)):
        await shared.set("key", b"old")
        assert await store.get("key") == b"old"
        await shared.set("key", b"new")
        now = 29.0
        assert await store.get("key") == b"old"
        now = 30.0
        assert await store.get("key") == b"new"


async def test_what_another_process_deleted_is_gone_after_a_while() -> None:
    now = 0.0
    local, shared = MemoryStore(clock=lambda: now), MemoryStore()
    async with (store := Layered(local, shared, local_ttl_s=30)):
        await store.set("key", b"value", expires_in=1_000)
        await shared.delete("key")
        now = 30.0
        assert await store.get("key") is None


async def test_what_another_process_deletes_is_forgotten_at_once(redis_url: str) -> None:
    async with (mine := open_store(redis_url)), (theirs := open_store(redis_url)):
        await mine.set("key", b"value", 1_000)
        assert await theirs.get("key") == b"value"
        assert isinstance(theirs, Layered)
        with redis.Redis.from_url(redis_url) as client:
            await until(lambda: client.pubsub_numsub("standfirst:deleted")[0][1] == 2)
        assert await theirs.get("key") == b"value"
        await mine.delete("key")
        await until(lambda: theirs._deletions)
        assert await theirs.get("key") is None


class Failing(MemoryStore):
    """A store that keeps nothing and says so."""

    @property
    def problem(self) -> str | None:
        return "it is away"

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        pass


async def test_while_the_shared_store_is_away_memory_keeps_what_was_written_for_longer() -> None:
    now = 0.0
    local = MemoryStore(clock=lambda: now)
    async with (store := Layered(local, Failing(), local_ttl_s=30, outage_ttl_s=600)):
        await store.set("key", b"value", expires_in=1_000)
        await store.set("short", b"value", expires_in=100)
        now = 599.0
        assert await store.get("key") == b"value"
        assert await store.get("short") is None
        now = 600.0
        assert await store.get("key") is None


@pytest.mark.parametrize("all_at_once", [False, True])
async def test_what_is_deleted_while_it_is_read_does_not_come_back(all_at_once: bool) -> None:
    shared = Slow()
    async with (store := Layered(MemoryStore(), shared)):
        await shared.set("key", b"value")
        reading = asyncio.create_task(store.get("key"))
        await asyncio.sleep(0)
        await (store.delete_all() if all_at_once else store.delete("key"))
        shared.go.set()
        await reading
        assert await store.get("key") is None


async def test_loop_that_is_held_is_not_taken_for_a_redis_that_is_away(redis_server: RedisServer) -> None:
    link = RedisLink(redis_server.url, timeout_s=1.0)
    await link.call("PING")
    redis_server.client.client_pause(600)  # the answer comes while the loop is held
    asking = asyncio.create_task(link.call("GET", "key"))
    await settle()
    time.sleep(1.2)  # noqa: ASYNC251 - what a burst of requests does
    assert await asking is None
    assert link.problem is None
    await link.aclose()


class CountingStore(MemoryStore):
    """Counts reads, and takes a turn of the loop for each."""

    __slots__ = ("reads",)

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        self.reads += 1
        await asyncio.sleep(0)
        return await super().get(key, renew_for)


async def test_of_many_who_ask_at_once_one_reads_the_shared_store() -> None:
    shared = CountingStore()
    async with (store := Layered(MemoryStore(), shared)):
        assert await asyncio.gather(*(store.get("key") for _ in range(50))) == [None] * 50
        assert shared.reads == 1
        await shared.set("key", b"value")
        assert await asyncio.gather(*(store.get("key") for _ in range(50))) == [b"value"] * 50
        assert shared.reads == 2
