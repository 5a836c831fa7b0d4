"""Metrics for Prometheus."""

from __future__ import annotations

import asyncio

from litestar import Response, get
from litestar.di import NamedDependency

from service.api.access import needs
from service.assembly import Assembly
from service.telemetry import CONTENT_TYPE


@get(
    "/metrics",
    opt=needs("metrics"),
    tags=["health"],
    summary="Metrics of this process",
    media_type="text/plain",
)
async def get_metrics(assembly: NamedDependency[Assembly]) -> Response[bytes]:
    """What this process did since it was started, in Prometheus's text format."""
    metrics = assembly.telemetry.metrics
    metrics.tasks = len(asyncio.all_tasks())
    body = await asyncio.to_thread(metrics.exposition)
    return Response(body, media_type=CONTENT_TYPE)
