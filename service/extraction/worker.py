"""The process in which `Extractor` has documents read: tasks on standard input, answers on output.

A message is its length in four bytes, then msgpack.
"""

from __future__ import annotations

import signal
import sys
from typing import BinaryIO, Final

import msgspec
from msgspec import Struct

from service.errors import NoArticleError, PageError, PageTooLargeError
from service.extraction.charsets import decode_page
from service.models import Source

# Raised with every change of code that changes what is extracted, so that kept pages are read again.
EXTRACTION_VERSION: Final = 1

PDF: Final = "application/pdf"
PLAIN_TEXT: Final = "text/plain"
LENGTH_BYTES: Final = 4
_MOST_MEMORY: Final = 2 << 30  # bytes of address space; a page of 5 MB takes up to a fifth of it
_GRACE_S: Final = 2  # the parent's own time limit comes first


class Task(Struct, frozen=True, array_like=True):
    """A document to read; see `Extractor.extract`."""

    data: bytes
    media_type: str
    charset: str | None
    url: str | None
    timeout_s: float


class Refusal(Struct, frozen=True, array_like=True):
    """Why there is no article: a class of `service.errors` by its name, and what to tell the caller."""

    error: str
    message: str
    remedy: str | None


class Answer(Struct, frozen=True, array_like=True):
    """An article, or why there is none."""

    source: Source | None = None
    refusal: Refusal | None = None


def frame(message: Struct) -> bytes:
    """A message as it is sent."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def main() -> None:
    """Read documents until the parent closes the pipe."""
    _bound_memory()
    tasks, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints is no answer
    while (length := tasks.read(LENGTH_BYTES)) and len(length) == LENGTH_BYTES:
        task = msgspec.msgpack.decode(tasks.read(int.from_bytes(length, "big")), type=Task)
        _alarm(task.timeout_s + _GRACE_S)
        _send(answers, _answer(task))
        _alarm(0)


def _answer(task: Task) -> Answer:
    try:
        return Answer(_read(task))
    except PageError as exc:
        return _refuse(exc)
    except (MemoryError, RecursionError):
        return _refuse(PageTooLargeError("the page takes too much memory to read"))
    except Exception:  # noqa: BLE001 - a fault of a library on one document; its text may quote it
        return _refuse(NoArticleError("the page cannot be read"))


def _read(task: Task) -> Source:
    # Imported with the first document that needs it; the parent, which imports this module too, needs none.
    if task.media_type == PDF:
        from service.extraction.pdf import extract_pdf  # noqa: PLC0415

        return extract_pdf(task.data, task.url)
    text = decode_page(task.data, task.charset)
    if task.media_type == PLAIN_TEXT:
        return Source(text=text, url=task.url, media_type=PLAIN_TEXT)
    from service.extraction.html import extract_html  # noqa: PLC0415

    return extract_html(text, task.url)


def _refuse(error: PageError) -> Answer:
    return Answer(refusal=Refusal(type(error).__name__, str(error), error.remedy))


def _send(stream: BinaryIO, answer: Answer) -> None:
    stream.write(frame(answer))
    stream.flush()


def _alarm(seconds: float) -> None:
    """End this process, even inside a C function, if the parent is no longer there to do it."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _bound_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = _MOST_MEMORY if hard == resource.RLIM_INFINITY else min(hard, _MOST_MEMORY)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()
