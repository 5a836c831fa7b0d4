"""The HTTP application."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send

from service.api import batches, health, metrics, prompts, quotes, summaries, usage
from service.api.access import Gate, caller_of
from service.api.departures import answer_when_stopped
from service.api.events import Lingering
from service.api.hardening import hardened
from service.api.openapi import openapi_config
from service.api.problems import handle_http_exception, handle_standfirst_error, handle_unexpected
from service.api.recent import RecentRequests
from service.api.slack_events import receive_slack_events
from service.assembly import Assembly
from service.errors import SettingError, StandfirstError
from service.llm import LLM
from service.settings import Settings, variable_of
from service.slack.opening import answer_slack, is_wanted
from service.telemetry import RequestWatch, access_log

# JSON may escape a code point: up to three times the bytes that it has in UTF-8.
_ESCAPED = 3
_OTHER_FIELDS_BYTES = 100_000


class Application(Litestar):
    """Answers HEAD as GET, whose body the server leaves out, and hardens each response."""

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """The ASGI entry point."""
        if scope["type"] == "lifespan" or scope["type"] != ScopeType.HTTP:
            await super().__call__(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope = scope.copy()  # the server goes by its own
            scope["method"] = "GET"
        watch: RequestWatch = self.state["watch"]
        await watch.handle(super().__call__, scope, receive, hardened(scope, send))  # type: ignore[arg-type]


def create_app(settings: Settings | None = None, *, llm: LLM | None = None) -> Application:
    """The application, configured by `settings` or else the environment; `llm` replaces the configured LLM.

    Raises:
        SettingError: a setting cannot be used; the message names its variable.
        PromptError: the prompt templates are broken or were changed.
    """
    settings = Settings.from_env(os.environ) if settings is None else settings
    _refuse_to_be_open(settings)
    assembly = Assembly(settings, llm)
    lingering = Lingering(settings.stream_linger_s)

    @asynccontextmanager
    async def run(_: Litestar) -> AsyncIterator[None]:
        async with assembly, lingering:
            await assembly.batches.start()
            yield

    slack = is_wanted(settings)
    return Application(
        route_handlers=[
            summaries.create_summary,
            summaries.get_summary,
            summaries.delete_summary,
            summaries.delete_summaries,
            quotes.find_quotes,
            prompts.list_prompts,
            batches.create_batch,
            batches.list_batches,
            batches.get_batch,
            batches.get_results,
            batches.get_deliveries,
            batches.retry_batch,
            batches.change_batch,
            batches.cancel_batch,
            usage.get_usage,
            health.healthz,
            health.readyz,
            metrics.get_metrics,
            *([receive_slack_events] if slack and settings.slack_signing_secret else []),
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
        lifespan=[run, answer_slack] if slack else [run],
        middleware=[answer_when_stopped, Gate(assembly.keys, assembly.limits, settings.cors_origins)],
        cors_config=_cors(settings.cors_origins),
        logging_config=None,  # whoever runs the application says where logs go
        openapi_config=openapi_config(keys=assembly.keys is not None),
        request_max_body_size=max(settings.max_article_bytes, settings.max_page_bytes) * _ESCAPED
        + _OTHER_FIELDS_BYTES,
        state=State(
            {
                "assembly": assembly,
                "recent": RecentRequests(),
                "lingering": lingering,
                "watch": _watch(assembly),
            }
        ),
    )


def _refuse_to_be_open(settings: Settings) -> None:
    """Make sure that nobody spends the operator's money without a key, unless that was asked for."""
    if settings.keys_file is None and not settings.insecure and not settings.listens_on_loopback:
        raise SettingError(
            variable_of("host"),
            f"other machines can call {settings.host}, and nobody is asked for a key; name a file in "
            f"{variable_of('keys_file')} and make keys with `standfirst keys create`, or say "
            f"{variable_of('insecure')}=yes (`--insecure`)",
        )


def _cors(origins: tuple[str, ...]) -> CORSConfig | None:
    """What browsers are told; nothing, which closes all to pages of other origins, unless some are named."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Cache-Control", "If-None-Match", "Last-Event-ID"],
        expose_headers=[
            "Cache-Status",
            "Content-Location",
            "ETag",
            "RateLimit",
            "Retry-After",
            "X-Request-ID",
        ],
    )


def _watch(assembly: Assembly) -> RequestWatch:
    settings = assembly.settings
    wanted = settings.access_log and settings.log_level in ("debug", "info")
    log = access_log(settings.log_format) if wanted else None
    return RequestWatch(assembly.telemetry.metrics, log, assembly.telemetry.tracing)
