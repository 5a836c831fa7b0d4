"""A bounded waiting room with two lines, one for each priority."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from service.errors import LLMBusyError, LLMNoPlaceError
from service.llm import ChatRequest, Priority

_MOST_PASSED = 8


@dataclass(frozen=True, slots=True)
class Admission:
    """A call of `priority` was let through after `waited_s`, and left `waiting` others behind."""

    priority: Priority
    waited_s: float
    waiting: int


AdmissionHook: TypeAlias = Callable[[Admission], object]


class Place:
    """Where one request waits; `turn` becomes True when it is let through, False when it is sent away."""

    __slots__ = ("request", "turn")

    def __init__(self, request: ChatRequest) -> None:
        self.request = request
        self.turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @property
    def admitted(self) -> bool:
        """Whether its turn has come, even if whoever waited left at that moment."""
        return self.turn.done() and not self.turn.cancelled() and self.turn.result()


class WaitingRoom:
    """Requests that wait, in order of arrival, interactive ones before batch.

    A batch request lets 8 interactive ones pass and is then next, so that it is not left waiting for ever.
    In a full room an interactive request takes the place of the batch request that came last.

    Args:
        size: How many may wait.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lines: dict[Priority, dict[Place, None]] = {"interactive": {}, "batch": {}}
        self._passed = 0

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._lines.values()))

    def head(self) -> ChatRequest | None:
        """Whose turn is next."""
        place = self._head()
        return None if place is None else place.request

    def ahead_of(self, priority: Priority) -> list[ChatRequest]:
        """The requests behind which a new one would stand."""
        ahead = [place.request for place in self._lines["interactive"]]
        return ahead if priority == "interactive" else ahead + [p.request for p in self._lines["batch"]]

    def enter(self, request: ChatRequest, retry_after_s: float) -> Place:
        """Take a place; raises LLMBusyError with `retry_after_s` if there is none."""
        if len(self) >= self._size and not (request.priority == "interactive" and self._send_last_away()):
            raise _busy(retry_after_s)
        place = Place(request)
        self._lines[request.priority][place] = None
        return place

    async def wait(self, place: Place, retry_after_s: float) -> None:
        """Wait until it is the turn of `place`.

        After any exception, `place.admitted` tells whether its turn had come at that very moment.

        Raises:
            LLMBusyError: a more urgent request took the place.
            LLMNoPlaceError: the request's time ran out.
        """
        timeout_s = place.request.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                admitted = await place.turn
        except TimeoutError as exc:
            raise LLMNoPlaceError(f"no free place for the call within {timeout_s:g} s") from exc
        finally:
            self._lines[place.request.priority].pop(place, None)
        if not admitted:
            raise _busy(retry_after_s)

    def admit(self) -> None:
        """Let the next one through; there has to be one."""
        place = self._head()
        assert place is not None  # noqa: S101 - for the type checker
        priority = place.request.priority
        self._passed = self._passed + 1 if priority == "interactive" and self._first("batch") else 0
        del self._lines[priority][place]
        place.turn.set_result(True)

    def _head(self) -> Place | None:
        interactive, batch = self._first("interactive"), self._first("batch")
        return batch if batch and self._passed >= _MOST_PASSED else interactive or batch

    def _first(self, priority: Priority) -> Place | None:
        # The place of a waiter that was cancelled stays until its task runs.
        return next((place for place in self._lines[priority] if not place.turn.done()), None)

    def _send_last_away(self) -> bool:
        batch = self._lines["batch"]
        last = next((place for place in reversed(batch) if not place.turn.done()), None)
        if last is None:
            return False
        del batch[last]
        last.turn.set_result(False)
        return True


def _busy(retry_after_s: float) -> LLMBusyError:
    return LLMBusyError("too many calls of the model are waiting already", retry_after_s=retry_after_s)
