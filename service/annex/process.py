"""The process of the annex, and the pipes to it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_STOP_S: Final = 2.0
_BUFFER: Final = 1 << 20
_INHERITED: Final = (
    "PATH",
    "LANG",
    "LC_ALL",
    "PYTHONPATH",
    "SYSTEMROOT",
    "TMPDIR",
    "COVERAGE_PROCESS_CONFIG",
)


class AnnexProcess:
    """A process that reads messages from its input until that ends, and writes messages; see `worker`."""

    def __init__(self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader) -> None:
        self._process = process
        self.reader = reader
        self._to: asyncio.WriteTransport | None = None
        self._from: asyncio.ReadTransport | None = None

    @classmethod
    async def open(cls) -> AnnexProcess:
        """Start a process, in a thread: what asyncio does for it would hold the event loop."""
        process = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-P", "-m", "service.annex.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            process_group=0,  # ctrl-C is for the service, which ends it in its turn
        )
        reader = asyncio.StreamReader(limit=_BUFFER)
        pipes = cls(process, reader)
        loop = asyncio.get_running_loop()
        pipes._from, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), process.stdout
        )
        pipes._to, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, process.stdin)
        return pipes

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def write(self, data: bytes) -> None:
        """Send bytes; the pipe takes them when it can."""
        if self._to is not None and not self._to.is_closing():
            self._to.write(data)

    async def close(self) -> None:
        """End the process and the ways to it."""
        if self._to is not None:
            self._to.close()
        try:
            await asyncio.to_thread(self._process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        if self._from is not None:
            self._from.close()


def _environment() -> dict[str, str]:
    """What the process gets of ours, so that it finds this package and no secret."""
    own = str(Path(__file__).resolve().parents[2])
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return environment | {"PYTHONPATH": os.pathsep.join(filter(None, (own, environment.get("PYTHONPATH"))))}
