"""Where an answer is shown: a place that says "working", then how far it is, and at the end the result."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from service.slack.blocks import Message, show_text
from service.slack.client import SlackCallError, SlackClient

# A `response_url` is good for five messages in half an hour.
_USES = 5
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


class AskerReply:
    """A message for who asked, by the `response_url` that came along, or as an ephemeral message.

    With `public`, everybody in the channel sees the result: for channels that the bot is not in.
    """

    def __init__(
        self,
        client: SlackClient,
        channel: str,
        user: str,
        pause_s: float,
        *,
        response_url: str | None = None,
        thread_ts: str | None = None,
        public: bool = False,
    ) -> None:
        self._client = client
        self._channel = channel
        self._user = user
        self._pause_s = pause_s
        self._url = response_url
        self._thread_ts = thread_ts
        self._public = public
        self._uses = _USES
        self._until = time.monotonic() + _LIFE_S
        self._shown = self._answered = False

    def mark_shown(self, *, answer: bool = False) -> None:
        """There is a message already that the next one replaces; an `answer` only by another answer."""
        self._shown = True
        self._answered = answer

    async def start(self, text: str) -> None:
        """See `Reply.start`."""
        if not self._shown:
            await self._show(show_text(text), replace=False)

    def pauses_s(self) -> Iterator[float]:
        """See `Reply.pauses_s`: two reports, so that three uses are left for the result."""
        reported = self._url is not None and not self._answered
        return iter((self._pause_s, 3 * self._pause_s) if reported else ())

    async def progress(self, text: str) -> None:
        """See `Reply.progress`."""
        with suppress(SlackCallError):
            await self._by_url(show_text(text), replace=True)

    async def finish(self, messages: Sequence[Message]) -> None:
        """See `Reply.finish`."""
        for number, message in enumerate(messages):
            await self._show(message, replace=number == 0 and self._shown)

    async def tell(self, text: str) -> None:
        """See `Reply.tell`."""
        await self._show(show_text(text), replace=self._shown and not self._answered)

    async def _show(self, message: Message, *, replace: bool) -> None:
        # Slack does not say where `replace_original` holds: where it does not, another message will do.
        for replaces in (True, False) if replace else (False,):
            with suppress(SlackCallError):
                await self._by_url(message, replace=replaces)
                self._shown = True
                return
        if self._public:
            await self._client.post(self._channel, message, thread_ts=self._thread_ts)
        else:
            await self._client.whisper(self._channel, self._user, message, thread_ts=self._thread_ts)

    async def _by_url(self, message: Message, *, replace: bool) -> None:
        if self._url is None or self._uses == 0 or time.monotonic() > self._until:
            raise SlackCallError("expired_url", "Slack no longer takes an answer to this.")
        self._uses -= 1
        body: dict[str, Any] = {
            "response_type": "in_channel" if self._public else "ephemeral",
            "replace_original": replace,
            "text": message.text,
            "blocks": message.blocks,
        }
        if self._thread_ts is not None and not replace:
            body["thread_ts"] = self._thread_ts
        await self._client.respond(self._url, body)


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
