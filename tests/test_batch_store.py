"""What is kept of batches, on each database, without anything that works on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from service.assembly import Assembly
from service.batches import Batches, RawLine, Submission
from service.batches.gathering import Gathering
from service.batches.ledger import Done, Failed, Returned, Ticket
from service.batches.lines import Accepted
from service.batches.models import Batch, BatchLine, BatchPriority
from service.batches.opening import has_work
from service.batches.store import Store
from service.batches.tables import ARTICLES, BATCHES, RESULTS, VERSIONS
from service.batches.workers import Roster
from service.errors import BatchNotFoundError, JobStoreError, JobStoreFullError
from service.models import Usage
from service.settings import Settings

PAID = Usage(llm_calls=1, input_tokens=100, output_tokens=10, cost_usd=0.01)


@pytest.fixture
def store(jobs_url: str) -> Iterator[Store]:
    store = Store.open(jobs_url)
    yield store
    with store.engine.begin() as connection:
        for table in (RESULTS, ARTICLES, BATCHES):
            connection.execute(sa.delete(table))
    store.close()


def add_batch(
    store: Store,
    count: int,
    priority: BatchPriority = "normal",
    budget: float | None = None,
    each: float = 0.0,
) -> str:
    batch_id = store.receiving.begin(Submission(priority=priority, max_cost_usd=budget))
    assert batch_id is not None
    lines = [Accepted(n, BatchLine(text=f"Article {n}.")) for n in range(1, count + 1)]
    store.receiving.add(batch_id, lines, [each] * count, [])
    store.receiving.seal(batch_id, "digest")
    return batch_id


def feed(store: Store, most: int) -> list[Ticket]:
    tickets: list[Ticket] = []
    store.ledger.feed(most, lambda _, ticket: tickets.append(ticket))
    return tickets


def view(store: Store, batch_id: str) -> Batch:
    batch = store.views.batch(batch_id, "local")
    assert batch is not None
    return batch


def rows(store: Store) -> list[int]:
    with store.engine.connect() as connection:
        counts = [sa.select(sa.func.count()).select_from(t) for t in (BATCHES, ARTICLES, RESULTS)]
        return [connection.execute(count).scalar_one() for count in counts]


def test_an_outcome_is_kept_once_however_often_it_comes(store: Store) -> None:
    batch_id = add_batch(store, 2)
    first, second = feed(store, 10)
    done = Done(first, b'{"made":1}', PAID, cached=False)
    assert store.ledger.finish([done, done]) == []
    assert store.ledger.finish([done, Failed(first, "late", "it came late")]) == []
    assert store.ledger.finish([Failed(second, "llm-refusal", "no")]) == [batch_id]
    batch = view(store, batch_id)
    assert (batch.state, batch.counts.done, batch.counts.failed, batch.counts.under_way) == (
        "completed",
        1,
        1,
        0,
    )
    assert batch.usage == PAID
    assert store.ledger.load([first, second]) == [None, None]


def test_an_outcome_of_an_earlier_round_is_not_kept(store: Store) -> None:
    batch_id = add_batch(store, 1)
    (first,) = feed(store, 10)
    store.ledger.finish([Failed(first, "llm-refusal", "no")])
    assert store.ledger.retry(batch_id) == 1
    (again,) = feed(store, 10)
    assert (again.line, again.round) == (1, 2)
    store.ledger.finish([Done(first, b"{}", PAID, cached=False)])
    assert view(store, batch_id).counts.under_way == 1


def test_batches_of_a_higher_priority_go_first_and_equals_in_turn(store: Store) -> None:
    low, high, other = add_batch(store, 9, "low"), add_batch(store, 4, "high"), add_batch(store, 4, "high")
    fed = [ticket.batch_id for ticket in feed(store, 4)]
    assert sorted(fed) == sorted([high, high, other, other])
    fed = [ticket.batch_id for ticket in feed(store, 12)]
    assert sorted(fed) == sorted([high, high, other, other, low, low, low, low])
    assert feed(store, 12) == []


def test_budget_counts_what_is_under_way(store: Store) -> None:
    batch_id = add_batch(store, 5, budget=0.035, each=0.01)
    tickets = feed(store, 10)
    assert [ticket.line for ticket in tickets] == [1, 2, 3]
    assert view(store, batch_id).state == "running"
    store.ledger.finish([Done(ticket, b"{}", PAID, cached=True) for ticket in tickets])
    assert [ticket.line for ticket in feed(store, 10)] == [4, 5]


def test_a_cancelled_batch_gives_back_what_was_not_begun(store: Store) -> None:
    batch_id = add_batch(store, 3)
    first, second = feed(store, 2)
    assert store.ledger.cancel(batch_id)
    assert store.ledger.load([first, second]) == [Returned(first), Returned(second)]
    store.ledger.finish([Done(first, b"{}", PAID, cached=False), Returned(second)])
    counts = view(store, batch_id).counts
    assert (counts.done, counts.cancelled, counts.under_way) == (1, 2, 0)
    assert feed(store, 10) == []


def test_nobody_sees_the_batches_of_others(store: Store) -> None:
    batch_id = add_batch(store, 1)
    assert store.views.batch(batch_id, "somebody") is None
    assert store.views.batches("somebody", None, 10) == []


def test_what_was_forgotten_is_removed_in_pieces(store: Store) -> None:
    kept, dropped = add_batch(store, 1), add_batch(store, 25)
    store.receiving.discard(dropped)
    assert store.views.batch(dropped, "local") is None
    assert feed(store, 100)[0].batch_id == kept
    removed = 0
    while store.receiving.sweep(10):
        removed += 1
    assert removed == 3
    assert rows(store) == [1, 1, 0]


def test_old_batches_are_forgotten(store: Store) -> None:
    old = add_batch(store, 1)
    store.ledger.finish([Done(feed(store, 1)[0], b"{}", PAID, cached=False)])
    store.receiving.discard_old(older_than_s=60)
    assert view(store, old).state == "completed"
    time.sleep(0.001)
    store.receiving.discard_old(older_than_s=0)
    while store.receiving.sweep(10):
        pass
    assert rows(store) == [0, 0, 0]


def test_a_worker_is_dead_when_it_shows_no_life(store: Store, jobs_url: str) -> None:
    one, other = Roster(store.engine, takeover_s=60), Roster(store.engine, takeover_s=60)
    assert one.join()
    on_file = jobs_url.startswith("sqlite")
    assert other.join() != on_file
    other.beat()
    assert one.dead() == ([other.id] if on_file else [])
    assert other.alive() == 2
    other.leave()
    assert one.dead() == [other.id]
    one.strike([other.id])
    assert one.dead() == []
    one.leave()
    assert other.join()
    other.leave()


def test_a_database_of_a_later_version_is_left_alone(jobs_url: str, store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.update(VERSIONS).values(version=99))
    try:
        with pytest.raises(JobStoreError, match="version 99"):
            Store.open(jobs_url)
    finally:
        with store.engine.begin() as connection:
            connection.execute(sa.update(VERSIONS).values(version=1))


async def test_a_full_disk_refuses_a_batch_and_leaves_nothing(tmp_path: Path) -> None:
    async def lines() -> AsyncIterator[list[RawLine]]:
        for number in range(1, 3000):
            yield [RawLine(number, b'{"text": "%s"}' % (b"word " * 100))]

    url = f"sqlite:///{tmp_path}/jobs.sqlite3"
    settings = Settings(jobs_url=url, batch_concurrency=0, model="extractive", cache_url="memory://")
    async with Assembly(settings) as assembly:
        batches: Batches = assembly.batches
        store = await batches._open()

        @sa.event.listens_for(store.engine, "checkout")
        def shrink(connection: object, *_: object) -> None:
            connection.execute("PRAGMA max_page_count = 100")  # type: ignore[attr-defined]

        with pytest.raises(JobStoreFullError):
            await batches.submit(lines(), Submission())
        assert (await batches.list("local")).batches == []
        with pytest.raises(BatchNotFoundError):
            await batches.progress("batch_unknown", "local")


def test_a_file_without_work_is_not_opened(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.sqlite3"
    assert not has_work(url)
    store = Store.open(url)
    assert not has_work(url)
    add_batch(store, 1)
    assert has_work(url)
    store.close()


async def test_what_comes_while_others_are_at_work_is_done_together() -> None:
    groups: list[list[int]] = []

    async def double(items: Sequence[int]) -> list[int]:
        group = list(items)
        groups.append(group)
        if 13 in group:
            raise ValueError
        return [2 * item for item in group]

    gathering: Gathering[int, int] = Gathering(double, most=3)
    results = await asyncio.gather(*map(gathering, (1, 2, 3, 4)), gathering(13), return_exceptions=True)
    assert results[:3] == [2, 4, 6]
    assert isinstance(results[4], ValueError)
    assert groups == [[1, 2, 3], [4, 13]]
    assert await gathering(5) == 10
