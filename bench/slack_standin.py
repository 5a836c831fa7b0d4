"""A stand-in for Slack on loopback: its Web API with limits, scopes, tokens and rate limits, and its users.

`with SlackStandIn() as slack:` runs it in a thread. `slack.connect(url)` says where the service listens; then
`slack.command(…)`, `mention`, `shortcut` and `press` send signed requests as Slack does when somebody types
or clicks, and `slack.screen(channel)` is what people see there. `slack.wait(…)` waits for something to be
seen.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlencode

import httpx

from bench.slack_api import APP_TOKEN, BOT, SCOPES, SIGNING_SECRET, TEAM, WAIT_S, Json, SlackWorkspace
from bench.slack_screen import render

__all__ = ["APP_TOKEN", "BOT", "SCOPES", "SlackStandIn", "sign"]


class SlackStandIn(SlackWorkspace):
    """The workspace, and people who use it."""

    def __enter__(self) -> Self:
        self._service = ""
        self.answers: list[httpx.Response] = []
        self.http = httpx.Client(timeout=WAIT_S, trust_env=False)
        return super().__enter__()

    def __exit__(self, *exc_info: object) -> None:
        self.http.close()
        super().__exit__(*exc_info)

    def connect(self, service_url: str) -> None:
        """Send what happens to the service at this URL."""
        self._service = f"{service_url.rstrip('/')}/slack/events"

    # What people do.

    def command(self, text: str, *, user: str = "U1", channel: str = "C1") -> httpx.Response:
        """Type a slash command."""
        url = self._new_url(channel, user)
        fields = {
            "command": "/standfirst",
            "text": text,
            "user_id": user,
            "channel_id": channel,
            "team_id": TEAM,
            "response_url": url,
            "trigger_id": self._new_trigger(),
        }
        answer = self.send(urlencode(fields).encode(), "application/x-www-form-urlencoded")
        if answer.status_code == 200 and answer.headers.get("content-type", "").startswith(
            "application/json"
        ):
            self._show_by_url(url.rpartition("/")[2], answer.json(), counts=False)
        return answer

    def mention(
        self, text: str, *, user: str = "U1", channel: str = "C1", thread_ts: str | None = None
    ) -> Json:
        """Mention the bot; the event, which `send_event` sends again."""
        message = self.say(f"<@{BOT}> {text}", user=user, channel=channel, thread_ts=thread_ts)
        event = {**message, "type": "app_mention"}
        envelope = {
            "type": "event_callback",
            "team_id": TEAM,
            "event_id": f"Ev{next(self._ids)}",
            "event": event,
        }
        self.send_event(envelope)
        return envelope

    def shortcut(self, name: str, message: Json, *, user: str = "U1") -> httpx.Response:
        """Choose one of the app's entries in a message's menu."""
        channel = message["channel"]
        return self._interact(
            {
                "type": "message_action",
                "callback_id": name,
                "channel": {"id": channel},
                "user": {"id": user},
                "team": {"id": TEAM},
                "message": message,
                "response_url": self._new_url(channel, user),
                "trigger_id": self._new_trigger(),
            }
        )

    def press(self, message: Json, label: str, *, user: str = "U1") -> httpx.Response:
        """Press a button of a message."""
        buttons = [e for b in message["blocks"] if b["type"] == "actions" for e in b["elements"]]
        button = next(b for b in buttons if b["text"]["text"] == label)
        ephemeral = message.get("to") is not None
        channel = message["channel"]
        payload: Json = {
            "type": "block_actions",
            "actions": [{k: button[k] for k in ("type", "action_id", "value")}],
            "channel": {"id": channel},
            "user": {"id": user},
            "team": {"id": TEAM},
            "container": {
                "type": "message",
                "is_ephemeral": ephemeral,
                "channel_id": channel,
                "message_ts": message["ts"],
            },
            "response_url": self._new_url(channel, user, message),
            "trigger_id": self._new_trigger(),
        }
        if not ephemeral:
            payload["message"] = message
        return self._interact(payload)

    def say(
        self,
        text: str,
        *,
        user: str = "U1",
        channel: str = "C1",
        thread_ts: str | None = None,
        **more: object,
    ) -> Json:
        """Write a message as a user."""
        message = {"channel": channel, "user": user, "text": text, "blocks": [], **more}
        return self._add(message, thread_ts)

    # How Slack sends it.

    def send_event(self, envelope: Json, *, retry: int = 0) -> httpx.Response:
        """Send an event, or send it again."""
        headers = {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"} if retry else {}
        return self.send(json.dumps(envelope).encode(), "application/json", headers)

    def send(
        self, body: bytes, content_type: str, headers: Mapping[str, str] | None = None, *, age_s: float = 0
    ) -> httpx.Response:
        """A signed request, signed `age_s` seconds ago."""
        timestamp = str(int(time.time() - age_s))
        own = {
            "Content-Type": content_type,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": sign(body, timestamp),
        }
        answer = self.http.post(self._service, content=body, headers=own | dict(headers or {}))
        self.answers.append(answer)
        return answer

    def _interact(self, payload: Json) -> httpx.Response:
        body = urlencode({"payload": json.dumps(payload)}).encode()
        return self.send(body, "application/x-www-form-urlencoded")

    # What people see.

    def seen(self, channel: str = "C1", *, by: str = "U1") -> list[Json]:
        """What the app has written in a channel and its threads that a user can see."""
        with self._changed:
            return [
                m
                for m in self.messages
                if m["channel"] == channel and m["user"] == BOT and m.get("to") in (None, by)
            ]

    def answer(self, channel: str = "C1") -> Json:
        """The app's last message with buttons."""
        return [m for m in self.seen(channel) if any(b["type"] == "actions" for b in m["blocks"])][-1]

    def screen(self, channel: str = "C1", *, by: str = "U1") -> str:
        """A channel with its threads as a user sees it, as text."""
        with self._changed:
            shown = [m for m in self.messages if m["channel"] == channel and m.get("to") in (None, by)]
            shown.sort(key=lambda m: (m.get("thread_ts") or m["ts"], m["ts"]))
            return "\n".join(map(self._rendered, shown))

    def _rendered(self, message: Json) -> str:
        who = "Standfirst" if message["user"] == BOT else self._name(message["user"])
        only = " (only visible to you)" if message.get("to") else ""
        body = render(message["blocks"]) if message["blocks"] else message["text"]
        indent = "    " if message.get("thread_ts") not in (None, message["ts"]) else ""
        return "\n".join(indent + line for line in f"{who}{only}\n{body}\n".split("\n"))

    def _name(self, user: str) -> str:
        known = self.users.get(user, {})
        return str(known.get("profile", {}).get("real_name") or known.get("name") or user)

    def wait_for(self, text: str, channel: str = "C1") -> str:
        """Wait until a text is on the screen, or in a window; the screen."""

        def on_screen() -> bool:
            windows = "\n".join(render(v["blocks"]) for v in self.views.values())
            return text in self.screen(channel) or text in windows

        self.wait(on_screen)
        return self.screen(channel)


def sign(body: bytes, timestamp: str, secret: str = SIGNING_SECRET) -> str:
    """Slack's signature of a request."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
