"""The contract of ledgers, over all backends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from service.cache import MemoryStore
from service.cache.redis_link import RedisLink
from service.errors import StoreError
from service.ledger import Counts, Ledger, LedgerError, Line, MemoryLedger, SteadyLedger, Take, open_ledger
from service.ledger.redis_ledger import RedisLedger
from service.ledger.sqlite_ledger import SQLiteLedger
from tests.conftest import RedisServer

LASTS_S = 60
LINE = Line("2026-11-25", "cms", "mock", "article@1")


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "sqlite", "redis", "steady"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    made: Ledger
    if request.param == "memory":
        made = MemoryLedger()
    elif request.param == "redis":
        made = RedisLedger(RedisLink(request.getfixturevalue("redis_url")), owns_link=True)
    else:
        made = SQLiteLedger(tmp_path / "folder" / "ledger.sqlite3")
        made = SteadyLedger(made) if request.param == "steady" else made
    yield made
    await made.aclose()
    await made.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def timed(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Ledger]:
    """A ledger whose clock the test sets; Redis goes by its own."""
    made: Ledger = MemoryLedger(clock) if request.param == "memory" else SQLiteLedger(tmp_path / "l", clock)
    yield made
    await made.aclose()


async def test_takes_add_up_to_the_limit_and_no_further(ledger: Ledger) -> None:
    assert await ledger.take([Take("a", 6, 10, LASTS_S)]) == (None, (6,))
    assert await ledger.take([Take("a", 5, 10, LASTS_S)]) == (0, (6,))
    assert await ledger.take([Take("a", 4, 10, LASTS_S)]) == (None, (10,))
    assert await ledger.read("a") == 10


async def test_takes_are_all_or_nothing(ledger: Ledger) -> None:
    await ledger.take([Take("b", 1, 1, LASTS_S)])
    taken = await ledger.take([Take("a", 1, 9, LASTS_S), Take("b", 1, 1, LASTS_S), Take("c", 1, 9, LASTS_S)])
    assert taken == (1, (0, 1, 0))
    assert [await ledger.read(name) for name in "abc"] == [0, 1, 0]


async def test_grant_gives_what_is_left(ledger: Ledger) -> None:
    assert await ledger.grant(Take("a", 7, 10, LASTS_S)) == (7, 7)
    assert await ledger.grant(Take("a", 7, 10, LASTS_S)) == (3, 10)
    assert await ledger.grant(Take("a", 7, 10, LASTS_S)) == (0, 10)


async def test_lowered_limit_gives_nothing(ledger: Ledger) -> None:
    await ledger.grant(Take("a", 7, 10, LASTS_S))
    assert await ledger.grant(Take("a", 1, 5, LASTS_S)) == (0, 7)


async def test_amounts_are_given_back(ledger: Ledger) -> None:
    await ledger.take([Take("a", 10, 10, LASTS_S)])
    await ledger.add([Take("a", -4, 0, LASTS_S), Take("b", 3, 0, LASTS_S)])
    assert [await ledger.read(name) for name in "ab"] == [6, 3]


async def test_amounts_of_billions_of_billionths_are_exact(ledger: Ledger) -> None:
    large = 8_000_000 * 10**9 + 1
    assert await ledger.take([Take("a", large, large, LASTS_S)]) == (None, (large,))
    assert await ledger.take([Take("a", 1, large, LASTS_S)]) == (0, (large,))


async def test_counters_begin_anew_when_they_have_ended(timed: Ledger, clock: Clock) -> None:
    await timed.take([Take("a", 5, 5, LASTS_S)])
    clock.now += LASTS_S
    assert await timed.read("a") == 0
    assert await timed.take([Take("a", 5, 5, LASTS_S)]) == (None, (5,))


async def test_later_takes_do_not_lengthen_a_counter(timed: Ledger, clock: Clock) -> None:
    await timed.take([Take("a", 1, 5, LASTS_S)])
    clock.now += LASTS_S - 1
    await timed.take([Take("a", 1, 5, LASTS_S)])
    clock.now += 1
    assert await timed.read("a") == 0


async def test_takes_at_once_never_pass_the_limit(ledger: Ledger) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ledger.take([Take("a", 3, 100, LASTS_S)])) for _ in range(64)]
    assert sum(task.result().refused is None for task in tasks) == 33
    assert await ledger.read("a") == 99


async def test_usage_adds_up_by_line(ledger: Ledger) -> None:
    other = LINE._replace(model="ein „Modell“")
    counts = Counts(1, 200, 50, 30, 12_345, 0)
    await ledger.record({LINE: counts})
    await ledger.record({LINE: counts, other: Counts(calls=1, unpriced_calls=1)})
    await ledger.record({LINE._replace(day="2026-11-26"): counts})
    found = await ledger.usage(["2026-11-24", "2026-11-25"])
    assert found == {LINE: counts.plus(counts), other: Counts(calls=1, unpriced_calls=1)}


async def test_members_belong_to_their_group_until_they_are_taken_out(ledger: Ledger) -> None:
    await ledger.link("g", ["one"], LASTS_S)
    await ledger.link("g", ["two"], LASTS_S)
    await ledger.link("g", ["one"], LASTS_S)
    await ledger.link("h", ["three"], LASTS_S)
    assert sorted(await ledger.members("g")) == ["one", "two"]
    await ledger.unlink("g", ["one", "none"])
    assert await ledger.members("g") == ["two"]
    await ledger.unlink("g", ["two"])
    assert await ledger.members("g") == []
    assert await ledger.members("h") == ["three"]


async def test_links_end(timed: Ledger, clock: Clock) -> None:
    await timed.link("g", ["one"], 10)
    await timed.link("g", ["two"], 20)
    await timed.link("g", ["two"], 5)
    clock.now += 15
    assert await timed.members("g") == ["two"]


async def test_two_processes_share_a_file(tmp_path: Path) -> None:
    first, second = SQLiteLedger(tmp_path / "l"), SQLiteLedger(tmp_path / "l")
    await asyncio.gather(*(one.add([Take("a", 1, 0, LASTS_S)]) for one in (first, second) * 20))
    assert await first.read("a") == await second.read("a") == 40
    await first.aclose()
    await second.aclose()


async def test_file_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(b"not a database " * 100)
    broken = SQLiteLedger(tmp_path / "ledger")
    with pytest.raises(LedgerError, match=str(tmp_path)):
        await broken.read("a")
    await broken.aclose()


async def until(condition: Callable[[], object]) -> None:
    """Wait for what only another process can tell."""
    while not condition():  # noqa: ASYNC110 - it gives no sign
        await asyncio.sleep(0.01)


async def test_without_redis_counting_goes_on_and_is_handed_in_later(redis_server: RedisServer) -> None:
    link = RedisLink(redis_server.url, pause=lambda _: asyncio.sleep(0.01))
    steady = SteadyLedger(RedisLedger(link, owns_link=True))
    await steady.take([Take("a", 5, 10, LASTS_S)])
    redis_server.kill()
    assert await steady.take([Take("a", 4, 10, LASTS_S)]) == (None, (9,))
    assert await steady.take([Take("a", 4, 10, LASTS_S)]) == (0, (9,))
    assert await steady.grant(Take("g", 4, 3, LASTS_S)) == (3, 3)
    await steady.record({LINE: Counts(calls=1)})
    assert steady.problem is not None
    assert await steady.usage([LINE.day]) == {LINE: Counts(calls=1)}
    redis_server.start()
    await until(lambda: link.problem is None)
    await steady.record({LINE: Counts(calls=1)})
    assert await steady.usage([LINE.day]) == {LINE: Counts(calls=2)}
    # Redis lost what it had, as it keeps nothing on disk here.
    assert await steady.read("a") == 4
    assert await steady.read("g") == 3
    assert not steady.problem
    await steady.aclose()


@pytest.mark.parametrize("url", ["memory://", "sqlite:////tmp/x", "redis://127.0.0.1:1"])
async def test_ledger_goes_with_the_cache(url: str) -> None:
    ledger = open_ledger(None, url, MemoryStore())
    assert ledger.problem is None
    await ledger.aclose()


@pytest.mark.parametrize("url", ["nothing", "sqlite://relative", "http://x", "redis://host:port"])
def test_url_that_cannot_be_used_is_an_error(url: str) -> None:
    with pytest.raises(StoreError, match="ledger URL"):
        open_ledger(url, "memory://", MemoryStore())
