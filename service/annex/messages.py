"""What the service and its annex say to each other, in msgpack, each message after its length."""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw, Struct

from service import errors
from service.errors import LLMError, PromptError
from service.llm import ChatReply, ChatRequest, Priority
from service.models import Policy, Style, Summary
from service.run import CachePolicy

LENGTH_BYTES: Final = 4
_Scalar: TypeAlias = str | float | bool | None


class Equipment(Struct, frozen=True, tag=True, kw_only=True):
    """How the annex is to work; fields as in the service's settings. There is no secret in it."""

    prompts_dir: str | None
    models_file: str | None
    source: str
    ttl_s: float
    max_chunks: int
    chunk_concurrency: int
    fallback: bool


class Begin(Struct, frozen=True, tag=True, kw_only=True):
    """An article to summarize; `prompts` are `name@version` of those for article, chunk, combine, repair."""

    work: int
    id: str
    digest: str
    text: str
    title: str
    style: Style
    max_quotes: int
    language: str | None
    model: str
    policy: Policy
    prompts: tuple[str, str, str, str | None] | None
    seconds_left: float
    call_timeout_s: float
    cache: CachePolicy
    priority: Priority


class Cancel(Struct, frozen=True, tag=True):
    """Nobody waits for that work any more."""

    work: int


class Failure(Struct, frozen=True, tag=True):
    """An error by the name of its class in `service.errors`, with its attributes; others without a text."""

    error: str
    message: str
    attributes: dict[str, _Scalar] = {}


class Reply(Struct, frozen=True, tag=True):
    """What came of a call: a model's reply, bytes of the store, or an error."""

    call: int
    reply: ChatReply | None = None
    value: bytes | None = None
    failure: Failure | None = None


class Heard(Struct, frozen=True, tag=True):
    """The answer to that call goes on with `text`; None: it begins."""

    call: int
    text: str | None


class Ask(Struct, frozen=True, tag=True):
    """Put a question to the model, for the work that needs the answer first; others may need it too.

    `prompt` is `name@version`; `listens`: whether to tell of the answer while it is written.
    """

    work: int
    call: int
    request: ChatRequest
    prompt: str
    listens: bool


class Look(Struct, frozen=True, tag=True):
    """Look into the store."""

    work: int
    call: int
    key: str


class Keep(Struct, frozen=True, tag=True):
    """Put something into the store."""

    work: int
    call: int
    key: str
    value: bytes
    expires_in: int | None


class Withdraw(Struct, frozen=True, tag=True):
    """Nobody waits for the answer of that call any more."""

    call: int


class Told(Struct, frozen=True, tag=True):
    """A step of the work, of the type `kind`."""

    work: int
    kind: str
    event: Raw


class Logged(Struct, frozen=True, tag=True):
    """A line for the service's log."""

    logger: str
    level: int
    message: str


class Ended(Struct, frozen=True, tag=True, kw_only=True):
    """The work is done, or failed; `degraded` and `draft_keys` as in its `Run`."""

    work: int
    summary: Summary | None = None
    failure: Failure | None = None
    degraded: bool
    draft_keys: list[str]


Downward: TypeAlias = Equipment | Begin | Cancel | Reply | Heard
Upward: TypeAlias = Ask | Look | Keep | Withdraw | Told | Logged | Ended

_down: msgspec.msgpack.Decoder[Downward] = msgspec.msgpack.Decoder(Downward)
_up: msgspec.msgpack.Decoder[Upward] = msgspec.msgpack.Decoder(Upward)


def frame(message: Downward | Upward) -> bytes:
    """A message as it is sent."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


async def read_downward(reader: asyncio.StreamReader) -> Downward:
    """The next message to the annex; raises EOFError at the end."""
    return _down.decode(await _read(reader))


async def read_upward(reader: asyncio.StreamReader) -> Upward:
    """The next message from the annex; raises EOFError at the end."""
    return _up.decode(await _read(reader))


async def _read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big"))


def failure_of(exc: BaseException) -> Failure:
    """An error as a message; of one that was not meant only the class: its text may quote the article."""
    if isinstance(exc, LLMError | PromptError):
        attributes = {name: value for name, value in vars(exc).items() if isinstance(value, _Scalar)}
        return Failure(type(exc).__name__, str(exc), attributes)
    return Failure("", type(exc).__name__)


def error_of(failure: Failure) -> Exception:
    """The error that a message tells of."""
    kind: type[Exception] = getattr(errors, failure.error, RuntimeError)
    error = kind.__new__(kind)
    error.args = (failure.message,)
    vars(error).update(failure.attributes)
    return error
