"""Which results belong to which article and to which caller, so that all of them can be removed.

Ids of articles are hashed, together with the caller's own id: neither the ledger nor the cache tells them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from service.ledger import Ledger, Take

_REMEMBERED: Final = 10_000
_HASH_BYTES: Final = 16
_REMOVAL_LASTS_S: Final = 2 * 3600
"""Longer than anything is under way."""


class Belongings:
    """Links in the ledger, which last as long as the results.

    Args:
        ledger: Where they stand.
        ttl_s: How long results are kept.
        secret: Keys the hashes, so that whoever reads the ledger cannot try out ids.
    """

    def __init__(self, ledger: Ledger, ttl_s: int, secret: bytes = b"") -> None:
        self._ledger = ledger
        self._ttl_s = ttl_s
        self._secret = hashlib.sha256(secret).digest()
        self._tasks: set[asyncio.Task[int]] = set()
        self._claimed: OrderedDict[tuple[str, str], None] = OrderedDict()

    @property
    def problem(self) -> str | None:
        """Why links may be missing; None while the ledger works."""
        return self._ledger.problem

    def begin(self, summary_id: str, owner: str) -> asyncio.Task[int]:
        """Note that a summary is to be made for a caller; how often it was removed before.

        A task, so that the caller may join equal work at once; it ends soon, and with `aclose`.
        """

        async def note() -> int:
            removals = await self.removals(summary_id)
            await self._ledger.link(self._group(owner, None), [summary_id], self._ttl_s)
            return removals

        task = asyncio.create_task(note())
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[int]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # read, as nobody may have waited for it

    async def aclose(self) -> None:
        """Cancel what is being noted."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def claim(self, summary_id: str, owner: str, article_id: str) -> None:
        """Note that a summary serves for an article of a caller's, unless that was noted lately."""
        claim = (self._group(owner, article_id), summary_id)
        if claim in self._claimed:
            self._claimed.move_to_end(claim)
            return
        await self._ledger.link(claim[0], [summary_id], self._ttl_s)
        self._claimed[claim] = None
        if len(self._claimed) > _REMEMBERED:
            self._claimed.popitem(last=False)

    async def claimed(self, owner: str, article_id: str | None = None) -> list[str]:
        """The ids of the summaries of a caller, or of one article of that caller's."""
        return await self._ledger.members(self._group(owner, article_id))

    async def unclaim(self, summary_ids: Sequence[str], owner: str, article_id: str | None = None) -> None:
        """Forget claims; the summaries are gone."""
        group = self._group(owner, article_id)
        for summary_id in summary_ids:
            self._claimed.pop((group, summary_id), None)
        await self._ledger.unlink(group, summary_ids)

    async def add(self, summary_id: str, keys: Sequence[str]) -> None:
        """Note what else the store keeps because of a summary."""
        await self._ledger.link(f"kept:{summary_id}", keys, self._ttl_s)

    async def of(self, summary_id: str) -> list[str]:
        """The store's keys of what is kept because of a summary."""
        return await self._ledger.members(f"kept:{summary_id}")

    async def drop(self, summary_id: str, keys: Sequence[str]) -> None:
        """Forget keys; the store does not have them any more."""
        await self._ledger.unlink(f"kept:{summary_id}", keys)

    async def removals(self, summary_id: str) -> int:
        """How often a summary was removed lately: what was begun before must not be kept."""
        return await self._ledger.read(_removals(summary_id))

    async def remove(self, summary_id: str) -> None:
        """Note that a summary is being removed, before it is."""
        await self._ledger.add([Take(_removals(summary_id), 1, 0, _REMOVAL_LASTS_S)])

    def _group(self, owner: str, article_id: str | None) -> str:
        if article_id is None:
            return f"caller:{owner}"
        named = f"{len(owner)} {owner}{article_id}".encode("utf-8", "surrogatepass")
        return f"article:{hashlib.blake2b(named, key=self._secret, digest_size=_HASH_BYTES).hexdigest()}"


def _removals(summary_id: str) -> str:
    return f"removals:{summary_id}"
