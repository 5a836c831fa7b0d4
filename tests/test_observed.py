"""What the watched LLM and the watched store tell."""

from __future__ import annotations

import asyncio

import pytest

from service.cache import MemoryStore
from service.cache.observed import ObservedStore, StoreUse
from service.errors import LLMError, LLMTimeoutError
from service.resilience import Call, Observed
from service.resilience.observed import outcome
from tests.resilience_fakes import REQUEST, HeldLLM, ScriptedLLM, reply, settle, usage


async def test_answered_call_tells_model_usage_and_time() -> None:
    calls: list[Call] = []
    times = iter([10.0, 12.5])
    answer = reply(model="m-2026", usage=usage(7, 3))
    llm = Observed(ScriptedLLM(answer), "first", calls.append, clock=lambda: next(times))
    assert await llm.complete(REQUEST) is answer
    [call] = calls
    assert (call.endpoint, call.model, call.answered_by, call.duration_s) == ("first", "m", "m-2026", 2.5)
    assert (outcome(call), call.usage) == ("ok", usage(7, 3))


async def test_failed_call_tells_its_class_and_not_its_message() -> None:
    calls: list[Call] = []
    with pytest.raises(LLMError):
        await Observed(ScriptedLLM(LLMTimeoutError("secret")), "first", calls.append).complete(REQUEST)
    assert outcome(calls[0]) == "timeout"
    assert "secret" not in repr(calls[0])


async def test_cancelled_call_is_told_too() -> None:
    calls: list[Call] = []
    held = HeldLLM()
    task = asyncio.create_task(Observed(held, "first", calls.append).complete(REQUEST))
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert [outcome(call) for call in calls] == ["cancelled"]


class BrokenStore(MemoryStore):
    """Loses everything, and says so."""

    @property
    def problem(self) -> str | None:
        return "lost"

    async def get(self, key: str, renew_for: object = None) -> bytes | None:  # noqa: ARG002
        return None


async def use(store: MemoryStore) -> list[tuple[str, str, str]]:
    uses: list[StoreUse] = []
    watched = ObservedStore(store, uses.append)
    await watched.get("summary/abc")
    await watched.set("summary/abc", b"1", 60)
    await watched.get("summary/abc")
    await watched.delete("summary/abc")
    await watched.get("whatever")
    assert await watched.exists("summary/abc") is False
    assert await watched.expires_in("summary/abc") is None
    await watched.delete_all()
    await watched.aclose()
    return [(u.operation, u.kind, u.result) for u in uses]


async def test_uses_of_a_store_are_told_by_kind_and_never_by_key() -> None:
    assert await use(MemoryStore()) == [
        ("get", "summary", "miss"),
        ("set", "summary", "ok"),
        ("get", "summary", "hit"),
        ("delete", "summary", "ok"),
        ("get", "other", "miss"),
    ]


async def test_misses_of_a_store_with_a_problem_are_errors() -> None:
    assert {result for _, _, result in await use(BrokenStore())} == {"error"}
