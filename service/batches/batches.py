"""Batches: submitted once, worked on until they are done, whatever dies in between.

This module and what it imports are light: the database and the engine come with the first batch.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from service.batches.estimates import Estimator, Guess
from service.batches.lines import Accepted, RawLine, Reader, grouped, hashed
from service.batches.models import Batch, BatchPage, Delivery, Estimate, LineError, Receipt, Submission
from service.batches.opening import has_work, open_store
from service.errors import (
    BadLinesError,
    BatchConflictError,
    BatchNotFoundError,
    BatchTooLargeError,
    JobStoreError,
    PageError,
    RequestError,
)
from service.hooks import NO_HOOKS, Hooks
from service.intake import Intake
from service.settings import Settings, variable_of
from service.summarizer import Summarizer

if TYPE_CHECKING:
    from service.batches.courier import Courier
    from service.batches.store import Store
    from service.batches.worker import Worker
    from service.webhooks import WebhookSender

_log = logging.getLogger(__name__)

_MOST_ERRORS = 100
_RESULTS_AT_ONCE = 100
_WATCH_S = 0.25
_LONGEST_WATCH_S = 2.0
_AGAIN_S = 2.0
# What a line needs beside its article, as a body of `POST /v1/summaries` does.
_ESCAPED = 3
_OTHER_FIELDS_BYTES = 100_000


class _Block(NamedTuple):
    accepted: list[Accepted]
    bad: list[LineError]


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
        reader = self._reader(submission)
        self._check_budget(submission)
        await self._check_webhook(submission)
        store = await self._open()
        digest = _digest(submission)
        known = await store.call(store.receiving.find, submission)
        if known is not None:
            return await self._repeat(store, known.id, known.digest, lines, submission)
        batch_id = await store.call(store.receiving.begin, submission)
        if batch_id is None:
            raise _being_received()
        try:
            errors = await self._receive(store, batch_id, hashed(lines, digest), reader, submission)
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
        reader: Reader,
        submission: Submission,
    ) -> list[LineError]:
        estimator = self._estimator()
        errors: list[LineError] = []
        accepted = bad = 0
        async for block in self._blocks(lines, reader):
            if submission.strict and (bad or block.bad):
                bad += len(block.bad)  # nothing is kept any more, but what else is wrong should be known
                errors += block.bad[: _MOST_ERRORS - len(errors)]
                continue
            guesses = await asyncio.to_thread(_guess, estimator, block.accepted)
            estimates = [guess.cost_usd or 0.0 for guess in guesses]
            taken = await store.call(store.receiving.add, batch_id, block.accepted, estimates, block.bad)
            errors += sorted([*block.bad, *taken], key=lambda error: error.line)[: _MOST_ERRORS - len(errors)]
            accepted += len(block.accepted) - len(taken)
            bad += len(block.bad) + len(taken)
            self._check_size(accepted + bad)
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
        errors = await store.call(store.views.bad_lines, batch_id, _MOST_ERRORS)
        batch = await self.progress(batch_id, submission.owner)
        return Receipt(batch=batch, errors=errors, repeated=True)

    async def estimate(self, lines: AsyncIterable[Sequence[RawLine]], submission: Submission) -> Estimate:
        """What a batch would come to; touches nothing, and asks nobody. Raises as `submit` does."""
        reader, estimator = self._reader(submission), self._estimator()
        errors: list[LineError] = []
        articles = invalid = read = written = 0
        cost_usd: float | None = 0.0
        async for block in self._blocks(lines, reader):
            errors += block.bad[: _MOST_ERRORS - len(errors)]
            invalid += len(block.bad)
            articles += len(block.accepted)
            self._check_size(articles + invalid)
            for guess in await asyncio.to_thread(_guess, estimator, block.accepted):
                read += guess.input_tokens
                written += guess.output_tokens
                unknown = cost_usd is None or guess.cost_usd is None
                cost_usd = None if unknown else (cost_usd or 0.0) + (guess.cost_usd or 0.0)
        return Estimate(
            articles=articles,
            invalid=invalid,
            input_tokens=read,
            output_tokens=written,
            cost_usd=cost_usd,
            errors=errors,
        )

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

    def _reader(self, submission: Submission) -> Reader:
        most = self._settings.max_article_bytes
        return Reader(
            defaults=submission.defaults,
            ignore_unknown=submission.ignore_unknown,
            longest_line=self.longest_line,
            max_article_bytes=most,
            check=self._summarizer.planner.check,
        )

    @property
    def longest_line(self) -> int:
        """Most bytes of a line."""
        return self._settings.max_article_bytes * _ESCAPED + _OTHER_FIELDS_BYTES

    def _estimator(self) -> Estimator:
        return Estimator(self._summarizer.planner.model_info, self._summarizer.planner.prompt_tokens())

    def _check_budget(self, submission: Submission) -> None:
        """A budget needs prices; raises RequestError."""
        model = submission.defaults.get("model")
        info = self._summarizer.planner.model_info(None if model is None else str(model))
        if submission.max_cost_usd is not None and info is not None and info.output_usd is None:
            raise RequestError(
                "the price of the model is not known, so that its cost cannot be bounded",
                field="max_cost_usd",
                remedy="name its prices in a file at STANDFIRST_MODELS_FILE, or leave the budget out",
            )

    async def _check_webhook(self, submission: Submission) -> None:
        """Somebody must be there to call it, and may; raises RequestError."""
        if submission.webhook is None:
            return
        if self._webhooks is None:
            raise RequestError(
                "this service calls no webhooks",
                field="webhook",
                remedy=f"leave it out, or set {variable_of('webhook_secret')}",
            )
        try:
            await self._webhooks.check(submission.webhook)
        except PageError as exc:
            raise RequestError(
                str(exc), field="webhook", remedy="give the https URL of a host that this service may call"
            ) from exc

    def _check_size(self, lines: int) -> None:
        most = self._settings.batch_max_articles
        if lines > most:
            raise BatchTooLargeError(
                f"a batch has at most {most} lines", limit=most, unit="line", remedy="send it in parts"
            )

    async def _blocks(self, lines: AsyncIterable[Sequence[RawLine]], reader: Reader) -> AsyncIterator[_Block]:
        """The lines as they were read, in blocks that suit a transaction."""
        async for block in grouped(lines):
            read = await asyncio.to_thread(reader.read, block)
            yield _Block(
                [line for line in read if isinstance(line, Accepted)],
                [line for line in read if isinstance(line, LineError)],
            )


async def _read_results(store: Store, batch_id: str, after: int) -> AsyncIterator[bytes]:
    more = True
    while more:
        body, after, more = await store.call(store.views.results, batch_id, after, _RESULTS_AT_ONCE)
        if body:
            yield body


def _digest(submission: Submission) -> hashlib._Hash:
    """Adds up what a batch is, but for its budget, which may be changed later."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(submission, max_cost_usd=None)))


def _guess(estimator: Estimator, lines: Sequence[Accepted]) -> list[Guess]:
    return [estimator.guess(line.request) for line in lines]


def _being_received() -> BatchConflictError:
    return BatchConflictError(
        "a batch with this idempotency key is being received",
        field="Idempotency-Key",
        remedy="send it again when that has ended",
    )


def _new_courier(store: Store, webhooks: WebhookSender) -> Courier:
    from service.batches.courier import Courier  # noqa: PLC0415 - heavy

    return Courier(store, webhooks)
