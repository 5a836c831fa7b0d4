"""What Standfirst calls in Slack's Web API: rate limits waited for, an end to every call, clear errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import aiohttp
from slack_sdk.errors import SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from service.errors import StandfirstError
from service.slack.blocks import Message
from service.slack.text import Json

_CALL_S: Final = 15.0
_LONGEST_WAIT_S: Final = 60.0
_MOST_WAITS: Final = 3
_DEADLINE_S: Final = 150.0
_PAGE: Final = 200
_MOST_PAGES: Final = 10
_MOST_NAMES: Final = 5_000
_NAMES_AT_ONCE: Final = 8
_LOOKED_AT: Final = 200  # characters of an answer that should be `ok`

_REMEDIES: Final = {
    "not_in_channel": "I am not in this channel; invite me with /invite and ask again.",
    "channel_not_found": "I cannot see this channel; invite me with /invite and ask again.",
    "thread_not_found": "I cannot find this thread any more.",
    "message_not_found": "I cannot find this message any more.",
    "is_archived": "This channel is archived; ask somewhere else.",
    "restricted_action": "This workspace does not let me write here; ask somewhere else.",
    "invalid_auth": "Slack does not accept my token; ask whoever runs Standfirst to renew it.",
    "token_revoked": "Slack does not accept my token; ask whoever runs Standfirst to renew it.",
    "account_inactive": "Slack does not accept my token; ask whoever runs Standfirst to renew it.",
    "ratelimited": "Slack lets me do no more for now; ask again in a minute.",
}


T = TypeVar("T")


class SlackCallError(StandfirstError):
    """Slack did not do what it was asked to; `code` is its word for why, the message is for who asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Patience(AsyncRateLimitErrorRetryHandler):
    """Waits as long as Slack says, unless that is longer than anybody waits for a summary."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        limited = await super()._can_retry_async(state=state, request=request, response=response, error=error)
        return limited and response is not None and _wait_s(response) <= _LONGEST_WAIT_S


def _wait_s(response: HttpResponse) -> float:
    named = {k.lower(): v for k, v in response.headers.items()}.get("retry-after", ["1"])
    return float(named[0]) if named[0].isdigit() else 1.0


class SlackClient:
    """One workspace's Web API; to be made in a running event loop, and closed."""

    def __init__(self, token: str, base_url: str, logger: logging.Logger) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_CALL_S))
        self._logger = logger
        self._handlers = [
            _Patience(max_retry_count=_MOST_WAITS),
            # Only where nothing can have been posted yet, or a connection that was kept open had been closed.
            AsyncConnectionErrorRetryHandler(
                error_types=[aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError]
            ),
        ]
        self.web = AsyncWebClient(
            token=token,
            base_url=base_url,
            session=self._session,
            logger=logger,
            retry_handlers=self._handlers,
        )
        if base_url.startswith("http:"):  # a stand-in on this machine, which a proxy cannot reach
            self.web.proxy = None
        self._names: dict[str, str] = {}

    async def aclose(self) -> None:
        """Close its connections."""
        await self._session.close()

    async def check(self) -> None:
        """Make sure that Slack accepts the token; raises SlackCallError."""
        await self._call(self.web.auth_test)

    async def post(self, channel: str, message: Message, *, thread_ts: str | None = None) -> str:
        """Post a message; its `ts`, by which it can be updated."""
        answer = await self._call(
            lambda: self.web.chat_postMessage(
                channel=channel,
                text=message.text,
                blocks=message.blocks,
                thread_ts=thread_ts,
                unfurl_links=False,
                unfurl_media=False,
            )
        )
        return str(answer["ts"])

    async def update(self, channel: str, ts: str, message: Message) -> None:
        """Put a message in the place of one that was posted."""
        await self._call(
            lambda: self.web.chat_update(channel=channel, ts=ts, text=message.text, blocks=message.blocks)
        )

    async def whisper(
        self, channel: str, user: str, message: Message, *, thread_ts: str | None = None
    ) -> None:
        """Show a message to one user of a channel."""
        await self._call(
            lambda: self.web.chat_postEphemeral(
                channel=channel, user=user, text=message.text, blocks=message.blocks, thread_ts=thread_ts
            )
        )

    async def respond(self, url: str, body: Mapping[str, Any]) -> None:
        """Send a message to a `response_url`; raises SlackCallError, `expired_url` where it is used up."""
        webhook = AsyncWebhookClient(
            url, session=self._session, logger=self._logger, retry_handlers=list(self._handlers)
        )
        webhook.proxy = self.web.proxy

        async def send() -> None:
            answer = await webhook.send_dict(dict(body))
            if answer.status_code != 200 or '"ok":false' in answer.body.replace(" ", "")[:_LOOKED_AT]:
                raise SlackCallError("expired_url", "Slack no longer takes an answer to this.")

        await self._within(send)

    async def thread(self, channel: str, ts: str) -> tuple[list[Json], bool]:
        """The messages of a thread, ten pages of them at most, and whether these are all."""
        found: list[Json] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            answer = await self._call(
                lambda cursor=cursor: self.web.conversations_replies(  # type: ignore[misc]
                    channel=channel, ts=ts, limit=_PAGE, cursor=cursor
                )
            )
            found += answer["messages"]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return found, True
        return found, False

    async def names(self, users: Sequence[str]) -> dict[str, str]:
        """What users are called; by an id where Slack does not say."""
        slots = asyncio.Semaphore(_NAMES_AT_ONCE)

        async def name(user: str) -> str:
            async with slots:
                return self._names.get(user) or await self._ask_name(user)

        return dict(zip(users, await asyncio.gather(*map(name, users)), strict=True))

    async def _ask_name(self, user: str) -> str:
        try:
            answer = await self._call(lambda: self.web.users_info(user=user))
        except SlackCallError:
            return f"User {user}"
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        profile = answer["user"].get("profile") or {}
        names = (profile.get("display_name"), profile.get("real_name"), answer["user"].get("name"), user)
        self._names[user] = next(n for n in names if n)
        return self._names[user]

    async def open_view(self, trigger_id: str, view: Json) -> str:
        """Open a window; its id. Slack takes a trigger for three seconds."""
        answer = await self._call(lambda: self.web.views_open(trigger_id=trigger_id, view=view))
        return str(answer["view"]["id"])

    async def update_view(self, view_id: str, view: Json) -> None:
        """Change what a window shows."""
        await self._call(lambda: self.web.views_update(view_id=view_id, view=view))

    async def _call(self, call: Callable[[], Awaitable[AsyncSlackResponse]]) -> AsyncSlackResponse:
        return await self._within(call)

    async def _within(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return await call()
        except SlackClientError as exc:
            raise explain(exc) from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise SlackCallError("unreachable", "Slack could not be reached.") from exc


def explain(error: SlackClientError) -> SlackCallError:
    """An error of the SDK's in words of our own, which hold nothing of what was sent."""
    response = getattr(error, "response", None)
    data = getattr(response, "data", None)
    answer: Json = data if isinstance(data, dict) else {}
    code = str(answer.get("error", "unexpected_answer"))
    if code == "missing_scope":
        needed = str(answer.get("needed", "a permission"))[:80]
        remedy = "ask whoever runs Standfirst to install the app anew with its manifest."
        return SlackCallError(code, f"I lack the permission {needed} in this workspace; {remedy}")
    return SlackCallError(code, _REMEDIES.get(code, f"Slack did not let me do this ({code[:80]})."))
