"""What a look-up answers."""

from __future__ import annotations

from typing import NamedTuple

UNCHECKED = "unchecked"  # the reason of a name that could not be compared; no finding


class Located(NamedTuple):
    """The sentences that have a fact, by index; `reason` is a finding's code if it is not borne out.

    `alike` says that it was only found by its spelling, in another language.
    """

    where: frozenset[int] | set[int]
    reason: str | None = None
    alike: bool = False


NOWHERE = Located(frozenset(), "not_in_article")
