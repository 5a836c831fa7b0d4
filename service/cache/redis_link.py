"""The way to one Redis or Valkey: batches of commands over few connections, and a circuit for outages."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeAlias, cast

from redis.asyncio import Connection
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from service.cache.base import CommandFailedError

_log = logging.getLogger(__name__)

_Argument: TypeAlias = str | bytes | int

_MAX_BATCH: Final = 16
_PERIODS: Final = 5
_FIRST_PROBE_S: Final = 0.5
_LAST_PROBE_S: Final = 5.0


class _Call(NamedTuple):
    command: tuple[_Argument, ...]
    reply: asyncio.Future[Any]  # what Redis answers differs from command to command


@asynccontextmanager
async def _patience(seconds: float) -> AsyncIterator[None]:
    """Bound a block by time in which the event loop runs; raises TimeoutError.

    Where a burst of requests holds the loop for longer than `seconds`, the answer has arrived, and the timer
    fires before it is read: Redis would be taken for dead by each process that has much to do. So time is
    counted in fifths, of which a loop that is held uses up one.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def count(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(seconds / _PERIODS, count, left - 1)
        else:
            limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        count(_PERIODS)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()


class RedisLink:
    """Sends commands to one Redis; when it is away, says so at once and finds out by itself when it is back.

    Calls that are waiting share a round trip, and a caller that is cancelled leaves the connection as it is:
    its reply is read and dropped. After a failure every call fails at once, while one task asks Redis again
    and again, at growing intervals, whether it answers. Commands may be sent twice where a connection
    broke, so that each must be one that may be repeated.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py reads them.
        connect_timeout_s: Bounds connecting and logging in.
        timeout_s: Bounds a round trip, with the time to carry its values.
        max_connections: Connections for commands; `subscribe` and the task that asks take one more each.
        pause: Waits for a number of seconds between two questions whether Redis is back.

    Raises:
        ValueError: the URL is none that redis-py can read.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout_s: float = 0.5,
        timeout_s: float = 0.5,
        max_connections: int = 4,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._options: dict[str, Any] = dict(parse_url(url))  # redis-py's own, of many types
        self._class: type[AbstractConnection] = self._options.pop("connection_class", Connection)
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._max_connections = max_connections
        self._pause = pause
        self._waiting: deque[_Call] = deque()
        self._idle: list[AbstractConnection] = []
        self._workers: set[asyncio.Task[None]] = set()
        self._probe: asyncio.Task[None] | None = None
        self._outage: str | None = None
        self._refusals: dict[_Argument, str] = {}
        self._closed = False

    @property
    def problem(self) -> str | None:
        """Why Redis cannot be used, or which command it last refused; None while all is well."""
        return self._outage or next(iter(self._refusals.values()), None)

    async def call(self, *command: _Argument) -> Any:  # noqa: ANN401 - bytes, int, list or None, by command
        """What Redis answers.

        Raises:
            CommandFailedError: it is away, or refuses.
        """
        if self._outage is not None or self._closed:
            raise CommandFailedError(self._outage or "the link is closed")
        call = _Call(command, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        # One worker for each batch that is waiting; it starts when all who call now have queued.
        if len(self._waiting) % _MAX_BATCH == 1 and len(self._workers) < self._max_connections:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await call.reply

    async def subscribe(self, channel: str, hear: Callable[[bytes | None], object]) -> None:
        """Call `hear` with each message on a channel, and with None once all further ones will be heard.

        Raises:
            CommandFailedError: the connection could not be made, or broke. It does not return otherwise.
        """
        connection = self._new_connection()
        try:
            await self._connect(connection)
            await connection.send_command("SUBSCRIBE", channel)
            while True:
                kind, _, data = await connection.read_response(timeout=math.inf)
                hear(data if kind == b"message" else None)
        except (RedisError, OSError) as exc:
            raise CommandFailedError(self._in_words(exc)) from exc
        finally:
            await connection.disconnect(nowait=True)

    async def aclose(self) -> None:
        """Break off what is under way, whose callers get a CommandFailedError, and close all connections."""
        self._closed = True
        tasks = [*self._workers, *([self._probe] if self._probe else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._fail(self._waiting, "the link is closed")
        self._waiting.clear()
        for connection in self._idle:
            await connection.disconnect()
        self._idle.clear()

    def _new_connection(self) -> AbstractConnection:
        # Time is bounded here for whole exchanges, not by redis-py for each read of one.
        return self._class(
            **self._options,
            protocol=2,
            driver_info=None,
            socket_timeout=None,
            socket_connect_timeout=self._connect_timeout_s,
        )

    async def _connect(self, connection: AbstractConnection) -> None:
        async with _patience(self._connect_timeout_s):
            await connection.connect()  # type: ignore[no-untyped-call]

    async def _work(self) -> None:
        """Send what is waiting, batch after batch."""
        connection = self._idle.pop() if self._idle else self._new_connection()
        try:
            while self._waiting and self._outage is None:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MAX_BATCH))]
                try:
                    self._settle(batch, await self._exchange(connection, [call.command for call in batch]))
                except (RedisError, OSError) as exc:
                    await connection.disconnect(nowait=True)
                    self._break(exc)
                finally:
                    self._fail(batch, self._outage or "the link is closed")
        finally:
            # At once, as a call may come before the task is known to have ended.
            self._workers.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            if self._closed:
                await connection.disconnect(nowait=True)
            else:
                self._idle.append(connection)

    async def _exchange(
        self, connection: AbstractConnection, commands: list[tuple[_Argument, ...]]
    ) -> list[Any]:
        if connection.is_connected:
            try:
                return await self._send(connection, commands)
            except RedisConnectionError:  # Redis may have closed it since its last use
                await connection.disconnect(nowait=True)
        await self._connect(connection)
        return await self._send(connection, commands)

    async def _send(self, connection: AbstractConnection, commands: list[tuple[_Argument, ...]]) -> list[Any]:
        replies: list[Any] = []
        async with _patience(self._timeout_s):
            await connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                try:
                    replies.append(await connection.read_response())
                except ResponseError as exc:
                    replies.append(exc)
            return replies

    def _settle(self, batch: list[_Call], replies: list[Any]) -> None:
        for call, reply in zip(batch, replies, strict=True):
            name = call.command[0]
            if isinstance(reply, ResponseError):
                self._refusals[name] = f"Redis refuses {name!s}: {reply}"
                self._fail([call], self._refusals[name])
            else:
                self._refusals.pop(name, None)
                if not call.reply.done():
                    call.reply.set_result(reply)

    def _fail(self, calls: list[_Call] | deque[_Call], why: str) -> None:
        for call in calls:
            if not call.reply.done():
                call.reply.set_exception(CommandFailedError(why))

    def _break(self, error: Exception) -> None:
        """Fail whatever is waiting, and begin to ask whether Redis is back."""
        if self._outage is None:
            self._outage = self._in_words(error)
            _log.warning("%s; results are not shared until it answers", self._outage)
            self._probe = asyncio.create_task(self._await_recovery())
        self._fail(self._waiting, self._outage)
        self._waiting.clear()

    async def _await_recovery(self) -> None:
        pause_s = _FIRST_PROBE_S
        connection = self._new_connection()
        try:
            while self._outage is not None:
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, _LAST_PROBE_S)
                try:
                    await self._exchange(connection, [("PING",)])
                except (RedisError, OSError) as exc:
                    self._outage = self._in_words(exc)
                else:
                    self._outage = None
                    _log.warning("Redis answers again")
        finally:
            await connection.disconnect(nowait=True)

    def _in_words(self, error: Exception) -> str:
        # redis-py names host and port, never the password; a bare time-out says nothing.
        return f"Redis cannot be used: {str(error).rstrip('.') or f'no answer within {self._timeout_s:g} s'}"
