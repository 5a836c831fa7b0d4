"""What every cache store keeps to, beyond Litestar's own `Store`."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from types import TracebackType

from litestar.stores.base import Store


class CommandFailedError(Exception):
    """Redis is away, or refused the command; the message says why."""


class CacheStore(Store):
    """Litestar's `Store`, with an end, and with no error of its backend reaching a caller.

    A backend that fails makes reads miss and writes vanish; `problem` then says why. A value is kept at most
    as long as it was given (`expires_in`; 0 or less: not at all) and as the store's own bounds of bytes and
    age let it. A store is opened by its first use, belongs to the event loop of that use, and ends with
    `aclose`.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def problem(self) -> str | None:
        """Why the store does less than it should, in words for an operator, or None while it works."""

    @abstractmethod
    async def aclose(self) -> None:
        """Finish what is under way and let go of everything. Closing twice is fine, use after it is not."""

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self.aclose()


def to_seconds(period: int | timedelta | None) -> float | None:
    """A period as Litestar's interface gives it, in seconds."""
    return period.total_seconds() if isinstance(period, timedelta) else period


def to_bytes(value: str | bytes) -> bytes:
    """A value as Litestar's interface gives it, in bytes."""
    return value.encode() if isinstance(value, str) else value
