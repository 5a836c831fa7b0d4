"""A ledger from a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from service.cache import CacheStore, Layered
from service.errors import StoreError
from service.ledger.base import Ledger
from service.ledger.memory import MemoryLedger
from service.ledger.steady import SteadyLedger

_ALLOWED: Final = (
    "use memory://, sqlite:///absolute/path.db, or redis://, rediss:// or unix:// as for the cache"
)


def open_ledger(url: str | None, cache_url: str, store: CacheStore) -> Ledger:
    """The ledger that `url` names; without one, that which goes with the cache.

    That is the cache's Redis, a file `ledger.sqlite3` beside the cache's file, or memory. Nothing is read or
    written before its first use.

    Raises:
        StoreError: the URL is none of these; the message says what is allowed.
    """
    parts = urlsplit(cache_url if url is None else url)
    if parts.scheme == "memory":
        return MemoryLedger()
    path = Path(unquote(parts.path))
    if parts.scheme == "sqlite" and path.is_absolute() and path.name:
        from service.ledger.sqlite_ledger import SQLiteLedger  # noqa: PLC0415 - see below

        return SteadyLedger(SQLiteLedger(path if url is not None else path.with_name("ledger.sqlite3")))
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise StoreError(
            f"a ledger URL with scheme {parts.scheme!r} and this path cannot be used; {_ALLOWED}"
        )
    # Imported where it is used, as redis-py takes 0.4 s and 20 MiB.
    from service.cache.redis_link import RedisLink  # noqa: PLC0415
    from service.ledger.redis_ledger import RedisLedger  # noqa: PLC0415

    if url is None and isinstance(store, Layered) and store.link is not None:
        return SteadyLedger(RedisLedger(store.link, owns_link=False))
    try:
        return SteadyLedger(RedisLedger(RedisLink(url or cache_url), owns_link=True))
    except ValueError:
        raise StoreError(f"the ledger URL cannot be read; {_ALLOWED}") from None
