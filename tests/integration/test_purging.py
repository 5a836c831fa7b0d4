"""Removing results over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from service.callers import ALL_SCOPES, Limits
from service.keys import create

TEXT = "The ferry to Harborview carried twelve passengers on Tuesday, the operator said."


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, dict[str, str]]:
    """Headers that bring the keys `cms` and `desk`; their ids are under `cms id` and `desk id`."""
    made = {}
    for name in ("cms", "desk"):
        key, token = create(tmp_path / "keys.json", name, sorted(ALL_SCOPES), Limits())
        made[name] = {"Authorization": f"Bearer {token}"}
        made[f"{name} id"] = {"key": key.id}
    return made


@pytest.fixture
def client(
    serve: Callable[..., httpx.Client], tmp_path: Path, keys: dict[str, dict[str, str]]
) -> httpx.Client:
    del keys
    return serve(keys_file=str(tmp_path / "keys.json"))


def post(client: httpx.Client, headers: dict[str, str], **options: object) -> str:
    answer = client.post("/v1/summaries", json={"text": TEXT, **options}, headers=headers)
    assert answer.status_code == 200
    summary_id: str = answer.json()["id"]
    return summary_id


def remove(client: httpx.Client, headers: dict[str, str], **query: str) -> object:
    answer = client.delete("/v1/summaries", params=query, headers=headers)
    assert answer.status_code == 200
    return answer.json()["removed"]


def test_article_id_removes_the_own_summaries_of_that_article(
    client: httpx.Client, keys: dict[str, dict[str, str]]
) -> None:
    cms, desk = keys["cms"], keys["desk"]
    first = post(client, cms, article_id="17")
    second = post(client, cms, article_id="17", style="bullets")
    other = post(client, cms, article_id="18", style="standfirst")
    assert remove(client, desk, article_id="17") == 0
    assert remove(client, cms, article_id="17") == 2
    statuses = [client.get(f"/v1/summaries/{i}", headers=cms).status_code for i in (first, second, other)]
    assert statuses == [404, 404, 200]


def test_article_id_removes_a_summary_that_was_made_for_another(
    client: httpx.Client, keys: dict[str, dict[str, str]]
) -> None:
    post(client, keys["desk"])
    post(client, keys["cms"], article_id="17")  # a hit
    assert remove(client, keys["cms"], article_id="17") == 1


def test_key_removes_all_that_was_made_for_it(client: httpx.Client, keys: dict[str, dict[str, str]]) -> None:
    mine = post(client, keys["cms"])
    theirs = post(client, keys["desk"], style="bullets")
    assert remove(client, keys["desk"], **keys["cms id"]) == 1
    statuses = [client.get(f"/v1/summaries/{i}", headers=keys["cms"]).status_code for i in (mine, theirs)]
    assert statuses == [404, 200]


@pytest.mark.parametrize("query", [{}, {"article_id": "1", "key": "x"}, {"article_id": ""}])
def test_removal_that_does_not_say_what_is_an_error(
    client: httpx.Client, keys: dict[str, dict[str, str]], query: dict[str, str]
) -> None:
    assert client.delete("/v1/summaries", params=query, headers=keys["cms"]).status_code == 422
