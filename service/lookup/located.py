"""What a look-up answers."""

from __future__ import annotations

from typing import NamedTuple

from service.models import FindingReason


class Located(NamedTuple):
    """The sentences that have a fact, by index; `reason` is a finding's code if it is not borne out.

    `alike` says that it was only found by its spelling, in another language; `unchecked` that it could not
    be compared.
    """

    where: frozenset[int] | set[int]
    reason: FindingReason | None = None
    alike: bool = False
    unchecked: bool = False


NOWHERE = Located(frozenset(), "not_in_article")
UNCHECKED = Located(frozenset(), unchecked=True)
