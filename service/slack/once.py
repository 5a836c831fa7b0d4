"""Slack sends an event again when it did not hear in time that we have it: each is to be worked on once."""

from __future__ import annotations

import secrets
from typing import Final

from litestar.stores.base import Store

from service.cache import Flights

_REMEMBERED_S: Final = 3_600  # Slack's last repetition comes some five minutes after the event


class Once:
    """Tells the first sight of an id from all others, in every process that shares the store."""

    def __init__(self, store: Store, flights: Flights) -> None:
        self._store = store
        self._flights = flights

    async def first(self, event_id: str) -> bool:
        """Whether nobody has asked this of `event_id` within the last hour."""
        key, mine = f"slack/seen/{event_id}", secrets.token_bytes(8)

        async def find() -> bytes | None:
            return await self._store.get(key)

        async def claim() -> bytes:
            if (owner := await find()) is not None:
                return owner
            await self._store.set(key, mine, expires_in=_REMEMBERED_S)
            return mine

        owner, _ = await self._flights.run(f"slack {event_id}", claim, find)
        return owner == mine
