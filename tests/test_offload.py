from __future__ import annotations

import threading

from service.offload import SHORT, offload


async def test_short_text_stays_on_the_event_loop() -> None:
    assert await offload(SHORT, threading.get_ident) == threading.get_ident()


async def test_long_text_leaves_the_event_loop() -> None:
    assert await offload(SHORT + 1, threading.get_ident) != threading.get_ident()


async def test_arguments_are_passed_on() -> None:
    assert await offload(SHORT + 1, sorted, [1, 2], reverse=True) == [2, 1]
