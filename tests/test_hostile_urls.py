"""Hostile URLs over real sockets: each ends as it should, and nothing inside is reached."""

from __future__ import annotations

import asyncio
import sys

import pytest

from bench.hostile_urls import CASES, hostile_world


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has a single loopback address")
async def test_every_hostile_url_ends_as_it_should_and_reaches_nothing_inside() -> None:
    async with hostile_world() as world:
        outcomes = await asyncio.gather(*(world.outcome(case) for case in CASES))
        wrong = {
            case: outcome for case, outcome in zip(CASES, outcomes, strict=True) if outcome[0] != case.outcome
        }
        assert wrong == {}
        assert [server.connections for server in world.inside] == [0] * len(world.inside)
        assert world.names.asked["rebinding.test"] == 1
