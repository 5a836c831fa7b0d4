"""The Slack app from the service's settings."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from litestar import Litestar

from service.assembly import Assembly
from service.callers import Caller
from service.errors import SettingError
from service.settings import Settings, variable_of

_SLACK: Final = Caller(id="slack", name="Slack", scopes=frozenset({"summaries"}))
_LONGEST_S: Final = 7 * 86_400  # for texts behind buttons


def is_wanted(settings: Settings) -> bool:
    """Whether the settings name a Slack app.

    Raises:
        SettingError: they name half of one, or slack-bolt is not installed.
    """
    ways = (settings.slack_signing_secret, settings.slack_app_token)
    if settings.slack_bot_token is None:
        for field in ("slack_signing_secret", "slack_app_token"):
            if getattr(settings, field) is not None:
                raise SettingError(variable_of("slack_bot_token"), f"is needed beside {variable_of(field)}")
        return False
    if ways == (None, None):
        raise SettingError(
            variable_of("slack_signing_secret"),
            f"is needed beside {variable_of('slack_bot_token')}; for Socket Mode, "
            f"{variable_of('slack_app_token')}",
        )
    if importlib.util.find_spec("slack_bolt") is None:
        raise SettingError(
            variable_of("slack_bot_token"), "Slack needs slack-bolt; install `standfirst[slack]`"
        )
    return True


@asynccontextmanager
async def answer_slack(app: Litestar) -> AsyncIterator[None]:
    """Lifespan: the Slack app runs, and is `slack` in the application's state."""
    from service.slack.client import SlackClient  # noqa: PLC0415 - takes 0.3 s and 34 MiB, where it is wanted
    from service.slack.edge import SlackEdge, sdk_logger  # noqa: PLC0415
    from service.slack.once import Once  # noqa: PLC0415
    from service.slack.orders import Orders  # noqa: PLC0415
    from service.slack.work import Worker  # noqa: PLC0415

    assembly: Assembly = app.state.assembly
    settings = assembly.settings
    client = SlackClient(str(settings.slack_bot_token), settings.slack_api_url, sdk_logger())
    worker = Worker(
        client,
        assembly.summarizer,
        assembly.intake,
        Orders(
            assembly.store, assembly.summarizer.attach, ttl_s=round(min(settings.cache_ttl_s, _LONGEST_S))
        ),
        Once(assembly.store, assembly.flights),
        account=assembly.treasury.account(_SLACK),
        languages=settings.slack_languages,
    )
    edge = SlackEdge(client, worker, settings, assembly.noticed)
    app.state.slack = edge
    edge.start()
    try:
        yield
    finally:
        await edge.aclose()
