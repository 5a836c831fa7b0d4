"""What was asked lately, so that an equal request is known by its bytes."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict


class RecentRequests:
    """The ids of the summaries that the last `size` distinct requests asked for, by digests of their bytes.

    An id says which summary answers a request, not that there is one: whoever finds an id looks into the
    store all the same, so that what was removed or has expired is a miss. Digests are keyed with a secret of
    the process, and so tell nothing about an article to whoever reads its memory dump later. The caller
    remembers only requests whose bytes alone say what they ask for and which may be kept.
    """

    __slots__ = ("_ids", "_secret", "_size")

    def __init__(self, size: int = 4096) -> None:
        self._ids: OrderedDict[bytes, str] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._size = size

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._ids)

    def digest(self, body: bytes, content_type: bytes, query: bytes) -> bytes:
        """The digest of a request whose article stands in its body."""
        # Lengths first: otherwise bytes could pass from one part into the next.
        head = b"%b%d %d %b%b" % (self._secret, len(content_type), len(query), content_type, query)
        hashed = hashlib.sha256(head)  # most processors have instructions for it, and none for BLAKE2
        hashed.update(body)
        return hashed.digest()

    def find(self, digest: bytes) -> str | None:
        """The id of the summary that a request of this digest asked for."""
        summary_id = self._ids.get(digest)
        if summary_id is not None:
            self._ids.move_to_end(digest)
        return summary_id

    def remember(self, digest: bytes, summary_id: str) -> None:
        """Note what a request asked for; the one that was not asked for longest may be forgotten for it."""
        self._ids[digest] = summary_id
        if len(self._ids) > self._size:
            self._ids.popitem(last=False)

    def forget(self, digest: bytes) -> None:
        """Forget a request, if it is there."""
        self._ids.pop(digest, None)
