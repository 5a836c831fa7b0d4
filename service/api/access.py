"""Who may ask: the caller of a request."""

from __future__ import annotations

from typing import Any

from litestar import Request

from service.callers import LOCAL, Caller


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """The caller of a request; a dependency called `caller` gives it to any handler."""
    caller: Caller = request.scope.get("user") or LOCAL
    return caller
