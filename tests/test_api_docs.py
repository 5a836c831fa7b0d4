"""docs/api.md names what there is."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from service.api.problems import PROBLEM_NAMES

DOCUMENT = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(PROBLEM_NAMES))
def test_problem_is_explained(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


def test_endpoints_are_listed(extractive: httpx.Client) -> None:
    paths = extractive.get("/schema").json()["paths"]
    named = [path.replace("/v1/batches/{batch_id}/", "…/").replace("{summary_id}", "{id}") for path in paths]
    assert [path for path in named if path not in DOCUMENT] == []


@pytest.mark.parametrize("event", ["accepted", "progress", "sentence", "restart", "quote", "result", "error"])
def test_event_is_described(event: str) -> None:
    assert f"| `{event}` |" in DOCUMENT
