from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.slack_standin import SCOPES

DOCS = Path(__file__).parents[1] / "docs"
HTTP, SOCKET = "slack-manifest.yaml", "slack-manifest-socket-mode.yaml"


def manifest(name: str) -> Any:
    return yaml.safe_load((DOCS / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [HTTP, SOCKET])
def test_manifest_asks_for_the_rights_that_the_stand_in_demands_and_no_other(name: str) -> None:
    assert set(manifest(name)["oauth_config"]["scopes"]["bot"]) == SCOPES


@pytest.mark.parametrize("name", [HTTP, SOCKET])
def test_manifest_names_what_the_service_listens_to(name: str) -> None:
    made = manifest(name)
    assert {s["callback_id"] for s in made["features"]["shortcuts"]} == {"summarize", "summarize_thread"}
    assert made["settings"]["event_subscriptions"]["bot_events"] == ["app_mention"]
    assert made["settings"]["interactivity"]["is_enabled"]


def test_all_of_slacks_requests_come_to_one_address() -> None:
    made = manifest(HTTP)
    urls = {
        made["features"]["slash_commands"][0]["url"],
        made["settings"]["event_subscriptions"]["request_url"],
        made["settings"]["interactivity"]["request_url"],
    }
    assert urls == {"https://standfirst.example/slack/events"}


def test_socket_mode_needs_no_address() -> None:
    made = manifest(SOCKET)
    assert made["settings"]["socket_mode_enabled"]
    assert "http" not in str(made)
