"""How long a batch asks for an article's summary, and when it gives up."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from service.batches.ledger import Done, Failed, Outcome, Returned, Ticket
from service.batches.models import BatchLine
from service.batches.runner import Runner
from service.errors import (
    LLMAuthenticationError,
    LLMBudgetError,
    LLMBusyError,
    LLMConnectionError,
    LLMContextLengthError,
    LLMError,
    LLMLimitError,
    LLMNoPlaceError,
    LLMRateLimitedError,
    LLMServerError,
    LLMTimeoutError,
    LLMUnavailableError,
    PageNotFoundError,
)
from service.models import ArticleInput, Usage
from service.planning import Article
from service.summarizer import Outcome as SummaryOutcome

TICKET = Ticket("batch_1", 1, 1)
BODY = msgspec.json.encode({"summary": "Late.", "usage": Usage(llm_calls=1)})


class ScriptedSummarizer:
    """Raises one of `errors` at each call, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def account_of(self, owner: str) -> str:
        return owner

    async def summarize(self, *_: object, **__: object) -> SummaryOutcome:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return SummaryOutcome("id", BODY, "miss", kept=True)


class OneArticleDesk:
    """Has one article for every ticket, and stops its batch after `runs` looks."""

    def __init__(self, runs: int = 1_000_000) -> None:
        self.outcomes: list[Outcome] = []
        self.reasons: list[str] = []
        self.runs = runs

    async def load(self, ticket: Ticket) -> bytes:
        return msgspec.json.encode(BatchLine(text=f"Article {ticket.line}."))

    async def owner(self, _: str) -> str:
        return "cms"

    async def finish(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    async def stopped(self, _: str) -> bool:
        self.runs -= 1
        return self.runs < 0

    async def hold_up(self, _: str, reason: str) -> None:
        self.reasons.append(reason)


async def read(given: ArticleInput) -> Article:
    if given.text == "Article 404.":
        raise PageNotFoundError("there is no such page")
    return Article(text=given.text or "")


class Waits:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def runner(summarizer: ScriptedSummarizer, desk: OneArticleDesk, waits: Waits | None = None) -> Runner:
    fake: Any = summarizer
    return Runner(fake, read, desk, sleep=waits or Waits())


@pytest.mark.parametrize(
    "error",
    [
        *(
            LLMRateLimitedError("429"),
            LLMBusyError("full"),
            LLMNoPlaceError("none"),
            LLMUnavailableError("open"),
        ),
        LLMBudgetError("spent", retry_after_s=86_400, final=False),
        LLMLimitError("used up", retry_after_s=86_400, owner="cms"),
        *(LLMConnectionError("gone"), LLMAuthenticationError("key")),
    ],
)
async def test_what_no_article_is_to_blame_for_is_waited_out(error: LLMError) -> None:
    summarizer, desk = ScriptedSummarizer(*[error] * 100), OneArticleDesk()
    await runner(summarizer, desk).run(TICKET)
    assert isinstance(desk.outcomes[0], Done)
    assert len(desk.reasons) == 100


async def test_spent_budget_is_asked_about_every_minute() -> None:
    waits, desk = Waits(), OneArticleDesk(20)
    spent = LLMBudgetError("spent", retry_after_s=86_400, final=False)
    await runner(ScriptedSummarizer(*[spent] * 100), desk, waits).run(TICKET)
    assert max(waits.seconds) <= 60
    assert desk.outcomes == [Returned(TICKET)]


async def test_waits_double_up_to_a_minute_or_are_as_the_provider_asks() -> None:
    waits = Waits()
    errors = [LLMRateLimitedError("429", retry_after_s=7.0), *[LLMUnavailableError("open")] * 9]
    await runner(ScriptedSummarizer(*errors), OneArticleDesk(), waits).run(TICKET)
    assert 7.0 <= waits.seconds[0] <= 8.0
    assert 1.0 <= waits.seconds[1] <= 2.0
    assert 30.0 <= waits.seconds[-1] <= 60.0


async def test_an_article_fails_when_others_get_through_and_it_does_not() -> None:
    summarizer, desk = ScriptedSummarizer(), OneArticleDesk()
    made = runner(summarizer, desk)

    class Turns(Waits):
        async def __call__(self, _: float) -> None:
            """While the article waits, another one gets through."""
            errors, summarizer.errors = summarizer.errors, []
            await made.run(Ticket("batch_1", 2, 1))
            summarizer.errors = errors

    made._sleep = Turns()
    summarizer.errors = [LLMServerError("500")] * 100
    await made.run(TICKET)
    failed = desk.outcomes[-1]
    assert isinstance(failed, Failed)
    assert (failed.code, failed.message) == ("llm-server", "500")
    assert len(summarizer.errors) == 96


async def test_a_server_that_is_down_for_all_is_given_more_time() -> None:
    desk = OneArticleDesk()
    await runner(ScriptedSummarizer(*[LLMServerError("500")] * 20), desk).run(TICKET)
    assert isinstance(desk.outcomes[0], Done)
    await runner(ScriptedSummarizer(*[LLMTimeoutError("late")] * 100), desk).run(TICKET)
    assert isinstance(desk.outcomes[1], Failed)


@pytest.mark.parametrize("error", [LLMContextLengthError("too long"), ZeroDivisionError("secret words")])
async def test_what_another_try_would_not_change_fails_at_once(error: Exception) -> None:
    summarizer, desk = ScriptedSummarizer(error), OneArticleDesk()
    await runner(summarizer, desk).run(TICKET)
    assert isinstance(desk.outcomes[0], Failed)
    assert "secret" not in desk.outcomes[0].message
    assert summarizer.calls == 1


async def test_an_article_that_waits_is_given_back_when_its_batch_stops() -> None:
    summarizer, desk = ScriptedSummarizer(*[LLMRateLimitedError("429")] * 100), OneArticleDesk(runs=3)
    await runner(summarizer, desk).run(TICKET)
    assert desk.outcomes == [Returned(TICKET)]
    assert summarizer.calls == 4


async def test_a_page_that_is_not_there_fails_its_own_article() -> None:
    summarizer, desk = ScriptedSummarizer(), OneArticleDesk()
    await runner(summarizer, desk).run(Ticket("batch_1", 404, 1))
    assert desk.outcomes == [Failed(Ticket("batch_1", 404, 1), "page-not-found", "there is no such page")]
    assert summarizer.calls == 0
