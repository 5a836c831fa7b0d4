"""One request's way through the model: how long, at what cost, and what the caller should know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from service.catalogue import ModelInfo, cost_usd
from service.llm import Priority, TokenUsage
from service.models import Notice, Quote, Sentence, Usage
from service.spending import Account


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """What a request lets the caches do: answer from them, keep results, or answer from them alone."""

    reads: bool = True
    writes: bool = True
    only: bool = False


DEFAULT_CACHE_POLICY = CachePolicy()


class Progress(NamedTuple):
    """How far a request is: `done` of `total` steps of a stage."""

    stage: Literal["article", "chunks", "combine", "repair"]
    done: int
    total: int


class DraftedSentence(Struct, frozen=True):
    """A sentence that the model has just written: number `index` of its draft, and not checked."""

    index: int
    text: str


class Restart(Struct, frozen=True):
    """The model begins its answer anew: the drafted sentences so far are void."""


class CheckedSentence(Struct, frozen=True):
    """A sentence as it will stand in the result, which voids all drafted ones."""

    index: int
    sentence: Sentence


class ChosenQuote(Struct, frozen=True):
    """A key quote as it will stand in the result."""

    index: int
    quote: Quote


Event: TypeAlias = Progress | DraftedSentence | Restart | CheckedSentence | ChosenQuote
"""Something that happened to a request under way."""


@dataclass(slots=True)
class Run:
    """One request's way through the model: which model, until when, and what has been spent and noticed.

    `deadline` is a time of the running event loop in seconds; `priority` is that of its calls, and `account`
    pays for them; `report` is told of every step, and `is_followed` says whether anybody wants to know before
    the end; `tokens` are the article's, once they are counted; `degraded` means that code stood in for the
    model somewhere; `spent` has the model and the tokens of each call that was answered, None where the
    server did not count; `draft_keys` are the store's keys of the drafts used.
    """

    model: ModelInfo
    deadline: float
    call_timeout_s: float
    cache: CachePolicy
    find_model: Callable[[str], ModelInfo]
    priority: Priority = "interactive"
    account: Account | None = None
    report: Callable[[Event], object] = lambda _: None
    is_followed: Callable[[], bool] = lambda: False
    tokens: int | None = None
    chunks: int = 1
    truncated: bool = False
    degraded: bool = False
    spent: list[tuple[str, TokenUsage | None]] = field(default_factory=list)
    draft_keys: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def has_noticed(self, code: str) -> bool:
        """Whether the caller is to know that."""
        return any(n.code == code for n in self.notices)

    def notice(self, code: str, message: str) -> None:
        """Remember something that the caller should know; each code once."""
        if not self.has_noticed(code):
            self.notices.append(Notice(code=code, message=message))

    def usage(self) -> Usage:
        """What the calls so far came to; the cost is None where a call or a price was not counted."""
        counted = [u for _, u in self.spent if u is not None]
        total = TokenUsage(
            input_tokens=sum(u.input_tokens for u in counted),
            cached_input_tokens=sum(u.cached_input_tokens for u in counted),
            output_tokens=sum(u.output_tokens for u in counted),
        )
        return Usage(
            llm_calls=len(self.spent),
            input_tokens=total.input_tokens,
            cached_input_tokens=total.cached_input_tokens,
            output_tokens=total.output_tokens,
            cost_usd=self._cost_usd(),
        )

    def priced(self, name: str) -> ModelInfo:
        """The model by whose price an answer of the model of that name is paid."""
        answered = self.find_model(name)
        return answered if answered.known else self.model

    def _cost_usd(self) -> float | None:
        """By the price of the model that answered, which a fallback may have been."""
        total = 0.0
        for name, usage in self.spent:
            cost = None if usage is None else cost_usd(self.priced(name), usage)
            if cost is None:
                return None
            total += cost
        return total
