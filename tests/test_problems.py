"""Problems that no well-meaning caller meets: slow bodies, and errors that are not the caller's."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import pytest

from bench.mock_llm import MockLLM, Reply


def test_body_that_does_not_arrive_is_a_problem_and_the_end(serve: Callable[..., httpx.Client]) -> None:
    address = serve(body_s=0.2).base_url
    with socket.create_connection((address.host, address.port or 80), timeout=30) as connection:
        head = "POST /v1/quotes HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
        connection.sendall(head.encode() + b"Holm")
        answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "urn:standfirst:problem:slow-body" in answer


def test_failure_of_the_model_is_logged_by_class_and_place_without_the_text(
    serve: Callable[..., httpx.Client], mock_llm: MockLLM, caplog: pytest.LogCaptureFixture
) -> None:
    mock_llm.script(Reply(kind="status"))
    answer = serve(fallback="none").post("/v1/summaries", json={"text": "The ferry SECRET ran aground."})
    assert answer.status_code == 502
    (line,) = [r.getMessage() for r in caplog.records if r.name == "service.api.problems"]
    assert line.startswith("LLMServerError at ")
    assert "create_summary" in line
    assert "SECRET" not in caplog.text


def test_what_the_caller_can_mend_is_not_logged(
    extractive: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Cache-Control": "only-if-cached"}
    answer = extractive.post("/v1/summaries", json={"text": "Nobody kept this."}, headers=headers)
    assert answer.status_code == 504
    assert not [r for r in caplog.records if r.name.startswith("service")]
