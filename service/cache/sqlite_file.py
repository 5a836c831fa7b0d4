"""One SQLite file of cached values, in blocking calls; errors are as SQLite raises them."""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

_log = logging.getLogger(__name__)
_Execute: TypeAlias = Callable[..., sqlite3.Cursor]  # `Connection.execute`

_APPLICATION_ID: Final = 0x53666301  # "Sfc", and the version of the tables below
_TABLES: Final = f"""
CREATE TABLE entries (
    key TEXT NOT NULL PRIMARY KEY, checksum INTEGER NOT NULL,
    stored_at REAL NOT NULL, used_at REAL NOT NULL, expires_at REAL,
    value BLOB NOT NULL -- last, as SQLite reads through it to get at what follows
);
CREATE INDEX by_use ON entries (used_at);
CREATE INDEX by_age ON entries (stored_at);
CREATE INDEX by_expiry ON entries (expires_at) WHERE expires_at IS NOT NULL;
PRAGMA application_id = {_APPLICATION_ID}
"""
_READ: Final = (
    "SELECT CASE WHEN length(value) <= ? THEN value END, checksum, stored_at, used_at, expires_at "
    "FROM entries WHERE key = ?"
)
_WRITE: Final = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)"
_EXPIRED: Final = "SELECT rowid, length(value) FROM entries WHERE stored_at <= ? OR expires_at <= ? LIMIT ?"
_OLDEST: Final = "SELECT rowid, length(value) FROM entries ORDER BY used_at, rowid LIMIT ?"

_BUSY_WAIT_S: Final = 10.0
_WIPE_WAIT_MS: Final = 250
_OPEN_AGAIN_S: Final = 0.01
_MOST_DAMAGES: Final = 2
_READ_NOW_BYTES: Final = 128 << 10
_ANY_BYTES: Final = 1 << 31
_BATCH_ROWS: Final = 128
_MAX_BATCHES: Final = 8
_PURGE_EVERY_S: Final = 60.0
# Evicting to a little under the bound spares the next writes from evicting again.
_LOW_WATER: Final = 0.95
# The file cannot be used as it is, whatever is asked of it; other errors (busy, full, I/O) may pass.
_DAMAGE: Final = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_ERROR,  # such as "no such table"
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


class ForeignFileError(sqlite3.DatabaseError):
    """The file is a database, but not one of ours."""


class _DamagedEntryError(Exception):
    pass


class Entry(NamedTuple):
    """A value with its times, in seconds of the store's clock."""

    value: bytes
    used_at: float
    expires_at: float | None


class CacheFile:
    """An open file. All methods but `read_now` may block, and belong to one thread."""

    def __init__(self, path: Path, *, max_bytes: int, max_age_s: float) -> None:
        """Open the file at `path`, and make its tables if it is new or empty.

        Raises:
            OSError, sqlite3.Error: it cannot be opened, or is no file of ours; `is_damage` tells which.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._purged_at = -math.inf
        self._reading = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._writer = _connect(path, _BUSY_WAIT_S)
        try:
            _prepare(self._writer)
            self.identity = identify(path)
            self._reader = _connect(path, 0)
            self._reader.execute("PRAGMA query_only = ON")
            self._reader.execute(_READ, (0, "")).fetchone()
        except BaseException:
            self.close()
            raise

    @property
    def is_current(self) -> bool:
        """Whether the file still stands where it was opened; another process may have set it aside."""
        return identify(self._path) == self.identity

    def close(self) -> None:
        """Close the file, waiting for a read under way."""
        with self._reading:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        self._writer.close()

    def read_now(self, key: str, now: float) -> Entry | None:
        """The entry of `key` if it is alive, in some 10 µs, from any one other thread.

        Raises:
            BlockingIOError: it takes longer, or wants care: ask `read`.
            sqlite3.Error: likewise.
        """
        if not self._reading.acquire(blocking=False):
            raise BlockingIOError
        try:
            if self._reader is None:
                raise BlockingIOError
            return self._select(self._reader, key, _READ_NOW_BYTES, now)
        except _DamagedEntryError as exc:  # or one that is too large
            raise BlockingIOError from exc
        finally:
            self._reading.release()

    def read(self, key: str, now: float) -> Entry | None:
        """The entry of `key` if it is alive; one whose bytes have changed is deleted."""
        try:
            return self._select(self._writer, key, _ANY_BYTES, now)
        except _DamagedEntryError:
            _log.warning("an entry of the cache file %s was damaged and is dropped", self._path)
            self.delete(key)
            return None

    def write(self, key: str, value: bytes, now: float, expires_at: float | None) -> None:
        """Keep a value, and make room for it."""
        row = (key, _checksum(key, value), now, now, expires_at, value)
        with _transaction(self._writer) as execute:
            execute(_WRITE, row)
        self._evict(now)

    def renew(self, key: str, expires_at: float) -> None:
        """Change when an entry expires."""
        with _transaction(self._writer) as execute:
            execute("UPDATE entries SET expires_at = ? WHERE key = ?", (expires_at, key))

    def touch(self, used_at: Mapping[str, float]) -> None:
        """Note when entries were last read, which decides what is evicted first."""
        with _transaction(self._writer):
            self._writer.executemany(
                "UPDATE entries SET used_at = ? WHERE key = ?", ((t, k) for k, t in used_at.items())
            )

    def delete(self, key: str) -> None:
        """Delete an entry, if it is there, so that its bytes are gone from the file."""
        with _transaction(self._writer) as execute:
            found = execute("DELETE FROM entries WHERE key = ?", (key,)).rowcount
        if found:
            self._wipe_log()

    def delete_all(self) -> None:
        """Delete all entries; the file keeps its size, for those to come."""
        with _transaction(self._writer) as execute:
            execute("DELETE FROM entries")
        self._wipe_log()

    def _wipe_log(self) -> None:
        """Empty the write-ahead log, which has what was written; left for later where somebody is reading."""
        self._writer.execute(f"PRAGMA busy_timeout = {_WIPE_WAIT_MS}")
        try:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._writer.execute(f"PRAGMA busy_timeout = {_BUSY_WAIT_S * 1000:.0f}")

    def _select(self, connection: sqlite3.Connection, key: str, max_bytes: int, now: float) -> Entry | None:
        row = connection.execute(_READ, (max_bytes, key)).fetchone()
        if row is None:
            return None
        value, checksum, stored_at, used_at, expires_at = row
        # A damaged row may hold any type in any column.
        if type(value) is not bytes or checksum != _checksum(key, value):
            raise _DamagedEntryError
        if not type(stored_at) is type(used_at) is type(0.0 if expires_at is None else expires_at) is float:
            raise _DamagedEntryError
        if now - stored_at >= self._max_age_s or (expires_at is not None and now >= expires_at):
            return None
        return Entry(value, used_at, expires_at)

    def _evict(self, now: float) -> None:
        """Delete what is expired and, if the file is over its bound, what was not used for longest.

        The work per call is bounded, and each batch is a transaction of its own: nobody waits for long.
        """
        if now - self._purged_at >= _PURGE_EVERY_S:
            self._purged_at = now
            self._delete_batches(_EXPIRED, (now - self._max_age_s, now), math.inf)
        excess = self._used_bytes() - self._max_bytes
        if excess > 0:
            self._delete_batches(_OLDEST, (), excess + self._max_bytes * (1 - _LOW_WATER))

    def _delete_batches(self, query: str, arguments: tuple[float, ...], size: float) -> None:
        """Delete the first rows that the query finds, until their values come to `size` bytes."""
        for _ in range(_MAX_BATCHES):
            with _transaction(self._writer) as execute:
                rows = execute(query, (*arguments, _BATCH_ROWS)).fetchall()
                for rowid, value_size in rows:
                    if size <= 0:
                        return
                    execute("DELETE FROM entries WHERE rowid = ?", (rowid,))
                    size -= value_size
            if len(rows) < _BATCH_ROWS:
                return

    def _used_bytes(self) -> int:
        """Size of the file without its free pages, which SQLite knows at once and alike in all processes."""
        pages, free, size = (
            self._writer.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def open_file(path: Path, *, max_bytes: int, max_age_s: float) -> CacheFile:
    """Open the file at `path`; one that cannot be used is set aside first, and a fresh one made.

    Raises:
        OSError, sqlite3.Error: there can be no usable file at `path`.
    """
    damages = 0
    until = time.monotonic() + _BUSY_WAIT_S
    while True:
        seen = identify(path)
        try:
            return CacheFile(path, max_bytes=max_bytes, max_age_s=max_age_s)
        except sqlite3.Error as exc:
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY and time.monotonic() < until:
                # Turning to WAL does not wait for others who open the fresh file in this moment.
                time.sleep(_OPEN_AGAIN_S)
            elif is_damage(exc) and damages < _MOST_DAMAGES:
                damages += 1
                set_aside(path, seen, exc)
            else:
                raise


def is_damage(error: Exception) -> bool:
    """Whether the error means that the file itself has to go, rather than that the moment is bad."""
    code = getattr(error, "sqlite_errorcode", 0)
    return (
        isinstance(error, ForeignFileError)
        or code & 0xFF in _DAMAGE
        or code == sqlite3.SQLITE_IOERR_SHORT_READ
    )


def identify(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one that takes its place; None if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def set_aside(path: Path, seen: tuple[int, int] | None, reason: Exception) -> None:
    """Rename the file at `path` and its companions, unless it is not the `seen` one any more.

    Raises:
        OSError, sqlite3.Error: it cannot be renamed.
    """
    # Of two processes that find the damage at once, the slower one must not rename the fresh file of the
    # faster. A lock that SQLite holds goes with its process, on every system.
    with closing(_connect(path.with_name(path.name + ".lock"), _BUSY_WAIT_S)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        if seen is None or identify(path) != seen:
            return
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        # The file goes last: its companions left behind would be taken for those of the fresh one.
        for suffix in ("-wal", "-shm", "-journal", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    _log.warning("the cache file %s cannot be used (%s); it is set aside as %s", path, reason, aside.name)


def _connect(path: Path, wait_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection) -> None:
    # In this order, so that a file of somebody else's is not touched.
    with _transaction(connection) as execute:
        if execute("PRAGMA application_id").fetchone() != (_APPLICATION_ID,):
            if execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
                raise ForeignFileError("it is a database of something else")
            for statement in _TABLES.split(";"):
                execute(statement)
    connection.execute(_READ, (0, "")).fetchone()
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON").fetchone()
    connection.execute(f"PRAGMA journal_size_limit = {16 << 20}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[_Execute]:
    # IMMEDIATE: a transaction that turned from reading to writing could fail as busy without waiting.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection.execute
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _checksum(key: str, value: bytes) -> int:
    """CRC-32, which no single changed byte escapes, of the value and the key that it belongs to."""
    return zlib.crc32(value, zlib.crc32(key.encode()))
