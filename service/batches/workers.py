"""Which processes work on the jobs of a database, and which of them have died."""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import time
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from service.batches.tables import WORKERS


class Roster:
    """The processes that work on a database, by their heartbeats. Its methods block.

    One that has not said for `takeover_s` seconds that it lives is dead. A live one may be starved for some
    seconds; if it is taken for dead, what it has under way may cost a second call, and is still kept once.
    A file has one worker, which holds a lock that the system takes from it when it ends, however that comes.
    """

    def __init__(self, engine: sa.Engine, takeover_s: float) -> None:
        self._engine = engine
        self._takeover_s = takeover_s
        self._is_file = engine.dialect.name == "sqlite"
        self._insert = sqlite.insert if self._is_file else postgresql.insert
        self._lock: sqlite3.Connection | None = None
        self.id = f"{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(4)}"

    def join(self) -> bool:
        """Become a worker; False if the database is a file that another process works on."""
        if self._is_file and not self._take_lock():
            return False
        self.beat()
        return True

    def _take_lock(self) -> bool:
        path = Path(str(self._engine.url.database))
        lock = sqlite3.connect(
            path.with_name(path.name + "-worker"), timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            lock.close()
            return False
        self._lock = lock
        return True

    def beat(self) -> None:
        """Say that this process lives."""
        seen = {"seen_at": self._now()}
        statement = self._insert(WORKERS).values(id=self.id, **seen)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=seen))

    def dead(self) -> list[str]:
        """Workers that have died."""
        query = sa.select(WORKERS.c.id).where(WORKERS.c.id != self.id)
        if not self._is_file:  # of a file this process is the only one, by its lock
            query = query.where(WORKERS.c.seen_at < self._now() - self._takeover_s)
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def alive(self) -> int:
        """How many workers live."""
        query = sa.select(sa.func.count()).where(WORKERS.c.seen_at >= self._now() - self._takeover_s)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar() or 0

    def strike(self, ids: list[str]) -> None:
        """Take workers off the roster, whose jobs were handed to others."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(WORKERS).where(WORKERS.c.id.in_(ids)))

    def leave(self) -> None:
        """Be a worker no more; what was left under way is for others to take at once."""
        with self._engine.begin() as connection:
            connection.execute(sa.update(WORKERS).where(WORKERS.c.id == self.id).values(seen_at=0.0))
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _now(self) -> sa.ColumnElement[float]:
        """Seconds by the clock of the database, which all workers share."""
        if self._is_file:
            return sa.literal(time.time())
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)
