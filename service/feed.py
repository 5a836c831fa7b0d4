"""What happens to work under way, for whoever follows it, however late they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from service.run import Event

_MOST_EVENTS = 2_000


class Feed:
    """The events of one piece of work since it began.

    They stand in one list that all followers read at their own pace, so that a slow one holds up nobody and
    takes no memory of its own. Of a model that writes without end, events beyond 2,000 are not kept: what
    they say of the result is in the result.
    """

    __slots__ = ("_events", "_hearers", "users")

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._hearers: list[Callable[[Event], object]] = []
        self.users = 0

    @property
    def events(self) -> Sequence[Event]:
        """All events so far; grows while the work goes on."""
        return self._events

    @property
    def is_heard(self) -> bool:
        """Whether anybody wants to hear of events as they happen."""
        return bool(self._hearers)

    def tell(self, event: Event) -> None:
        """Note an event, and tell those who hear."""
        if len(self._events) < _MOST_EVENTS:
            self._events.append(event)
            for hear in self._hearers:
                hear(event)

    @contextmanager
    def heard_by(self, hear: Callable[[Event], object]) -> Iterator[None]:
        """Call `hear` with every event from now on, until the end of the block."""
        self._hearers.append(hear)
        try:
            yield
        finally:
            self._hearers.remove(hear)


class Feeds:
    """A feed for each piece of work that somebody waits for, by its key."""

    def __init__(self) -> None:
        self._feeds: dict[str, Feed] = {}

    def __contains__(self, key: str) -> bool:
        """Whether somebody waits for that work."""
        return key in self._feeds

    @contextmanager
    def at(self, key: str) -> Iterator[Feed]:
        """The feed of that work, shared by all who are in such a block at the same time."""
        feed = self._feeds.setdefault(key, Feed())
        feed.users += 1
        try:
            yield feed
        finally:
            feed.users -= 1
            if not feed.users:
                del self._feeds[key]
