"""Taking a batch in: nothing of it runs, or can be seen, before all of it is there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from service.batches.lines import Accepted
from service.batches.models import BatchPriority, LineError, Submission
from service.batches.tables import ARTICLES, ATTEMPTS, BATCHES, DELIVERIES, RESULTS

PRIORITIES: dict[BatchPriority, int] = {"high": 2, "normal": 1, "low": 0}
RECEIVING = "receiving"
# A batch that is received touches its row with each block of lines; one silent for so long is abandoned.
ABANDONED_S = 300.0
_ROWS_AT_ONCE = 500


class Known(NamedTuple):
    """A batch of the same idempotency key; without `digest`, it is still being received."""

    id: str
    digest: str | None


class Receiving:
    """Writes batches as they are received. Its methods block, and each is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        # Both dialects have INSERT … ON CONFLICT, which SQL has not.
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    def find(self, submission: Submission) -> Known | None:
        """The batch that was submitted under the same idempotency key."""
        if submission.idempotency_key is None:
            return None
        with self._engine.begin() as connection:
            row = connection.execute(
                sa.select(BATCHES.c.id, BATCHES.c.digest, BATCHES.c.touched_at, BATCHES.c.state).where(
                    BATCHES.c.owner == submission.owner,
                    BATCHES.c.idempotency_key == submission.idempotency_key,
                )
            ).one_or_none()
            if row is None:
                return None
            if row.state == RECEIVING and row.touched_at < time.time() - ABANDONED_S:
                _discard(connection, BATCHES.c.id == row.id)
                return None
        return Known(row.id, row.digest)

    def begin(self, submission: Submission) -> str | None:
        """Make room for a batch and return its id; None if its idempotency key has just been used."""
        batch_id = f"batch_{secrets.token_hex(12)}"
        now = time.time()
        values = {
            "id": batch_id,
            "owner": submission.owner,
            "state": RECEIVING,
            "priority": PRIORITIES[submission.priority],
            "created_at": now,
            "touched_at": now,
            "idempotency_key": submission.idempotency_key,
            "webhook": submission.webhook,
            "max_cost_usd": submission.max_cost_usd,
        }
        with self._engine.begin() as connection:
            insert = self._insert(BATCHES).values(values).on_conflict_do_nothing()
            return connection.execute(insert.returning(BATCHES.c.id)).scalar()

    def add(
        self,
        batch_id: str,
        accepted: Sequence[Accepted],
        estimates: Sequence[float],
        bad: Sequence[LineError],
    ) -> list[LineError]:
        """Add lines to a batch that is being received; returns those whose custom id is taken already."""
        rows = [
            {
                "batch_id": batch_id,
                "line": line.number,
                "custom_id": line.request.custom_id,
                "state": "waiting",
                "estimate_usd": estimate,
                "request": msgspec.json.encode(line.request),
            }
            for line, estimate in zip(accepted, estimates, strict=True)
        ]
        with self._engine.begin() as connection:
            made: set[int] = set()
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                statement = self._insert(ARTICLES).values(rows[start : start + _ROWS_AT_ONCE])
                added = statement.on_conflict_do_nothing().returning(ARTICLES.c.line)
                made.update(connection.execute(added).scalars())
            taken = [
                LineError(
                    line=line.number,
                    custom_id=line.request.custom_id,
                    field="custom_id",
                    message="another line of the batch has this custom_id",
                )
                for line in accepted
                if line.number not in made
            ]
            self._add_bad(connection, batch_id, [*bad, *taken])
            connection.execute(
                sa.update(BATCHES)
                .where(BATCHES.c.id == batch_id)
                .values(
                    total=BATCHES.c.total + len(made),
                    invalid=BATCHES.c.invalid + len(bad) + len(taken),
                    touched_at=time.time(),
                )
            )
        return taken

    def _add_bad(self, connection: sa.Connection, batch_id: str, bad: Sequence[LineError]) -> None:
        rows = [
            {
                "batch_id": batch_id,
                "line": error.line,
                "state": "invalid",
                "code": "invalid",
                "message": error.message,
            }
            for error in bad
        ]
        if rows:
            connection.execute(sa.insert(ARTICLES), rows)

    def seal(self, batch_id: str, digest: str) -> None:
        """All lines are there: the batch runs from now on."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(BATCHES)
                .where(BATCHES.c.id == batch_id, BATCHES.c.state == RECEIVING)
                .values(state="running", digest=digest, touched_at=time.time())
            )

    def discard(self, batch_id: str) -> None:
        """Forget a batch: nobody sees it any more, and `sweep` removes what it leaves."""
        with self._engine.begin() as connection:
            _discard(connection, BATCHES.c.id == batch_id)

    def discard_old(self, older_than_s: float) -> None:
        """Forget batches that finished longer ago than that."""
        finished = sa.and_(BATCHES.c.finished_at < time.time() - older_than_s, BATCHES.c.under_way == 0)
        with self._engine.begin() as connection:
            _discard(connection, finished)

    def sweep(self, most: int) -> int:
        """Remove up to so many articles of a batch that was forgotten, or abandoned while it was received.

        Returns how many rows went; a transaction for a million would hold up all others.
        """
        silent = BATCHES.c.touched_at < time.time() - ABANDONED_S
        with self._engine.begin() as connection:
            batch_id = connection.execute(
                sa.select(BATCHES.c.id).where(BATCHES.c.state == RECEIVING, silent).limit(1)
            ).scalar()
            if batch_id is None:
                return 0
            lines = connection.execute(
                sa.select(ARTICLES.c.line).where(ARTICLES.c.batch_id == batch_id).limit(most)
            ).scalars()
            gone = list(lines)
            for table in (RESULTS, ARTICLES):
                connection.execute(
                    sa.delete(table).where(table.c.batch_id == batch_id, table.c.line.in_(gone))
                )
            if len(gone) < most:
                _delete(connection, batch_id)
        return len(gone) + 1


def _delete(connection: sa.Connection, batch_id: str) -> None:
    """Remove what is left of a batch without articles."""
    sent = sa.select(DELIVERIES.c.id).where(DELIVERIES.c.batch_id == batch_id)
    connection.execute(sa.delete(ATTEMPTS).where(ATTEMPTS.c.delivery_id.in_(sent)))
    connection.execute(sa.delete(DELIVERIES).where(DELIVERIES.c.batch_id == batch_id))
    connection.execute(sa.delete(BATCHES).where(BATCHES.c.id == batch_id))


def _discard(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    forgotten = {"state": RECEIVING, "touched_at": 0.0, "finished_at": None, "idempotency_key": None}
    connection.execute(sa.update(BATCHES).where(which).values(forgotten))
