"""Articles of batches through the summarizer: patient with the model's side, brief with what cannot work."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from msgspec import Struct

from service.batches.ledger import Done, Failed, Outcome, Returned, Ticket
from service.batches.lines import options_of
from service.batches.models import BatchLine
from service.errors import (
    IntakeBusyError,
    LLMAuthenticationError,
    LLMBudgetError,
    LLMBusyError,
    LLMConnectionError,
    LLMError,
    LLMLimitError,
    LLMModelNotFoundError,
    LLMNoPlaceError,
    LLMRateLimitedError,
    LLMRefusalError,
    LLMRequestError,
    LLMSpentError,
    LLMUnavailableError,
    PageFailedError,
    PageTimeoutError,
    PageUnreachableError,
    StandfirstError,
)
from service.models import ArticleInput, Source, Usage
from service.planning import Article
from service.summarizer import Summarizer

_log = logging.getLogger(__name__)

_ATTEMPTS = 4
_TRIES = 30  # where no article at all succeeds, so that the server is to blame rather than the article
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
# What no article is to blame for: it waits, however long that takes.
_HELD_UP: dict[type[StandfirstError], str] = {
    IntakeBusyError: "too many pages wait to be read",
    LLMRateLimitedError: "the model's provider throttles",
    LLMBudgetError: "today's budget is spent",
    LLMLimitError: "the key's limit of tokens or cost is used up",
    LLMBusyError: "too many requests wait for the model",
    LLMNoPlaceError: "other requests have all the places at the model",
    LLMUnavailableError: "the model's server has failed and is left alone for some seconds",
    LLMConnectionError: "the model's server cannot be reached",
    LLMAuthenticationError: "the model's provider does not accept the API key",
}
# What another try may change: all of the model's side but the first ones, and troubles of a page's server.
_FINAL = (LLMRefusalError, LLMRequestError, LLMModelNotFoundError)
_PASSING = (LLMError, PageFailedError, PageUnreachableError, PageTimeoutError)


class Desk(Protocol):
    """Where articles come from and outcomes go to."""

    async def load(self, ticket: Ticket) -> bytes | Returned | None:
        """The request behind a ticket; see `Ledger.load`."""

    async def owner(self, batch_id: str) -> str:
        """The id of the caller whose batch it is."""

    async def finish(self, outcome: Outcome) -> None:
        """Keep an outcome; returns when it is safe."""

    async def stopped(self, batch_id: str) -> bool:
        """Whether the batch does not run any more."""

    async def hold_up(self, batch_id: str, reason: str) -> None:
        """Note what the batch waits for."""


class _Cost(Struct):
    usage: Usage


class Runner:
    """Makes the summaries of batches.

    Args:
        summarizer: What interactive requests call too.
        read: Makes an article of what a line hands in, such as `Intake.read`.
        desk: Where articles come from and outcomes go to.
        sleep: Waits for a number of seconds; a test may pass one that does not.
    """

    def __init__(
        self,
        summarizer: Summarizer,
        read: Callable[[ArticleInput], Awaitable[Article]],
        desk: Desk,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._summarizer = summarizer
        self._read = read
        self._desk = desk
        self._sleep = sleep
        self._successes = 0

    async def run(self, ticket: Ticket) -> None:
        """Bring one article to its end; running it again after that does nothing."""
        request = await self._desk.load(ticket)
        if request is None:
            return
        outcome = request if isinstance(request, Returned) else await self._make(ticket, request)
        await self._desk.finish(outcome)

    async def _make(self, ticket: Ticket, request: bytes) -> Outcome:
        line = msgspec.json.decode(request, type=BatchLine)
        attempts, tries, successes = 0, 0, self._successes
        while True:
            try:
                return await self._summarize(ticket, line)
            except StandfirstError as exc:
                error = exc
            except Exception as exc:  # noqa: BLE001 - a mistake of ours fails one article, not the batch
                _log.error("%s while summarizing an article of a batch", type(exc).__name__)
                return Failed(ticket, "internal", "this is a fault of the service")
            reason = next((why for cls, why in _HELD_UP.items() if isinstance(error, cls)), None)
            if reason is None and not _may_pass(error):
                return _failed(ticket, error)
            tries += 1
            if reason is None:
                # Where others get through meanwhile, this article is to blame.
                attempts += self._successes > successes or tries == 1
                if attempts >= _ATTEMPTS or tries >= _TRIES:
                    return _failed(ticket, error)
                successes = self._successes
            else:
                await self._desk.hold_up(ticket.batch_id, reason)
            # A limit may be raised, and a batch cancelled, long before the day is over.
            told = None if isinstance(error, LLMSpentError) else getattr(error, "retry_after_s", None)
            await self._sleep(_wait_s(tries, told))
            if await self._desk.stopped(ticket.batch_id):
                return Returned(ticket)

    async def _summarize(self, ticket: Ticket, line: BatchLine) -> Done:
        article = msgspec.structs.replace(await self._read(line), id=line.article_id)
        account = self._summarizer.account_of(await self._desk.owner(ticket.batch_id))
        outcome = await self._summarizer.summarize(
            article, options_of(line), priority="batch", account=account
        )
        self._successes += 1
        usage = msgspec.json.decode(outcome.body, type=_Cost).usage
        return Done(
            ticket, _with_own_data(outcome.body, line, article.source), usage, cached=outcome.cache != "miss"
        )


def _with_own_data(body: bytes, line: BatchLine, source: Source | None) -> bytes:
    """The summary with what is the caller's own, which is never kept with it."""
    own = {"source": source, "article_id": line.article_id, "metadata": line.metadata}
    own = {name: value for name, value in own.items() if value is not None}
    return msgspec.json.encode(msgspec.json.decode(body) | own) if own else body


def _may_pass(error: StandfirstError) -> bool:
    return isinstance(error, _PASSING) and not isinstance(error, _FINAL)


def _failed(ticket: Ticket, error: StandfirstError) -> Failed:
    """`error` by a stable code: its class without `Error`, as in `llm-refusal`."""
    name = type(error).__name__.removesuffix("Error").replace("LLM", "Llm")
    return Failed(ticket, re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(), str(error))


def _wait_s(tries: int, retry_after_s: float | None) -> float:
    """Seconds before the next try: as the provider asked, else doubled each time; half is left to chance."""
    longest = min(_FIRST_WAIT_S * 2 ** (tries - 1), _LONGEST_WAIT_S)
    wait_s = random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
    return wait_s if retry_after_s is None else retry_after_s + min(wait_s, _FIRST_WAIT_S)
