"""Where code that works on a text runs: on the event loop if the text is short, else beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

SHORT = 8_000
"""Characters of a text on which every step takes less than 5 ms. A thread would take longer to be heard."""

IN_BATCH: ContextVar[bool] = ContextVar("in_batch", default=False)
"""Whether the current task works for a batch."""


async def offload(length: int, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """`work(*args, **kwargs)`, in a thread where it works on a text of more than `SHORT` characters.

    In a task of a batch always: nobody waits for it, and many short ones would hold the event loop together.
    """
    if length <= SHORT and not IN_BATCH.get():
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
