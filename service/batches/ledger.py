"""What becomes of a batch's articles: handed out, begun, finished, each exactly once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy as sa

from service.batches.tables import ARTICLES, BATCHES, RESULTS, AnyRow
from service.hooks import Backlog
from service.models import Usage


class Ticket(NamedTuple):
    """An article handed out for the `round`th time; what a worker is given."""

    batch_id: str
    line: int
    round: int

    @property
    def id(self) -> str:
        """The id of its job, so that it cannot be handed out twice."""
        return f"{self.batch_id}/{self.line}/{self.round}"

    @classmethod
    def parse(cls, ticket_id: str) -> Ticket:
        """The ticket of that id."""
        batch_id, line, round_ = ticket_id.split("/")
        return cls(batch_id, int(line), int(round_))


class Done(NamedTuple):
    """An article has a summary; `cached` cost nothing."""

    ticket: Ticket
    body: bytes
    usage: Usage
    cached: bool


class Failed(NamedTuple):
    """An article has none, and why."""

    ticket: Ticket
    code: str
    message: str


class Returned(NamedTuple):
    """An article was not begun, because its batch has stopped."""

    ticket: Ticket


Outcome: TypeAlias = Done | Failed | Returned
Enqueue: TypeAlias = Callable[[sa.Connection, Ticket], object]


class Ledger:
    """The state of every article. Its methods block, and each is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def feed(self, most: int, enqueue: Enqueue) -> int:
        """Hand out articles until `most` are under way, batches of a higher priority first, others in turn.

        `enqueue` makes the job in the same transaction. Returns how many articles were handed out.
        """
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.execute(sa.text("BEGIN IMMEDIATE"))
            under_way = connection.execute(sa.select(sa.func.sum(BATCHES.c.under_way))).scalar() or 0
            room, fed = most - under_way, 0
            if room <= 0:
                return 0
            batches = connection.execute(
                sa.select(BATCHES)
                .where(BATCHES.c.state == "running")
                .where(BATCHES.c.total > BATCHES.c.done + BATCHES.c.failed + BATCHES.c.under_way)
                .order_by(BATCHES.c.priority.desc(), BATCHES.c.fed_at)
                .limit(16)
                .with_for_update(skip_locked=True)
            ).all()
            for place, batch in enumerate(batches):
                equals = sum(other.priority == batch.priority for other in batches[place:])
                fed += self._feed_one(connection, batch, -(-(room - fed) // equals), enqueue)
                if fed >= room:
                    break
        return fed

    def _feed_one(self, connection: sa.Connection, batch: AnyRow, most: int, enqueue: Enqueue) -> int:
        rows = connection.execute(
            sa.select(ARTICLES.c.line, ARTICLES.c.round, ARTICLES.c.estimate_usd)
            .where(ARTICLES.c.batch_id == batch.id, ARTICLES.c.state == "waiting")
            .order_by(ARTICLES.c.line)
            .limit(most)
        ).all()
        chosen, reserved = _within_budget(batch, rows)
        now = time.time()
        values: dict[str, Any] = {
            "under_way": BATCHES.c.under_way + len(chosen),
            "reserved_usd": BATCHES.c.reserved_usd + reserved,
            "fed_at": now,
        }
        if batch.began_at is None:
            values |= {"began_at": now, "began_with": batch.done + batch.failed}
        if rows and not chosen and not batch.under_way:
            values |= {"state": "paused", "began_at": None}
        connection.execute(sa.update(BATCHES).where(BATCHES.c.id == batch.id).values(values))
        if chosen:
            lines = [row.line for row in chosen]
            connection.execute(
                sa.update(ARTICLES)
                .where(ARTICLES.c.batch_id == batch.id, ARTICLES.c.line.in_(lines))
                .values(state="queued", round=ARTICLES.c.round + 1)
            )
        for row in chosen:
            enqueue(connection, Ticket(batch.id, row.line, row.round + 1))
        return len(chosen)

    def load(self, tickets: Sequence[Ticket]) -> list[bytes | Returned | None]:
        """The request behind each ticket; `Returned` where its batch has stopped, None where it is done."""
        found: dict[Ticket, bytes | Returned] = {}
        with self._engine.connect() as connection:
            for batch_id in {ticket.batch_id for ticket in tickets}:
                lines = [ticket.line for ticket in tickets if ticket.batch_id == batch_id]
                rows = connection.execute(
                    sa.select(ARTICLES.c.line, ARTICLES.c.round, ARTICLES.c.request, BATCHES.c.state)
                    .join(BATCHES, BATCHES.c.id == ARTICLES.c.batch_id)
                    .where(ARTICLES.c.batch_id == batch_id, ARTICLES.c.line.in_(lines))
                    .where(ARTICLES.c.state == "queued")
                )
                for row in rows:
                    ticket = Ticket(batch_id, row.line, row.round)
                    found[ticket] = row.request if row.state == "running" else Returned(ticket)
        return [found.get(ticket) for ticket in tickets]

    def stopped(self, batch_id: str) -> bool:
        """Whether a batch does not run any more, so that waiting for its sake is idle."""
        with self._engine.connect() as connection:
            return connection.execute(_state_of(batch_id)).scalar() != "running"

    def owner(self, batch_id: str) -> str:
        """The id of the caller whose batch it is; empty if it is gone."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(BATCHES.c.owner).where(BATCHES.c.id == batch_id)).scalar()
            return str(found or "")

    def hold_up(self, batch_id: str, reason: str | None) -> None:
        """Note what a batch waits for."""
        with self._engine.begin() as connection:
            connection.execute(sa.update(BATCHES).where(BATCHES.c.id == batch_id).values(held_up=reason))

    def finish(self, outcomes: Sequence[Outcome]) -> list[str]:
        """Keep outcomes, each once however often it comes; returns the batches that finished with them."""
        finished: list[str] = []
        with self._engine.begin() as connection:
            # In one order, so that two workers never wait for each other.
            for batch_id in sorted({outcome.ticket.batch_id for outcome in outcomes}):
                mine = [outcome for outcome in outcomes if outcome.ticket.batch_id == batch_id]
                # Locks the batch before its articles, as `feed` does.
                connection.execute(_state_of(batch_id).with_for_update())
                if self._finish_some(connection, batch_id, mine):
                    finished.append(batch_id)
        return finished

    def _finish_some(self, connection: sa.Connection, batch_id: str, outcomes: Iterable[Outcome]) -> bool:
        kept: list[Outcome] = []
        released, unpriced = 0.0, 0.0
        for outcome in outcomes:
            row = connection.execute(_transition(outcome)).one_or_none()
            if row is None:
                continue  # it was finished before: by a worker that was taken for dead, or before a kill
            kept.append(outcome)
            released += row.estimate_usd
            if isinstance(outcome, Done) and outcome.usage.cost_usd is None and not outcome.cached:
                unpriced += row.estimate_usd  # the budget has nothing better to go by
        results = [
            {"batch_id": batch_id, "line": o.ticket.line, "cached": o.cached, "body": o.body}
            for o in kept
            if isinstance(o, Done)
        ]
        if results:
            connection.execute(sa.insert(RESULTS), results)
        now = time.time()
        connection.execute(
            sa.update(BATCHES).where(BATCHES.c.id == batch_id).values(_sums(kept, released, unpriced, now))
        )
        ended = sa.and_(BATCHES.c.state == "running", BATCHES.c.done + BATCHES.c.failed == BATCHES.c.total)
        done = connection.execute(
            sa.update(BATCHES)
            .where(BATCHES.c.id == batch_id, ended)
            .values(state="completed", finished_at=now)
        )
        return bool(done.rowcount)

    def cancel(self, batch_id: str) -> bool:
        """Begin no more of a batch; False if it has ended already."""
        with self._engine.begin() as connection:
            changed = connection.execute(
                sa.update(BATCHES)
                .where(BATCHES.c.id == batch_id, BATCHES.c.state.in_(("running", "paused")))
                .values(state="cancelled", finished_at=time.time(), held_up=None)
            )
            return bool(changed.rowcount)

    def retry(self, batch_id: str) -> int:
        """Let what failed wait again; returns how many articles that is."""
        with self._engine.begin() as connection:
            state = connection.execute(_state_of(batch_id).with_for_update()).scalar()
            if state == "cancelled":
                return 0
            again = connection.execute(
                sa.update(ARTICLES)
                .where(ARTICLES.c.batch_id == batch_id, ARTICLES.c.state == "failed")
                .values(state="waiting", code=None, message=None)
            ).rowcount
            if again:
                connection.execute(
                    sa.update(BATCHES)
                    .where(BATCHES.c.id == batch_id)
                    .values(failed=BATCHES.c.failed - again, state="running", finished_at=None, began_at=None)
                )
        return again

    def raise_budget(self, batch_id: str, max_cost_usd: float | None) -> None:
        """Set what a batch may cost, and let one that had stopped for it go on."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(BATCHES).where(BATCHES.c.id == batch_id).values(max_cost_usd=max_cost_usd)
            )
            connection.execute(
                sa.update(BATCHES)
                .where(BATCHES.c.id == batch_id, BATCHES.c.state == "paused")
                .values(state="running")
            )

    def backlog(self) -> Backlog:
        """How much there is to do."""
        left = BATCHES.c.total - BATCHES.c.done - BATCHES.c.failed - BATCHES.c.under_way
        query = sa.select(sa.func.count(), sa.func.sum(left), sa.func.sum(BATCHES.c.under_way)).where(
            BATCHES.c.state == "running"
        )
        with self._engine.connect() as connection:
            batches, waiting, under_way = connection.execute(query).one()
        return Backlog(batches, int(waiting or 0), int(under_way or 0))

    def active(self) -> bool:
        """Whether there is anything to do."""
        busy = sa.or_(BATCHES.c.state == "running", BATCHES.c.under_way > 0)
        with self._engine.connect() as connection:
            return connection.execute(sa.select(BATCHES.c.id).where(busy).limit(1)).first() is not None


def _state_of(batch_id: str) -> sa.Select[str]:
    return sa.select(BATCHES.c.state).where(BATCHES.c.id == batch_id)


def _within_budget(batch: AnyRow, rows: Sequence[AnyRow]) -> tuple[list[AnyRow], float]:
    """The first of `rows` that the budget reaches for, and what is set aside for them, in USD."""
    if batch.max_cost_usd is None:
        return list(rows), sum(row.estimate_usd for row in rows)
    chosen: list[AnyRow] = []
    reserved = 0.0
    left = batch.max_cost_usd - batch.cost_usd - batch.reserved_usd
    for row in rows:
        if reserved + row.estimate_usd > left:
            break
        chosen.append(row)
        reserved += row.estimate_usd
    return chosen, reserved


def _transition(outcome: Outcome) -> sa.Executable:
    ticket = outcome.ticket
    values: dict[str, Any]
    match outcome:
        case Done():
            values = {"state": "done", "request": None}
        case Failed():
            values = {"state": "failed", "code": outcome.code, "message": outcome.message}
        case Returned():
            values = {"state": "waiting"}
    return (
        sa.update(ARTICLES)
        .where(ARTICLES.c.batch_id == ticket.batch_id, ARTICLES.c.line == ticket.line)
        .where(ARTICLES.c.state == "queued", ARTICLES.c.round == ticket.round)
        .values(values)
        .returning(ARTICLES.c.estimate_usd)
    )


def _sums(kept: Sequence[Outcome], released: float, unpriced: float, now: float) -> dict[str, Any]:
    done = [outcome for outcome in kept if isinstance(outcome, Done)]
    paid = [outcome.usage for outcome in done if not outcome.cached]
    add: Counter[str] = Counter(
        under_way=-len(kept),
        done=len(done),
        failed=sum(isinstance(outcome, Failed) for outcome in kept),
        cached=len(done) - len(paid),
        unpriced=sum(usage.cost_usd is None for usage in paid),
        llm_calls=sum(usage.llm_calls for usage in paid),
        input_tokens=sum(usage.input_tokens for usage in paid),
        cached_input_tokens=sum(usage.cached_input_tokens for usage in paid),
        output_tokens=sum(usage.output_tokens for usage in paid),
    )
    values: dict[str, Any] = {name: BATCHES.c[name] + number for name, number in add.items()}
    values["cost_usd"] = BATCHES.c.cost_usd + unpriced + sum(usage.cost_usd or 0.0 for usage in paid)
    values["reserved_usd"] = BATCHES.c.reserved_usd - released
    values["touched_at"] = now
    if done:
        values["held_up"] = None
    return values
