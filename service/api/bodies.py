"""Request bodies: an article as JSON, or as plain text or a web page with its options in the query."""

from __future__ import annotations

import asyncio
import math
import re
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Empty
from msgspec import Struct

from service.api.departures import caller_gone
from service.api.waiting import within
from service.errors import RequestError
from service.extraction import codec_of, decode_page
from service.fetching import HTML_TYPES
from service.models import ONE_FORM, QuotesRequest, SummaryRequest

T = TypeVar("T", bound=SummaryRequest | QuotesRequest)

_PLACE = re.compile(r" - at `\$\.?(?P<field>[^`]*)`$")
_MISSING_FIELD = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
# A high surrogate without its low one, or a low one that follows none; escaped backslashes go in pairs.
_HALF_A_PAIR = re.compile(
    rb"(?<!\\)(?:\\\\)*(?:\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F])"
)
_REMEDIES = {
    "style": "choose brief, standfirst or bullets",
    "policy": "choose strict, flag or off",
    "max_quotes": "give a whole number from 0 to 20",
    "language": "give a BCP 47 tag such as en or pt-BR",
    "text": "send the article's text as a string that is not empty",
    "html": "send the page as a string that is not empty",
    "url": "send an http or https URL of at most 2000 characters",
    "metadata": "send an object of at most 50 strings, numbers and booleans",
}
_LONG_BODY = 50_000  # bytes from which reading a body would hold the event loop for milliseconds


class MalformedBodyError(RequestError):
    """The body is not of the media type that it says."""


class UnsupportedMediaTypeError(RequestError):
    """The body is of a media type that this service does not read."""


class SlowBodyError(RequestError):
    """The body did not arrive in time."""


class ArticleRequest(Request[Any, Any, Any]):
    """A request whose body is an article, in any of the media types that are read here.

    Litestar takes a handler's `data` from `json()`, and gets what the handler declares, whatever the media
    type of the body.
    """

    _fields: dict[bytes, bytes] | None = None

    def field(self, name: bytes) -> bytes:
        """The first header field of that name, in lower case; empty if there is none."""
        if self._fields is None:
            self._fields = dict(reversed(list(self.scope["headers"])))
        return self._fields.get(name, b"")

    async def body(self) -> bytes:
        """The body, which may take the seconds of the settings to arrive.

        Raises:
            SlowBodyError: it took longer.
            RequestEntityTooLarge: it is over the limit of the application.
            HTTPException: the caller has gone.
        """
        if self._body is Empty:
            limit = self.app.state.assembly.settings.body_s
            try:
                body = await within(limit, self._receive_body())
            except TimeoutError as exc:
                raise SlowBodyError(
                    f"the body did not arrive within {limit:g} s", remedy="send it again, or in parts"
                ) from exc
            self._body = self._connection_state.body = body
        return self._body

    async def _receive_body(self) -> bytes:
        """The body as it arrives; `Request.stream` does the same at twice the cost, which hits pay."""
        limit = self.route_handler.resolve_request_max_body_size() or math.inf
        announced = self.field(b"content-length")
        if announced.isdigit() and int(announced) > limit:
            raise RequestEntityTooLarge
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise caller_gone()
            parts.append(message["body"])
            size += len(message["body"])
            if size > limit:
                raise RequestEntityTooLarge
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def json(self) -> SummaryRequest | QuotesRequest:
        """The body as what the route handler declares; see `read`."""
        kind: type[SummaryRequest | QuotesRequest]
        kind = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        return await self.read(kind)

    async def read(self, kind: type[T]) -> T:
        """The body as a `kind`.

        Raises:
            RequestError: the body cannot be read, or what it says cannot be used.
        """
        body = await self.body()
        if len(body) > _LONG_BODY:
            return await asyncio.to_thread(self._decode, body, kind)
        return self._decode(body, kind)

    def _decode(self, body: bytes, kind: type[T]) -> T:
        media_type, parameters = self.content_type
        if media_type in ("application/json", ""):
            if self.query_params:
                raise RequestError(
                    "options of a JSON body stand in the body, not in the query",
                    field=next(iter(self.query_params)),
                    remedy="move it into the body",
                )
            return _decode_json(body, kind)
        options = self._options()
        if media_type == "text/plain":
            text = _decode_text(body, parameters.get("charset", "utf-8"))
            return _with_options("text", text, options, kind)
        if media_type in HTML_TYPES:
            page = decode_page(body, parameters.get("charset"))
            return _with_options("html", page, options, kind)
        raise UnsupportedMediaTypeError(
            "a body of this media type cannot be read",
            field="Content-Type",
            remedy="send application/json, or text/plain or text/html with options in the query",
        )

    def _options(self) -> dict[str, str]:
        options: dict[str, str] = {}
        for name, value in self.query_params.multi_items():
            if name in options:
                raise RequestError(f"{name} is given twice", field=name, remedy="give it once")
            options[name] = value
        return options


def _decode_json(body: bytes, kind: type[T]) -> T:
    if not body.strip():
        raise MalformedBodyError("the body is empty", remedy='send JSON such as {"text": "…"}')
    try:
        return msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except msgspec.ValidationError as exc:
        raise explain(exc, kind) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        if _HALF_A_PAIR.search(body):
            raise MalformedBodyError(
                "an escape such as \\ud83d is half of a surrogate pair, which is no character",
                remedy="send the character itself in UTF-8, or both halves",
            ) from exc
        raise MalformedBodyError(
            f"the body is not JSON in UTF-8: {exc}", remedy='send JSON such as {"text": "…"}'
        ) from exc


def _decode_text(body: bytes, charset: str) -> str:
    try:
        return body.decode(codec_of(charset))
    except LookupError as exc:
        raise UnsupportedMediaTypeError(
            "this charset cannot be read", field="Content-Type", remedy="send UTF-8"
        ) from exc
    except UnicodeError as exc:
        at = f" at byte {exc.start}" if isinstance(exc, UnicodeDecodeError) else ""
        raise MalformedBodyError(
            f"the body is not in its charset{at}", field="text", remedy="send UTF-8, or name the charset"
        ) from exc


def _with_options(form: str, article: str, options: dict[str, str], kind: type[T]) -> T:
    """A request whose body is the article in that form, and whose options stood in the query."""
    if "metadata" in options:
        raise RequestError(
            "metadata cannot stand in a query", field="metadata", remedy="send JSON for metadata"
        )
    if not article:
        raise MalformedBodyError("the body is empty", remedy="send the article in it")
    if given := {"text", "html", "url"} & options.keys():
        raise RequestError("the article is the body", field=given.pop(), remedy="leave it out of the query")
    try:
        return msgspec.convert({form: article, **options}, type=kind, strict=False)
    except msgspec.ValidationError as exc:
        raise explain(exc, kind) from exc


def explain(error: msgspec.ValidationError, kind: type[Struct]) -> RequestError:
    """The validation error with its field, and with what would be allowed there."""
    message = str(error)
    if unknown := _UNKNOWN_FIELD.search(message):
        names = ", ".join(kind.__struct_fields__)
        return RequestError("there is no such field", field=unknown["field"], remedy=f"fields: {names}")
    if message.startswith(ONE_FORM):
        return RequestError(ONE_FORM, field="text", remedy="send one of them")
    place = _PLACE.search(message) or _MISSING_FIELD.search(message)
    field = place["field"] if place else None
    if message.startswith("Invalid enum value"):  # what follows is the value that was sent
        message = "this is none of the values that are allowed"
    elif "matching regex" in message:
        message = "this has not the form that is needed"
    return RequestError(
        _PLACE.sub("", message).replace("`", ""), field=field, remedy=_REMEDIES.get(field or "")
    )
