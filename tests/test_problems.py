"""Problems that no well-meaning caller meets: slow bodies, and errors that are not the caller's."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx


def test_body_that_does_not_arrive_is_a_problem_and_the_end(serve: Callable[..., httpx.Client]) -> None:
    address = serve(body_s=0.2).base_url
    with socket.create_connection((address.host, address.port or 80), timeout=30) as connection:
        head = "POST /v1/quotes HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
        connection.sendall(head.encode() + b"Holm")
        answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "urn:standfirst:problem:slow-body" in answer
