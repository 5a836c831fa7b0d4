"""A web server on loopback with pages as told, which notes every connection and request that reaches it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Answer:
    """What the server says; `send` writes to the connection itself, after the request has been read."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    send: Callable[[socket.socket], object] | None = None


@dataclass
class Seen:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]


class PageServer:
    """Serves `pages` by path; a callable page is asked for its answer with each request."""

    def __init__(
        self, host: str = "127.0.0.1", *, port: int = 0, context: ssl.SSLContext | None = None
    ) -> None:
        self.pages: dict[str, Answer | Callable[[Seen], Answer]] = {}
        self.requests: list[Seen] = []
        self.connections = 0
        self.closing = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = _server_class(self, family, context)((host, port), _handler_class(self))
        self.port: int = self._server.server_address[1]
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def discard(self) -> None:
        """Let go of a server that is not to be started."""
        self._server.server_close()

    def __exit__(self, *exc_info: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, path: str, body: bytes | str = b"", status: int = 200, **headers: str) -> str:
        """Serve a page, by default as HTML in UTF-8; `Content_Type=…` names a header. Returns its URL."""
        data = body.encode() if isinstance(body, str) else body
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Answer(data, status, {"Content-Type": "text/html; charset=utf-8"} | given)
        return self.url + path

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        """Send on from `path`; returns its URL."""
        self.pages[path] = Answer(b"", status, {"Location": location})
        return self.url + path


def _server_class(
    pages: PageServer, family: int, context: ssl.SSLContext | None
) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = family
        daemon_threads = True
        request_queue_size = 256

        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            pages.connections += 1
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up, or does not trust us, is no error of the server."""

    return Server


def _handler_class(pages: PageServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen = Seen(self.path, dict(self.headers))
            pages.requests.append(seen)
            page = pages.pages.get(self.path.partition("?")[0], Answer(b"nothing here", 404))
            answer = page(seen) if callable(page) else page
            if answer.send is not None:
                answer.send(self.connection)
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 304:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    return Handler
