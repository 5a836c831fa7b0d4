"""Logs, metrics and traces, fed through hooks: see `docs/operations.md` for what there is to see."""

from service.telemetry.http import RequestWatch
from service.telemetry.logs import access_log, set_up_logs
from service.telemetry.metrics import CONTENT_TYPE, Metrics
from service.telemetry.telemetry import Telemetry, start_tracing

__all__ = [
    "CONTENT_TYPE",
    "Metrics",
    "RequestWatch",
    "Telemetry",
    "access_log",
    "set_up_logs",
    "start_tracing",
]
