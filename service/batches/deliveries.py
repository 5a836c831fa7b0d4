"""What callers' webhooks are to be told of batches, and how each attempt to tell them went."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa

from service.batches.models import Batch, Delivery, DeliveryAttempt
from service.batches.tables import ATTEMPTS, BATCHES, DELIVERIES, AnyRow
from service.batches.views import view
from service.webhooks import Attempt, Event

# Seconds before each further attempt, as Standard Webhooks recommends: three days in all.
_WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
_AT_ONCE = 100


class Deliveries:
    """Events of batches and the attempts at them. Its methods block, and each is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def note_ended(self) -> int:
        """Make an event of each batch that has ended, once for each time that it did; returns how many."""
        ended = sa.and_(
            BATCHES.c.webhook.is_not(None),
            BATCHES.c.finished_at.is_not(None),
            sa.or_(BATCHES.c.told_at.is_(None), BATCHES.c.told_at < BATCHES.c.finished_at),
        )
        with self._engine.begin() as connection:
            query = sa.select(BATCHES).where(ended).limit(_AT_ONCE).with_for_update(skip_locked=True)
            batches = connection.execute(query).all()
            for row in batches:
                connection.execute(DELIVERIES.insert().values(_event(row)))
                connection.execute(
                    sa.update(BATCHES).where(BATCHES.c.id == row.id).values(told_at=row.finished_at)
                )
        return len(batches)

    def take(self, most: int, lease_s: float) -> list[Event]:
        """Events that are due, the longest waiting first; nobody else gets them for `lease_s`."""
        now = time.time()
        due = sa.and_(DELIVERIES.c.state == "waiting", DELIVERIES.c.due_at <= now)
        query = sa.select(DELIVERIES).where(due).order_by(DELIVERIES.c.due_at).limit(most)
        with self._engine.begin() as connection:
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            taken = [row.id for row in rows]
            if taken:
                leased = sa.update(DELIVERIES).where(DELIVERIES.c.id.in_(taken))
                connection.execute(leased.values(due_at=now + lease_s))
        return [Event(row.id, row.url, row.body) for row in rows]

    def record(self, event_id: str, attempt: Attempt) -> None:
        """Log an attempt, and say when the next one is due, if any."""
        with self._engine.begin() as connection:
            number = connection.execute(
                sa.update(DELIVERIES)
                .where(DELIVERIES.c.id == event_id, DELIVERIES.c.state == "waiting")
                .values(attempts=DELIVERIES.c.attempts + 1)
                .returning(DELIVERIES.c.attempts)
            ).scalar()
            if number is None:
                return  # the batch has gone meanwhile
            values: dict[str, object] = {"state": "delivered"}
            if attempt.verdict == "never" or (attempt.verdict == "again" and number > len(_WAITS_S)):
                values = {"state": "failed"}
            elif attempt.verdict == "again":
                wait_s = max(_WAITS_S[number - 1], attempt.retry_after_s or 0.0)
                values = {"due_at": time.time() + min(wait_s, _WAITS_S[-1])}
            connection.execute(sa.update(DELIVERIES).where(DELIVERIES.c.id == event_id).values(values))
            connection.execute(
                ATTEMPTS.insert().values(
                    delivery_id=event_id,
                    number=number,
                    at=attempt.at.timestamp(),
                    status=attempt.status,
                    problem=attempt.problem,
                    seconds=attempt.seconds,
                )
            )

    def of(self, batch_id: str) -> list[Delivery]:
        """The deliveries of a batch with their attempts, the newest first."""
        chosen = sa.select(DELIVERIES).where(DELIVERIES.c.batch_id == batch_id)
        with self._engine.connect() as connection:
            rows = connection.execute(chosen.order_by(DELIVERIES.c.created_at.desc())).all()
            tried = connection.execute(
                sa.select(ATTEMPTS)
                .where(ATTEMPTS.c.delivery_id.in_([row.id for row in rows]))
                .order_by(ATTEMPTS.c.number)
            ).all()
        return [_delivery(row, [a for a in tried if a.delivery_id == row.id]) for row in rows]


class Message(msgspec.Struct, frozen=True):
    """The body of a webhook's request."""

    type: str
    timestamp: datetime
    data: Batch


def _event(row: AnyRow) -> dict[str, object]:
    ended = datetime.fromtimestamp(row.finished_at, UTC)
    message = Message(f"batch.{row.state}", ended, view(row))
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "batch_id": row.id,
        "url": row.webhook,
        "event": message.type,
        "body": msgspec.json.encode(message).decode(),
        "state": "waiting",
        "attempts": 0,
        "created_at": time.time(),
        "due_at": 0.0,
    }


def _delivery(row: AnyRow, attempts: Sequence[AnyRow]) -> Delivery:
    waits = row.state == "waiting" and row.due_at
    return Delivery(
        id=row.id,
        event=row.event,
        state=row.state,
        attempts=[
            DeliveryAttempt(
                at=datetime.fromtimestamp(a.at, UTC),
                status=a.status,
                problem=a.problem,
                seconds=round(a.seconds, 3),
            )
            for a in attempts
        ],
        next_at=datetime.fromtimestamp(row.due_at, UTC) if waits else None,
    )
