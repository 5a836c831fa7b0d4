from __future__ import annotations

import pytest

from service.api.caching import cache_status, entity_tag, matches, read_policy
from service.hooks import CacheState
from service.run import CachePolicy
from service.summarizer import Outcome


@pytest.mark.parametrize(
    ("header", "policy"),
    [
        (None, CachePolicy()),
        ("max-age=0, colour", CachePolicy()),
        ("no-cache", CachePolicy(reads=False)),
        ("No-Cache=x , max-age=5", CachePolicy(reads=False)),
        ("no-store", CachePolicy(reads=False, writes=False)),
        ("only-if-cached", CachePolicy(only=True)),
    ],
)
def test_directives_of_a_request_say_what_the_cache_may_do(header: str | None, policy: CachePolicy) -> None:
    assert read_policy(header) == policy


@pytest.mark.parametrize(
    ("cache", "kept", "policy", "status"),
    [
        ("hit", True, CachePolicy(), "Standfirst; hit"),
        ("miss", True, CachePolicy(), "Standfirst; fwd=miss; stored"),
        ("miss", False, CachePolicy(), "Standfirst; fwd=miss"),
        ("joined", True, CachePolicy(), "Standfirst; fwd=miss; stored; collapsed"),
        ("miss", True, CachePolicy(reads=False), "Standfirst; fwd=request; stored"),
    ],
)
def test_answer_says_where_it_came_from(
    cache: CacheState, kept: bool, policy: CachePolicy, status: str
) -> None:
    assert cache_status(Outcome("id", b"{}", cache, kept), policy) == status


def test_tag_is_of_the_body() -> None:
    assert entity_tag(b"a") == entity_tag(b"a") != entity_tag(b"b")


@pytest.mark.parametrize("header", ["{}", "W/{}", '"a", {}', "*"])
def test_tag_that_the_caller_names_matches(header: str) -> None:
    assert matches(header.format('"x"'), '"x"')


@pytest.mark.parametrize("header", [None, "", '"y"', "x"])
def test_tag_that_the_caller_does_not_name_does_not(header: str | None) -> None:
    assert not matches(header, '"x"')
