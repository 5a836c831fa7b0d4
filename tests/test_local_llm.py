"""The embedded LLM with its real weights."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from service.errors import LLMConnectionError, LLMContextLengthError, LLMTimeoutError, SettingError
from service.llm import ChatReply, ChatRequest
from service.local_llm import MODEL, LocalLLMServer, locate_model
from service.models import Message
from service.openai_llm import OpenAILLM

pytestmark = pytest.mark.live
START_S = 60.0
PARENT = """
import asyncio
from service.local_llm import LocalLLMServer

async def main():
    server = LocalLLMServer()
    await server.start()
    await server.wait_ready(60)
    print(server.base_url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LocalLLMServer]:
    made = LocalLLMServer(log_path=tmp_path / "llm.log")
    await made.start()
    await made.wait_ready(START_S)
    yield made
    await made.stop()


async def ask(server: LocalLLMServer, prompt: str) -> ChatReply:
    llm = OpenAILLM(server.base_url, server.api_key)
    try:
        return await llm.complete(
            ChatRequest(
                model=MODEL,
                messages=(Message(role="user", content=prompt),),
                max_output_tokens=8,
                temperature=0.0,
                timeout_s=60.0,
            )
        )
    finally:
        await llm.aclose()


def address(base_url: str) -> tuple[str, int]:
    parts = urlsplit(base_url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


async def test_it_answers(server: LocalLLMServer) -> None:
    reply = await ask(server, "Name a colour.")
    assert reply.text
    assert reply.model == MODEL
    assert reply.usage is not None
    assert reply.usage.output_tokens <= 8


async def test_prompt_over_its_window_is_refused_by_name(server: LocalLLMServer) -> None:
    with pytest.raises(LLMContextLengthError):
        await ask(server, "The tide comes in and the tide goes out. " * 1000)


async def test_it_starts_in_a_folder_that_holds_another_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("raise SystemExit(1)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    server = LocalLLMServer(max_restarts=0)
    await server.start()
    await server.wait_ready(START_S)
    await server.stop()


async def test_it_wants_its_key_and_offers_no_more_than_it_must(server: LocalLLMServer) -> None:
    root = server.base_url.removesuffix("/v1")
    async with httpx2.AsyncClient(trust_env=False) as client:
        keyed = {"Authorization": f"Bearer {server.api_key}"}
        assert (await client.post(f"{root}/v1/chat/completions", json={})).status_code == 401
        assert (await client.get(f"{root}/slots", headers=keyed)).status_code == 501
        assert (await client.get(f"{root}/metrics", headers=keyed)).status_code == 501
        assert (await client.get(root, headers=keyed)).status_code == 404


async def test_it_listens_on_loopback_only(server: LocalLLMServer) -> None:
    host, port = address(server.base_url)
    assert host == "127.0.0.1"
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


async def test_its_log_holds_no_prompt(server: LocalLLMServer, tmp_path: Path) -> None:
    await ask(server, "Is Zanzibarium a metal?")
    with contextlib.suppress(LLMContextLengthError):
        await ask(server, "Zanzibarium " * 9000)
    assert "anzibar" not in (tmp_path / "llm.log").read_text(encoding="utf-8")


async def test_crash_is_followed_by_a_new_start_at_the_same_address(server: LocalLLMServer) -> None:
    base_url, first = server.base_url, server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    while server.pid == first:  # noqa: ASYNC110 - nothing announces the end of a process
        await asyncio.sleep(0.01)
    await server.wait_ready(START_S)
    assert server.base_url == base_url
    assert (await ask(server, "Name a colour.")).text


async def test_stop_leaves_no_process(server: LocalLLMServer) -> None:
    pid, where = server.pid, address(server.base_url)
    assert pid is not None
    await server.stop()
    assert (server.pid, server.ready) == (None, False)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(where)


async def test_stop_while_it_loads_leaves_no_process() -> None:
    server = LocalLLMServer()
    await server.start()
    await server.stop()
    with pytest.raises(LLMConnectionError):
        await server.wait_ready(START_S)


def test_it_dies_with_its_parent_even_by_kill_9() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        with socket.create_connection(address(parent.stdout.readline().strip())) as connection:
            parent.kill()
            parent.wait()
            connection.settimeout(START_S)
            # The end of the stream comes when the process that holds the other side is gone.
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""


async def test_file_that_is_no_model_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "noise.gguf"
    path.write_bytes(b"GGUF, but no model at all")
    server = LocalLLMServer(path, max_restarts=0)
    await server.start()
    with pytest.raises(LLMConnectionError):
        await server.wait_ready(START_S)
    assert server.problem is not None
    assert "ended at each start" in server.problem
    await server.stop()


async def test_waiting_for_it_ends_in_time() -> None:
    server = LocalLLMServer()
    await server.start()
    with pytest.raises(LLMTimeoutError):
        await server.wait_ready(0.001)
    await server.stop()


def test_model_file_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="STANDFIRST_LOCAL_MODEL: cannot read"):
        locate_model(tmp_path / "none.gguf")


def test_file_of_another_kind_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(SettingError, match="is not a GGUF file"):
        locate_model(tmp_path / "notes.txt")
