"""Slack's side of the stand-in: a workspace, and the Web API that a bot sees it through, with all its limits.

Time is Slack's own: `later(seconds)` lets it pass.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final, Self, TypeAlias

from aiohttp import WSMsgType, web

from bench.slack_screen import check_message, check_view

# Payloads of Slack's: JSON of any shape.
Json: TypeAlias = dict[str, Any]

TOKEN: Final = "xoxb-stand-in"  # noqa: S105 - of a stand-in
APP_TOKEN: Final = "xapp-stand-in"  # noqa: S105
SIGNING_SECRET: Final = "stand-in-secret"  # noqa: S105
BOT, BOT_ID, TEAM = "UBOT", "BBOT", "T1"
SCOPES: Final = frozenset(
    ("app_mentions:read", "channels:history", "chat:write", "commands", "groups:history", "users:read")
)
_SCOPE_OF = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.update": "chat:write",
    "conversations.replies": "channels:history",
    "users.info": "users:read",
}
_URL_USES = 5
WAIT_S = 30.0


class _RefusedError(Exception):
    def __init__(self, error: str, **more: object) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **more}


class SlackWorkspace:
    """One workspace: its channels with members and messages, its users, and one app with a bot."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._changed = threading.Condition()
        self._socket: web.WebSocketResponse | None = None
        self._acks: dict[str, asyncio.Future[Json]] = {}
        self.reset()

    def reset(self) -> None:
        """Make the workspace as it was at first: one channel, one user, no messages, all rights."""
        self.users: dict[str, Json] = {"U1": {"name": "ada", "profile": {"real_name": "Ada Lund"}}}
        self.members: dict[str, set[str]] = {"C1": {BOT, "U1"}}
        self.scopes = set(SCOPES)
        self.messages: list[Json] = []
        self.views: dict[str, Json] = {}
        self.calls: Counter[str] = Counter()
        self.response_url_life_s = 1_800.0
        self.trigger_life_s = 3.0
        self.can_replace = True
        self._limits: defaultdict[str, deque[int]] = defaultdict(deque)
        self._failures: defaultdict[str, deque[str]] = defaultdict(deque)
        self.page_size = 200
        self._ahead_s = 0.0
        self._urls: dict[str, Json] = {}
        self._triggers: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,))
        self._thread.start()
        assert ready.wait(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(ready))
        self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._end = asyncio.Event()
        app = web.Application(client_max_size=10_000_000)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/response/{name}", self._response_url)
        app.router.add_get("/socket", self._serve_socket)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await self._end.wait()
        await runner.cleanup()

    @property
    def api_url(self) -> str:
        """The base URL of the Web API."""
        return f"{self.url}/api/"

    def settings(self, **changes: object) -> Json:
        """Settings by which the service finds this Slack."""
        own = {
            "slack_signing_secret": SIGNING_SECRET,
            "slack_bot_token": TOKEN,
            "slack_api_url": self.api_url,
        }
        return own | changes

    def now(self) -> float:
        """Slack's clock, in seconds of Unix time."""
        return time.time() + self._ahead_s

    def later(self, seconds: float) -> None:
        """Let time pass at Slack."""
        self._ahead_s += seconds

    def fail(self, method: str, *errors: str) -> None:
        """Answer the next calls of a method with errors."""
        self._failures[method].extend(errors)

    def limit(self, method: str, *retry_after_s: int) -> None:
        """Answer the next calls of a method with 429, each with its `Retry-After`."""
        self._limits[method].extend(retry_after_s)

    def wait(self, ready: Callable[[], object], timeout_s: float = WAIT_S) -> None:
        """Wait until something of what the app wrote makes `ready()` true."""
        with self._changed:
            assert self._changed.wait_for(ready, timeout_s), (
                f"not seen among {[m['text'] for m in self.messages]}"
            )

    # The Web API.

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if request.content_type == "application/json":
            args = await request.json()
        else:
            args = {**request.query, **await request.post()}
        with self._changed:
            self.calls[method] += 1
            if waits := self._limits[method]:
                self._changed.notify_all()
                return web.json_response(
                    {"ok": False, "error": "ratelimited"},
                    status=429,
                    headers={"Retry-After": str(waits.popleft())},
                )
            try:
                token = request.headers.get("Authorization", "").removeprefix("Bearer ") or args.get("token")
                answer = {"ok": True, **self._answer(method, token, args)}
            except _RefusedError as exc:
                answer = exc.answer
            self._changed.notify_all()
        return web.json_response(answer)

    def _answer(self, method: str, token: str | None, args: Json) -> Json:
        if method == "apps.connections.open":
            if token != APP_TOKEN:
                raise _RefusedError("invalid_auth")
            return {"url": f"{self.url.replace('http', 'ws', 1)}/socket?ticket=secret-ticket"}
        if failures := self._failures[method]:
            raise _RefusedError(failures.popleft())
        if token != TOKEN:
            raise _RefusedError("invalid_auth")
        scope = _SCOPE_OF.get(method)
        if scope is not None and scope not in self.scopes:
            raise _RefusedError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))
        channel = args.get("channel")
        if channel is not None:
            if channel not in self.members:
                raise _RefusedError("channel_not_found")
            if BOT not in self.members[channel]:
                raise _RefusedError("not_in_channel")
        calls: dict[str, Callable[[Json], Json]] = {
            "auth.test": lambda _: {"user_id": BOT, "bot_id": BOT_ID, "team_id": TEAM},
            "chat.postMessage": self._post,
            "chat.postEphemeral": self._whisper,
            "chat.update": self._update,
            "conversations.replies": self._replies,
            "users.info": self._user,
            "views.open": self._open_view,
            "views.update": self._update_view,
        }
        if method not in calls:
            raise _RefusedError("unknown_method")
        return calls[method](args)

    def _post(self, args: Json) -> Json:
        message = self._checked(args)
        if args.get("thread_ts") and not self._find(args["channel"], args["thread_ts"]):
            raise _RefusedError("thread_not_found")
        self._add(message, args.get("thread_ts"))
        return {"channel": args["channel"], "ts": message["ts"]}

    def _whisper(self, args: Json) -> Json:
        if args["user"] not in self.members[args["channel"]]:
            raise _RefusedError("user_not_in_channel")
        message = self._checked(args) | {"to": args["user"]}
        self._add(message, args.get("thread_ts"))
        return {"message_ts": message["ts"]}

    def _update(self, args: Json) -> Json:
        found = self._find(args["channel"], args["ts"])
        if found is None or found.get("to"):
            raise _RefusedError("message_not_found")
        if found["user"] != BOT:
            raise _RefusedError("cant_update_message")
        changed = self._checked(args)
        found["history"] = [*found.get("history", ()), found["text"]]
        found.update(text=changed["text"], blocks=changed["blocks"])
        return {"channel": args["channel"], "ts": args["ts"]}

    def _replies(self, args: Json) -> Json:
        root = self._find(args["channel"], args["ts"])
        if root is None:
            raise _RefusedError("thread_not_found")
        thread = [
            m
            for m in self.messages
            if m["channel"] == args["channel"]
            and args["ts"] in (m["ts"], m.get("thread_ts"))
            and not m.get("to")
        ]
        start = int(args.get("cursor") or 0)
        end = start + min(int(args.get("limit") or 1_000), self.page_size)
        shown = [{k: v for k, v in m.items() if k not in ("channel", "to")} for m in thread[start:end]]
        cursor = str(end) if end < len(thread) else ""
        return {"messages": shown, "has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}

    def _user(self, args: Json) -> Json:
        if args["user"] not in self.users:
            raise _RefusedError("user_not_found")
        return {"user": self.users[args["user"]]}

    def _open_view(self, args: Json) -> Json:
        made = self._triggers.pop(args["trigger_id"], None)
        if made is None or self.now() - made > self.trigger_life_s:
            raise _RefusedError("expired_trigger_id")
        view = self._checked_view(args) | {"id": f"V{next(self._ids)}"}
        self.views[view["id"]] = view
        return {"view": view}

    def _update_view(self, args: Json) -> Json:
        if args["view_id"] not in self.views:
            raise _RefusedError("not_found")
        self.views[args["view_id"]].update(self._checked_view(args))
        return {"view": self.views[args["view_id"]]}

    def _checked_view(self, args: Json) -> Json:
        view: Json = args["view"] if isinstance(args["view"], dict) else json.loads(args["view"])
        if problem := check_view(view):
            raise _RefusedError("invalid_arguments", response_metadata={"messages": [problem]})
        return view

    def _checked(self, args: Json) -> Json:
        blocks = args.get("blocks") or []
        blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
        if problem := check_message(args.get("text", ""), blocks):
            error, _, detail = problem.partition(": ")
            raise _RefusedError(error, response_metadata={"messages": [detail]})
        return {
            "channel": args["channel"],
            "user": BOT,
            "bot_id": BOT_ID,
            "text": args["text"],
            "blocks": blocks,
        }

    def _find(self, channel: str, ts: str) -> Json | None:
        return next((m for m in self.messages if (m["channel"], m["ts"]) == (channel, ts)), None)

    def _add(self, message: Json, thread_ts: str | None) -> Json:
        with self._changed:
            message["ts"] = f"{int(self.now())}.{next(self._ids):06d}"
            if thread_ts:
                message["thread_ts"] = thread_ts
            self.messages.append(message)
            self._changed.notify_all()
        return message

    # Response URLs.

    def _new_url(self, channel: str, user: str, original: Json | None = None) -> str:
        name = f"r{next(self._ids)}"
        self._urls[name] = {
            "channel": channel,
            "user": user,
            "uses": 0,
            "made": self.now(),
            "original": original,
        }
        return f"{self.url}/response/{name}"

    def _new_trigger(self) -> str:
        trigger = f"trigger{next(self._ids)}"
        self._triggers[trigger] = self.now()
        return trigger

    async def _response_url(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.json()
        with self._changed:
            self.calls["response_url"] += 1
            url = self._urls.get(name)
            if url is None or self.now() - url["made"] > self.response_url_life_s:
                return web.Response(status=404, text="expired_url")
            if url["uses"] >= _URL_USES:
                return web.Response(status=404, text="used_url")
            if body.get("replace_original") and not self.can_replace:
                return web.json_response({"ok": False, "error": "no_original"})
            if problem := check_message(body.get("text", ""), body.get("blocks") or []):
                return web.Response(status=400, text=problem)
            self._show_by_url(name, body)
        return web.Response(text="ok")

    def _show_by_url(self, name: str, body: Json, *, counts: bool = True) -> None:
        with self._changed:
            url = self._urls[name]
            url["uses"] += counts
            shown = {"text": body.get("text", ""), "blocks": body.get("blocks") or []}
            if body.get("replace_original") and url["original"] is not None:
                url["original"].update(shown)
            else:  # so it is for commands and shortcuts, whatever they ask for (slackapi/bolt-js issue 2287)
                to = url["user"] if body.get("response_type", "ephemeral") == "ephemeral" else None
                message = {"channel": url["channel"], "user": BOT, "bot_id": BOT_ID, **shown}
                self._add(message | ({"to": to} if to else {}), body.get("thread_ts"))
            self._changed.notify_all()

    # Socket Mode.

    async def _serve_socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1})
        with self._changed:
            self._socket = socket
            self._changed.notify_all()
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                answer = json.loads(message.data)
                if future := self._acks.pop(answer.get("envelope_id"), None):
                    future.set_result(answer.get("payload") or {})
        return socket

    def send_by_socket(self, kind: str, payload: Json) -> Json:
        """Send something over Socket Mode once the app is connected; the payload of its acknowledgement."""
        self.wait(lambda: self._socket is not None)

        async def send() -> Json:
            assert self._socket is not None
            name = f"envelope{next(self._ids)}"
            self._acks[name] = self._loop.create_future()
            future = self._acks[name]
            await self._socket.send_json({"type": kind, "envelope_id": name, "payload": payload})
            async with asyncio.timeout(WAIT_S):
                return await future

        return asyncio.run_coroutine_threadsafe(send(), self._loop).result(WAIT_S)
