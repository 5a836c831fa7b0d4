"""What belongs to one caller is no other's: batches, their cost, their removal; and bodies of any length."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bench.mock_llm import MockLLM
from service.callers import ALL_SCOPES, Limits
from service.keys import create

TEXT = "The ferry to Harborview carried twelve passengers on Tuesday, the operator said."
MODEL = "gpt-6-luna"


@pytest.fixture
def headers(tmp_path: Path) -> dict[str, dict[str, str]]:
    """Headers that bring the keys `cms`, `desk` and `operator`."""
    made = {}
    for name in ("cms", "desk", "operator"):
        scopes = ALL_SCOPES if name == "operator" else ALL_SCOPES - {"metrics"}
        _, token = create(tmp_path / "keys.json", name, sorted(scopes), Limits())
        made[name] = {"Authorization": f"Bearer {token}"}
    return made


@pytest.fixture
def client(
    serve: Callable[..., httpx.Client], tmp_path: Path, headers: dict[str, dict[str, str]]
) -> httpx.Client:
    del headers
    return serve(
        keys_file=str(tmp_path / "keys.json"),
        model=MODEL,
        jobs_url=f"sqlite:///{tmp_path}/jobs.sqlite3",
        batch_concurrency=2,
        max_article_bytes=20_000,
        max_page_bytes=20_000,
    )


def submit(client: httpx.Client, headers: dict[str, str], *lines: dict[str, object]) -> str:
    body = "\n".join(json.dumps(line) for line in lines)
    answer = client.post(
        "/v1/batches", content=body, headers={"Content-Type": "application/jsonl", **headers}
    )
    assert answer.status_code in (200, 201), answer.text
    batch_id: str = answer.json()["batch"]["id"]
    return batch_id


def wait_for(client: httpx.Client, headers: dict[str, str], batch_id: str) -> None:
    while client.get(f"/v1/batches/{batch_id}", headers=headers).json()["state"] == "running":
        pass  # each question is a round trip


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/results"), ("DELETE", ""), ("POST", "/retry"), ("PATCH", "")],
)
def test_another_callers_batch_is_not_found(
    client: httpx.Client, headers: dict[str, dict[str, str]], method: str, path: str
) -> None:
    batch_id = submit(client, headers["cms"], {"text": TEXT, "model": "extractive"})
    body = {"max_cost_usd": 1} if method == "PATCH" else None
    answer = client.request(method, f"/v1/batches/{batch_id}{path}", json=body, headers=headers["desk"])
    assert answer.status_code == 404
    assert client.get("/v1/batches", headers=headers["desk"]).json()["batches"] == []
    assert client.get(f"/v1/batches/{batch_id}", headers=headers["cms"]).status_code == 200


def test_batch_is_paid_for_by_its_caller_and_removed_by_its_article_ids(
    client: httpx.Client, headers: dict[str, dict[str, str]], mock_llm: MockLLM
) -> None:
    cms = headers["cms"]
    batch_id = submit(client, cms, {"text": TEXT, "article_id": "17"}, {"text": f"{TEXT} It was late."})
    wait_for(client, cms, batch_id)
    assert mock_llm.stats.calls == 2
    assert [line["llm_calls"] for line in client.get("/v1/usage", headers=cms).json()["lines"]] == [2]
    assert client.get("/v1/usage", headers=headers["desk"]).json()["lines"] == []
    removed = client.delete("/v1/summaries", params={"article_id": "17"}, headers=cms)
    assert removed.json() == {"removed": 1}


def test_body_of_unknown_length_is_cut_off_at_the_limit(
    client: httpx.Client, headers: dict[str, dict[str, str]]
) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'{"text": "'
        while sent < 2_000_000:
            sent += 65_536
            yield b"x" * 65_536

    answer = client.post(
        "/v1/summaries", content=endless(), headers={"Content-Type": "application/json", **headers["cms"]}
    )
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:standfirst:problem:body-too-large"
