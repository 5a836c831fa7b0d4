"""The Slack app: requests from Slack acknowledged at once, and handed to the worker."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Final, NamedTuple

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackClientError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from service.errors import RequestError
from service.settings import Settings
from service.slack.blocks import show_text
from service.slack.client import SlackCallError, SlackClient, explain
from service.slack.jobs import Jobs
from service.slack.orders import (
    HELP,
    HelpWantedError,
    Order,
    Thread,
    read_command,
    read_mention,
    read_message,
)
from service.slack.replies import Asker, AskerReply, ChannelReply, FirstReply, Reply
from service.slack.text import Json
from service.slack.work import Worker, opening, sentence

_BUSY: Final = "I have too much to do at the moment; please ask again in a minute."
_NOT_HERE: Final = "This Standfirst does not serve your workspace; ask whoever runs it."
_LONGEST_TIMESTAMP: Final = 12
_CLOSE_S: Final = 3.0
_CHECK_AGAIN_S: Final = 60.0
_NOTICES_PER_JOB: Final = 2
_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """An HTTP answer to Slack."""

    status: int
    headers: dict[str, str]
    body: str


class _Discreet(logging.Filter):
    """Keeps from the log what the SDK says: requests' bodies, addresses with tickets, errors' texts."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        said = type(error).__name__ if error else record.levelname
        if isinstance(error, SlackClientError):
            said = f"{said} ({explain(error).code})"
        place = (record.pathname.rpartition("slack_")[2], record.lineno)
        record.msg, record.args = "the Slack SDK reports: %s at slack_%s:%d", (said, *place)
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def sdk_logger() -> logging.Logger:
    """The logger for slack-bolt and slack-sdk: warnings and errors, by their place in the code alone."""
    logger = logging.getLogger(f"{__name__}.sdk")
    # At DEBUG, and so at NOTSET, the SDK writes whole requests into its messages.
    logger.setLevel(logging.WARNING)
    if not logger.filters:
        logger.addFilter(_Discreet())
    return logger


class SlackEdge:
    """Takes Slack's requests over HTTP or Socket Mode; to be made in a running event loop, and closed.

    What keeps it from working is `slack` in `noticed`.
    """

    def __init__(
        self, client: SlackClient, worker: Worker, settings: Settings, noticed: MutableMapping[str, str]
    ) -> None:
        self._noticed = noticed
        self._client = client
        self._worker = worker
        self._settings = settings
        self._jobs = Jobs(settings.slack_max_jobs)
        self._notices = Jobs(settings.slack_max_jobs * _NOTICES_PER_JOB)
        secret = settings.slack_signing_secret
        self._verifier = SignatureVerifier(secret) if secret else None
        self._bolt = self._make_bolt()
        self._socket: AsyncSocketModeHandler | None = None

    def start(self) -> None:
        """Ask Slack whether the token is good, and in Socket Mode for events."""
        self._notices.start(self._check())
        if self._settings.slack_app_token is not None:
            self._socket = AsyncSocketModeHandler(
                self._bolt, self._settings.slack_app_token, logger=sdk_logger(), web_client=self._client.web
            )
            self._socket.client.proxy = self._client.web.proxy
            self._notices.start(self._socket.connect_async())  # type: ignore[no-untyped-call]

    async def aclose(self) -> None:
        """Take nothing more, tell those who wait, and close all connections."""
        await self._jobs.aclose()
        await self._notices.aclose()
        if self._socket is not None:
            await _close(self._socket)
        await self._client.aclose()

    async def handle(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer a request to `/slack/events`; nothing of it is read before its signature was checked.

        The check is Slack's own. Bolt would do it after it has parsed the body, and fails on headers that are
        not as it expects.
        """
        if not self._is_signed(body, headers):
            return Answer(401, {"content-type": "application/json"}, '{"error": "invalid signature"}')
        try:
            request = AsyncBoltRequest(body=body.decode(), headers=dict(headers))
        except (ValueError, AttributeError):  # Bolt takes it for granted that the body is an object
            return Answer(400, {}, "")
        response = await self._bolt.async_dispatch(request)
        return Answer(response.status, {k: v[0] for k, v in response.headers.items() if v}, response.body)

    def _is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        timestamp = headers.get("x-slack-request-timestamp", "")
        signature = headers.get("x-slack-signature", "")
        if not (timestamp.isascii() and timestamp.isdecimal() and signature.isascii()):
            return False
        if len(timestamp) > _LONGEST_TIMESTAMP or self._verifier is None:
            return False
        try:
            return self._verifier.is_valid(body, timestamp, signature)
        except UnicodeDecodeError:
            return False

    async def _check(self) -> None:
        """Ask Slack whether it takes the bot token, until it does."""
        while True:
            try:
                await self._client.check()
            except SlackCallError as exc:
                _log.error("Slack does not take the bot token or cannot be reached: %s", exc.code)
                self._noticed["slack"] = (
                    f"Slack does not take the bot token or cannot be reached ({exc.code})"
                )
                await asyncio.sleep(_CHECK_AGAIN_S)
            else:
                self._noticed.pop("slack", None)
                return

    def _make_bolt(self) -> AsyncApp:
        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            # Bolt would ask Slack who the bot is before it acknowledges anything; nothing here needs that.
            return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token="-")  # noqa: S106

        app = AsyncApp(
            name="standfirst",
            logger=sdk_logger(),
            signing_secret="-",  # noqa: S106 - checked before
            request_verification_enabled=False,
            client=AsyncWebClient(logger=sdk_logger()),
            authorize=authorize,
            process_before_response=True,  # listeners do no more than begin work, in jobs that have an owner
        )
        app.middleware(self._serve_teams)
        app.command(re.compile(""))(self._on_command)
        app.event("app_mention")(self._on_mention)
        app.shortcut("summarize")(self._on_shortcut)
        app.shortcut("summarize_thread")(self._on_thread_shortcut)
        app.action(re.compile(r"(style|language):|evidence$"))(self._on_button)
        return app

    async def _serve_teams(
        self,
        body: Json,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 - Bolt's name
    ) -> BoltResponse:
        team = body.get("team_id") or (body.get("team") or {}).get("id")
        if (
            self._settings.slack_teams
            and team not in self._settings.slack_teams
            and body.get("type") != "url_verification"
        ):
            return BoltResponse(status=200, body={"text": _NOT_HERE} if "command" in body else "")
        return await next()

    async def _on_command(self, body: Json, ack: AsyncAck) -> None:
        try:
            order = read_command(body.get("text") or "", public=self._settings.slack_public)
        except HelpWantedError:
            await ack(**_shown(HELP))
            return
        except RequestError as exc:
            await ack(**_shown(sentence(exc)))
            return
        if self._jobs.full:
            await ack(**_shown(_BUSY))
            return
        channel, user = body["channel_id"], body["user_id"]
        reply: Reply
        if order.public:
            reply = FirstReply(self._in_channel(channel), self._to_asker(channel, user, body, public=True))
            await ack()
        else:
            reply = self._to_asker(channel, user, body, begun=True)
            await ack(**_shown(opening(order)))
        self._jobs.start(self._worker.summarize(body["trigger_id"], order, reply))

    async def _on_mention(self, body: Json) -> BoltResponse | None:
        event = body["event"]
        if event.get("bot_id"):
            return None
        if self._jobs.full:
            return BoltResponse(status=503, body="")  # Slack sends it again in a minute
        channel, ts, thread_ts = event["channel"], event["ts"], event.get("thread_ts")
        reply: Reply = self._in_channel(channel, thread_ts or ts)
        try:
            order = read_mention(event.get("text") or "", channel=channel, ts=ts, thread_ts=thread_ts)
        except RequestError as exc:
            text = HELP if isinstance(exc, HelpWantedError) else sentence(exc)
            self._notice(body["event_id"], reply, text)
            return None
        if not order.public:
            reply = self._to_asker(channel, event["user"], body, thread_ts=thread_ts)
        self._jobs.start(self._worker.summarize(body["event_id"], order, reply))
        return None

    async def _on_shortcut(self, body: Json, ack: AsyncAck) -> None:
        await ack()
        reply = self._reply_to(body)
        try:
            order = read_message(body["message"].get("text") or "", public=self._settings.slack_public)
        except RequestError as exc:
            self._notice(body["trigger_id"], reply, sentence(exc))
            return
        self._begin(body, order, reply)

    async def _on_thread_shortcut(self, body: Json, ack: AsyncAck) -> None:
        await ack()
        message = body["message"]
        source = Thread(body["channel"]["id"], message.get("thread_ts") or message["ts"])
        self._begin(body, Order(source, public=self._settings.slack_public), self._reply_to(body))

    async def _on_button(self, body: Json, ack: AsyncAck) -> None:
        await ack()
        action = body["actions"][0]
        channel, user = body["channel"]["id"], body["user"]["id"]
        container = body.get("container") or {}
        asker = self._to_asker(channel, user, body)
        if action["action_id"] == "evidence":
            work = self._worker.show_evidence(body["trigger_id"], action["value"], body["trigger_id"], asker)
        else:
            name, _, value = action["action_id"].partition(":")
            reply: Reply
            if container.get("is_ephemeral"):
                reply = self._to_asker(channel, user, body, replaces=True)
            else:
                message = body.get("message") or {}
                below = message.get("thread_ts") or container.get("message_ts")
                reply = FirstReply(self._in_channel(channel, below), asker)
            work = self._worker.restyle(body["trigger_id"], action["value"], {name: value}, reply)
        if self._jobs.full:
            work.close()
            self._notice(body["trigger_id"], asker, _BUSY)
        else:
            self._jobs.start(work)

    def _begin(self, body: Json, order: Order, reply: Reply) -> None:
        if self._jobs.full:
            self._notice(body["trigger_id"], reply, _BUSY)
        else:
            self._jobs.start(self._worker.summarize(body["trigger_id"], order, reply))

    def _notice(self, event_id: str, reply: Reply, text: str) -> None:
        if not self._notices.full:
            self._notices.start(self._worker.say(event_id, reply, text))

    def _in_channel(self, channel: str, thread_ts: str | None = None) -> ChannelReply:
        return ChannelReply(self._client, channel, self._settings.slack_progress_s, thread_ts)

    def _to_asker(
        self, channel: str, user: str, body: Json, *, thread_ts: str | None = None, **how: bool
    ) -> AskerReply:
        asker = Asker(channel, user, body.get("response_url"), thread_ts)
        return AskerReply(self._client, asker, self._settings.slack_progress_s, **how)

    def _reply_to(self, body: Json) -> Reply:
        """Where the answer to a shortcut is shown: to who asked, or below the message."""
        channel, user, message = body["channel"]["id"], body["user"]["id"], body["message"]
        asker = self._to_asker(
            channel, user, body, public=self._settings.slack_public, thread_ts=message.get("thread_ts")
        )
        if not self._settings.slack_public:
            return asker
        return FirstReply(self._in_channel(channel, message.get("thread_ts") or message["ts"]), asker)


def _shown(text: str) -> Json:
    message = show_text(text)
    return {"text": message.text, "blocks": message.blocks, "response_type": "ephemeral"}


async def _close(socket: AsyncSocketModeHandler) -> None:
    """Close a connection of Socket Mode, and wait for the SDK's tasks, which it only cancels."""
    client = socket.client
    try:
        async with asyncio.timeout(_CLOSE_S):
            await socket.close_async()  # type: ignore[no-untyped-call]
    except TimeoutError:
        await client.aiohttp_client_session.close()
    tasks = (client.message_processor, client.current_session_monitor, client.message_receiver)
    await asyncio.wait([t for t in tasks if t is not None], timeout=_CLOSE_S)
