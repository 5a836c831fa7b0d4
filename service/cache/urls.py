"""A store from its URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from service.cache.base import CacheStore
from service.cache.memory import MemoryStore
from service.cache.sqlite import SQLiteStore
from service.errors import StoreError

_ALLOWED = (
    "use memory://?max_mb=64 or sqlite:///absolute/path.db?max_mb=512, each with max_age_days=N if wanted"
)


def open_store(url: str) -> CacheStore:
    """The store that `url` names; nothing is read or written before its first use.

    `memory://` and `sqlite:///absolute/path.db` take the bounds `max_mb` (MiB) and `max_age_days`.

    Raises:
        StoreError: the URL is not one of these; the message says what is allowed.
    """
    # A URL can carry a password, so that messages name its scheme only.
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        bounds = {name: float(value) for name, value in options.items()}
    except ValueError:
        raise StoreError(f"the cache URL cannot be read; {_ALLOWED}") from None
    if (
        parts.netloc
        or parts.fragment
        or "%00" in parts.path
        or not bounds.keys() <= {"max_mb", "max_age_days"}
    ):
        raise StoreError(f"the cache URL has a part that is not known; {_ALLOWED}")
    if not all(0 < bound < 1e9 for bound in bounds.values()):
        raise StoreError(f"max_mb and max_age_days must be positive numbers; {_ALLOWED}")
    max_age_s = bounds.get("max_age_days", 30) * 86_400
    path = Path(unquote(parts.path))
    if parts.scheme == "memory" and parts.path in ("", "/"):
        return MemoryStore(max_bytes=int(bounds.get("max_mb", 64) * (1 << 20)), max_age_s=max_age_s)
    if parts.scheme == "sqlite" and path.is_absolute() and path.name:
        return SQLiteStore(path, max_bytes=int(bounds.get("max_mb", 512) * (1 << 20)), max_age_s=max_age_s)
    raise StoreError(f"a cache URL with scheme {parts.scheme!r} and this path cannot be used; {_ALLOWED}")
