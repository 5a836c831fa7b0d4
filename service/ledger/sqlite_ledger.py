"""The ledger in a SQLite file, shared by all processes of a machine."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from service.ledger.base import USAGE_DAYS, Counts, Grant, Ledger, LedgerError, Line, Take, Taken

T = TypeVar("T")

_BUSY_WAIT_S: Final = 5.0
_OPEN_AGAIN_S: Final = 0.01
_TIDY_EVERY_S: Final = 3_600.0
_TABLES: Final = (
    "counters (name TEXT PRIMARY KEY, total INTEGER NOT NULL, expires_at REAL NOT NULL)",
    f"usage ({', '.join((*Line._fields, *Counts._fields))}, PRIMARY KEY ({', '.join(Line._fields)}))",
    "links (grp TEXT, member TEXT, expires_at REAL NOT NULL, PRIMARY KEY (grp, member))",
)
_ADD: Final = """
INSERT INTO counters VALUES (:name, :amount, :now + :lasts_s) ON CONFLICT (name) DO UPDATE SET
    total = iif(expires_at <= :now, 0, total) + :amount,
    expires_at = iif(expires_at <= :now, :now + :lasts_s, expires_at)
RETURNING total
"""
_RECORD: Final = (
    f"INSERT INTO usage VALUES ({', '.join('?' * (len(Line._fields) + len(Counts._fields)))})"  # noqa: S608
    " ON CONFLICT (day, owner, model, prompt) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in Counts._fields)
)


class SQLiteLedger(Ledger):
    """Every operation is a transaction, on one thread of the ledger's own.

    Args:
        path: The file, made with its folder at the first use.
        clock: Seconds since the epoch, alike in all processes.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="standfirst-ledger")
        self._connection: sqlite3.Connection | None = None  # of the thread alone
        self._tidied_at = 0.0
        self._closed = False

    async def take(self, takes: Sequence[Take]) -> Taken:
        """See `Ledger.take`."""

        def work(db: sqlite3.Connection, now: float) -> Taken:
            totals = tuple(_total(db, take.counter, now) for take in takes)
            for place, (take, total) in enumerate(zip(takes, totals, strict=True)):
                if total + take.amount > take.limit:
                    return Taken(place, totals)
            return Taken(None, tuple(_add(db, take, now) for take in takes))

        return await self._do(work)

    async def grant(self, take: Take) -> Grant:
        """See `Ledger.grant`."""

        def work(db: sqlite3.Connection, now: float) -> Grant:
            total = _total(db, take.counter, now)
            given = max(min(take.amount, take.limit - total), 0)
            return Grant(given, _add(db, take._replace(amount=given), now) if given else total)

        return await self._do(work)

    async def add(self, amounts: Sequence[Take]) -> None:
        """See `Ledger.add`."""

        def work(db: sqlite3.Connection, now: float) -> None:
            for amount in amounts:
                _add(db, amount, now)

        await self._do(work)

    async def read(self, counter: str) -> int:
        """See `Ledger.read`."""
        return await self._do(lambda db, now: _total(db, counter, now))

    async def record(self, lines: Mapping[Line, Counts]) -> None:
        """See `Ledger.record`."""
        rows = [(*line, *counts) for line, counts in lines.items()]
        await self._do(lambda db, _: db.executemany(_RECORD, rows))

    async def usage(self, days: Sequence[str]) -> dict[Line, Counts]:
        """See `Ledger.usage`."""
        marks = ", ".join("?" * len(days))

        def work(db: sqlite3.Connection, _: float) -> dict[Line, Counts]:
            rows = db.execute(f"SELECT * FROM usage WHERE day IN ({marks})", days)  # noqa: S608 - marks alone
            return {Line(*row[:4]): Counts(*row[4:]) for row in rows}

        return await self._do(work)

    async def link(self, group: str, members: Sequence[str], lasts_s: int) -> None:
        """See `Ledger.link`."""
        await self._do(
            lambda db, now: db.executemany(
                "INSERT INTO links VALUES (?, ?, ?) ON CONFLICT (grp, member)"
                " DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)",
                [(group, member, now + lasts_s) for member in members],
            )
        )

    async def members(self, group: str) -> list[str]:
        """See `Ledger.members`."""
        query = "SELECT member FROM links WHERE grp = ? AND expires_at > ?"
        return await self._do(lambda db, now: [member for (member,) in db.execute(query, (group, now))])

    async def unlink(self, group: str, members: Sequence[str]) -> None:
        """See `Ledger.unlink`."""
        rows = [(group, member) for member in members]
        await self._do(lambda db, _: db.executemany("DELETE FROM links WHERE grp = ? AND member = ?", rows))

    async def aclose(self) -> None:
        """Close the file."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[sqlite3.Connection, float], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    # What follows runs on the thread.

    def _run(self, work: Callable[[sqlite3.Connection, float], T]) -> T:
        now = self._clock()
        try:
            db = self._connection or self._open()
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db, now)
                if now - self._tidied_at >= _TIDY_EVERY_S:
                    self._tidy(db, now)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as exc:
            self._close()
            raise LedgerError(f"the ledger file {self._path} cannot be used: {exc}") from exc
        return result

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=_BUSY_WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            self._turn_to_wal(db)
            db.execute("PRAGMA synchronous = NORMAL")
            for table in _TABLES:
                db.execute(f"CREATE TABLE IF NOT EXISTS {table} WITHOUT ROWID")
        except BaseException:
            db.close()
            raise
        self._connection = db
        return db

    @staticmethod
    def _turn_to_wal(db: sqlite3.Connection) -> None:
        """Turn the file to write-ahead logging, which does not wait for others who open it in this moment."""
        until = time.monotonic() + _BUSY_WAIT_S
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
                time.sleep(_OPEN_AGAIN_S)
            else:
                return

    def _tidy(self, db: sqlite3.Connection, now: float) -> None:
        self._tidied_at = now
        db.execute("DELETE FROM counters WHERE expires_at <= ?", (now,))
        db.execute("DELETE FROM links WHERE expires_at <= ?", (now,))
        oldest = time.strftime("%Y-%m-%d", time.gmtime(now - USAGE_DAYS * 86_400))
        db.execute("DELETE FROM usage WHERE day < ?", (oldest,))

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _total(db: sqlite3.Connection, counter: str, now: float) -> int:
    row = db.execute(
        "SELECT total FROM counters WHERE name = ? AND expires_at > ?", (counter, now)
    ).fetchone()
    return row[0] if row else 0


def _add(db: sqlite3.Connection, take: Take, now: float) -> int:
    values = {"name": take.counter, "amount": take.amount, "now": now, "lasts_s": take.lasts_s}
    (total,) = db.execute(_ADD, values).fetchone()
    return int(total)
