"""Health: is the process alive, is the service ready."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency

from service.assembly import Assembly
from service.models import Health


@get("/healthz", tags=["health"], summary="Is the process alive?")
async def healthz() -> Health:
    """Answers as long as the process does."""
    return Health(status="ok", problems={})


@get("/readyz", tags=["health"], summary="Is the service ready?")
async def readyz(assembly: NamedDependency[Assembly]) -> Response[Health]:
    """200 when the model would answer, else 503; `problems` tells what does less than it should."""
    found = assembly.problems()
    if not assembly.ready:
        return Response(Health(status="starting", problems=found), status_code=503)
    return Response(Health(status="degraded" if found else "ok", problems=found))
