"""Who calls: what a key stands for, and what it may do how often."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

Scope: TypeAlias = Literal["summaries", "batches", "purge", "metrics"]

ALL_SCOPES: Final[frozenset[Scope]] = frozenset(get_args(Scope))

_Count: TypeAlias = Annotated[int, Meta(ge=1)]


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a caller may use in a minute and in a day, both by UTC; None: no limit."""

    requests_per_minute: _Count | None = None
    requests_per_day: _Count | None = None
    tokens_per_minute: _Count | None = None
    tokens_per_day: _Count | None = None
    usd_per_day: Annotated[float, Meta(gt=0)] | None = None


UNLIMITED: Final = Limits()


class Caller(Struct, frozen=True):
    """Who makes a request; `id` owns what the request makes, and outlives the secrets of its key."""

    id: str
    name: str
    scopes: frozenset[Scope]
    limits: Limits = UNLIMITED


LOCAL: Final = Caller(id="local", name="local", scopes=ALL_SCOPES)
"""Everybody, where no keys are configured."""
