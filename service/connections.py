"""HTTP to hosts that somebody else named: pages to read, webhooks to call."""

from __future__ import annotations

import asyncio
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

from service import __version__
from service.addresses import AddressBook
from service.errors import InvalidURLError

USER_AGENT: Final = f"Standfirst/{__version__}"
_PORTS = {"http": 80, "https": 443}
_MOST_TRIED = 3  # addresses of one host


def parse_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """`text` as an absolute URL without its fragment, which never reaches a server.

    Raises:
        InvalidURLError: it is no http or https URL with a host, or has credentials in it.
    """
    try:
        url = httpx.URL(text.strip())
        url = (url if base is None else base.join(url)).copy_with(fragment=None)
    except (httpx.InvalidURL, UnicodeError, ValueError) as exc:
        raise InvalidURLError("the URL cannot be read", remedy="give one such as https://…") from exc
    if url.scheme not in _PORTS or not url.host:
        raise InvalidURLError("only http and https URLs can be fetched", remedy="give one such as https://…")
    if url.userinfo:
        raise InvalidURLError("the URL has a user name in it", remedy="leave user name and password out")
    return url


async def check_url(text: str, addresses: AddressBook) -> None:
    """Raise the PageError that a request to `text` would end in, as far as its host is concerned."""
    url = parse_url(text)
    await addresses.find(*_place(url))


def open_client(addresses: AddressBook, *, user_agent: str, timeout: httpx.Timeout) -> httpx.AsyncClient:
    """A client that asks no host but those that `addresses` gives out. It follows no redirects."""
    return httpx.AsyncClient(
        transport=PinnedTransport(addresses),
        headers={"User-Agent": user_agent},
        timeout=timeout,
        trust_env=False,  # neither a proxy nor a password file by surprise
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to the addresses that were checked, and to no others; TLS is verified against the name.

    A connection serves one request: kept by address, it would serve another name than it was verified for.
    """

    def __init__(self, addresses: AddressBook) -> None:
        self._addresses = addresses
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._lock = asyncio.Lock()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx. Raises, beside its errors, what `parse_url` and `AddressBook.find` do."""
        url = parse_url(str(request.url))
        host, port = _place(url)
        addresses = await self._addresses.find(host, port)
        transport = await self._opened()
        extensions = {**request.extensions, "sni_hostname": host.removesuffix(".")}
        for address in addresses[:_MOST_TRIED]:
            pinned = httpx.Request(
                request.method,
                url.copy_with(host=str(address)),
                headers=request.headers,  # `Host` is among them
                stream=request.stream,
                extensions=extensions,
            )
            try:
                return await transport.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
                if is_certificate_error(exc):
                    raise
                failed = exc
        raise failed

    async def aclose(self) -> None:
        """See httpx."""
        if self._transport is not None:
            await self._transport.aclose()

    async def _opened(self) -> httpx.AsyncHTTPTransport:
        async with self._lock:
            if self._transport is None:
                self._transport = await asyncio.to_thread(_open_transport)
            return self._transport


def _open_transport() -> httpx.AsyncHTTPTransport:
    """Takes 20 ms, to import what is under httpx and to read certificates, or those of SSL_CERT_FILE."""
    return httpx.AsyncHTTPTransport(
        verify=httpx.create_ssl_context(),
        trust_env=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


def is_certificate_error(error: BaseException | None) -> bool:
    """Whether TLS could not be agreed on with the server, down to the first cause."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _place(url: httpx.URL) -> tuple[str, int]:
    return url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme]
