"""What callers see of batches: how far they are, and their results."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from service.batches.models import ArticleError, ArticleResult, Batch, Counts, LineError
from service.batches.receiving import PRIORITIES, RECEIVING
from service.batches.tables import ARTICLES, BATCHES, RESULTS, AnyRow
from service.models import Usage

_NAMES = {number: name for name, number in PRIORITIES.items()}
_COLUMNS = (
    *(ARTICLES.c.line, ARTICLES.c.custom_id, ARTICLES.c.state, ARTICLES.c.code, ARTICLES.c.message),
    *(RESULTS.c.body, RESULTS.c.cached, BATCHES.c.state.label("batch_state")),
)


class Results(NamedTuple):
    """Some lines of results as JSONL, the last line among them, and whether more can be had now."""

    body: bytes
    last: int
    more: bool


class Views:
    """Reads batches. Its methods block."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def batch(self, batch_id: str, owner: str) -> Batch | None:
        """A batch of `owner`."""
        with self._engine.connect() as connection:
            row = connection.execute(
                sa.select(BATCHES).where(
                    BATCHES.c.id == batch_id, BATCHES.c.owner == owner, BATCHES.c.state != RECEIVING
                )
            ).one_or_none()
            if row is None:
                return None
            waits = row.state == "paused"
            return view(row, _first_waiting(connection, row.id) if waits else None)

    def batches(self, owner: str, before: str | None, limit: int) -> list[Batch]:
        """Batches of `owner`, the newest first, from those made before `before`."""
        query = sa.select(BATCHES).where(BATCHES.c.owner == owner, BATCHES.c.state != RECEIVING)
        if before is not None:
            made = sa.select(BATCHES.c.created_at).where(BATCHES.c.id == before).scalar_subquery()
            place = sa.tuple_(BATCHES.c.created_at, BATCHES.c.id)
            query = query.where(place < sa.tuple_(made, sa.literal(before)))
        query = query.order_by(BATCHES.c.created_at.desc(), BATCHES.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [view(row) for row in connection.execute(query)]

    def bad_lines(self, batch_id: str, limit: int) -> list[LineError]:
        """The first lines that were no requests."""
        query = (
            sa.select(ARTICLES.c.line, ARTICLES.c.message)
            .where(ARTICLES.c.batch_id == batch_id, ARTICLES.c.state == "invalid")
            .order_by(ARTICLES.c.line)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [LineError(line=row.line, message=row.message) for row in connection.execute(query)]

    def results(self, batch_id: str, after: int, limit: int) -> Results:
        """Results of the lines that follow line `after`, up to the first that has none yet."""
        query = (
            sa.select(*_COLUMNS)
            .join(BATCHES, BATCHES.c.id == ARTICLES.c.batch_id)
            .outerjoin(
                RESULTS, sa.and_(RESULTS.c.batch_id == ARTICLES.c.batch_id, RESULTS.c.line == ARTICLES.c.line)
            )
            .where(ARTICLES.c.batch_id == batch_id, ARTICLES.c.line > after)
            .order_by(ARTICLES.c.line)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        lines: list[bytes] = []
        for row in rows:
            if row.state == "queued" or (row.state == "waiting" and row.batch_state != "cancelled"):
                return Results(b"".join(lines), after, more=False)
            if row.state != "waiting":
                lines.append(_result(row))
            after = row.line
        return Results(b"".join(lines), after, more=len(rows) == limit)


def _first_waiting(connection: sa.Connection, batch_id: str) -> int | None:
    waiting = sa.and_(ARTICLES.c.batch_id == batch_id, ARTICLES.c.state == "waiting")
    query = sa.select(ARTICLES.c.line).where(waiting).order_by(ARTICLES.c.line).limit(1)
    return connection.execute(query).scalar()


def _result(row: AnyRow) -> bytes:
    """One row as a line of JSON."""
    if row.state == "done":
        result = ArticleResult(
            line=row.line,
            custom_id=row.custom_id,
            status="done",
            summary=msgspec.Raw(row.body),
            cached=row.cached,
        )
    else:
        result = ArticleResult(
            line=row.line,
            custom_id=row.custom_id,
            status=row.state,
            error=ArticleError(code=row.code, message=row.message),
        )
    return msgspec.json.encode(result) + b"\n"


def view(row: AnyRow, next_line: int | None = None) -> Batch:
    """A row of batches as callers see it."""
    ended = row.done + row.failed
    left = row.total - ended
    stopped = row.state == "cancelled"
    per_s, left_s = _pace(row, ended, left)
    return Batch(
        id=row.id,
        state=row.state,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        finished_at=None if row.finished_at is None else datetime.fromtimestamp(row.finished_at, UTC),
        priority=_NAMES[row.priority],
        counts=Counts(
            total=row.total,
            waiting=0 if stopped else left - row.under_way,
            under_way=row.under_way,
            done=row.done,
            failed=row.failed,
            cancelled=left - row.under_way if stopped else 0,
            invalid=row.invalid,
            cached=row.cached,
        ),
        usage=Usage(
            llm_calls=row.llm_calls,
            input_tokens=row.input_tokens,
            cached_input_tokens=row.cached_input_tokens,
            output_tokens=row.output_tokens,
            cost_usd=None if row.unpriced else row.cost_usd,
        ),
        max_cost_usd=row.max_cost_usd,
        next_line=next_line,
        articles_per_minute=None if per_s is None else round(per_s * 60, 1),
        seconds_left=left_s,
        held_up=row.held_up,
        webhook=row.webhook,
    )


def _pace(row: AnyRow, ended: int, left: int) -> tuple[float | None, float | None]:
    """Articles a second since the batch began or went on, and the seconds that the others take at that."""
    made = ended - row.began_with
    if row.began_at is None or made <= 0:
        return None, None
    until = row.finished_at if row.finished_at is not None else time.time()
    per_s = made / max(until - row.began_at, 0.001)
    return per_s, round(left / per_s, 1) if row.state == "running" else None
