"""Pages from real servers on loopback; `test_hostile_urls.py` has what goes wrong."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.page_server import Answer, PageServer, Seen
from service.addresses import Address, AddressBook, AddressPolicy
from service.connections import USER_AGENT
from service.errors import IntakeBusyError, PageCertificateError, PageTooLargeError, PageUnreachableError
from service.fetching import Fetcher, FetchLimits, Page, Validators
from service.turns import Turns

BODY = "<p>The council voted to keep its boat.</p>" * 10_000


@pytest.fixture
def web() -> Iterator[PageServer]:
    with PageServer() as server:
        yield server


def fetcher_for(port: int, limits: FetchLimits | None = None, *addresses: str) -> Fetcher:
    """One that may ask loopback on that port, where every name is at home."""

    async def resolve(_: str) -> Sequence[Address]:
        return [ip_address(a) for a in addresses or ("127.0.0.1",)]

    policy = AddressPolicy(ports=(port,), private_networks=(ip_network("127.0.0.0/8"),))
    return Fetcher(AddressBook(policy, resolve), limits)


@pytest.fixture
async def fetcher(web: PageServer) -> AsyncIterator[Fetcher]:
    fetcher = fetcher_for(web.port)
    yield fetcher
    await fetcher.aclose()


def got(page: Page | None) -> Page:
    assert page is not None
    return page


async def test_page_comes_with_its_type_and_charset(web: PageServer, fetcher: Fetcher) -> None:
    url = web.add("/page", "Größe".encode("latin-1"), Content_Type='Text/HTML; Charset="ISO-8859-1"')
    page = got(await fetcher.fetch(f"{url}#part"))
    assert (page.media_type, page.charset, page.body) == (
        "text/html",
        "ISO-8859-1",
        "Größe".encode("latin-1"),
    )
    assert page.url == url


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(BODY.encode())),
        ("x-gzip", gzip.compress(BODY[:1000].encode()) + gzip.compress(BODY[1000:].encode())),
        ("deflate", zlib.compress(BODY.encode())),
        ("deflate", zlib.compress(BODY.encode(), wbits=-15)),
        ("identity", BODY.encode()),
    ],
    ids=["gzip", "two members", "zlib", "bare deflate", "plain"],
)
async def test_packed_page_is_unpacked(web: PageServer, fetcher: Fetcher, coding: str, packed: bytes) -> None:
    url = web.add("/page", packed, Content_Encoding=coding)
    assert got(await fetcher.fetch(url)).body == BODY.encode()


async def test_page_of_just_the_limit_is_taken(web: PageServer) -> None:
    fetcher = fetcher_for(web.port, FetchLimits(max_bytes=1000))
    try:
        assert got(await fetcher.fetch(web.add("/fits", b"b" * 1000))).body == b"b" * 1000
        with pytest.raises(PageTooLargeError):
            await fetcher.fetch(web.add("/over", gzip.compress(b"b" * 1001), Content_Encoding="gzip"))
    finally:
        await fetcher.aclose()


async def test_server_is_told_who_asks_and_nothing_else(
    web: PageServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    url = web.add("/page", BODY, Set_Cookie="visitor=1; Path=/")
    for _ in range(2):
        await fetcher.fetch(url.replace("127.0.0.1", "news.example"))
    for seen in web.requests:
        assert seen.headers["User-Agent"] == USER_AGENT
        assert seen.headers["Host"] == f"news.example:{web.port}"
        assert set(seen.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


async def test_no_connection_is_used_twice(web: PageServer, fetcher: Fetcher) -> None:
    url = web.add("/page", BODY)
    for _ in range(3):
        await fetcher.fetch(url)
    assert web.connections == 3


async def test_redirects_are_followed_five_times(web: PageServer, fetcher: Fetcher) -> None:
    web.add("/5", BODY)
    for n in range(5):
        web.redirect(f"/{n}", f"{n + 1}", 301 + n % 3)
    page = got(await fetcher.fetch(f"{web.url}/0"))
    assert page.url == f"{web.url}/5"


async def test_request_is_conditional_for_the_page_that_is_known_alone(
    web: PageServer, fetcher: Fetcher
) -> None:
    def page(seen: Seen) -> Answer:
        headers = {
            "Content-Type": "text/html",
            "ETag": '"a"',
            "Last-Modified": "Tue, 03 Mar 2026 10:00:00 GMT",
        }
        return (
            Answer(b"", 304, headers)
            if "If-None-Match" in seen.headers
            else Answer(BODY.encode(), 200, headers)
        )

    web.pages["/page"] = page
    web.redirect("/old", "/page")
    first = got(await fetcher.fetch(f"{web.url}/old"))
    assert first.validators == Validators(f"{web.url}/page", '"a"', "Tue, 03 Mar 2026 10:00:00 GMT")
    assert await fetcher.fetch(f"{web.url}/old", first.validators) is None
    asked = [seen.headers.get("If-None-Match") for seen in web.requests]
    assert asked == [None, None, None, '"a"']
    assert web.requests[-1].headers["If-Modified-Since"] == "Tue, 03 Mar 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("directives", "kept"),
    [("no-store", False), ("Private, max-age=0", False), ("no-cache", True), ("", True)],
)
async def test_server_says_whether_its_page_may_be_kept(
    web: PageServer, fetcher: Fetcher, directives: str, *, kept: bool
) -> None:
    page = got(await fetcher.fetch(web.add("/page", BODY, Cache_Control=directives)))
    assert page.may_be_kept is kept


async def test_next_address_is_tried_where_one_does_not_answer(web: PageServer) -> None:
    fetcher = fetcher_for(web.port, None, "127.0.0.3", "127.0.0.1")
    try:
        url = web.add("/page", BODY).replace("127.0.0.1", "news.example")
        assert got(await fetcher.fetch(url)).body == BODY.encode()
    finally:
        await fetcher.aclose()


async def test_server_that_is_not_there_is_an_error(web: PageServer) -> None:
    fetcher = fetcher_for(web.port, None, "127.0.0.3")
    try:
        with pytest.raises(PageUnreachableError):
            await fetcher.fetch(f"http://news.example:{web.port}/page")
    finally:
        await fetcher.aclose()


async def test_no_more_than_a_few_pages_wait(web: PageServer) -> None:
    fetcher = fetcher_for(web.port, FetchLimits(concurrency=1, max_waiting=1))
    try:
        url = web.add("/page", BODY)
        fetching = [asyncio.create_task(fetcher.fetch(url)) for _ in range(2)]
        await asyncio.sleep(0)  # both have begun
        with pytest.raises(IntakeBusyError) as error:
            await fetcher.fetch(url)
        assert error.value.retry_after_s > 0
        assert all(await asyncio.gather(*fetching))
    finally:
        await fetcher.aclose()


@pytest.fixture
def secure_web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageServer]:
    """A server with a certificate for `news.example`, which this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("news.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    trusted, pem = tmp_path / "trusted.pem", tmp_path / "server.pem"
    trusted.write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(trusted.read_bytes() + private)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with PageServer(context=context) as server:
        yield server


async def test_tls_is_verified_against_the_name_though_the_address_is_pinned(secure_web: PageServer) -> None:
    fetcher = fetcher_for(secure_web.port)
    try:
        secure_web.add("/page", BODY)
        page = got(await fetcher.fetch(f"https://news.example:{secure_web.port}/page"))
        assert page.body == BODY.encode()
        for other in ("other.example", "127.0.0.1"):
            with pytest.raises(PageCertificateError):
                await fetcher.fetch(f"https://{other}:{secure_web.port}/page")
    finally:
        await fetcher.aclose()


async def test_nobody_waits_for_a_turn_without_end() -> None:
    turns = Turns(1, max_waiting=5, wait_s=0.01)
    async with turns.turn("url"):
        with pytest.raises(IntakeBusyError):
            async with turns.turn("url"):
                pass
    async with turns.turn("url"):
        assert turns.waiting == 0
