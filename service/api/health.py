"""Health: is the process alive, is the service ready."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from service.api.access import OPEN
from service.assembly import Assembly
from service.models import Health


@get("/healthz", opt=OPEN, security=[{}], tags=["health"], summary="Is the process alive?")
async def healthz() -> Health:
    """Answers as long as the process does."""
    return Health(status="ok", problems={})


@get("/readyz", opt=OPEN, security=[{}], tags=["health"], summary="Is the service ready?")
async def readyz(request: Request[Any, Any, Any], assembly: NamedDependency[Assembly]) -> Response[Health]:
    """200 when the model would answer, else 503; `problems` tells what does less than it should.

    Where keys are needed, the words of a problem, which may name hosts and files, are for those who have one.
    """
    found = assembly.problems()
    if request.scope.get("user") is None:
        found = dict.fromkeys(found, "ask with a key to see why")
    if not assembly.ready:
        return Response(Health(status="starting", problems=found), status_code=503)
    return Response(Health(status="degraded" if found else "ok", problems=found))
