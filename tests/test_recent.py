from __future__ import annotations

from itertools import combinations

from service.api.recent import RecentRequests


def test_equal_requests_have_one_digest_and_others_have_another() -> None:
    recent = RecentRequests()
    asked = (b"body", b"text/plain", b"style=brief")
    others = [
        (b"bodyt", b"ext/plain", b"style=brief"),
        (b"body", b"text/plai", b"nstyle=brief"),
        (b"style=brief", b"text/plain", b"body"),
        (b"body", b"", b""),
        (b"", b"body", b""),
    ]
    assert recent.digest(*asked) == recent.digest(*asked)
    assert all(recent.digest(*one) != recent.digest(*two) for one, two in combinations([asked, *others], 2))


def test_digests_of_two_processes_tell_nothing_about_each_other() -> None:
    assert RecentRequests().digest(b"a", b"b", b"c") != RecentRequests().digest(b"a", b"b", b"c")


def test_request_that_was_not_asked_for_longest_is_forgotten_first() -> None:
    recent = RecentRequests(size=2)
    recent.remember(b"1", "one")
    recent.remember(b"2", "two")
    assert recent.find(b"1") == "one"
    recent.remember(b"3", "three")
    assert [recent.find(digest) for digest in (b"1", b"2", b"3")] == ["one", None, "three"]
    assert len(recent) == 2


def test_forgotten_request_is_not_found() -> None:
    recent = RecentRequests()
    recent.remember(b"1", "one")
    recent.forget(b"1")
    recent.forget(b"1")
    assert recent.find(b"1") is None
