"""The cache: keys, one contract over every store, and what the SQLite store survives."""

import asyncio
import hashlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from service.cache import CacheStore, Layered, MemoryStore, SQLiteStore, cache_key, open_store
from service.cache.encrypted import EncryptedStore
from service.cache.redis_link import RedisLink
from service.cache.redis_store import RedisStore
from service.errors import StoreError

KIB = 1 << 10


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self._now = 1_000_000.0
        self.redis: redis.Redis | None = None

    def __call__(self) -> float:
        return self._now

    @property
    def now(self) -> float:
        return self._now

    @now.setter
    def now(self, now: float) -> None:
        if self.redis is not None:
            # Its clock is its own: what it keeps is left with as much less to live.
            for key in self.redis.scan_iter():
                self.redis.pexpire(key, self.redis.pttl(key) - round((now - self._now) * 1_000))
        self._now = now


@pytest.fixture
def clock() -> Clock:
    return Clock()


Make = Callable[..., CacheStore]


@pytest.fixture(params=["memory", "sqlite", "redis", "layered", "encrypted"])
async def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Make]:
    """Makes stores of one kind, and closes them at the end of the test."""
    made: list[CacheStore] = []
    redis_url = None
    if request.param in {"redis", "layered"}:
        redis_url = request.getfixturevalue("redis_url")
        clock.redis = redis.Redis.from_url(redis_url)

    def make(*, max_bytes: int = 1 << 20, max_age_s: float = 1_000.0) -> CacheStore:
        store: CacheStore
        memory = MemoryStore(max_bytes=max_bytes, max_age_s=max_age_s, clock=clock)
        if redis_url is not None:
            link = RedisLink(redis_url, timeout_s=10)
            store = RedisStore(link, max_value_bytes=max_bytes, max_age_s=max_age_s, clock=clock)
            if request.param == "layered":
                store = Layered(memory, store, local_ttl_s=2)
        elif request.param == "memory":
            store = memory
        else:
            store = SQLiteStore(tmp_path / "cache.db", max_bytes=max_bytes, max_age_s=max_age_s, clock=clock)
            if request.param == "encrypted":
                store = EncryptedStore(store, [bytes(32)])
        made.append(store)
        return store

    yield make
    for store in made:
        await store.aclose()
    if clock.redis is not None:
        clock.redis.close()


@pytest.fixture
def store(make: Make) -> CacheStore:
    return make()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path, max_bytes=4 << 20)
    async with store:
        yield store


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


def read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def write(path: Path, data: bytes | bytearray) -> None:
    path.write_bytes(data)


def overwrite(path: Path) -> None:
    """Put garbage over a database while it is open, and drop its log."""
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    os.truncate(path.with_name(path.name + "-wal"), 0)


def empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def files_beside(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


# --- keys


def test_a_key_does_not_depend_on_the_order_of_parts() -> None:
    assert cache_key("summary", a=1, b={"c": 2, "d": 3}) == cache_key("summary", b={"d": 3, "c": 2}, a=1)


def test_a_key_is_the_same_in_every_version_of_python() -> None:
    key = cache_key("summary", text="été", options={"max_quotes": 3, "style": None})
    assert key == "cfde670f9d6768f3cacdc0365fb4d9d472a04750a2d847081fcff8c55915bb7c"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "1"}, {"a": 1}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {}),
        ({"a": None}, {"a": "null"}),
        ({"a": "x", "b": "y"}, {"a": "xy", "b": ""}),
        ({"a": ["x", "y"]}, {"a": ["xy"]}),
        ({"a": 'x","b":"y'}, {"a": "x", "b": "y"}),
        ({"a": "\ud83d\ude00"}, {"a": "\U0001f600"}),
        ({"a": "é"}, {"a": "e\u0301"}),
    ],
)
def test_parts_that_differ_have_keys_that_differ(one: dict[str, str], other: dict[str, str]) -> None:
    assert cache_key("summary", **one) != cache_key("summary", **other)


def test_kinds_have_keys_of_their_own() -> None:
    assert cache_key("summary", a=1) != cache_key("chunk", a=1)


def test_a_part_may_be_called_kind() -> None:
    assert cache_key("summary", kind="brief") != cache_key("summary", kind="bullets")


@given(st.dictionaries(st.text(), st.text(st.characters(exclude_categories=[]))))
def test_any_text_makes_a_key(parts: dict[str, str]) -> None:
    assert len(bytes.fromhex(cache_key("summary", **parts))) == 32


@pytest.mark.parametrize("part", [float("nan"), float("inf"), b"bytes", object()])
def test_a_part_that_is_not_json_is_refused(part: float) -> None:
    with pytest.raises((TypeError, ValueError)):
        cache_key("summary", part=part)


# --- the contract of every store


async def test_a_value_comes_back(store: CacheStore) -> None:
    await store.set("key", b"\x00value\xff")
    assert await store.get("key") == b"\x00value\xff"
    assert await store.exists("key")


async def test_text_is_kept_as_utf8(store: CacheStore) -> None:
    await store.set("key", "naïve")
    assert await store.get("key") == "naïve".encode()


async def test_an_empty_value_is_a_value(store: CacheStore) -> None:
    await store.set("key", b"")
    assert await store.get("key") == b""


async def test_a_large_value_comes_back(store: CacheStore) -> None:
    value = noise(600 * KIB)
    await store.set("key", value)
    assert await store.get("key") == value


async def test_an_unknown_key_is_a_miss(store: CacheStore) -> None:
    assert await store.get("key") is None
    assert not await store.exists("key")
    assert await store.expires_in("key") is None


async def test_the_last_value_set_wins(store: CacheStore) -> None:
    await store.set("key", b"one")
    await store.set("key", b"two")
    assert await store.get("key") == b"two"


async def test_a_deleted_value_is_gone(store: CacheStore) -> None:
    await store.set("key", b"one")
    await store.set("other", b"two")
    await store.delete("key")
    await store.delete("never set")
    assert await store.get("key") is None
    assert await store.get("other") == b"two"


async def test_all_values_can_be_deleted(store: CacheStore) -> None:
    for name in ("a", "b", "c"):
        await store.set(name, b"value")
    await store.delete_all()
    assert [await store.get(name) for name in ("a", "b", "c")] == [None] * 3


@pytest.mark.parametrize("period", [100, timedelta(seconds=100)])
async def test_a_value_expires(store: CacheStore, clock: Clock, period: int | timedelta) -> None:
    await store.set("key", b"value", expires_in=period)
    clock.now += 80
    assert await store.get("key") == b"value"
    clock.now += 20
    assert await store.get("key") is None
    assert not await store.exists("key")
    assert await store.expires_in("key") is None


async def test_the_time_left_is_told(store: CacheStore, clock: Clock) -> None:
    await store.set("key", b"value", expires_in=10)
    clock.now += 3
    assert await store.expires_in("key") == 7


async def test_a_value_without_expiry_has_no_time_left_to_tell(store: CacheStore) -> None:
    await store.set("key", b"value")
    assert await store.expires_in("key") is None


async def test_a_read_can_renew_an_expiry(store: CacheStore, clock: Clock) -> None:
    await store.set("key", b"value", expires_in=10)
    clock.now += 5
    assert await store.get("key", renew_for=timedelta(seconds=20)) == b"value"
    assert await store.expires_in("key") == 20


async def test_a_read_gives_no_expiry_to_a_value_without(store: CacheStore) -> None:
    await store.set("key", b"value")
    await store.get("key", renew_for=5)
    assert await store.expires_in("key") is None


@pytest.mark.parametrize("period", [0, -1])
async def test_a_value_given_no_time_is_not_kept(store: CacheStore, period: int) -> None:
    await store.set("key", b"old")
    await store.set("key", b"value", expires_in=period)
    assert await store.get("key") is None


async def test_no_value_outlives_the_stores_own_bound_of_age(make: Make, clock: Clock) -> None:
    store = make(max_age_s=100)
    await store.set("forever", b"value")
    await store.set("long", b"value", expires_in=1_000)
    clock.now += 60
    await store.get("long", renew_for=1_000)
    clock.now += 40
    assert await store.get("forever") is None
    assert await store.get("long") is None


@pytest.mark.parametrize(
    "make", ["memory", "sqlite"], indirect=True
)  # the sum in Redis is Redis's own to bound
async def test_what_was_not_used_for_longest_makes_room(make: Make, clock: Clock) -> None:
    store = make(max_bytes=400 * KIB)
    for number in range(30):
        await store.set(f"old {number}", bytes(10 * KIB))
    clock.now += 100
    assert await store.get("old 3") is not None
    for number in range(20):
        clock.now += 1
        await store.set(f"new {number}", bytes(10 * KIB))
    kept = {n for n in range(30) if await store.exists(f"old {n}")}
    assert 3 in kept
    assert 0 not in kept
    assert all([await store.exists(f"new {number}") for number in range(20)])


async def test_a_value_over_the_bound_is_not_kept_and_takes_the_old_one_with_it(make: Make) -> None:
    store = make(max_bytes=200 * KIB)
    await store.set("other", b"value")
    await store.set("key", b"value")
    await store.set("key", bytes(201 * KIB))
    assert await store.get("key") is None
    assert await store.get("other") == b"value"


async def test_concurrent_use_loses_nothing(store: CacheStore) -> None:
    await asyncio.gather(*(store.set(f"key {n}", str(n)) for n in range(100)))
    assert await asyncio.gather(*(store.get(f"key {n}") for n in range(100))) == [
        b"%d" % n for n in range(100)
    ]


async def test_a_store_can_be_closed_twice(store: CacheStore) -> None:
    await store.set("key", b"value")
    await store.aclose()
    await store.aclose()


async def test_a_sound_store_reports_no_problem(store: CacheStore) -> None:
    await store.set("key", b"value")
    assert store.problem is None


# --- the SQLite store


async def test_values_outlive_the_process(path: Path) -> None:
    async with opened(path) as store:
        await store.set("key", b"value")
    async with opened(path) as store:
        assert await store.get("key") == b"value"


async def test_the_file_stays_within_its_bound(path: Path) -> None:
    store = SQLiteStore(path, max_bytes=500 * KIB)
    async with store:
        for number in range(200):
            await store.set(f"key {number}", bytes(8 * KIB))
    assert 400 * KIB < len(read(path) or b"") <= 520 * KIB


async def test_expired_values_leave_the_file(path: Path, clock: Clock) -> None:
    store = SQLiteStore(path, clock=clock)
    async with store:
        for number in range(300):
            await store.set(f"key {number}", bytes(KIB), expires_in=10)
        clock.now += 100
        await store.set("last", b"value")
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM entries").fetchone() == (1,)


async def test_a_read_counts_as_use_after_a_restart_too(path: Path, clock: Clock) -> None:
    value = bytes(KIB)
    async with (store := SQLiteStore(path, clock=clock)):
        for number in range(1_500):
            await store.set(f"key {number}", value)
        clock.now += 100
        for number in range(1_005):
            await store.get(f"key {number}")
    size = len(read(path) or b"")
    async with (other := SQLiteStore(path, max_bytes=size * 9 // 10, clock=clock)):
        await other.set("new", value)
        kept = [await other.exists(f"key {number}") for number in range(1_500)]
    assert all(kept[:1_005])
    assert not all(kept[1_005:])


async def test_an_unused_store_leaves_no_file(path: Path) -> None:
    async with opened(path):
        pass
    assert files_beside(path) == set()


async def test_two_stores_on_one_file_see_each_others_values(path: Path) -> None:
    async with opened(path) as one, opened(path) as other:
        await one.set("key", b"one")
        assert await other.get("key") == b"one"
        await other.set("key", b"two")
        assert await one.get("key") == b"two"
        await one.delete_all()
        assert await other.get("key") is None


async def test_a_read_does_not_wait_for_a_writer(path: Path) -> None:
    async with opened(path) as store:
        await store.set("key", b"value")
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("DELETE FROM entries")
            assert await store.get("key") == b"value"


async def test_a_write_waits_for_another_writer(path: Path) -> None:
    async with opened(path) as store:
        await store.set("key", b"old")
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            write = asyncio.create_task(store.set("key", b"new"))
            assert await store.get("key") == b"old"
            assert not write.done()
            writer.execute("COMMIT")
        await write
        assert await store.get("key") == b"new"


WRITER = """
import asyncio, pathlib, sys
from service.cache import SQLiteStore

async def main(path, name, count):
    async with (store := SQLiteStore(pathlib.Path(path))):
        for number in range(int(count)):
            await store.set(f"{name} {number}", f"{name} {number}" * 100)
            print(number, flush=True)
        assert store.problem is None, store.problem

asyncio.run(main(*sys.argv[1:]))
"""


async def start_writer(path: Path, name: str, count: int) -> asyncio.subprocess.Process:
    arguments = ("-W", "error", "-c", WRITER, str(path), name, str(count))
    root = str(Path(__file__).parents[1])
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    )


async def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    writers = [await start_writer(path, name, 200) for name in ("a", "b", "c")]
    await asyncio.gather(*(writer.communicate() for writer in writers))
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    async with opened(path) as store:
        for name in ("a", "b", "c"):
            for number in range(200):
                assert await store.get(f"{name} {number}") == f"{name} {number}".encode() * 100
    assert files_beside(path) == {"cache.db"}


async def test_a_killed_writer_harms_neither_its_values_nor_the_others(path: Path) -> None:
    async with opened(path) as store:
        await store.set("ours", b"value")
        writer = await start_writer(path, "theirs", 100_000)
        assert writer.stdout is not None
        for _ in range(50):
            line = await writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        await writer.communicate()
        assert await store.get("ours") == b"value"
        assert await store.get(f"theirs {int(line)}") == f"theirs {int(line)}".encode() * 100
        await store.set("after", b"value")
        assert store.problem is None
    assert files_beside(path) == {"cache.db"}


# --- damage


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE accounts (name TEXT)")


def wrong_columns(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE entries (key TEXT)")
        database.execute("PRAGMA application_id = 0x53666301")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(noise(50 * KIB)),
    "a line of text": lambda path: path.write_text("not a database\n", encoding="utf-8"),
    "a header and garbage": lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 9_000),
    "a database of something else": foreign_database,
    "a table with other columns": wrong_columns,
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_a_file_that_cannot_be_used_is_set_aside(
    path: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    damage(path)
    before = read(path)
    async with opened(path) as store:
        assert await store.get("key") is None
        await store.set("key", b"value")
        assert await store.get("key") == b"value"
        assert store.problem is None
    assert read(path.with_name("cache.db.damaged-1")) == before
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    async with opened(path) as store:
        assert await store.get("key") == b"value"


async def test_an_empty_file_is_a_fresh_one(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, b"")
    async with opened(path) as store:
        await store.set("key", b"value")
        assert await store.get("key") == b"value"
    assert caplog.records == []


async def test_each_damaged_file_is_kept(path: Path) -> None:
    for number in (1, 2):
        write(path, b"damage %d" % number)
        async with opened(path) as store:
            await store.set("key", b"value")
    assert [read(path.with_name(f"cache.db.damaged-{n}")) for n in (1, 2)] == [b"damage 1", b"damage 2"]


def flip(path: Path, needle: bytes) -> None:
    """Change one byte in the middle of `needle`, wherever it stands in the file."""
    data = bytearray(path.read_bytes())
    data[data.index(needle) + len(needle) // 2] ^= 0x01
    path.write_bytes(data)


@pytest.mark.parametrize("size", [100, 300 * KIB])
async def test_a_flipped_byte_is_a_miss_and_not_a_wrong_answer(
    path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    value = b"\x07" * size
    async with opened(path) as store:
        await store.set("key", value)
        await store.set("other", b"sound")
    flip(path, b"\x07" * 100)
    async with opened(path) as store:
        assert await store.get("key") is None
        assert await store.get("other") == b"sound"
        await store.set("key", value)
        assert await store.get("key") == value
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_any_flipped_byte_of_the_file_gives_the_value_or_a_miss(path: Path) -> None:
    async with opened(path) as store:
        for number in range(20):
            await store.set(f"key {number}", f"value {number}" * 50)
    sound = read(path)
    spots = noise(60 * 4)
    for place in range(0, len(spots), 4):
        data = bytearray(sound or b"")
        data[int.from_bytes(spots[place : place + 4]) % len(data)] ^= 0x10
        write(path, data)
        async with opened(path) as store:
            for number in range(20):
                assert await store.get(f"key {number}") in (None, f"value {number}".encode() * 50)
            await store.set("new", b"value")
            assert await store.get("new") == b"value"


async def test_damage_while_running_is_a_miss_and_heals(path: Path) -> None:
    async with opened(path) as store:
        for number in range(50):
            await store.set(f"key {number}", bytes(4 * KIB))
        overwrite(path)
        async with opened(path) as other:
            assert await other.get("key 1") is None
            await other.set("key 2", b"theirs")
        await store.set("key 3", b"ours")
        assert await store.get("key 3") == b"ours"
        assert await store.get("key 2") == b"theirs"
        assert store.problem is None


async def test_a_file_cut_short_while_running_is_a_miss_and_heals(path: Path) -> None:
    async with opened(path) as store:
        for number in range(200):
            await store.set(f"key {number}", bytes(4 * KIB))
    async with opened(path) as store:
        await store.get("key 1")
        os.truncate(path, 8 * KIB)
        for number in range(200):
            assert await store.get(f"key {number}") in (None, bytes(4 * KIB))
        await store.set("after", b"value")
        assert await store.get("after") == b"value"
        assert store.problem is None


async def test_a_file_deleted_while_running_is_made_anew(path: Path) -> None:
    async with opened(path) as store:
        await store.set("key", b"value")
        empty(path.parent)
        await store.set("after", b"value")
        assert await store.get("after") == b"value"
    async with opened(path) as store:
        assert await store.get("after") == b"value"


async def test_stores_that_find_one_damage_at_once_end_on_one_file(path: Path) -> None:
    write(path, b"garbage" * 1_000)
    async with opened(path) as one, opened(path) as two, opened(path) as three:
        # What is written while the file is being replaced may be lost, as from any cache.
        await asyncio.gather(*(store.set(str(n), b"value") for n, store in enumerate((one, two, three))))
        for n, store in enumerate((one, two, three)):
            await store.set(str(n), b"value")
        for store in (one, two, three):
            assert [await store.get(str(n)) for n in range(3)] == [b"value"] * 3
    assert "cache.db.damaged-2" not in files_beside(path)


async def test_a_folder_that_cannot_be_made_means_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "file", b"")
    async with opened(tmp_path / "file" / "cache.db") as store:
        assert await store.get("key") is None
        await store.set("key", b"value", expires_in=10)
        assert await store.get("key") == b"value"
        assert await store.exists("key")
        assert await store.expires_in("key") is not None
        await store.delete("key")
        assert not await store.exists("key")
        await store.set("other", b"value")
        await store.delete_all()
        assert not await store.exists("other")
        assert store.problem is not None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_damage_while_running_that_cannot_be_set_aside_means_memory(path: Path) -> None:
    async with opened(path) as store:
        for number in range(200):
            await store.set(f"key {number}", bytes(4 * KIB))
    path.with_name("cache.db.lock").mkdir()
    async with opened(path) as store:
        await store.get("key 1")
        os.truncate(path, 8 * KIB)
        assert None in [await store.get(f"key {number}") for number in range(200)]
        await store.set("after", b"value")
        assert await store.get("after") == b"value"
        assert store.problem is not None
    assert "cache.db.damaged-1" not in files_beside(path)


FULL_DISK = """
import asyncio, pathlib, resource, sys
from service.cache import SQLiteStore

async def main(path):
    async with (store := SQLiteStore(pathlib.Path(path))):
        await store.set("key", b"value")
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        await store.set("large", bytes(2_000_000))
        assert store.problem is not None
        assert await store.get("key") == b"value"
        assert await store.get("large") is None
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await store.set("large", bytes(2_000_000))
        assert store.problem is None
        assert await store.get("large") == bytes(2_000_000)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_full_disk_drops_writes_until_there_is_room(path: Path) -> None:
    root = str(Path(__file__).parents[1])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", FULL_DISK, str(path), env={**os.environ, "PYTHONPATH": root}
    )
    assert await process.wait() == 0


# --- URLs


async def test_a_memory_url_opens_a_memory_store() -> None:
    async with (store := open_store("memory://?max_mb=1")):
        await store.set("key", bytes(900 * KIB))
        await store.set("other", bytes(900 * KIB))
        assert not await store.exists("key")


async def test_a_sqlite_url_opens_that_file(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/new%20folder/cache.db?max_mb=2&max_age_days=1"
    async with (store := open_store(url)):
        await store.set("key", b"value")
    assert (tmp_path / "new folder" / "cache.db").is_file()


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://user:p%40ss@localhost:6379/2?connect_timeout_s=1&timeout_s=0.2&max_connections=8&local_ttl_s=5",
        "rediss://:secret@cache.example:6380/0?max_mb=16&max_age_days=7",
        "unix:///run/redis.sock?db=0",
    ],
)
async def test_a_redis_url_opens_a_store_that_connects_to_nothing_yet(url: str) -> None:
    async with (store := open_store(url)):
        assert isinstance(store, Layered)
        assert store.problem is None


def test_a_url_alone_touches_no_file(tmp_path: Path) -> None:
    open_store(f"sqlite://{tmp_path}/cache.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cache.db",
        "redis://",
        "redis://localhost/name",
        "redis://localhost:port",
        "redis://localhost?timeout_s=soon",
        "redis://localhost?password=hunter2",
        "unix://",
        "memory://?timeout_s=1",
        "sqlite://",
        "sqlite:///",
        "sqlite://cache.db",
        "sqlite:cache.db",
        "sqlite:///cache%00.db",
        "memory://host",
        "memory:///path",
        "memory://?max_mb=0",
        "memory://?max_mb=-1",
        "memory://?max_mb=nan",
        "memory://?max_mb=inf",
        "memory://?max_mb=many",
        "memory://?max_mb",
        "memory://?max_gb=1",
        "memory://#part",
        "http://[",
    ],
)
def test_any_other_url_is_refused_with_what_is_allowed(url: str) -> None:
    with pytest.raises(StoreError, match=r"use memory://\?max_mb=64, sqlite:///absolute/path\.db"):
        open_store(url)


def test_a_refused_url_does_not_tell_its_password() -> None:
    with pytest.raises(StoreError) as caught:
        open_store("redis://:hunter2@localhost:port")
    assert "hunter2" not in str(caught.value)
