"""Tells callers' webhooks of batches that have ended, until they have heard it."""

from __future__ import annotations

import asyncio
import contextlib

from service.batches.store import Store
from service.webhooks import Event, WebhookSender

_AT_ONCE = 8
_LEASE_S = 60.0
_LOOK_S = 2.0


class Courier:
    """Delivers the events of a store. Several processes may: each event is with one of them at a time."""

    def __init__(self, store: Store, sender: WebhookSender) -> None:
        self._store = store
        self._sender = sender
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for events, in the background."""
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Look for events now."""
        self._wake.set()

    async def aclose(self) -> None:
        """Stop; what was under way is tried again by whoever comes next, with the same id."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._sender.aclose()

    async def _run(self) -> None:
        deliveries = self._store.deliveries
        while True:
            self._wake.clear()
            await self._store.insist(deliveries.note_ended)
            events = await self._store.insist(deliveries.take, _AT_ONCE, _LEASE_S)
            async with asyncio.TaskGroup() as group:
                for event in events:
                    group.create_task(self._deliver(event))
            if len(events) < _AT_ONCE:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await self._wake.wait()

    async def _deliver(self, event: Event) -> None:
        attempt = await self._sender.send(event)
        await self._store.insist(self._store.deliveries.record, event.id, attempt)
