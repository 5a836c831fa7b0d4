"""The HTTP application."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import HTTPException
from litestar.types import LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send

from service.api import health, prompts, quotes, summaries
from service.api.access import caller_of
from service.api.departures import answer_when_stopped
from service.api.openapi import CONFIG
from service.api.problems import handle_http_exception, handle_standfirst_error, handle_unexpected
from service.assembly import Assembly
from service.errors import StandfirstError
from service.llm import LLM
from service.settings import Settings

# JSON may escape a code point: up to three times the bytes that it has in UTF-8.
_ESCAPED = 3
_OTHER_FIELDS_BYTES = 100_000


class Application(Litestar):
    """Answers HEAD as GET; the server that runs it leaves the body out."""

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """The ASGI entry point."""
        if scope["type"] != "lifespan" and scope["type"] == ScopeType.HTTP and scope["method"] == "HEAD":
            scope = scope.copy()  # the server goes by its own
            scope["method"] = HttpMethod.GET
        await super().__call__(scope, receive, send)


def create_app(settings: Settings | None = None, *, llm: LLM | None = None) -> Application:
    """The application, configured by `settings` or else the environment; `llm` replaces the configured LLM.

    Raises:
        SettingError: a setting cannot be used; the message names its variable.
        PromptError: the prompt templates are broken or were changed.
    """
    settings = Settings.from_env(os.environ) if settings is None else settings
    assembly = Assembly(settings, llm)

    @asynccontextmanager
    async def run(_: Litestar) -> AsyncIterator[None]:
        async with assembly:
            yield

    return Application(
        route_handlers=[
            summaries.create_summary,
            summaries.get_summary,
            summaries.delete_summary,
            quotes.find_quotes,
            prompts.list_prompts,
            health.healthz,
            health.readyz,
        ],
        dependencies={
            "assembly": Provide(lambda: assembly, sync_to_thread=False),
            "caller": Provide(caller_of, sync_to_thread=False),
        },
        exception_handlers={
            StandfirstError: handle_standfirst_error,
            HTTPException: handle_http_exception,
            Exception: handle_unexpected,
        },
        lifespan=[run],
        middleware=[answer_when_stopped],
        logging_config=None,  # whoever runs the application says where logs go
        openapi_config=CONFIG,
        request_max_body_size=settings.max_article_bytes * _ESCAPED + _OTHER_FIELDS_BYTES,
        state=State({"assembly": assembly}),
    )
