"""Who calls: what a key stands for."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct

Scope: TypeAlias = Literal["summaries", "batches", "purge", "metrics"]

ALL_SCOPES: Final[frozenset[Scope]] = frozenset(get_args(Scope))


class Caller(Struct, frozen=True):
    """Who makes a request; `id` owns what the request makes, and outlives the secret of a key."""

    id: str
    name: str
    scopes: frozenset[Scope]


LOCAL: Final = Caller(id="local", name="local", scopes=ALL_SCOPES)
"""Everybody, where no keys are configured."""
