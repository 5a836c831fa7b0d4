from __future__ import annotations

import base64
import secrets
from pathlib import Path

import pytest
import redis

from service.app import create_app
from service.cache import MemoryStore, open_flights, open_store
from service.cache.encrypted import EncryptedStore, parse_keys
from service.cache.shared_flight import SharedFlight
from service.errors import SettingError
from service.settings import Secret, Settings

WORD = b"Zephyrinequolt"
OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)


def in_base64(key: bytes) -> str:
    return base64.b64encode(key).decode()


async def sealed(inner: MemoryStore, key: str) -> bytes:
    value = await inner.get(key)
    assert value is not None
    return value


async def test_value_lies_encrypted_and_comes_back() -> None:
    inner = MemoryStore()
    store = EncryptedStore(inner, [NEW])
    for value in (WORD, b"", WORD * 200_000):
        await store.set("key", value)
        assert WORD not in await sealed(inner, "key")
        assert await store.get("key") == value


async def test_equal_values_look_different() -> None:
    inner = MemoryStore()
    store = EncryptedStore(inner, [NEW])
    await store.set("one", WORD)
    await store.set("two", WORD)
    assert await sealed(inner, "one") != await sealed(inner, "two")


async def test_replaced_key_still_decrypts_and_the_new_one_encrypts() -> None:
    inner = MemoryStore()
    await EncryptedStore(inner, [OLD]).set("old", WORD)
    rotated = EncryptedStore(inner, [NEW, OLD])
    assert await rotated.get("old") == WORD
    await rotated.set("new", WORD)
    assert await EncryptedStore(inner, [OLD]).get("new") is None
    assert await EncryptedStore(inner, [NEW]).get("new") == WORD


async def test_value_under_another_key_of_encryption_is_a_miss() -> None:
    inner = MemoryStore()
    await EncryptedStore(inner, [OLD]).set("key", WORD)
    other = EncryptedStore(inner, [NEW])
    assert await other.get("key") is None
    assert not await other.exists("key")
    assert await other.expires_in("key") is None


async def test_value_that_was_not_encrypted_or_was_cut_is_a_miss() -> None:
    inner = MemoryStore()
    store = EncryptedStore(inner, [NEW])
    await store.set("key", WORD)
    whole = await sealed(inner, "key")
    for changed in (WORD, b"", b"Sfe1", *(whole[:end] for end in range(len(whole)))):
        await inner.set("key", changed)
        assert await store.get("key") is None


async def test_value_that_was_altered_or_moved_is_a_miss() -> None:
    inner = MemoryStore()
    store = EncryptedStore(inner, [NEW])
    await store.set("key", WORD)
    whole = await sealed(inner, "key")
    await inner.set("other", whole)
    assert await store.get("other") is None
    for place in range(len(whole)):
        await inner.set("key", whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert await store.get("key") is None


@pytest.mark.parametrize(
    "text", ["", "x", in_base64(b"short"), f"{in_base64(OLD)},", "é", in_base64(OLD)[:-2]]
)
def test_what_is_no_key_stops_the_start_and_is_not_repeated(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        parse_keys(text)
    settings = Settings(
        model="extractive", cache_url=f"sqlite:///{tmp_path}/c", cache_key=Secret(f"marker{text}")
    )
    with pytest.raises(SettingError, match="STANDFIRST_CACHE_KEY") as error:
        create_app(settings)
    assert "marker" not in str(error.value)


def test_keys_are_read_from_the_environment() -> None:
    both = f"{in_base64(NEW)}, {base64.urlsafe_b64encode(OLD).decode()}"
    settings = Settings.from_env({"STANDFIRST_CACHE_KEY": both})
    assert parse_keys(settings.cache_key or "") == [NEW, OLD]
    assert both not in repr(settings)


async def test_redis_holds_nothing_readable_and_flights_are_shared(redis_url: str) -> None:
    async with (store := open_store(redis_url, in_base64(NEW))):
        assert isinstance(open_flights(store), SharedFlight)
        await store.set("key", WORD)
        assert await store.get("key") == WORD
    with redis.Redis.from_url(redis_url) as client:
        (name,) = client.keys()
        assert WORD not in client.get(name)
    async with (store := open_store(redis_url, in_base64(OLD))):
        assert await store.get("key") is None


async def test_file_holds_nothing_readable(tmp_path: Path) -> None:
    async with (store := open_store(f"sqlite:///{tmp_path}/cache.sqlite3", in_base64(NEW))):
        await store.set("key", WORD)
        assert await store.get("key") == WORD
        found = [file for file in tmp_path.iterdir() if WORD in file.read_bytes()]  # noqa: ASYNC240 - a test
    assert not found
