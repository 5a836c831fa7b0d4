"""The tables of batches, in SQLite or Postgres, beside those of DBOS in the same database."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import event

from service.errors import JobStoreError

AnyRow: TypeAlias = sa.Row[*tuple[Any, ...]]
METADATA = sa.MetaData()
_LOCK = 0x5F1257  # of Postgres's advisory locks, the one for making these tables
_VERSION = 1

VERSIONS = sa.Table("standfirst_schema", METADATA, sa.Column("version", sa.Integer, nullable=False))

# A batch's counts are kept with it, so that asking for them costs the same for ten articles and a million.
BATCHES = sa.Table(
    "standfirst_batches",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("state", sa.String(12), nullable=False, index=True),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("touched_at", sa.Float, nullable=False),
    sa.Column("began_at", sa.Float),
    sa.Column("began_with", sa.Integer, nullable=False, default=0),
    sa.Column("fed_at", sa.Float, nullable=False, default=0.0),
    sa.Column("finished_at", sa.Float),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("digest", sa.String(64)),
    sa.Column("webhook", sa.Text),
    sa.Column("told_at", sa.Float),
    sa.Column("held_up", sa.Text),
    sa.Column("max_cost_usd", sa.Float),
    sa.Column("reserved_usd", sa.Float, nullable=False, default=0.0),
    sa.Column("cost_usd", sa.Float, nullable=False, default=0.0),
    *(
        sa.Column(name, sa.Integer, nullable=False, default=0)
        for name in ("total", "invalid", "under_way", "done", "failed", "cached", "unpriced", "llm_calls")
    ),
    *(
        sa.Column(name, sa.BigInteger, nullable=False, default=0)
        for name in ("input_tokens", "cached_input_tokens", "output_tokens")
    ),
    sa.UniqueConstraint("owner", "idempotency_key"),
    sa.Index("standfirst_batches_by_owner", "owner", "created_at"),
)

ARTICLES = sa.Table(
    "standfirst_articles",
    METADATA,
    sa.Column("batch_id", sa.String(40), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("custom_id", sa.Text),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("round", sa.Integer, nullable=False, default=0),
    sa.Column("estimate_usd", sa.Float, nullable=False, default=0.0),
    sa.Column("request", sa.LargeBinary),
    sa.Column("code", sa.Text),
    sa.Column("message", sa.Text),
)
sa.Index(
    "standfirst_articles_waiting",
    ARTICLES.c.batch_id,
    ARTICLES.c.line,
    sqlite_where=ARTICLES.c.state == "waiting",
    postgresql_where=ARTICLES.c.state == "waiting",
)
sa.Index(
    "standfirst_articles_custom_id",
    ARTICLES.c.batch_id,
    ARTICLES.c.custom_id,
    unique=True,
    sqlite_where=ARTICLES.c.custom_id.is_not(None),
    postgresql_where=ARTICLES.c.custom_id.is_not(None),
)

RESULTS = sa.Table(
    "standfirst_results",
    METADATA,
    sa.Column("batch_id", sa.String(40), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("cached", sa.Boolean, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

DELIVERIES = sa.Table(
    "standfirst_deliveries",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("batch_id", sa.String(40), nullable=False, index=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("due_at", sa.Float, nullable=False),
    sa.Index("standfirst_deliveries_due", "state", "due_at"),
)

ATTEMPTS = sa.Table(
    "standfirst_attempts",
    METADATA,
    sa.Column("delivery_id", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("problem", sa.Text),
    sa.Column("seconds", sa.Float, nullable=False),
)

WORKERS = sa.Table(
    "standfirst_workers",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("seen_at", sa.Float, nullable=False),
)


def open_database(url: str) -> sa.Engine:
    """An engine for `sqlite:///path` or `postgresql://…` whose tables exist.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError: it cannot be opened or made.
        JobStoreError: its tables are of a newer version of this service.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = _open_sqlite(parsed)
    else:
        engine = sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=8,
            max_overflow=8,
            pool_timeout=30,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"connect_timeout": 10, "application_name": "standfirst"},
        )
    try:
        _make_tables(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _make_tables(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        else:
            connection.execute(sa.text("BEGIN IMMEDIATE"))
        METADATA.create_all(connection)
        found = connection.execute(sa.select(VERSIONS.c.version)).scalar()
        if found is None:
            connection.execute(VERSIONS.insert().values(version=_VERSION))
        elif found > _VERSION:
            raise JobStoreError(
                f"the database of batches is of version {found}, this service knows {_VERSION}"
            )


def _open_sqlite(url: sa.URL) -> sa.Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, pool_size=24, max_overflow=0, pool_timeout=30, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        # A transaction that turned from reading to writing could fail as busy without waiting.
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA busy_timeout = 30000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")

    return engine
