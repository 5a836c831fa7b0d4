"""What a batch has to satisfy to be taken in: its lines, its budget and its webhook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from service.batches.estimates import Estimator, Guess
from service.batches.lines import Accepted, RawLine, Reader, grouped
from service.batches.models import Estimate, LineError, Submission
from service.errors import BatchTooLargeError, PageError, RequestError
from service.planning import Planner
from service.settings import Settings, variable_of

if TYPE_CHECKING:
    from service.webhooks import WebhookSender

MOST_ERRORS: Final = 100
# What a line needs beside its article, as a body of `POST /v1/summaries` does.
_ESCAPED = 3
_OTHER_FIELDS_BYTES = 100_000


class Block(NamedTuple):
    """Some lines of a batch: those that are requests, and what is wrong with the others."""

    accepted: list[Accepted]
    bad: list[LineError]


class Admission:
    """Looks at batches before anything of them is kept.

    Args:
        settings: Bounds of batches and of their articles.
        planner: Knows models and prompts.
        webhooks: Who would call a batch's webhook; None: nobody.
    """

    def __init__(self, settings: Settings, planner: Planner, webhooks: WebhookSender | None) -> None:
        self._settings = settings
        self._planner = planner
        self._webhooks = webhooks
        self._estimator: Estimator | None = None

    @property
    def longest_line(self) -> int:
        """Most bytes of a line."""
        return self._settings.max_article_bytes * _ESCAPED + _OTHER_FIELDS_BYTES

    async def check(self, submission: Submission) -> None:
        """Make sure that what holds for all lines can be used; raises RequestError."""
        self._check_budget(submission)
        await self._check_webhook(submission)

    def check_size(self, lines: int) -> None:
        """Make sure that a batch may have so many lines; raises BatchTooLargeError."""
        most = self._settings.batch_max_articles
        if lines > most:
            raise BatchTooLargeError(
                f"a batch has at most {most} lines", limit=most, unit="line", remedy="send it in parts"
            )

    async def blocks(
        self, lines: AsyncIterable[Sequence[RawLine]], submission: Submission
    ) -> AsyncIterator[Block]:
        """The lines as they were read, in blocks that suit a transaction."""
        reader = Reader(
            defaults=submission.defaults,
            ignore_unknown=submission.ignore_unknown,
            longest_line=self.longest_line,
            max_article_bytes=self._settings.max_article_bytes,
            check=self._planner.check,
        )
        async for block in grouped(lines):
            read = await asyncio.to_thread(reader.read, block)
            yield Block(
                [line for line in read if isinstance(line, Accepted)],
                [line for line in read if isinstance(line, LineError)],
            )

    async def guess(self, lines: Sequence[Accepted]) -> list[Guess]:
        """What each of `lines` will come to."""
        return await asyncio.to_thread(self._guess, lines)

    def _guess(self, lines: Sequence[Accepted]) -> list[Guess]:
        if self._estimator is None:
            self._estimator = Estimator(self._planner.model_info, self._planner.prompt_tokens())
        return [self._estimator.guess(line.request) for line in lines]

    async def estimate(self, lines: AsyncIterable[Sequence[RawLine]], submission: Submission) -> Estimate:
        """What a batch would come to; touches nothing, and asks nobody.

        Raises:
            BatchTooLargeError: there are more lines than the settings allow.
        """
        errors: list[LineError] = []
        articles = invalid = read = written = 0
        cost_usd: float | None = 0.0
        async for block in self.blocks(lines, submission):
            errors += block.bad[: MOST_ERRORS - len(errors)]
            invalid += len(block.bad)
            articles += len(block.accepted)
            self.check_size(articles + invalid)
            for guess in await self.guess(block.accepted):
                read += guess.input_tokens
                written += guess.output_tokens
                unknown = cost_usd is None or guess.cost_usd is None
                cost_usd = None if unknown else (cost_usd or 0.0) + (guess.cost_usd or 0.0)
        return Estimate(
            articles=articles,
            invalid=invalid,
            input_tokens=read,
            output_tokens=written,
            cost_usd=cost_usd,
            errors=errors,
        )

    def _check_budget(self, submission: Submission) -> None:
        """A budget needs prices; raises RequestError."""
        model = submission.defaults.get("model")
        info = self._planner.model_info(None if model is None else str(model))
        if submission.max_cost_usd is not None and info is not None and info.output_usd is None:
            raise RequestError(
                "the price of the model is not known, so that its cost cannot be bounded",
                field="max_cost_usd",
                remedy="name its prices in a file at STANDFIRST_MODELS_FILE, or leave the budget out",
            )

    async def _check_webhook(self, submission: Submission) -> None:
        """Somebody must be there to call it, and may; raises RequestError."""
        if submission.webhook is None:
            return
        if self._webhooks is None:
            raise RequestError(
                "this service calls no webhooks",
                field="webhook",
                remedy=f"leave it out, or set {variable_of('webhook_secret')}",
            )
        try:
            await self._webhooks.check(submission.webhook)
        except PageError as exc:
            raise RequestError(
                str(exc), field="webhook", remedy="give the https URL of a host that this service may call"
            ) from exc
