"""A store whose use is told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Literal, TypeAlias

from msgspec import Struct

from service.cache.base import CacheStore

Operation: TypeAlias = Literal["get", "set", "delete"]
Result: TypeAlias = Literal["hit", "miss", "ok", "error"]


class StoreUse(Struct, frozen=True):
    """A store was used; `kind` is what the value is: the key's prefix, such as `summary`."""

    operation: Operation
    kind: str
    result: Result
    duration_s: float


class ObservedStore(CacheStore):
    """Tells `on_use` of every read, write and deletion of `store`, which it owns.

    A miss or a write while the store has a problem is an `error`.
    """

    __slots__ = ("_on_use", "_store")

    def __init__(self, store: CacheStore, on_use: Callable[[StoreUse], object]) -> None:
        self._store = store
        self._on_use = on_use

    @property
    def problem(self) -> str | None:
        """What the store says."""
        return self._store.problem

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """See `Store.get`."""
        began = perf_counter()
        value = await self._store.get(key, renew_for)
        result: Result = "hit" if value is not None else "miss" if self._store.problem is None else "error"
        self._on_use(StoreUse("get", kind_of(key), result, perf_counter() - began))
        return value

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """See `Store.set`."""
        began = perf_counter()
        await self._store.set(key, value, expires_in)
        self._told("set", key, began)

    async def delete(self, key: str) -> None:
        """See `Store.delete`."""
        began = perf_counter()
        await self._store.delete(key)
        self._told("delete", key, began)

    async def delete_all(self) -> None:
        """See `Store.delete_all`."""
        await self._store.delete_all()

    async def exists(self, key: str) -> bool:
        """See `Store.exists`."""
        return await self._store.exists(key)

    async def expires_in(self, key: str) -> int | None:
        """See `Store.expires_in`."""
        return await self._store.expires_in(key)

    async def aclose(self) -> None:
        """Close the store."""
        await self._store.aclose()

    def _told(self, operation: Operation, key: str, began: float) -> None:
        result: Result = "ok" if self._store.problem is None else "error"
        self._on_use(StoreUse(operation, kind_of(key), result, perf_counter() - began))


def kind_of(key: str) -> str:
    """What a key names: its prefix, never the rest."""
    return key.partition("/")[0] if "/" in key else "other"
