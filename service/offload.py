"""Where code that works on a text runs: on the event loop if the text is short, else beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

SHORT = 8_000
"""Characters of a text on which every step takes less than 5 ms. A thread would take longer to be heard."""


async def offload(length: int, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """`work(*args, **kwargs)`, in a thread where it works on a text of more than `SHORT` characters."""
    if length <= SHORT:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
