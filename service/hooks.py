"""What the pipeline tells of its work: frozen details for whoever watches, nothing in them of an article.

Logic calls hooks and knows nothing of logs, metrics and traces; `service.telemetry` listens. The wrappers
of `service.resilience` and `service.cache` have hooks of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from msgspec import Struct

from service.models import Policy, Summary, Usage
from service.tally import Tally, tally

StageName: TypeAlias = Literal["summarize", "read", "draft", "check", "finish"]
CacheState: TypeAlias = Literal["hit", "miss", "joined"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the work begins; the hook's context manager is left when it ends.

    `draft` is one question to a model: `prompt` is its template, as in `chunk@1`.
    """

    name: StageName
    model: str = ""
    prompt: str = ""


class Answered(Struct, frozen=True):
    """A summary was asked for and is there: found, made, or made for another caller of the same moment."""

    cache: CacheState


@dataclass(frozen=True, slots=True)
class Made:
    """A summary was made: by what, at what cost, and what the checks did; `prompt` is `name@version`."""

    model: str
    prompt: str
    policy: Policy
    degraded: bool
    usage: Usage
    tally: Tally

    @classmethod
    def of(cls, summary: Summary) -> Made:
        """The details of a summary that was made just now."""
        prompt = summary.prompt
        return cls(
            model=summary.model,
            prompt="" if prompt is None else f"{prompt.name}@{prompt.version}",
            policy=summary.policy,
            degraded=summary.degraded,
            usage=summary.usage,
            tally=tally(summary),
        )


class Visited(Struct, frozen=True):
    """A page was asked for: `read`, `unchanged` since it was read, `cancelled`, or an error by its name."""

    outcome: str
    duration_s: float


class Backlog(Struct, frozen=True):
    """What lies in the database of batches, whoever works on it: batches that run, and their articles."""

    batches: int
    waiting: int
    under_way: int


class Settled(Struct, frozen=True):
    """Articles of batches were finished by this process, or given back because their batch had stopped."""

    done: int
    failed: int
    returned: int


def _pass(_: object) -> None:
    """Nobody watches."""


_NOTHING: AbstractContextManager[object] = nullcontext()


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who is told of what; without arguments, nobody."""

    on_stage: Callable[[Stage], AbstractContextManager[object]] = field(default=lambda _: _NOTHING)
    on_answered: Callable[[Answered], object] = _pass
    on_made: Callable[[Made], object] = _pass
    on_visited: Callable[[Visited], object] = _pass
    on_backlog: Callable[[Backlog], object] = _pass
    on_settled: Callable[[Settled], object] = _pass


NO_HOOKS = Hooks()
