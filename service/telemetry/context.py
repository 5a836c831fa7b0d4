"""What belongs to one request: the ids by which it is found again, and where its time went."""

from __future__ import annotations

import random
import re
from contextvars import ContextVar
from typing import Final

_TRACEPARENT: Final = re.compile(
    rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.ASCII
)
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:+=@-]{1,64}", re.ASCII)


class RequestContext:
    """One request. `seconds` are those spent in its cache, calls of models and checks, which may overlap."""

    __slots__ = ("cache", "flags", "parent_id", "request_id", "seconds", "span_id", "trace_id")

    def __init__(self, traceparent: bytes = b"", request_id: bytes = b"") -> None:
        """Take over the ids that the caller sent, where they are well-formed, and make the others.

        (W3C Trace Context, https://www.w3.org/TR/trace-context/. A version `ff` and ids of zeros are void.)
        """
        chance = random.randbytes(24).hex()  # noqa: S311 - ids are names, no secrets
        self.trace_id, self.span_id = chance[:32], chance[32:]
        self.parent_id, self.flags = "", "00"
        match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
        if match and traceparent[:2] != b"ff" and match[1].strip(b"0") and match[2].strip(b"0"):
            self.trace_id, self.parent_id = match[1].decode(), match[2].decode()
            self.flags = match[3].decode()
        known = request_id and _REQUEST_ID.fullmatch(request_id)
        self.request_id = request_id.decode() if known else self.trace_id
        self.seconds: dict[str, float] = {}
        self.cache = ""

    def add(self, what: str, seconds: float) -> None:
        """Count time."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds

    @property
    def traceparent(self) -> str:
        """The header for those who follow."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def server_timing(self) -> str:
        """The `Server-Timing` header (https://www.w3.org/TR/server-timing/), or nothing."""
        parts = [f"{what};dur={seconds * 1000:.2f}" for what, seconds in self.seconds.items()]
        if self.cache:
            parts.append(f'result;desc="{self.cache}"')
        return ", ".join(parts)


current: ContextVar[RequestContext | None] = ContextVar("standfirst_request", default=None)
"""The request that the running code works for."""
