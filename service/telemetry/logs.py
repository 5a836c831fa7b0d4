"""Logs: one line an event, as JSON or for people, with the request's ids and never with foreign words.

Our own modules write messages that hold nothing of an article. Libraries do not promise that: of a line of
theirs, only its level, its logger and its place are written, and of every exception its class and its place.
"""

from __future__ import annotations

import logging
import logging.config
import re
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Final, Literal, TypeAlias

import msgspec
import structlog
from msgspec import Struct
from structlog.typing import EventDict, Processor, WrappedLogger

from service.telemetry.context import current

LogFormat: TypeAlias = Literal["text", "json"]

_LONGEST: Final = 1_000
_MOST_FIELDS: Final = 40
_MOST_LINKS: Final = 5
# Whose words are known: our own, and the server's, which speaks of addresses and its own state.
_encode = msgspec.json.Encoder().encode
_TRUSTED: Final = ("service", "uvicorn")
_FRAME: Final = re.compile(r'^\s*File "([^"]+)", line (\d+), in (\S+)', re.MULTILINE)
_OURS: Final = re.compile(r"^service\.[\w.]+: .+", re.MULTILINE)


class AccessLine(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A request that was answered; `route` is a template, `cache` is where a summary came from."""

    timestamp: str
    level: Literal["info"]
    logger: Literal["service.access"]
    event: Literal["request"]
    method: str
    route: str
    status: int
    duration_ms: float
    request_id: str
    trace_id: str
    caller: str | None = None
    cache: str | None = None


def set_up_logs(level: str, form: LogFormat) -> None:
    """Write all that this process logs on standard error, through one renderer, and nothing else there.

    Where Python would print an exception with its message (of a thread, the process, a handler of logs),
    its class and place are logged.
    """
    logging.config.dictConfig(_config(level, form))
    logging.raiseExceptions = False
    threading.excepthook = lambda args: _tell("a thread", args.exc_type, args.exc_value, args.exc_traceback)
    sys.excepthook = lambda *error: _tell("the process", *error)
    sys.unraisablehook = lambda args: _tell("an object", args.exc_type, args.exc_value, args.exc_traceback)


def _tell(
    whose: str,
    kind: type[BaseException],
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    if issubclass(kind, Exception):
        info = (kind, error or kind(), traceback)
        logging.getLogger(__name__).error("%s ended in an error", whose, exc_info=info)


def _config(level: str, form: LogFormat) -> dict[str, object]:
    logger = {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": make_formatter, "form": form}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {
            "service": logger,
            "uvicorn": logger,
            # What it says of each request, with its path and query, the access log says without them.
            "uvicorn.access": {"handlers": [], "propagate": False},
        },
        "root": {"handlers": ["stderr"], "level": max(level.upper(), "WARNING", key=logging.getLevelName)},
    }


def make_formatter(form: LogFormat) -> logging.Formatter:
    """A formatter for records of any logger."""
    render: Processor = structlog.processors.JSONRenderer(serializer=_to_json)
    if form == "text":
        render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            _withhold,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_ids,
            _place_exception,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _bound,
            render,
        ],
    )


def access_log(form: LogFormat, stream: IO[str] | None = None) -> Callable[[AccessLine], None]:
    """Writes a line for each request, without the detours of `logging`: a hit has no time for them."""

    def write(line: AccessLine) -> None:
        to = stream or sys.stderr
        if form == "json":
            text = _encode(line).decode()
        else:
            text = f"{line.timestamp} [info     ] {line.method} {line.route} {line.status}"
            text += f" {line.duration_ms} ms {line.cache or ''} [{line.logger}] request_id={line.request_id}"
        to.write(text + "\n")
        to.flush()

    return write


def place_of(traceback: TracebackType | None) -> str:
    """Where an exception was raised: the innermost frame."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "?"
    code = traceback.tb_frame.f_code
    module = traceback.tb_frame.f_globals.get("__name__", "?")
    return f"{module}.{code.co_qualname}:{traceback.tb_lineno}"


def _to_json(event: EventDict, **_: Any) -> str:  # noqa: ANN401 - structlog passes json.dumps' options
    return msgspec.json.encode(event, enc_hook=lambda value: type(value).__name__).decode()


def _withhold(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The words of libraries that may quote what they were given."""
    record: logging.LogRecord = event["_record"]
    if record.name.partition(".")[0] not in _TRUSTED:
        event["event"] = "a message of a library"
        event["place"] = f"{record.module}.{record.funcName}:{record.lineno}"
    elif "Traceback (" in event["event"]:  # the server's report of a start or an end that failed
        frames = _FRAME.findall(event["event"])
        said = _OURS.findall(event["event"])
        event["event"] = said[-1] if said else "the application failed to start or to stop"
        event["place"] = ":".join((frames[-1][2], frames[-1][1])) if frames else "?"
    return event


def _add_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    request = current.get()
    if request is not None:
        event["request_id"], event["trace_id"] = request.request_id, request.trace_id
    return event


def _place_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """An exception as its class, its place, and those it came from."""
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error = info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else None
    chain: list[str] = []
    while error is not None and len(chain) < _MOST_LINKS:
        chain.append(
            f"{type(error).__module__}.{type(error).__qualname__} at {place_of(error.__traceback__)}"
        )
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if chain:
        event["error"] = " from ".join(chain)
    return event


def _bound(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A line of bounded length, whatever went into it."""
    return {
        key: value[:_LONGEST].replace("\n", "\\n") if isinstance(value, str) else value
        for key, value in list(event.items())[:_MOST_FIELDS]
    }
