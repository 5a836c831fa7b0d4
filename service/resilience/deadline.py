"""The end of a request's time, for wrappers that spend some of it before or between calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from service.errors import LLMTimeoutError
from service.llm import ChatRequest

Clock: TypeAlias = Callable[[], float]
"""Seconds since any fixed moment; never goes back."""


class Deadline:
    """When the time of `request` is over, counted from now."""

    __slots__ = ("_at", "_clock", "_request")

    def __init__(self, request: ChatRequest, clock: Clock) -> None:
        self._request = request
        self._clock = clock
        self._at = clock() + request.timeout_s

    def left_s(self) -> float:
        """Seconds that are left; negative after the end."""
        return self._at - self._clock()

    def request(self) -> ChatRequest:
        """The request with the time that is left; raises LLMTimeoutError if there is none."""
        left_s = self.left_s()
        if left_s <= 0:
            raise LLMTimeoutError(f"no answer within {self._request.timeout_s:g} s")
        return msgspec.structs.replace(self._request, timeout_s=left_s)
