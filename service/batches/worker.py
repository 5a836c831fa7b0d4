"""A process's part in the work on batches: it hands out articles, makes them, and looks after the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic

from service.batches.engine import Engine
from service.batches.gathering import Gathering
from service.batches.lanes import enter_batch_lane, open_lanes
from service.batches.ledger import Done, Failed, Outcome, Returned, Ticket
from service.batches.runner import Runner
from service.batches.store import Store
from service.batches.workers import Roster
from service.errors import JobStoreError
from service.hooks import NO_HOOKS, Hooks, Settled
from service.intake import Intake
from service.settings import Settings
from service.summarizer import Summarizer

_log = logging.getLogger(__name__)

_FEED_S = 0.1
_IDLE_FEED_S = 1.0
_JOIN_S = 3.0
_SAME_NOTE_S = 5.0
_BEATS = 5  # signs of life in the time after which one counts as dead
# Jobs are looked for ten times a second. Those taken ahead follow without a gap, and have cost nothing yet.
_AHEAD = 2
_MOST_OWNERS = 1_000
_TOGETHER = 64
_SWEPT_AT_ONCE = 500
_GAVE_UP = "its worker died each time; the article may be what it dies of"


class Worker:
    """Works on the batches of a store, as far as other processes leave it to this one.

    Args:
        store: The batches.
        summarizer: Makes the summaries.
        intake: Reads what lines hand in.
        settings: How many articles at once, when another worker counts as dead, how long a batch is kept.
        on_ended: Told the ids of batches that completed here.
        hooks: Told what was finished here, and from time to time what there is to do.
    """

    def __init__(
        self,
        store: Store,
        summarizer: Summarizer,
        intake: Intake,
        settings: Settings,
        *,
        on_ended: Callable[[Sequence[str]], object],
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self._store = store
        self._hooks = hooks
        self._concurrency = settings.batch_concurrency
        self._beat_s = settings.batch_takeover_s / _BEATS
        self._keep_s = settings.batch_ttl_s
        self._on_ended = on_ended
        self._roster = Roster(store.engine, settings.batch_takeover_s)
        self._desk = _StoreDesk(store, on_ended, hooks)
        self._runner = Runner(summarizer, intake.read, self._desk)
        self._slots = asyncio.Semaphore(self._concurrency)
        self._engine = Engine(store.engine, self._roster.id, _AHEAD * self._concurrency, self._run)
        self._wake = asyncio.Event()
        self._alive = 1
        self._launching: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work, in the background, as soon as nobody else has the database for itself."""
        self._tasks.append(asyncio.create_task(self._work()))

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def _work(self) -> None:
        while not await self._store.insist(self._roster.join):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(_JOIN_S)
        await self._launch()
        open_lanes()
        self._tasks.append(asyncio.create_task(self._tend()))
        while True:
            most = (_AHEAD + 1) * self._concurrency * self._alive
            fed = await self._store.insist(self._store.ledger.feed, most, self._engine.enqueue)
            self._wake.clear()
            busy = fed or await self._store.insist(self._store.ledger.active)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FEED_S if busy else _IDLE_FEED_S):
                    await self._wake.wait()

    async def _run(self, ticket: Ticket) -> None:
        enter_batch_lane()
        async with self._slots:
            await self._runner.run(ticket)

    async def _launch(self) -> None:
        """Start the engine, however often that takes."""
        loop = asyncio.get_running_loop()
        while True:
            self._launching = asyncio.ensure_future(asyncio.to_thread(self._engine.launch, loop))
            try:
                return await asyncio.shield(self._launching)
            except Exception as exc:  # noqa: BLE001 - the database's, or another engine's in this process
                name = type(exc).__name__
                _log.error("the engine of batches does not start (%s); trying again in %g s", name, _JOIN_S)
                await asyncio.sleep(_JOIN_S)

    async def _tend(self) -> None:
        """Show that this process lives, take over from those that do not, and clear away what has ended."""
        while True:
            await self._store.insist(self._roster.beat)
            self._hooks.on_backlog(await self._store.insist(self._store.ledger.backlog))
            if dead := await self._store.insist(self._roster.dead):
                _log.warning("%d workers on batches have died; their articles are taken over", len(dead))
                await self._store.insist(self._engine.recover, dead)
                await self._store.insist(self._roster.strike, dead)
            self._alive = max(1, await self._store.insist(self._roster.alive))
            for ticket in await self._store.insist(self._engine.broken, _SWEPT_AT_ONCE):
                await self._desk.finish(Failed(ticket, "gave-up", _GAVE_UP))
            await self._store.insist(self._store.receiving.discard_old, self._keep_s)
            until = monotonic() + self._beat_s
            for sweep in (self._engine.sweep, self._store.receiving.sweep):
                while await self._store.insist(sweep, _SWEPT_AT_ONCE) and monotonic() < until:
                    pass
            await asyncio.sleep(max(0.0, until - monotonic()))

    async def aclose(self, grace_s: int) -> None:
        """Begin no more, and give what is under way some seconds; the rest is for whoever comes next."""
        feeding = self._tasks[:1]
        await _cancel(feeding)
        if self._launching is not None:  # a launch under way cannot be broken off, only undone
            await asyncio.wait([self._launching])
            if self._launching.exception() is None:
                await asyncio.to_thread(self._engine.stop, grace_s)
        await _cancel(self._tasks)
        await self._desk.aclose()
        with contextlib.suppress(JobStoreError):
            await self._store.call(self._roster.leave)


class _StoreDesk:
    """See `Desk`: the store, with many articles in one transaction, and patience when it fails."""

    def __init__(self, store: Store, on_ended: Callable[[Sequence[str]], object], hooks: Hooks) -> None:
        self._store = store
        self._hooks = hooks
        self._on_ended = on_ended
        self._loads = Gathering(self._load_all, _TOGETHER)
        self._finishes = Gathering(self._finish_all, _TOGETHER)
        self._notes: dict[str, float] = {}
        self._owners: dict[str, str] = {}

    async def load(self, ticket: Ticket) -> bytes | Returned | None:
        return await self._loads(ticket)

    async def owner(self, batch_id: str) -> str:
        if batch_id not in self._owners:
            if len(self._owners) >= _MOST_OWNERS:
                self._owners.clear()
            self._owners[batch_id] = await self._store.insist(self._store.ledger.owner, batch_id)
        return self._owners[batch_id]

    async def finish(self, outcome: Outcome) -> None:
        await self._finishes(outcome)

    async def stopped(self, batch_id: str) -> bool:
        return await self._store.insist(self._store.ledger.stopped, batch_id)

    async def hold_up(self, batch_id: str, reason: str) -> None:
        now = monotonic()
        if now >= self._notes.get(batch_id, 0.0):
            self._notes = {batch_id: now + _SAME_NOTE_S}
            await self._store.insist(self._store.ledger.hold_up, batch_id, reason)

    async def _load_all(self, tickets: Sequence[Ticket]) -> Sequence[bytes | Returned | None]:
        return await self._store.insist(self._store.ledger.load, tickets)

    async def _finish_all(self, outcomes: Sequence[Outcome]) -> Sequence[None]:
        ended = await self._store.insist(self._store.ledger.finish, outcomes)
        kinds = Counter(type(outcome) for outcome in outcomes)
        self._hooks.on_settled(Settled(kinds[Done], kinds[Failed], kinds[Returned]))
        if ended:
            self._on_ended(ended)
        return [None] * len(outcomes)

    async def aclose(self) -> None:
        await self._loads.aclose()
        await self._finishes.aclose()


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
