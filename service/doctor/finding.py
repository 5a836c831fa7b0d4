"""What a check came to."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Status: TypeAlias = Literal["well", "doubtful", "wrong"]


class Finding(Struct, frozen=True):
    """What was found of a part, and what to do where it is not well.

    `doubtful` works, but not as an operator would want it; `wrong` does not work.
    """

    part: str
    status: Status
    found: str
    remedy: str = ""
