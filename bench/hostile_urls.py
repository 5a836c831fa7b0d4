"""Hostile URLs over real sockets, and what became of each: `python -m bench.hostile_urls` prints the table.

The public web is a server on 127.0.0.2, which alone may be asked. Servers on the same port of 127.0.0.1 and
::1 stand for what must not be reached; every connection to them is counted. Names come from a name server.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.name_server import NameServer
from bench.page_server import Answer, PageServer
from service.addresses import AddressBook, AddressPolicy
from service.errors import PageError
from service.fetching import Fetcher, FetchLimits

WEB = "127.0.0.2"
INSIDE = ("127.0.0.1", "::1")
ARTICLE = b"<html><body><p>The council voted to keep its boat.</p></body></html>"
LIMIT = 1_000_000
FETCHED = "fetched"


class Case(NamedTuple):
    """A URL, where `{port}` and `{tls}` are the servers' ports, and what is to become of it."""

    group: str
    url: str
    outcome: str


def _cases(group: str, outcome: str, *urls: str) -> list[Case]:
    return [Case(group, url, outcome) for url in urls]


NAMES: Mapping[str, tuple[str, ...]] = {
    "news.test": (WEB,),
    "localhost": ("127.0.0.1",),
    "inside.test": ("127.0.0.1",),
    "mixed.test": (f"{WEB} 127.0.0.1",),
    "sixth.test": (f"{WEB} ::1",),
    "rebinding.test": (WEB, "127.0.0.1"),
    "rebinding-later.test": (WEB, "127.0.0.1"),
    "metadata.test": ("169.254.169.254",),
    "private.test": ("10.0.0.1",),
    "zero.test": ("0.0.0.0",),  # noqa: S104 - an address to refuse
    "mapped.test": ("::ffff:127.0.0.1",),
    "nat64.test": ("64:ff9b::7f00:1",),
    "6to4.test": ("2002:7f00:1::1",),
    "teredo.test": ("2001:0:7f00:1::1",),
    "ula.test": ("fd00:ec2::254",),
    "silent.test": ("",),
}

CASES = [
    *_cases("an honest page", FETCHED, "http://news.test:{port}/page", "http://127.0.0.2:{port}/page"),
    *_cases("an honest redirect", FETCHED, "http://news.test:{port}/to/page"),
    *_cases(
        "loopback, plain",
        "BlockedAddressError",
        "http://127.0.0.1:{port}/page",
        "http://127.255.255.254:{port}/page",
        "http://0.0.0.0:{port}/page",
        "http://[::1]:{port}/page",
        "http://[0:0:0:0:0:0:0:1]:{port}/page",
        "http://[::]:{port}/page",
    ),
    *_cases(
        "loopback, encoded",
        "InvalidURLError",
        "http://2130706433:{port}/page",
        "http://017700000001:{port}/page",
        "http://0x7f000001:{port}/page",
        "http://0x7f.0.0.1:{port}/page",
        "http://0177.0.0.1:{port}/page",
        "http://127.1:{port}/page",
        "http://127.0.1:{port}/page",
        "http://127.0.0.1.:{port}./page",
        "http://１２７.０.０.１:{port}/page",
        "http://①②⑦.⓪.⓪.①:{port}/page",
        "http://%31%32%37.0.0.1:{port}/page",
    ),
    *_cases(
        "loopback, encoded",
        "BlockedAddressError",
        "http://127.0.0.1.:{port}/page",
        "http://127。0。0。1:{port}/page",
        "http://[::1%25lo]:{port}/page",
    ),
    *_cases(
        "IPv4 in IPv6",
        "BlockedAddressError",
        "http://[::ffff:127.0.0.1]:{port}/page",
        "http://[::ffff:7f00:1]:{port}/page",
        "http://[::127.0.0.1]:{port}/page",
        "http://[64:ff9b::127.0.0.1]:{port}/page",
        "http://[2002:7f00:1::]:{port}/page",
        "http://[2001:0:7f00:1::]:{port}/page",
    ),
    *_cases(
        "private, link-local, multicast, reserved",
        "BlockedAddressError",
        "http://10.1.2.3:{port}/",
        "http://172.31.255.1:{port}/",
        "http://192.168.0.1:{port}/",
        "http://100.64.0.1:{port}/",
        "http://169.254.1.1:{port}/",
        "http://224.0.0.1:{port}/",
        "http://255.255.255.255:{port}/",
        "http://198.18.0.1:{port}/",
        "http://[fe80::1]:{port}/",
        "http://[fc00::1]:{port}/",
        "http://[ff02::1]:{port}/",
        "http://[2001:db8::1]:{port}/",
    ),
    *_cases(
        "metadata of clouds",
        "BlockedAddressError",
        "http://169.254.169.254:{port}/latest/meta-data/",
        "http://[fd00:ec2::254]:{port}/latest/meta-data/",
        "http://100.100.100.200:{port}/",
        "http://192.0.0.192:{port}/",
        "http://168.63.129.16:{port}/",
    ),
    *_cases(
        "names",
        "BlockedAddressError",
        "http://localhost:{port}/page",
        "http://inside.test:{port}/page",
        "http://INSIDE.test.:{port}/page",
        "http://mixed.test:{port}/page",
        "http://sixth.test:{port}/page",
        "http://metadata.test:{port}/page",
        "http://private.test:{port}/page",
        "http://zero.test:{port}/page",
        "http://mapped.test:{port}/page",
        "http://nat64.test:{port}/page",
        "http://6to4.test:{port}/page",
        "http://teredo.test:{port}/page",
        "http://ula.test:{port}/page",
    ),
    Case("a name that is not there", "http://nowhere.test:{port}/page", "PageNotFoundError"),
    Case("a name server that is silent", "http://silent.test:{port}/page", "PageTimeoutError"),
    Case("rebinding: asked once, so the first answer holds", "http://rebinding.test:{port}/page", FETCHED),
    Case("rebinding between two hops", "http://rebinding-later.test:{port}/to/self", "BlockedAddressError"),
    *_cases(
        "schemes",
        "InvalidURLError",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_GET%20/page",
        "ftp://127.0.0.1:{port}/page",
        "dict://127.0.0.1:{port}/info",
        "data:text/html,<p>A boat</p>",
        "javascript:alert(1)",
        "//127.0.0.1:{port}/page",
        "http:///page",
        "127.0.0.1:{port}/page",
        "unix:/var/run/docker.sock",
    ),
    *_cases(
        "credentials, and hosts that are not what they seem",
        "InvalidURLError",
        "http://news.test@127.0.0.1:{port}/page",
        "http://user:password@news.test:{port}/page",
        "http://news.test:{port}\\@127.0.0.1:{port}/page",
        "http://news.test:{port}%2f@127.0.0.1:{port}/page",
        "http://news.test\n.inside.test:{port}/page",
        "http://news.test%00.inside.test:{port}/page",
        "http://-news.test:{port}/page",
        "http://" + "a" * 64 + ".test:{port}/page",
    ),
    *_cases(
        "ports",
        "BlockedAddressError",
        "http://news.test:22/",
        "http://news.test:6379/",
        "http://news.test:25/",
        "http://news.test:99999/",
        "http://news.test:-1/",
    ),
    *_cases(
        "redirects inward",
        "BlockedAddressError",
        "http://news.test:{port}/to/loopback",
        "http://news.test:{port}/to/loopback6",
        "http://news.test:{port}/to/inside",
        "http://news.test:{port}/to/metadata",
        "http://news.test:{port}/to/relative",
        "http://news.test:{port}/to/port",
        "http://news.test:{port}/to/twice",
    ),
    *_cases(
        "redirects elsewhere",
        "InvalidURLError",
        "http://news.test:{port}/to/file",
        "http://news.test:{port}/to/gopher",
        "http://news.test:{port}/to/credentials",
        "http://news.test:{port}/to/number",
    ),
    *_cases(
        "redirects without end",
        "PageRedirectError",
        "http://news.test:{port}/loop",
        "http://news.test:{port}/to/nothing",
    ),
    *_cases(
        "too large",
        "PageTooLargeError",
        "http://news.test:{port}/bomb/gzip",
        "http://news.test:{port}/bomb/deflate",
        "http://news.test:{port}/endless",
    ),
    *_cases(
        "other types and packings",
        "PageTypeError",
        "http://news.test:{port}/image",
        "http://news.test:{port}/brotli",
        "http://news.test:{port}/twice-packed",
    ),
    *_cases(
        "no HTTP",
        "PageFailedError",
        "http://news.test:{port}/banner",
        "http://news.test:{port}/not-gzip",
        "http://news.test:{port}/cut-gzip",
        "http://news.test:{port}/cut",
        "http://news.test:{port}/headers",
        "http://news.test:{port}/500",
    ),
    *_cases("slow", "PageTimeoutError", "http://news.test:{port}/drip", "http://news.test:{port}/mute"),
    *_cases("refused", "PageRefusedError", "http://news.test:{port}/401", "http://news.test:{port}/403"),
    *_cases("not there", "PageNotFoundError", "http://news.test:{port}/404"),
    *_cases("TLS that proves nothing", "PageCertificateError", "https://news.test:{tls}/page"),
]


class World(NamedTuple):
    """What hostile URLs are tried on."""

    fetcher: Fetcher
    names: NameServer
    web: PageServer
    inside: list[PageServer]
    tls: PageServer

    async def outcome(self, case: Case) -> tuple[str, str]:
        """What became of a case, and the message that the caller gets."""
        try:
            page = await self.fetcher.fetch(
                case.url.replace("{port}", str(self.web.port)).replace("{tls}", str(self.tls.port))
            )
        except PageError as exc:
            return type(exc).__name__, str(exc)
        return FETCHED, f"fetched, {len(page.body) if page else 0} bytes"


@asynccontextmanager
async def hostile_world() -> AsyncIterator[World]:
    """The servers, and a fetcher that may ask 127.0.0.2 beside the public internet."""
    with ExitStack() as stack:
        web, inside = _same_port(stack)
        tls = stack.enter_context(PageServer(WEB, context=stack.enter_context(_untrusted())))
        tls.add("/page", ARTICLE)
        _fill(web)
        for server in inside:
            server.add("/page", b"SECRET")
        async with NameServer(NAMES) as names:
            policy = AddressPolicy(
                ports=(80, 443, web.port, tls.port), private_networks=(ip_network(f"{WEB}/32"),)
            )
            limits = FetchLimits(timeout_s=4.0, max_bytes=LIMIT)
            fetcher = Fetcher(AddressBook(policy, names.resolve, timeout_s=2.0), limits)
            try:
                yield World(fetcher, names, web, inside, tls)
            finally:
                await fetcher.aclose()


def _same_port(stack: ExitStack) -> tuple[PageServer, list[PageServer]]:
    """Servers on one port: the web's, and those inside."""
    hosts = [host for host in INSIDE if ":" not in host or _has_ipv6()]
    while True:
        web = PageServer(WEB)
        with ExitStack() as attempt:
            attempt.callback(web.discard)
            with contextlib.suppress(OSError):
                inside = [PageServer(host, port=web.port) for host in hosts]
                attempt.pop_all()
                return stack.enter_context(web), [stack.enter_context(server) for server in inside]


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@contextmanager
def _untrusted() -> Iterator[ssl.SSLContext]:
    """A certificate for the right name that nobody has signed but its owner."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "news.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("news.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder, "pem")
        pem.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        yield context


def _fill(web: PageServer) -> None:
    """The pages of the public web, good and bad."""
    port = web.port
    web.add("/page", ARTICLE)
    for name, target in {
        "page": "/page",
        "self": f"http://rebinding-later.test:{port}/page",
        "loopback": f"http://127.0.0.1:{port}/page",
        "loopback6": f"http://[::1]:{port}/page",
        "inside": f"http://inside.test:{port}/page",
        "metadata": "http://169.254.169.254/latest/meta-data/",
        "relative": f"//127.0.0.1:{port}/page",
        "port": "http://news.test:22/",
        "twice": f"http://news.test:{port}/to/loopback",
        "file": "file:///etc/passwd",
        "gopher": f"gopher://127.0.0.1:{port}/_GET",
        "credentials": f"http://news.test@127.0.0.1:{port}/page",
        "number": f"http://2130706433:{port}/page",
    }.items():
        web.redirect(f"/to/{name}", target)
    web.redirect("/loop", "/loop")
    web.pages["/to/nothing"] = Answer(status=302)
    for status in (401, 403, 404, 500):
        web.add(f"/{status}", ARTICLE, status)
    zeros = bytes(100_000_000)
    web.add("/bomb/gzip", gzip.compress(zeros, 9), Content_Encoding="gzip")
    web.add("/bomb/deflate", zlib.compress(zeros, 9), Content_Encoding="deflate")
    web.add("/image", b"\x89PNG", Content_Type="image/png")
    web.add("/brotli", b"\x0b\x02\x80boat\x03", Content_Encoding="br")
    web.add("/twice-packed", gzip.compress(gzip.compress(ARTICLE)), Content_Encoding="gzip, gzip")
    web.add("/not-gzip", ARTICLE, Content_Encoding="gzip")
    web.add("/cut-gzip", gzip.compress(ARTICLE)[:-20], Content_Encoding="gzip")
    web.pages["/banner"] = _raw(b"SSH-2.0-OpenSSH_9.9\r\n")
    web.pages["/headers"] = _raw(b"HTTP/1.1 200 OK\r\n" + b"X-Flood: 0123456789\r\n" * 20_000)
    web.pages["/cut"] = _raw(_HEAD + b"Content-Length: 1000\r\n\r\n" + ARTICLE)
    web.pages["/endless"] = Answer(send=lambda connection: _endless(web, connection))
    web.pages["/drip"] = Answer(send=lambda connection: _drip(web, connection))
    web.pages["/mute"] = Answer(send=lambda _: web.closing.wait(30))


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


def _raw(data: bytes) -> Answer:
    return Answer(send=lambda connection: connection.sendall(data))


def _endless(web: PageServer, connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"\r\n")
    with contextlib.suppress(OSError):
        while not web.closing.is_set():
            connection.sendall(b"<p>boat</p>" * 1000)


def _drip(web: PageServer, connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"\r\n")
    with contextlib.suppress(OSError):
        while not web.closing.wait(0.1):
            connection.sendall(b"b")


def _shown(url: str) -> str:
    """A URL as a table holds it."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in url)
    return visible.replace("{port}", "…").replace("{tls}", "…").replace("|", "%7C")[:60]


async def main() -> bool:
    """Try every case and print the table; whether all ended as they should."""
    well = True
    print("| URL (`…` is a port) | what it is | what the caller is told |\n|---|---|---|")
    async with hostile_world() as world:
        for case in CASES:
            outcome, message = await world.outcome(case)
            wrong = "" if outcome == case.outcome else f" **{outcome}, not {case.outcome}**"
            well = well and not wrong
            told = message.replace(f", {world.web.port}, {world.tls.port}", "")
            print(f"| `{_shown(case.url)}` | {case.group} | {told}{wrong} |")
        reached = sum(server.connections for server in world.inside)
        print(f"\n{len(CASES)} URLs. Connections to what must not be reached: {reached}.")
    return well and reached == 0


if __name__ == "__main__":
    sys.exit(not asyncio.run(main()))
