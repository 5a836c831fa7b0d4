"""HTTP caching: what requests ask of the cache, and what answers say of it (RFC 9111, RFC 9211)."""

from __future__ import annotations

import hashlib

from litestar.datastructures.headers import Accept
from litestar.enums import MediaType

from service.run import DEFAULT_CACHE_POLICY, CachePolicy
from service.summarizer import Outcome

_CACHE_DEGRADED = "; detail=cache-degraded"
_NAME = "Standfirst"
_HIT = f"{_NAME}; hit".encode()
_DEGRADED_HIT = f"{_NAME}; hit{_CACHE_DEGRADED}".encode()
_EVENTS = "text/event-stream"


def read_policy(cache_control: str | None) -> CachePolicy:
    """The request directives `no-cache`, `no-store` and `only-if-cached`; others are ignored."""
    if not cache_control:
        return DEFAULT_CACHE_POLICY
    directives = {d.partition("=")[0].strip().lower() for d in (cache_control or "").split(",")}
    no_store = "no-store" in directives
    return CachePolicy(
        reads=not no_store and "no-cache" not in directives,
        writes=not no_store,
        only="only-if-cached" in directives,
    )


def wants_events(accept: bytes) -> bool:
    """Whether `Accept` prefers server-sent events to JSON."""
    if b"event-stream" not in accept:
        return False
    return Accept(accept.decode("latin-1")).best_match([MediaType.JSON, _EVENTS]) == _EVENTS


def cache_status(outcome: Outcome, policy: CachePolicy, *, degraded: bool = False) -> str:
    """The `Cache-Status` of an answer (RFC 9211); `degraded` is a cache that does less than it should."""
    detail = _CACHE_DEGRADED if degraded else ""
    if outcome.cache == "hit":
        return f"{_NAME}; hit{detail}"
    forwarded = "miss" if policy.reads else "request"
    stored = "; stored" if outcome.kept else ""
    collapsed = "; collapsed" if outcome.cache == "joined" else ""
    return f"{_NAME}; fwd={forwarded}{stored}{collapsed}{detail}"


def hit_status(*, degraded: bool) -> bytes:
    """The `Cache-Status` of a hit."""
    return _DEGRADED_HIT if degraded else _HIT


def entity_tag(body: bytes) -> str:
    """A strong `ETag` for a body."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether `If-None-Match` names the tag; by weak comparison, as RFC 9110 says."""
    tags = {t.strip().removeprefix("W/") for t in (if_none_match or "").split(",")}
    return "*" in tags or tag in tags
