from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from bench.mock_llm import MockLLM
from service.app import create_app
from service.settings import Settings


@pytest.fixture
def mock_llm() -> Iterator[MockLLM]:
    """An OpenAI-compatible server on loopback; `base_url`, `script`, `configure`, `requests` and `stats`."""
    with MockLLM() as mock:
        yield mock


class Server(uvicorn.Server):
    """Ends when it is told to, where uvicorn looks ten times a second."""

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self.ready.set()
        await self._end.wait()

    def start(self, listener: socket.socket) -> None:
        self.ready = threading.Event()
        self._thread = threading.Thread(target=self.run, kwargs={"sockets": [listener]})
        self._thread.start()
        assert self.ready.wait(60)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()


@contextmanager
def running(settings: Settings) -> Iterator[httpx.Client]:
    """The service on a free port, served by uvicorn in a thread, and a client for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        server = Server(uvicorn.Config(create_app(settings), log_config=None, timeout_graceful_shutdown=1))
        server.start(listener)
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            with httpx.Client(base_url=base_url, timeout=60, trust_env=False, verify=False) as client:  # noqa: S501 - plain HTTP
                yield client
        finally:
            server.stop()


@pytest.fixture
def serve(mock_llm: MockLLM, tmp_path: Path) -> Iterator[Callable[..., httpx.Client]]:
    """Starts the service before the mock LLM, with a cache in `tmp_path` and settings as given."""
    with ExitStack() as stack:

        def start(**changes: object) -> httpx.Client:
            chosen = {
                "openai_base_url": mock_llm.base_url,
                "cache_url": f"sqlite:///{tmp_path}/cache.sqlite3",
                "llm_attempts": 1,
            } | changes
            return stack.enter_context(running(Settings(**chosen)))  # type: ignore[arg-type]

        yield start


@pytest.fixture
def service(serve: Callable[..., httpx.Client]) -> httpx.Client:
    """A client of the service before the mock LLM."""
    return serve()


@pytest.fixture(scope="session")
def extractive() -> Iterator[httpx.Client]:
    """A client of a service that asks no model and keeps nothing on disk."""
    with running(Settings(model="extractive", cache_url="memory://", max_article_bytes=200_000)) as client:
        yield client
