"""Pages from the web: bounded in place, time, size, kind and number."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx

from service.addresses import AddressBook
from service.connections import USER_AGENT, is_certificate_error, open_client, parse_url
from service.errors import (
    PageCertificateError,
    PageError,
    PageFailedError,
    PageNotFoundError,
    PageRedirectError,
    PageRefusedError,
    PageTimeoutError,
    PageTooLargeError,
    PageTypeError,
    PageUnreachableError,
)
from service.turns import Turns

HTML_TYPES: Final = ("text/html", "application/xhtml+xml")
PDF_TYPE: Final = "application/pdf"
TEXT_TYPE: Final = "text/plain"
_TYPES = (*HTML_TYPES, PDF_TYPE, TEXT_TYPE)
_ACCEPT = "text/html,application/xhtml+xml;q=0.9,application/pdf;q=0.8,text/plain;q=0.8"

_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_MOST_REDIRECTS = 5
_STEP = 65_536  # bytes unpacked at once, in well under a millisecond
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s\"';]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Validators:
    """What makes a request conditional: what our last fetch of `url` said of the page it got (RFC 9110)."""

    url: str
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """What a server answered with, unpacked; `url` is the last one after redirects.

    `may_be_kept` is False where the server forbids that (`Cache-Control: no-store` or `private`).
    """

    url: str
    media_type: str
    charset: str | None
    body: bytes
    validators: Validators
    may_be_kept: bool


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Seconds and bytes that a page may take, and how many pages at once; `max_waiting` may wait beyond."""

    timeout_s: float = 20.0
    max_bytes: int = 5_000_000
    concurrency: int = 16
    max_waiting: int = 100


class Fetcher:
    """Fetches pages from where `addresses` allows, each within its limits, redirects included.

    It sends no cookies and no credentials, uses no proxy, and reads HTML, plain text and PDF alone.
    """

    def __init__(
        self, addresses: AddressBook, limits: FetchLimits | None = None, *, user_agent: str = USER_AGENT
    ) -> None:
        self._limits = limits or FetchLimits()
        timeout = httpx.Timeout(self._limits.timeout_s, connect=min(5.0, self._limits.timeout_s))
        self._client = open_client(addresses, user_agent=user_agent, timeout=timeout)
        self._turns = Turns(
            self._limits.concurrency,
            max_waiting=self._limits.max_waiting,
            wait_s=self._limits.timeout_s,
        )

    async def fetch(self, url: str, known: Validators | None = None) -> Page | None:
        """The page at `url`, or None where it is still the one that `known` describes.

        Raises:
            PageError: there is no page to be had; each subclass but those of extraction tells why.
            IntakeBusyError: too many pages are fetched already.
        """
        async with self._turns.turn("url"):
            try:
                async with asyncio.timeout(self._limits.timeout_s):
                    return await self._follow(parse_url(url), known)
            except (TimeoutError, httpx.TimeoutException) as exc:
                raise PageTimeoutError(f"the page took over {self._limits.timeout_s:g} s") from exc
            except httpx.TransportError as exc:
                raise _unreachable(exc) from exc
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, zlib.error) as exc:
                raise PageFailedError("the page's server sent something that is not HTTP") from exc

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _follow(self, url: httpx.URL, known: Validators | None) -> Page | None:
        for _ in range(_MOST_REDIRECTS + 1):
            request = self._client.build_request("GET", url, headers=_headers(url, known))
            response = await self._client.send(request, stream=True)
            try:
                if response.status_code in _REDIRECTS:
                    url = parse_url(_location(response), base=url)
                    continue
                if response.status_code == HTTPStatus.NOT_MODIFIED and known is not None:
                    return None
                return await self._read(url, response)
            finally:
                await response.aclose()
        raise PageRedirectError(f"the page's server sends on more than {_MOST_REDIRECTS} times")

    async def _read(self, url: httpx.URL, response: httpx.Response) -> Page:
        _check_status(response.status_code)
        declared = response.headers.get("Content-Type", HTML_TYPES[0])
        media_type = declared.partition(";")[0].strip().lower()
        if media_type not in _TYPES:
            raise PageTypeError("the page is neither HTML, nor plain text, nor PDF")
        charset = _CHARSET.search(declared)
        directives = response.headers.get("Cache-Control", "").lower()
        return Page(
            url=str(url),
            media_type=media_type,
            charset=charset[1] if charset else None,
            body=await self._unpack(response),
            validators=Validators(
                str(url), response.headers.get("ETag"), response.headers.get("Last-Modified")
            ),
            may_be_kept=not any(word in directives for word in ("no-store", "private")),
        )

    async def _unpack(self, response: httpx.Response) -> bytes:
        """The body, of which no more than the limit is ever unpacked."""
        limit = self._limits.max_bytes
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        unpacker = _unpacker(coding)
        body = bytearray()
        received = 0
        async for chunk in response.aiter_raw(_STEP):
            received += len(chunk)
            for part in unpacker.feed(chunk) if unpacker else (chunk,):
                body += part
                if len(body) > limit or received > limit:
                    raise PageTooLargeError(f"the page is over {limit} bytes")
                await asyncio.sleep(0)
        if unpacker is not None and not unpacker.ended:
            raise PageFailedError("the page is broken off or not packed as it says")
        return bytes(body)


class _Unpacker:
    """Unpacks gzip or deflate a step at a time, whatever a few packed bytes swell to."""

    def __init__(self, coding: str) -> None:
        self._gzip = coding != "deflate"
        self._begun = False
        self._inflate = self._start()

    @property
    def ended(self) -> bool:
        """Whether what was packed is there to its end."""
        return self._inflate.eof or not self._begun

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` unpacks to, in parts of at most a step; raises zlib.error."""
        while data:
            if self._inflate.eof:
                if not self._gzip:
                    return
                self._inflate = self._start()  # the next member of the file
            part = self._first(data) if not self._begun else self._inflate.decompress(data, _STEP)
            self._begun = True
            yield part
            while len(part) == _STEP and not self._inflate.unconsumed_tail and not self._inflate.eof:
                part = self._inflate.decompress(b"", _STEP)
                yield part
            data = self._inflate.unconsumed_tail or self._inflate.unused_data

    def _start(self, wbits: int | None = None) -> zlib._Decompress:
        return zlib.decompressobj(wbits or (31 if self._gzip else 15))

    def _first(self, data: bytes) -> bytes:
        try:
            return self._inflate.decompress(data, _STEP)
        except zlib.error:
            if self._gzip:
                raise
            self._inflate = self._start(-15)  # deflate without the wrapper that RFC 9110 asks for
            return self._inflate.decompress(data, _STEP)


def _unpacker(coding: str) -> _Unpacker | None:
    if coding in ("gzip", "x-gzip", "deflate"):
        return _Unpacker(coding)
    if coding in ("", "identity"):
        return None
    raise PageTypeError("the page is packed in a way that was not asked for")


def _headers(url: httpx.URL, known: Validators | None) -> dict[str, str]:
    headers = {"Accept": _ACCEPT, "Accept-Encoding": "gzip, deflate"}
    if known is not None and known.url == str(url):
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
    return headers


def _location(response: httpx.Response) -> str:
    place = response.headers.get("Location")
    if not place:
        raise PageRedirectError("the page's server sends on without saying where to")
    return str(place)


def _check_status(status: int) -> None:
    if status in (HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION):
        return
    if status in _GONE:
        raise PageNotFoundError(f"the page's server has no such page ({status})", remedy="check the URL")
    if 400 <= status < 500:
        raise PageRefusedError(f"the page's server does not serve us ({status})")
    raise PageFailedError(f"the page's server failed ({status})")


def _unreachable(error: httpx.TransportError) -> PageError:
    if is_certificate_error(error):
        return PageCertificateError("the page's server cannot prove with a certificate that it is the one")
    if isinstance(error, (httpx.ProtocolError, httpx.DecodingError)):
        return PageFailedError("the page's server sent something that is not HTTP")
    return PageUnreachableError("no connection to the page's server could be made or kept")
