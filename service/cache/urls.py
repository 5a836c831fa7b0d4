"""A store, and the single flight that goes with it, from a URL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from service.cache.base import CacheStore
from service.cache.flight import Flights, SingleFlight
from service.cache.layered import Layered
from service.cache.memory import MemoryStore
from service.cache.sqlite import SQLiteStore
from service.errors import StoreError

_REDIS: Final = ("redis", "rediss", "unix")
_BOUNDS: Final = {"max_mb", "max_age_days"}
_REDIS_OPTIONS: Final = {"connect_timeout_s", "timeout_s", "max_connections", "local_ttl_s", "db"}
_ALLOWED: Final = (
    "use memory://?max_mb=64, sqlite:///absolute/path.db?max_mb=512, redis://user:password@host:6379/0, "
    "rediss:// or unix:///absolute/path.sock?db=0, each with max_age_days=N if wanted"
)


def open_store(url: str, encryption_keys: str | None = None) -> CacheStore:
    """The store that `url` names; nothing is read or written before its first use.

    `memory://` and `sqlite:///absolute/path.db` take the bounds `max_mb` (MiB) and `max_age_days`.
    `redis://`, `rediss://` (TLS) and `unix://` open a `RedisStore` behind a layer of memory; `max_mb` bounds
    that layer, `local_ttl_s` (30) is how long it keeps a value, `connect_timeout_s` (0.5), `timeout_s` (0.5)
    and `max_connections` (4) hold for Redis. With `encryption_keys` (base64, separated by commas) what
    lies in a file or in Redis is encrypted.

    Raises:
        StoreError: the URL is not one of these; the message says what is allowed.
    """
    # A URL can carry a password, so that messages name its scheme only.
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        numbers = {name: float(value) for name, value in options.items()}
    except ValueError:
        raise StoreError(f"the cache URL cannot be read; {_ALLOWED}") from None
    shared = parts.scheme in _REDIS
    known = _BOUNDS | _REDIS_OPTIONS if shared else _BOUNDS
    if (parts.netloc and not shared) or parts.fragment or "%00" in parts.path or not numbers.keys() <= known:
        raise StoreError(f"the cache URL has a part that is not known; {_ALLOWED}")
    if not all(0 < number < 1e9 or (name, number) == ("db", 0) for name, number in numbers.items()):
        raise StoreError(f"the options of the cache URL must be positive numbers; {_ALLOWED}")
    if shared:
        return _open_redis(parts, numbers, encryption_keys)
    max_age_s = numbers.get("max_age_days", 30) * 86_400
    path = Path(unquote(parts.path))
    if parts.scheme == "memory" and parts.path in ("", "/"):
        return MemoryStore(max_bytes=_bytes(numbers, 64), max_age_s=max_age_s)
    if parts.scheme == "sqlite" and path.is_absolute() and path.name:
        file = SQLiteStore(path, max_bytes=_bytes(numbers, 512), max_age_s=max_age_s)
        return _encrypted(file, encryption_keys)
    raise StoreError(f"a cache URL with scheme {parts.scheme!r} and this path cannot be used; {_ALLOWED}")


def open_flights(store: CacheStore) -> Flights:
    """The single flight that reaches as far as `store` does; it is to be closed before the store."""
    if not isinstance(store, Layered) or store.link is None:
        return SingleFlight()
    from service.cache.shared_flight import SharedFlight  # noqa: PLC0415 - see `_open_redis`

    return SharedFlight(store.link)


def _open_redis(parts: SplitResult, numbers: Mapping[str, float], encryption_keys: str | None) -> CacheStore:
    # Imported here, as redis-py takes 0.4 s and 20 MiB that other stores need not pay.
    from service.cache.redis_link import RedisLink  # noqa: PLC0415
    from service.cache.redis_store import RedisStore  # noqa: PLC0415

    place = unquote(parts.path).strip("/")
    if not (place if parts.scheme == "unix" else parts.hostname and (place.isdecimal() or not place)):
        raise StoreError(f"a cache URL with scheme {parts.scheme!r} wants another place; {_ALLOWED}")
    db = f"db={numbers['db']:.0f}" if "db" in numbers else ""
    try:
        link = RedisLink(
            parts._replace(query=db).geturl(),
            connect_timeout_s=numbers.get("connect_timeout_s", 0.5),
            timeout_s=numbers.get("timeout_s", 0.5),
            max_connections=max(int(numbers.get("max_connections", 4)), 1),
        )
    except ValueError:
        raise StoreError(f"the cache URL cannot be read; {_ALLOWED}") from None
    max_age_s = numbers.get("max_age_days", 30) * 86_400
    return Layered(
        MemoryStore(max_bytes=_bytes(numbers, 64), max_age_s=max_age_s),
        _encrypted(RedisStore(link, max_age_s=max_age_s), encryption_keys),
        local_ttl_s=numbers.get("local_ttl_s", 30.0),
        link=link,
    )


def _encrypted(store: CacheStore, keys: str | None) -> CacheStore:
    if keys is None:
        return store
    try:
        from service.cache.encrypted import EncryptedStore  # noqa: PLC0415 - an extra
    except ImportError:
        raise StoreError("encryption needs the extra: pip install standfirst[encryption]") from None
    try:
        return EncryptedStore.of(store, keys)
    except ValueError as exc:
        raise StoreError(f"the cache's values cannot be encrypted: {exc}") from None


def _bytes(numbers: Mapping[str, float], default_mib: int) -> int:
    return int(numbers.get("max_mb", default_mib) * (1 << 20))
