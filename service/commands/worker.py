"""`standfirst worker`: a process that works on batches and serves nobody."""

from __future__ import annotations

import asyncio
import os
import signal

import click

from service.assembly import Assembly
from service.errors import SettingError
from service.settings import Settings, variable_of
from service.telemetry import set_up_logs


@click.command()
def worker() -> None:
    """Work on the batches in STANDFIRST_JOBS_URL until told to stop.

    Any number of workers share a Postgres database; a SQLite file has one at a time, which others wait for.
    When stopped, it begins no more articles and finishes those under way, for STANDFIRST_STOP_S at most.
    """
    settings = Settings.from_env(os.environ)
    if not settings.batch_concurrency:
        raise SettingError(variable_of("batch_concurrency"), "is 0, so that a worker would do nothing")
    set_up_logs(settings.log_level, settings.log_format)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    async with Assembly(settings) as assembly:
        await assembly.batches.work()
        click.echo("standfirst: working on batches", err=True)
        await stop.wait()
        click.echo("standfirst: finishing what is under way", err=True)
