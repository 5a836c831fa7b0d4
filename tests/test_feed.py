from __future__ import annotations

from service.feed import Feed, Feeds
from service.run import DraftedSentence, Event


def test_followers_hear_of_events_until_they_leave() -> None:
    feed = Feed()
    heard: list[Event] = []
    with feed.heard_by(heard.append):
        feed.tell(DraftedSentence(0, "One."))
    feed.tell(DraftedSentence(1, "Two."))
    assert heard == [DraftedSentence(0, "One.")]
    assert list(feed.events) == [DraftedSentence(0, "One."), DraftedSentence(1, "Two.")]


def test_feed_knows_whether_anybody_hears() -> None:
    feed = Feed()
    before = feed.is_heard
    with feed.heard_by(lambda _: None):
        assert feed.is_heard
    assert (before, feed.is_heard) == (False, False)


def test_events_without_end_are_not_kept() -> None:
    feed = Feed()
    for number in range(5_000):
        feed.tell(DraftedSentence(number, "Again."))
    assert len(feed.events) == 2_000


def test_feed_is_shared_as_long_as_somebody_uses_it() -> None:
    feeds = Feeds()
    with feeds.at("a") as first:
        with feeds.at("a") as second, feeds.at("b") as other:
            assert first is second
            assert first is not other
        assert "a" in feeds
        assert "b" not in feeds
    assert "a" not in feeds
    with feeds.at("a") as third:
        assert third is not first
