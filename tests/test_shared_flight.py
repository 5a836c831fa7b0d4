"""Single flight across processes: one call for all, and what happens when leaders fail or die."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service.cache import Layered, MemoryStore, SingleFlight, open_flights, open_store
from service.cache.redis_link import RedisLink
from service.cache.shared_flight import SharedFlight

if TYPE_CHECKING:
    from tests.conftest import RedisServer

LEASE, CHANNEL = "standfirst:lease:key", "standfirst:ended"

# A process that asks for one thing as often at once as each line of stdin says, and works until the line
# `finish`. It prints `working` when work starts, and `told N` when all have been told, N of them of own work.
PROCESS = """
import asyncio, sys
from service.cache import open_store
from service.cache.shared_flight import SharedFlight

async def main(url):
    finish, callers = asyncio.Event(), []
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    store = open_store(url)
    flights = SharedFlight(store.shared.link, lease_s=0.6)

    async def make():
        print("working", flush=True)
        await finish.wait()
        await store.set("key", b"result", expires_in=60)
        return b"result"

    async def ask(times):
        find = lambda: store.get("key")
        told = await asyncio.gather(*(flights.run("key", make, find) for _ in range(times)))
        assert {result for result, _ in told} == {b"result"}
        print("told", sum(not joined for _, joined in told), flush=True)

    async for line in lines:
        if line == b"finish\\n":
            finish.set()
        else:
            callers.append(asyncio.create_task(ask(int(line))))
    await asyncio.gather(*callers)
    await flights.aclose()
    await store.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}

asyncio.run(main(sys.argv[1]))
"""


class Peer:
    """Another process that asks for the same work."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def hears(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()


@pytest.fixture
async def peers(redis_server: RedisServer) -> AsyncIterator[list[Peer]]:
    """Two processes at one Redis; each ends in good order unless the test killed it."""
    url, env = (
        f"{redis_server.url}?timeout_s=10",
        {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    command = (sys.executable, "-W", "error", "-c", PROCESS, url)
    started = [
        Peer(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=env))
        for _ in range(2)
    ]
    yield started
    for peer in started:
        assert peer.process.stdin is not None
        peer.process.stdin.close()
        assert await peer.process.wait() in {0, -signal.SIGKILL}


async def until(condition: Callable[[], object]) -> None:
    """Wait for what only another process can tell."""
    while not condition():  # noqa: ASYNC110 - it gives no sign
        await asyncio.sleep(0.01)


async def waiting(server: RedisServer) -> None:
    """Wait until somebody waits for the lease."""
    await until(lambda: server.client.hexists(LEASE, "awaited"))


# --- between processes


async def test_many_callers_in_two_processes_share_one_call(peers: list[Peer]) -> None:
    for peer in peers:
        peer.tell("100")
        peer.tell("finish")
    heard = [[await peer.hears()] for peer in peers]
    for lines, peer in zip(heard, peers, strict=True):
        if lines == ["working"]:
            lines.append(await peer.hears())
    assert sorted(heard) == [["told 0"], ["working", "told 1"]]


async def test_a_leader_that_is_killed_is_replaced(peers: list[Peer], redis_server: RedisServer) -> None:
    leader, other = peers
    leader.tell("100")
    assert await leader.hears() == "working"
    other.tell("100")
    await waiting(redis_server)
    leader.process.kill()
    other.tell("finish")
    assert [await other.hears(), await other.hears()] == ["working", "told 1"]


# --- in this process, as if in several


class Desk:
    """One process's part: a single flight, and work that ends when the test says so."""

    def __init__(self, url: str, shared: MemoryStore, lease_s: float) -> None:
        self.link = RedisLink(url, timeout_s=5)
        self.flights = SharedFlight(self.link, lease_s=lease_s)
        self.calls = 0
        self.started = asyncio.Event()
        self.finish = asyncio.Event()
        self.keeps = True
        self.error: Exception | None = None
        self._shared = shared

    async def make(self) -> bytes:
        self.calls += 1
        self.started.set()
        await self.finish.wait()
        if self.error is not None:
            raise self.error
        if self.keeps:
            await self._shared.set("key", b"result")
        return b"result"

    async def find(self) -> bytes | None:
        return await self._shared.get("key")

    def ask(self, *, alone: bool = False) -> asyncio.Task[tuple[bytes, bool]]:
        return asyncio.create_task(self.flights.run("key", self.make, None if alone else self.find))


Desks = Callable[..., Desk]


@pytest.fixture
async def desk(redis_server: RedisServer) -> AsyncIterator[Desks]:
    """Makes desks before one store; shows at the end that they leave no task, no lease and no connection."""
    shared = MemoryStore()
    async with AsyncExitStack() as stack:

        def make(*, lease_s: float = 60) -> Desk:
            made = Desk(redis_server.url, shared, lease_s)
            stack.push_async_callback(made.link.aclose)
            stack.push_async_callback(made.flights.aclose)
            return made

        yield make
    assert asyncio.all_tasks() == {asyncio.current_task()}
    if redis_server.process.poll() is None:
        assert redis_server.client.keys() == []
        await until(lambda: redis_server.client.info("clients")["connected_clients"] == 1)


async def test_a_waiter_is_woken_long_before_it_would_try_again(
    desk: Desks, redis_server: RedisServer
) -> None:
    one, other = desk(lease_s=600), desk(lease_s=600)
    leader = one.ask()
    await one.started.wait()
    waiter = other.ask()
    await waiting(redis_server)
    one.finish.set()
    assert await leader == (b"result", False)
    assert await waiter == (b"result", True)
    assert other.calls == 0


async def test_a_waiter_whose_message_is_lost_finds_the_result_all_the_same(
    desk: Desks, redis_server: RedisServer
) -> None:
    redis_server.client.acl_setuser("default", True, nopass=True, reset_channels=True, keys="*")
    one, other = desk(lease_s=0.3), desk(lease_s=0.3)
    leader = one.ask()
    await one.started.wait()
    waiter = other.ask()
    await waiting(redis_server)
    one.finish.set()
    assert await leader == (b"result", False)
    assert (await waiter)[0] == b"result"


async def test_a_result_that_is_there_already_is_not_made_again(desk: Desks) -> None:
    one, other = desk(), desk()
    one.finish.set()
    await one.ask()
    assert await other.ask() == (b"result", True)
    assert other.calls == 0


async def test_a_lease_is_renewed_while_the_work_goes_on(desk: Desks, redis_server: RedisServer) -> None:
    one = desk(lease_s=0.3)
    leader = one.ask()
    await one.started.wait()
    redis_server.client.pexpire(LEASE, 10_000)
    await until(lambda: redis_server.client.pttl(LEASE) <= 300)
    one.finish.set()
    await leader


async def test_of_those_who_wait_for_a_result_that_is_not_kept_one_works_at_a_time(
    desk: Desks, redis_server: RedisServer
) -> None:
    one, two, three = desk(), desk(), desk()
    one.keeps = False
    first = one.ask()
    await one.started.wait()
    second, third = two.ask(), three.ask()
    await waiting(redis_server)
    one.finish.set()
    assert await first == (b"result", False)
    await until(lambda: two.calls + three.calls)
    await waiting(redis_server)
    assert two.calls + three.calls == 1
    two.finish.set()
    three.finish.set()
    assert sorted([await second, await third]) == [(b"result", False), (b"result", True)]


async def test_who_saw_two_leaders_keep_nothing_works_without_waiting_for_a_third(
    desk: Desks, redis_server: RedisServer
) -> None:
    redis, one = redis_server.client, desk()
    redis.hset(LEASE, "owner", "another")
    waiter = one.ask()
    one.finish.set()
    await until(lambda: redis.publish(CHANNEL, LEASE) and one.calls)
    assert await waiter == (b"result", False)
    redis.delete(LEASE)


async def test_without_a_store_to_find_results_in_no_other_process_is_asked(desk: Desks) -> None:
    one, other = desk(), desk()
    tasks = [one.ask(alone=True), one.ask(alone=True), other.ask(alone=True)]
    await one.started.wait()
    await other.started.wait()
    one.finish.set()
    other.finish.set()
    assert [joined for _, joined in await asyncio.gather(*tasks)] == [False, True, False]
    assert (one.calls, other.calls) == (1, 1)


async def test_a_leader_that_everybody_left_frees_its_lease(desk: Desks, redis_server: RedisServer) -> None:
    one, other = desk(), desk()
    leader = one.ask()
    await one.started.wait()
    waiter = other.ask()
    await waiting(redis_server)
    leader.cancel()
    await other.started.wait()
    other.finish.set()
    assert await waiter == (b"result", False)


async def test_a_waiter_that_everybody_left_disturbs_nobody(desk: Desks, redis_server: RedisServer) -> None:
    one, other = desk(), desk()
    leader = one.ask()
    await one.started.wait()
    waiter = other.ask()
    await waiting(redis_server)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert len(other.flights) == 0
    one.finish.set()
    assert await leader == (b"result", False)


async def test_without_redis_a_process_joins_its_own_callers(desk: Desks, redis_server: RedisServer) -> None:
    redis_server.kill()
    one = desk()
    tasks = [one.ask() for _ in range(50)]
    one.finish.set()
    joined = [joined for _, joined in await asyncio.gather(*tasks)]
    assert sorted(joined) == [False] + [True] * 49
    assert one.calls == 1


async def test_a_full_redis_means_that_a_process_joins_its_own_callers(
    desk: Desks, redis_server: RedisServer
) -> None:
    redis_server.client.config_set("maxmemory", 1)
    one = desk()
    one.finish.set()
    assert await one.ask() == (b"result", False)


async def test_releases_are_heard_again_after_redis_was_restarted(
    desk: Desks, redis_server: RedisServer
) -> None:
    one, other = desk(), desk()
    leader = one.ask()
    await one.started.wait()
    waiter = other.ask()
    await waiting(redis_server)
    redis_server.kill()
    redis_server.start()
    await until(lambda: redis_server.client.pubsub_numsub(CHANNEL)[0][1])
    one.finish.set()
    other.finish.set()
    await asyncio.gather(leader, waiter)


async def test_a_leader_that_fails_is_replaced_and_its_error_stays_at_home(
    desk: Desks, redis_server: RedisServer
) -> None:
    one, other = desk(), desk()
    one.error = ValueError("no")
    leaders = [one.ask(), one.ask()]
    await one.started.wait()
    waiter = other.ask()
    await waiting(redis_server)
    one.finish.set()
    other.finish.set()
    assert await waiter == (b"result", False)
    assert await asyncio.gather(*leaders, return_exceptions=True) == [one.error, one.error]


async def test_a_leader_that_stops_in_good_order_is_replaced_at_once(
    desk: Desks, redis_server: RedisServer
) -> None:
    one, other = desk(), desk()
    leader = one.ask()
    await one.started.wait()
    waiter = other.ask()
    await waiting(redis_server)
    await one.flights.aclose()
    other.finish.set()
    assert await waiter == (b"result", False)
    with pytest.raises(asyncio.CancelledError):
        await leader


async def test_redis_killed_in_the_middle_means_that_each_process_works(
    desk: Desks, redis_server: RedisServer
) -> None:
    one, other = desk(lease_s=0.3), desk(lease_s=0.3)
    leader = one.ask()
    await one.started.wait()
    waiter = other.ask()
    await waiting(redis_server)
    redis_server.kill()
    await other.started.wait()
    one.finish.set()
    other.finish.set()
    assert await leader == await waiter == (b"result", False)


async def test_redis_flushed_in_the_middle_delays_nobody(desk: Desks, redis_server: RedisServer) -> None:
    one, other = desk(), desk()
    leader = one.ask()
    await one.started.wait()
    waiter = other.ask()
    await waiting(redis_server)
    redis_server.client.flushall()
    one.finish.set()
    assert await leader == (b"result", False)
    assert await waiter == (b"result", True)


async def test_a_lease_that_redis_lost_is_taken_anew(desk: Desks, redis_server: RedisServer) -> None:
    one = desk(lease_s=0.3)
    leader = one.ask()
    await one.started.wait()
    redis_server.client.flushall()
    await until(lambda: redis_server.client.exists(LEASE))
    one.finish.set()
    await leader


# --- URLs


async def test_the_flights_of_a_redis_url_reach_other_processes(redis_url: str) -> None:
    async with (store := open_store(redis_url)):
        flights = open_flights(store)
        assert isinstance(flights, SharedFlight)
        await flights.aclose()


@pytest.mark.parametrize("store", [MemoryStore(), Layered(MemoryStore(), MemoryStore())])
async def test_the_flights_of_other_stores_stay_in_their_process(store: MemoryStore | Layered) -> None:
    assert isinstance(open_flights(store), SingleFlight)
