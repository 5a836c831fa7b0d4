"""What is wrong with a configuration, from where it is run, and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from service.doctor import local, outside
from service.doctor.finding import Finding, Status
from service.errors import SettingError
from service.settings import Settings

__all__ = ["Finding", "Status", "examine"]

_Local = Callable[[Settings], Iterable[Finding]]
_Outside = Callable[[Settings], AsyncIterator[Finding]]

_LOCAL: tuple[_Local, ...] = (
    local.check_parts,
    local.check_models,
    local.check_tokenizer,
    local.check_access,
    local.check_port,
    local.check_files,
)
_STORES: tuple[_Outside, ...] = (outside.check_cache, outside.check_ledger, outside.check_jobs)
_OTHERS: tuple[_Outside, ...] = (outside.check_model, outside.check_slack, outside.check_collector)


async def examine(env: Mapping[str, str], *, offline: bool = False) -> AsyncIterator[Finding]:
    """Check the settings in `env`, and all that they name; findings come as they are made.

    It writes small entries to the cache and the ledger, which go by themselves, and asks each model for a
    word, which costs some hundred tokens. With `offline` it asks nobody but the stores.
    """
    try:
        settings = Settings.from_env(env)
    except SettingError as exc:
        yield Finding(
            "settings", "wrong", str(exc), "set it right; `standfirst settings` lists what there is"
        )
        return
    yield Finding("settings", "well", "can be read")
    for check in _LOCAL:
        for finding in await asyncio.to_thread(lambda run: list(run(settings)), check):
            yield finding
    for ask in _STORES if offline else _STORES + _OTHERS:
        async for finding in ask(settings):
            yield finding
