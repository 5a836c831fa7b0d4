"""Makes HTTP load from a process of its own, at little CPU a request: `python -m bench.load` is a worker.

It takes jobs as lines of JSON and answers with a line each:
`{"url", "path", "bodies", "in_flight", "headers", "times", "seconds"}` posts all bodies `times` over (1),
`in_flight` at a time, and begins none after `seconds`; with `per_second` instead of `in_flight` it posts
them in turn at that rate for `seconds`, and counts each request's time from when it was due.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.harness import Json

_PACED_CONNECTIONS = 64


class _Connection(asyncio.Protocol):
    """One kept-alive connection with one request at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._wanted = 0
        self._status = 0
        self._answer: asyncio.Future[int] | None = None
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._received[:end]).lower()
            self._status = int(head[9:12])
            self._wanted = end + 4 + int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        if len(self._received) >= self._wanted and self._answer is not None:
            self.body = bytes(self._received[-self._wanted :])
            self._received.clear()
            self._wanted = 0
            self._answer.set_result(self._status)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    async def send(self, request: bytes) -> int:
        """The status of the answer to a whole request."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer


def _requests(job: Json) -> list[bytes]:
    host = urlsplit(job["url"]).netloc
    bodies = msgspec.json.decode(Path(job["bodies"]).read_bytes(), type=list[msgspec.Raw])
    fields = "".join(f"{name}: {value}\r\n" for name, value in job.get("headers", {}).items())
    return [
        f"POST {job['path']} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{fields}"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + bytes(body)
        for body in bodies
    ]


async def _connect(job: Json, count: int) -> list[_Connection]:
    parts = urlsplit(job["url"])
    loop = asyncio.get_running_loop()
    host, port = parts.hostname or "", parts.port or 80
    pairs = [await loop.create_connection(_Connection, host, port) for _ in range(count)]
    return [connection for _, connection in pairs]


async def _post_all(job: Json) -> Json:
    requests = _requests(job) * job.get("times", 1)
    connections = await _connect(job, min(job["in_flight"], len(requests)))
    rest: Iterator[bytes] = iter(requests)
    statuses: Counter[int] = Counter()
    times: list[float] = []

    start = time.perf_counter()
    end = start + job.get("seconds", math.inf)

    async def work(connection: _Connection) -> None:
        for request in rest:
            if (begun := time.perf_counter()) >= end:
                break
            statuses[await connection.send(request)] += 1
            times.append(time.perf_counter() - begun)

    await asyncio.gather(*map(work, connections))
    seconds = time.perf_counter() - start
    last = connections[-1].body.decode() if job.get("want_body") else ""
    for connection in connections:
        connection.transport.close()
    return {"seconds": seconds, "statuses": statuses, "body": last, **_spread(times)}


async def _post_paced(job: Json) -> Json:
    requests = itertools.cycle(_requests(job))
    every = await _connect(job, _PACED_CONNECTIONS)
    idle: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
    for connection in every:
        idle.put_nowait(connection)
    statuses: Counter[int] = Counter()
    times: list[float] = []
    first = time.perf_counter()

    async def post(due: float, request: bytes) -> None:
        connection = await idle.get()
        statuses[await connection.send(request)] += 1
        times.append(time.perf_counter() - due)
        idle.put_nowait(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(round(job["per_second"] * job["seconds"])):
            due = first + number / job["per_second"]
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(post(due, next(requests)))
    for connection in every:
        connection.transport.close()
    return {"seconds": time.perf_counter() - first, "statuses": statuses, **_spread(times)}


def _spread(times: Sequence[float]) -> Json:
    ordered = sorted(times)
    return {
        "median_s": statistics.median(ordered),
        "p99_s": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        "longest_s": ordered[-1],
    }


def main() -> None:
    """Do jobs until the input ends."""
    for line in sys.stdin.buffer:
        job: Json = msgspec.json.decode(line)
        answer = uvloop.run(_post_paced(job) if "per_second" in job else _post_all(job))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
