"""Where an answer is shown: a place that says "working", then how far it is, and at the end the result."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from service.slack.blocks import Message, show_text
from service.slack.client import SlackCallError, SlackClient

_USES = 5
# A kept summary would overtake the acknowledgement, and stand above "Reading …".
_ACKNOWLEDGED_S = 0.1
_LIFE_S = 1_790.0


class Reply(Protocol):
    """One answer, from "working" to the result."""

    async def start(self, text: str) -> None:
        """Say that work has begun; raises SlackCallError if nothing can be shown here."""
        ...

    def pauses_s(self) -> Iterator[float]:
        """The seconds to wait before each report of progress; as many as may be shown."""
        ...

    async def progress(self, text: str) -> None:
        """Say how far the work is; an error of Slack's is no matter."""
        ...

    async def finish(self, messages: Sequence[Message]) -> None:
        """Show the result in place of all that; raises SlackCallError."""
        ...

    async def tell(self, text: str) -> None:
        """Say why there is no result; an earlier answer stays. Raises SlackCallError."""
        ...


class ChannelReply:
    """A message that everybody in a channel sees, or in a thread of it."""

    def __init__(
        self, client: SlackClient, channel: str, pause_s: float, thread_ts: str | None = None
    ) -> None:
        self._client = client
        self._channel = channel
        self._pause_s = pause_s
        self._thread_ts = thread_ts
        self._ts: str | None = None

    async def start(self, text: str) -> None:
        """See `Reply.start`."""
        self._ts = await self._client.post(self._channel, show_text(text), thread_ts=self._thread_ts)

    def pauses_s(self) -> Iterator[float]:
        """See `Reply.pauses_s`."""
        return itertools.repeat(self._pause_s)

    async def progress(self, text: str) -> None:
        """See `Reply.progress`."""
        if self._ts is not None:
            with suppress(SlackCallError):
                await self._client.update(self._channel, self._ts, show_text(text))

    async def finish(self, messages: Sequence[Message]) -> None:
        """See `Reply.finish`."""
        first, *others = messages
        if self._ts is None or not await self._update(self._ts, first):
            self._ts = await self._client.post(self._channel, first, thread_ts=self._thread_ts)
        for message in others:
            await self._client.post(self._channel, message, thread_ts=self._thread_ts or self._ts)

    async def tell(self, text: str) -> None:
        """See `Reply.tell`."""
        await self.finish([show_text(text)])

    async def _update(self, ts: str, message: Message) -> bool:
        """Change what was shown; False if somebody has deleted it."""
        try:
            await self._client.update(self._channel, ts, message)
        except SlackCallError as exc:
            if exc.code != "message_not_found":
                raise
            return False
        return True


class Asker(NamedTuple):
    """Who asked and where; `response_url` takes five messages within half an hour."""

    channel: str
    user: str
    response_url: str | None = None
    thread_ts: str | None = None


class AskerReply:
    """Messages for who asked, by the `response_url` that came along, or as ephemeral ones.

    Such messages cannot be changed, but for one whose button was pressed (slackapi/bolt-js issue 2287): each
    report is one more.

    Args:
        client: Slack's Web API.
        asker: Whom to answer.
        pause_s: Seconds between reports, about.
        public: Whether all in the channel see the result: for channels that the bot is not in.
        begun: Whether the acknowledgement said already that work has begun.
        replaces: Whether the result takes the place of the message whose button was pressed.
    """

    def __init__(
        self,
        client: SlackClient,
        asker: Asker,
        pause_s: float,
        *,
        public: bool = False,
        begun: bool = False,
        replaces: bool = False,
    ) -> None:
        self._client = client
        self._asker = asker
        self._pause_s = pause_s
        self._public = public
        self._begun = begun
        self._replaces = replaces
        self._uses = _USES
        self._until = time.monotonic() + _LIFE_S

    async def start(self, text: str) -> None:
        """See `Reply.start`."""
        if self._begun:
            await asyncio.sleep(_ACKNOWLEDGED_S)
        elif not self._replaces:
            await self.tell(text)

    def pauses_s(self) -> Iterator[float]:
        """See `Reply.pauses_s`: two reports, so that uses are left for the result."""
        reported = self._asker.response_url is not None and not self._replaces
        return iter((3 * self._pause_s, 9 * self._pause_s) if reported else ())

    async def progress(self, text: str) -> None:
        """See `Reply.progress`."""
        with suppress(SlackCallError):
            await self._by_url(show_text(text))

    async def finish(self, messages: Sequence[Message]) -> None:
        """See `Reply.finish`."""
        shown = 0
        if self._replaces:
            with suppress(SlackCallError):
                await self._by_url(messages[0], replace=True)
                shown = 1
        for message in messages[shown:]:
            await self._show(message, public=self._public)

    async def tell(self, text: str) -> None:
        """See `Reply.tell`."""
        await self._show(show_text(text))

    async def _show(self, message: Message, *, public: bool = False) -> None:
        channel, user, _, thread_ts = self._asker
        try:
            await self._by_url(message, public=public)
        except SlackCallError:
            if public:
                await self._client.post(channel, message, thread_ts=thread_ts)
            else:
                await self._client.whisper(channel, user, message, thread_ts=thread_ts)

    async def _by_url(self, message: Message, *, public: bool = False, replace: bool = False) -> None:
        url, thread_ts = self._asker.response_url, self._asker.thread_ts
        if url is None or self._uses == 0 or time.monotonic() > self._until:
            raise SlackCallError("expired_url", "Slack no longer takes an answer to this.")
        self._uses -= 1
        body: dict[str, Any] = {
            "response_type": "in_channel" if public else "ephemeral",
            "replace_original": replace,
            "text": message.text,
            "blocks": message.blocks,
        }
        if thread_ts is not None and not replace:
            body["thread_ts"] = thread_ts
        await self._client.respond(url, body)


class FirstReply:
    """The first of several replies that can be shown."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = replies
        self._chosen = replies[-1]

    async def start(self, text: str) -> None:
        """See `Reply.start`."""
        for reply in self._replies[:-1]:
            try:
                await reply.start(text)
            except SlackCallError:
                continue
            self._chosen = reply
            return
        await self._chosen.start(text)

    def pauses_s(self) -> Iterator[float]:
        """See `Reply.pauses_s`."""
        return self._chosen.pauses_s()

    async def progress(self, text: str) -> None:
        """See `Reply.progress`."""
        await self._chosen.progress(text)

    async def finish(self, messages: Sequence[Message]) -> None:
        """See `Reply.finish`."""
        await self._chosen.finish(messages)

    async def tell(self, text: str) -> None:
        """See `Reply.tell`."""
        await self._chosen.tell(text)
