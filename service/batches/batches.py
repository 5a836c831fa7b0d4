"""Batches: submitted once, worked on until they are done, whatever dies in between.

This module and what it imports are light: the database and the engine come with the first batch.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from service.batches.admission import MOST_ERRORS, Admission
from service.batches.lines import RawLine, hashed
from service.batches.models import Batch, BatchPage, Delivery, Estimate, LineError, Receipt, Submission
from service.batches.opening import has_work, open_store
from service.errors import (
    BadLinesError,
    BatchConflictError,
    BatchNotFoundError,
    JobStoreError,
)
from service.hooks import NO_HOOKS, Hooks
from service.intake import Intake
from service.settings import Settings
from service.summarizer import Summarizer

if TYPE_CHECKING:
    from service.batches.courier import Courier
    from service.batches.store import Store
    from service.batches.worker import Worker
    from service.webhooks import WebhookSender

_log = logging.getLogger(__name__)

_RESULTS_AT_ONCE = 100
_WATCH_S = 0.25
_LONGEST_WATCH_S = 2.0
_AGAIN_S = 2.0


class Batches:
    """What every edge calls for batches.

    Args:
        settings: Where jobs are kept, and their bounds.
        intake: Reads what lines hand in, such as a link.
        summarizer: Makes the summaries, for interactive requests too.
        hooks: Told what is done and what there is to do.
        webhooks: Tells callers' servers of batches that have ended; None: nobody does.
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        summarizer: Summarizer,
        hooks: Hooks = NO_HOOKS,
        webhooks: WebhookSender | None = None,
    ) -> None:
        self._webhooks = webhooks
        self._admission = Admission(settings, summarizer.planner, webhooks)
        self._courier: Courier | None = None
        self._settings = settings
        self._intake = intake
        self._summarizer = summarizer
        self._hooks = hooks
        self._url = settings.resolved_jobs_url()
        self._store: Store | None = None
        self._worker: Worker | None = None
        self._opening = asyncio.Lock()
        self._works = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Work on batches in this process, unless the settings leave that to others.

        Costs nothing as long as there are none; those that an earlier process left are taken up.
        """
        self._works = self._settings.batch_concurrency > 0
        if self._works and await asyncio.to_thread(has_work, self._url):
            self._task = asyncio.create_task(self._resume())

    async def _resume(self) -> None:
        """Open the database in the background, however long it is away."""
        while True:
            try:
                await self._open()
            except JobStoreError as exc:
                _log.warning("%s; trying again in %g s", exc, _AGAIN_S)
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    async def work(self) -> None:
        """Work on batches in this process from now on; raises JobStoreError."""
        self._works = True
        await self._open()

    @property
    def problem(self) -> str | None:
        """What is wrong with the database of batches; None while it answers, or nobody has asked it."""
        return None if self._store is None else self._store.problem

    async def aclose(self) -> None:
        """Begin no more articles, and give those under way some seconds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        async with self._opening:
            if self._courier is not None:
                await self._courier.aclose()
            if self._worker is not None:
                await self._worker.aclose(self._settings.stop_s)
            if self._store is not None:
                await asyncio.to_thread(self._store.close)
            self._store = self._worker = self._courier = None

    async def _open(self) -> Store:
        async with self._opening:
            if self._store is None:
                self._store = await asyncio.to_thread(open_store, self._url)
            if self._works and self._worker is None:
                self._worker = await asyncio.to_thread(self._new_worker, self._store)
                self._worker.start()
                if self._webhooks is not None:
                    self._courier = _new_courier(self._store, self._webhooks)
                    self._courier.start()
            return self._store

    def _new_worker(self, store: Store) -> Worker:
        from service.batches.worker import Worker  # noqa: PLC0415 - heavy

        return Worker(
            store,
            self._summarizer,
            self._intake,
            self._settings,
            on_ended=lambda _: self._tell(),
            hooks=self._hooks,
        )

    def _tell(self) -> None:
        """Webhooks may have something to hear."""
        if self._courier is not None:
            self._courier.wake()

    async def submit(self, lines: AsyncIterable[Sequence[RawLine]], submission: Submission) -> Receipt:
        """Take a batch in; when this returns it is safe, and before that nothing of it can be seen.

        The same idempotency key finds the batch that was submitted first.

        Raises:
            BadLinesError: no line is a request, or `strict` and one is not; nothing is kept.
            BatchTooLargeError: there are more lines than the settings allow; nothing is kept.
            BatchConflictError: a batch of the same idempotency key is being received, or is another one.
            RequestError: what holds for all lines cannot be used.
            JobStoreError: the database cannot be used.
        """
        await self._admission.check(submission)
        store = await self._open()
        digest = _digest(submission)
        known = await store.call(store.receiving.find, submission)
        if known is not None:
            return await self._repeat(store, known.id, known.digest, lines, submission)
        batch_id = await store.call(store.receiving.begin, submission)
        if batch_id is None:
            raise _being_received()
        try:
            errors = await self._receive(store, batch_id, hashed(lines, digest), submission)
            await store.call(store.receiving.seal, batch_id, digest.hexdigest())
        except BaseException:
            await asyncio.shield(store.call(store.receiving.discard, batch_id))
            raise
        if self._worker is not None:
            self._worker.wake()
        return Receipt(batch=await self.progress(batch_id, submission.owner), errors=errors)

    async def _receive(
        self,
        store: Store,
        batch_id: str,
        lines: AsyncIterable[Sequence[RawLine]],
        submission: Submission,
    ) -> list[LineError]:
        admission = self._admission
        errors: list[LineError] = []
        accepted = bad = 0
        async for block in admission.blocks(lines, submission):
            if submission.strict and (bad or block.bad):
                bad += len(block.bad)  # nothing is kept any more, but what else is wrong should be known
                errors += block.bad[: MOST_ERRORS - len(errors)]
                continue
            estimates = [guess.cost_usd or 0.0 for guess in await admission.guess(block.accepted)]
            taken = await store.call(store.receiving.add, batch_id, block.accepted, estimates, block.bad)
            errors += sorted([*block.bad, *taken], key=lambda error: error.line)[: MOST_ERRORS - len(errors)]
            accepted += len(block.accepted) - len(taken)
            bad += len(block.bad) + len(taken)
            admission.check_size(accepted + bad)
        if bad and submission.strict:
            raise BadLinesError(f"{bad} lines are no requests, and nothing was kept", errors)
        if not accepted:
            raise BadLinesError("no line is a request" if bad else "the batch is empty", errors)
        return errors

    async def _repeat(
        self,
        store: Store,
        batch_id: str,
        digest: str | None,
        lines: AsyncIterable[Sequence[RawLine]],
        submission: Submission,
    ) -> Receipt:
        """The receipt of a batch that was submitted before under the same key."""
        if digest is None:
            raise _being_received()
        again = _digest(submission)
        async for _ in hashed(lines, again):
            pass
        if again.hexdigest() != digest:
            raise BatchConflictError(
                "another batch was submitted with this idempotency key",
                field="Idempotency-Key",
                remedy="send a new key with a new batch",
            )
        errors = await store.call(store.views.bad_lines, batch_id, MOST_ERRORS)
        batch = await self.progress(batch_id, submission.owner)
        return Receipt(batch=batch, errors=errors, repeated=True)

    async def estimate(self, lines: AsyncIterable[Sequence[RawLine]], submission: Submission) -> Estimate:
        """What a batch would come to; touches nothing, and asks nobody. Raises as `submit` does."""
        return await self._admission.estimate(lines, submission)

    @property
    def longest_line(self) -> int:
        """Most bytes of a line."""
        return self._admission.longest_line

    async def progress(self, batch_id: str, owner: str) -> Batch:
        """How far a batch is; raises BatchNotFoundError."""
        store = await self._open()
        batch = await store.call(store.views.batch, batch_id, owner)
        if batch is None:
            raise BatchNotFoundError("there is no batch of this id, or it is no longer kept")
        return batch

    async def watch(self, batch_id: str, owner: str) -> AsyncGenerator[Batch, None]:
        """A batch whenever it has moved on, until it has ended; raises BatchNotFoundError."""
        seen: Batch | None = None
        pause_s = _WATCH_S
        while True:
            batch = await self.progress(batch_id, owner)
            pause_s = min(2 * pause_s, _LONGEST_WATCH_S)
            if seen is None or batch.counts != seen.counts or batch.state != seen.state:
                pause_s = _WATCH_S
            if batch != seen:
                yield batch
            if batch.finished_at is not None and not batch.counts.under_way:
                return
            seen = batch
            await asyncio.sleep(pause_s)

    async def list(self, owner: str, before: str | None = None, limit: int = 20) -> BatchPage:
        """Batches of `owner`, the newest first."""
        store = await self._open()
        found = await store.call(store.views.batches, owner, before, limit + 1)
        return BatchPage(batches=found[:limit], next=found[limit - 1].id if len(found) > limit else None)

    async def results(self, batch_id: str, owner: str, after: int = 0) -> AsyncIterator[bytes]:
        """Results as JSONL in the order of the lines, from line `after` + 1 to the first that has none yet.

        Raises BatchNotFoundError.
        """
        await self.progress(batch_id, owner)
        return _read_results(await self._open(), batch_id, after)

    async def cancel(self, batch_id: str, owner: str) -> Batch:
        """Begin no more of a batch; what is under way finishes and is kept. Raises BatchNotFoundError."""
        store = await self._open()
        await self.progress(batch_id, owner)
        await store.call(store.ledger.cancel, batch_id)
        self._tell()
        return await self.progress(batch_id, owner)

    async def retry(self, batch_id: str, owner: str) -> Batch:
        """Do again what failed; raises BatchNotFoundError, or BatchConflictError if it was cancelled."""
        store = await self._open()
        if (await self.progress(batch_id, owner)).state == "cancelled":
            raise BatchConflictError("the batch was cancelled", remedy="submit a new one")
        await store.call(store.ledger.retry, batch_id)
        if self._worker is not None:
            self._worker.wake()
        return await self.progress(batch_id, owner)

    async def set_budget(self, batch_id: str, owner: str, max_cost_usd: float | None) -> Batch:
        """Set what a batch may cost, and let one that stopped for it go on; raises BatchNotFoundError."""
        store = await self._open()
        await self.progress(batch_id, owner)
        await store.call(store.ledger.raise_budget, batch_id, max_cost_usd)
        if self._worker is not None:
            self._worker.wake()
        return await self.progress(batch_id, owner)

    async def deliveries(self, batch_id: str, owner: str) -> Sequence[Delivery]:
        """What the webhook of a batch was told, the newest first; raises BatchNotFoundError."""
        await self.progress(batch_id, owner)
        store = await self._open()
        return await store.call(store.deliveries.of, batch_id)


async def _read_results(store: Store, batch_id: str, after: int) -> AsyncIterator[bytes]:
    more = True
    while more:
        body, after, more = await store.call(store.views.results, batch_id, after, _RESULTS_AT_ONCE)
        if body:
            yield body


def _digest(submission: Submission) -> hashlib._Hash:
    """Adds up what a batch is, but for its budget, which may be changed later."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(submission, max_cost_usd=None)))


def _being_received() -> BatchConflictError:
    return BatchConflictError(
        "a batch with this idempotency key is being received",
        field="Idempotency-Key",
        remedy="send it again when that has ended",
    )


def _new_courier(store: Store, webhooks: WebhookSender) -> Courier:
    from service.batches.courier import Courier  # noqa: PLC0415 - heavy

    return Courier(store, webhooks)
