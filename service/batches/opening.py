"""The database of batches, opened when there is need of it: what it takes is heavy."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.batches.store import Store


_WORK = """
    SELECT 1 FROM standfirst_batches
     WHERE state = 'running' OR under_way > 0
        OR (finished_at IS NOT NULL AND webhook IS NOT NULL AND told_at IS NULL)
    UNION ALL SELECT 1 FROM standfirst_deliveries WHERE state = 'waiting' LIMIT 1
"""


def open_store(url: str) -> Store:
    """See `Store.open`."""
    from service.batches.store import Store  # noqa: PLC0415 - heavy

    return Store.open(url)


def has_work(url: str) -> bool:
    """Whether there may be batches to work on; a file is asked without the heavy libraries."""
    if not url.startswith("sqlite:///"):
        return True
    path = Path(url.removeprefix("sqlite:///"))
    if not path.exists():
        return False
    try:
        connection = sqlite3.connect(path, timeout=5)
        try:
            return connection.execute(_WORK).fetchone() is not None
        finally:
            connection.close()
    except sqlite3.Error:
        return True  # opening it says what is wrong
