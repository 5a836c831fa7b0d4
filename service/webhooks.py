"""Webhooks: one signed request that tells a caller's server what happened.

Signatures are those of Standard Webhooks (https://www.standardwebhooks.com), made by its own library.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

import httpx
from standardwebhooks import Webhook

from service.addresses import AddressBook
from service.connections import USER_AGENT, check_url, open_client
from service.errors import PageError, SettingError
from service.settings import variable_of

Verdict: TypeAlias = Literal["delivered", "again", "never"]

_ANSWER_BYTES: Final = 65_536  # read, so that the other side sees its answer taken; nothing is kept of it
_GONE: Final = 410


class Event(NamedTuple):
    """What happened: `id` is the same for each attempt, so that the receiver can tell them for one."""

    id: str
    url: str
    body: str


class Attempt(NamedTuple):
    """One try to deliver: when, the status or the problem, and whether another one is of use.

    `retry_after_s` is what the receiver asked for.
    """

    at: datetime
    verdict: Verdict
    seconds: float
    status: int | None = None
    problem: str | None = None
    retry_after_s: float | None = None


class WebhookSender:
    """Delivers events, signed.

    Args:
        addresses: Which hosts may be told.
        secret: `whsec_` and base64, as Standard Webhooks has it; receivers verify with the same.
        timeout_s: Seconds for one attempt in all.

    Raises:
        SettingError: the secret is not of that form.
    """

    def __init__(self, addresses: AddressBook, secret: str, *, timeout_s: float = 15.0) -> None:
        try:
            self._webhook = Webhook(secret)
        except Exception as exc:  # the library lets errors of base64 through beside its own
            raise SettingError(
                variable_of("webhook_secret"), "is no secret of Standard Webhooks: whsec_ and base64"
            ) from exc
        self._addresses = addresses
        self._client = open_client(addresses, user_agent=USER_AGENT, timeout=httpx.Timeout(timeout_s))
        self._timeout_s = timeout_s

    async def check(self, url: str) -> None:
        """Make sure that `url` could be told something; raises PageError."""
        await check_url(url, self._addresses)

    async def send(self, event: Event) -> Attempt:
        """Try once; what goes wrong is said in the attempt, without the receiver's own words."""
        at, began = datetime.now(UTC), time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                status, retry_after_s = await self._post(event, at)
        except (httpx.HTTPError, PageError, TimeoutError) as exc:
            problem = str(exc) if isinstance(exc, PageError) else _in_words(exc)
            return Attempt(at, "again", time.monotonic() - began, problem=problem)
        verdict: Verdict = "never" if status == _GONE else "delivered" if 200 <= status < 300 else "again"
        return Attempt(at, verdict, time.monotonic() - began, status, retry_after_s=retry_after_s)

    async def _post(self, event: Event, at: datetime) -> tuple[int, float | None]:
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(event.id, at, event.body),
        }
        async with self._client.stream("POST", event.url, content=event.body, headers=headers) as answer:
            read = 0
            async for chunk in answer.aiter_raw():
                read += len(chunk)
                if read > _ANSWER_BYTES:
                    break
            asked = answer.headers.get("retry-after", "")
            return answer.status_code, float(asked) if asked.isdecimal() else None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _in_words(error: Exception) -> str:
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return "the connection broke"
