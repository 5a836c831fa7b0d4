"""Settings, read from the environment once."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import platformdirs
from msgspec import Meta, Struct

from service.errors import SettingError
from service.models import Policy

PREFIX = "STANDFIRST_"
UNPREFIXED = {
    "openai_api_key": "OPENAI_API_KEY",
    "openai_base_url": "OPENAI_BASE_URL",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
}

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(min_length=1)]
JobsURL = Annotated[str, Meta(pattern=r"^(sqlite:///|postgresql://).")]
HttpURL = Annotated[str, Meta(pattern=r"^https?://[^/]")]


class Secret(str):
    """A string that hides itself where settings are shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class FallbackServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server that is asked when those before it do not answer, and what the model is called there."""

    model: Name
    base_url: HttpURL
    api_key: Secret | None = None


class Settings(Struct, frozen=True, kw_only=True):
    """All settings; a field `llm_timeout_s` is the variable `STANDFIRST_LLM_TIMEOUT_S`."""

    host: Annotated[Name, Meta(description="Address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one")] = 8000
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least severe log line that is written"),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], Meta(description="Log lines for people, or as JSON for machines")
    ] = "text"
    access_log: Annotated[bool, Meta(description="Whether each request gets a log line, at level info")] = (
        True
    )
    otlp_endpoint: Annotated[
        HttpURL | None, Meta(description="OpenTelemetry collector to send traces to; unset: no traces")
    ] = None
    stop_s: Annotated[
        Positive, Meta(description="Seconds that requests under way get when the service is stopped")
    ] = 10
    body_s: Annotated[Seconds, Meta(description="Seconds that a request's body may take to arrive")] = 30.0

    keys_file: Annotated[
        str | None,
        Meta(description="File of API keys, which `standfirst keys` writes; unset: nobody needs a key"),
    ] = None
    insecure: Annotated[
        bool, Meta(description="`yes`: ask nobody for a key, even where other machines can call")
    ] = False
    cors_origins: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^(\*|https?://[^/]+)$")], ...],
        Meta(description="Origins whose pages may call, separated by commas, such as https://cms.example"),
    ] = ()

    stream_heartbeat_s: Annotated[
        Seconds, Meta(description="Seconds of silence in a stream of events after which a comment is sent")
    ] = 15.0
    stream_linger_s: Annotated[
        float,
        Meta(ge=0, description="Seconds that work outlives its stream, for a caller who reconnects"),
    ] = 5.0

    openai_api_key: Annotated[Secret | None, Meta(description="Key for the OpenAI-compatible server")] = None
    openai_base_url: Annotated[
        HttpURL | None, Meta(description="OpenAI-compatible server; unset means OpenAI's own if a key is set")
    ] = None
    model: Annotated[
        Name | None,
        Meta(description="Model to ask; unset means the embedded one, or gpt-6-luna with OPENAI_*"),
    ] = None
    models: Annotated[
        tuple[str, ...], Meta(description="Further models that a request may name, separated by commas")
    ] = ()
    models_file: Annotated[
        str | None,
        Meta(description="TOML file with context windows and prices that override the built-in ones"),
    ] = None
    local_model: Annotated[
        str | None, Meta(description="GGUF file for the embedded LLM instead of the one that is shipped")
    ] = None
    prompts_dir: Annotated[
        str | None, Meta(description="Folder with prompt templates instead of the shipped ones")
    ] = None

    cache_url: Annotated[
        str | None,
        Meta(
            description="memory://, sqlite:///path or redis://host; unset: a file in the user's data folder"
        ),
    ] = None
    cache_key: Annotated[
        Secret | None,
        Meta(
            description="Encrypts what the cache keeps in a file or in Redis: 32 random bytes in base64; "
            "further keys after commas still decrypt"
        ),
    ] = None
    cache_ttl_s: Annotated[Seconds, Meta(description="Seconds that a result is kept")] = 30 * 86400.0

    fetch: Annotated[
        Literal["on", "off"], Meta(description="Whether pages are fetched for requests with a `url`")
    ] = "on"
    fetch_timeout_s: Annotated[Seconds, Meta(description="Seconds that a page may take in all")] = 20.0
    fetch_concurrency: Annotated[Positive, Meta(description="Most pages fetched at once")] = 16
    fetch_max_waiting: Annotated[int, Meta(ge=0, description="Most pages that wait beyond these")] = 100
    fetch_user_agent: Annotated[
        Annotated[str, Meta(pattern=r"^[ -~]{1,200}$")] | None,
        Meta(description="User agent that page servers see"),
    ] = None
    web_ports: Annotated[
        tuple[int, ...],
        Meta(description="Ports that pages and webhooks may be on, separated by commas"),
    ] = (80, 443)
    web_allow_hosts: Annotated[
        tuple[str, ...],
        Meta(description="The only hosts for pages and webhooks; `.example.org` includes all below it"),
    ] = ()
    web_deny_hosts: Annotated[tuple[str, ...], Meta(description="Hosts never asked; written alike")] = ()
    web_private_networks: Annotated[
        tuple[str, ...],
        Meta(description="Networks such as 10.0.0.0/8 that may be asked although they are not public"),
    ] = ()
    max_page_bytes: Annotated[Positive, Meta(description="Largest page or document, unpacked")] = 5_000_000
    extract_timeout_s: Annotated[Seconds, Meta(description="Seconds that reading a page may take")] = 10.0
    extract_processes: Annotated[Positive, Meta(description="Most pages read at once")] = 2
    jobs_url: Annotated[
        JobsURL | None,
        Meta(
            description="Where batches are kept: sqlite:///path or postgresql://user@host/database; unset: a "
            "file in the user's data folder"
        ),
    ] = None
    batch_concurrency: Annotated[
        int,
        Meta(ge=0, le=1000, description="Most articles of batches at once in this process; 0: others do it"),
    ] = 16
    batch_max_articles: Annotated[Positive, Meta(description="Most lines of a batch")] = 1_000_000
    batch_takeover_s: Annotated[
        Seconds,
        Meta(
            description="Seconds without a sign of life after which a worker's articles are given to others"
        ),
    ] = 15.0
    webhook_secret: Annotated[
        Secret | None,
        Meta(description="Signs what webhooks are told (Standard Webhooks): whsec_…; unset: there are none"),
    ] = None
    batch_ttl_s: Annotated[
        Seconds, Meta(description="Seconds that a batch and its results are kept after its end")
    ] = 30 * 86400.0

    ledger_url: Annotated[
        str | None,
        Meta(
            description="Where usage, limits and budgets are counted: memory://, sqlite:///path or "
            "redis://host; unset: beside the cache"
        ),
    ] = None
    daily_budget_usd: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="US dollars that calls of models may cost in a day of UTC"),
    ] = None
    when_spent: Annotated[
        Literal["extractive", "refuse"], Meta(description="What answers once the budget is spent")
    ] = "extractive"

    policy: Annotated[
        Policy, Meta(description="What becomes of unsupported facts where a request does not say")
    ] = "flag"
    fallback: Annotated[
        Literal["extractive", "none"], Meta(description="What answers when the model does not")
    ] = "extractive"

    max_article_bytes: Annotated[Positive, Meta(description="Largest article, in bytes of UTF-8")] = 5_000_000
    annex_characters: Annotated[
        int,
        Meta(ge=0, description="Characters from which an article is read in a process of its own; 0: never"),
    ] = 100_000
    max_chunks: Annotated[Positive, Meta(description="Most chunks of an article that the model reads")] = 64
    deadline_s: Annotated[Seconds, Meta(description="Seconds that a request may take in all")] = 300.0
    llm_timeout_s: Annotated[Seconds, Meta(description="Seconds that one call of the model may take")] = 120.0
    llm_attempts: Annotated[int, Meta(ge=1, le=10, description="Tries of one call, the first included")] = 3
    llm_concurrency: Annotated[Positive, Meta(description="Most calls at once to one server")] = 32
    llm_max_waiting: Annotated[int, Meta(ge=0, description="Most calls that wait for a server")] = 200
    llm_requests_per_minute: Annotated[
        Positive | None, Meta(description="What the provider's account allows; unset: no limit")
    ] = None
    llm_tokens_per_minute: Annotated[
        Positive | None, Meta(description="What the provider's account allows; unset: no limit")
    ] = None
    llm_hedge_share: Annotated[
        float, Meta(ge=0, le=1, description="Share of slow calls that may be sent a second time; 0: none")
    ] = 0.0
    breaker_failures: Annotated[
        int, Meta(ge=1, le=10, description="Failures in ten calls after which a server is left alone")
    ] = 5
    breaker_open_s: Annotated[Seconds, Meta(description="Seconds that it is left alone")] = 15.0
    fallbacks: Annotated[
        tuple[FallbackServer, ...],
        Meta(description='Further servers in order, as JSON: [{"model": …, "base_url": …, "api_key": …}]'),
    ] = ()
    chunk_concurrency: Annotated[
        Positive, Meta(description="Most calls of the model at once for one article")
    ] = 8

    slack_signing_secret: Annotated[
        Secret | None, Meta(description="Slack app's signing secret: Slack calls /slack/events")
    ] = None
    slack_bot_token: Annotated[
        Secret | None, Meta(description="Slack app's bot token, xoxb-…: Standfirst answers in Slack")
    ] = None
    slack_app_token: Annotated[
        Secret | None, Meta(description="Slack app's app-level token, xapp-…: Socket Mode, no public address")
    ] = None
    slack_teams: Annotated[
        tuple[str, ...], Meta(description="Ids of the workspaces that are served (T…); unset: all")
    ] = ()
    slack_public: Annotated[
        bool, Meta(description="Whether answers to commands and shortcuts are for the whole channel")
    ] = False
    slack_languages: Annotated[
        tuple[str, ...], Meta(description="Languages that answers have buttons for")
    ] = ("en", "de", "es", "fr")
    slack_progress_s: Annotated[Seconds, Meta(description="Seconds between reports of progress in Slack")] = (
        10.0
    )
    slack_max_jobs: Annotated[Positive, Meta(description="Most answers in the making at once for Slack")] = (
        200
    )
    slack_api_url: Annotated[HttpURL, Meta(description="Slack's Web API")] = "https://slack.com/api/"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings from `env`; raises SettingError naming the variable that is wrong or unknown."""
        variables = {variable_of(field): field for field in cls.__struct_fields__}
        for name in env:
            if name.startswith(PREFIX) and name not in variables:
                near = difflib.get_close_matches(name, variables, n=1)
                raise SettingError(name, "is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
        types = get_type_hints(cls, include_extras=True)
        values: dict[str, Any] = {  # each value is checked against its field's own type
            field: _convert(name, env[name].strip(), types[field])
            for name, field in variables.items()
            if env.get(name, "").strip()
        }
        return cls(**values)

    @property
    def uses_embedded_llm(self) -> bool:
        """Whether the embedded LLM answers, because nothing says where another one is."""
        return self.openai_api_key is None and self.openai_base_url is None

    @property
    def listens_on_loopback(self) -> bool:
        """Whether no other machine can call."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def resolved_cache_url(self) -> str:
        """The cache's URL, where the default is a file in the user's data folder."""
        if self.cache_url is not None:
            return self.cache_url
        return f"sqlite:///{platformdirs.user_data_path('standfirst') / 'cache.sqlite3'}"

    def resolved_jobs_url(self) -> str:
        """The URL of the database of batches, where the default is a file in the user's data folder."""
        if self.jobs_url is not None:
            return self.jobs_url
        return f"sqlite:///{platformdirs.user_data_path('standfirst') / 'jobs.sqlite3'}"


def variable_of(field: str) -> str:
    """The environment variable that a field of Settings is read from."""
    return UNPREFIXED.get(field, PREFIX + field.upper())


def _convert(name: str, value: str, kind: object) -> object:
    raw: object = value
    if get_origin(_bare(kind)) is tuple and name != f"{PREFIX}FALLBACKS":
        raw = [part.strip() for part in value.split(",") if part.strip()]
    if _bare(kind) is bool:
        raw = {"yes": True, "no": False}.get(value.lower(), value)
    if name == f"{PREFIX}FALLBACKS":
        try:
            raw = msgspec.json.decode(value)
        except msgspec.DecodeError as exc:
            raise SettingError(name, f"is not JSON: {exc}") from exc
    try:
        converted: object = msgspec.convert(raw, type=kind, strict=False, dec_hook=lambda _, v: Secret(v))
    except msgspec.ValidationError as exc:
        if name == f"{PREFIX}CORS_ORIGINS":
            raise SettingError(name, "give origins such as https://cms.example, without a path") from exc
        shown = (
            ""
            if any(part in name for part in ("KEY", "SECRET", "TOKEN", "URL", "FALLBACKS"))
            else f" (it is {value!r})"
        )
        raise SettingError(name, f"{_in_words(exc)}{shown}{_choices(kind)}") from exc
    if (
        name in {f"{PREFIX}MODELS_FILE", f"{PREFIX}LOCAL_MODEL", f"{PREFIX}PROMPTS_DIR"}
        and not Path(value).exists()
    ):
        raise SettingError(name, f"there is no {value}")
    return converted


def _in_words(error: msgspec.ValidationError) -> str:
    """The validation error for a person at a shell, who knows no types."""
    message = str(error)
    if "matching regex" in message:  # the only patterns are those of URLs
        if "postgresql" in message:
            return "must start with sqlite:/// or postgresql://"
        place = message.partition(" - at ")[2].strip("`$.")
        return f"{place} must start with http:// or https://".lstrip()
    return message.replace(", got `str`", "").replace("`", "").replace("enum value", "value")


def _choices(kind: object) -> str:
    bare = _bare(kind)
    if bare is bool:
        return "; choose yes, no"
    return "; choose " + ", ".join(get_args(bare)) if get_origin(bare) is Literal else ""


def _bare(kind: object) -> object:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
