"""The command `standfirst`: a thin caller of what the HTTP API calls too."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import NoReturn, get_args

import click
import msgspec
import uvicorn
from rich.console import Console
from rich.text import Text

from service import __version__
from service.addresses import AddressBook
from service.app import create_app
from service.articles import check_title
from service.assembly import Assembly, address_policy, open_intake
from service.cache import MemoryStore
from service.commands.batch import batch
from service.commands.doctor import doctor
from service.commands.keys import keys
from service.commands.settings import settings
from service.commands.sources import Source, SourceType
from service.commands.worker import worker
from service.errors import RequestError, SettingError, StandfirstError
from service.health import fault
from service.models import LANGUAGE_PATTERN, Policy, Style, Summary
from service.planning import Article, Options
from service.prompts import PromptLibrary, default_folder, lock
from service.reading import find_quotes
from service.rendering import render_quotes, render_summary
from service.run import CachePolicy, DraftedSentence, Event, Progress
from service.settings import Settings
from service.telemetry import set_up_logs

_STAGES = {
    "article": "The model reads the article …",
    "chunks": "The model reads the article in parts: {done} of {total} …",
    "combine": "The model combines its notes …",
    "repair": "The model mends what the checks found …",
}


def main() -> NoReturn:
    """Run the command; an error is one line on standard error, and exit code 2 if the caller can mend it."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as exc:
        code = exc.exit_code
    except click.ClickException as exc:
        exc.show()
        code = exc.exit_code
    except click.Abort:
        code = 130
    except (SettingError, RequestError) as exc:
        remedy = getattr(exc, "remedy", None)
        click.echo(f"standfirst: {exc}{f'; {remedy}' if remedy else ''}", err=True)
        code = 2
    except (StandfirstError, OSError) as exc:
        click.echo(f"standfirst: {exc}", err=True)
        code = 1
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="standfirst")
def cli() -> None:
    """Summaries and key quotes of news articles, checked against the article.

    Settings come from the environment: STANDFIRST_MODEL, STANDFIRST_CACHE_URL, OPENAI_API_KEY and others.
    """


cli.add_command(batch)
cli.add_command(keys)
cli.add_command(settings)
cli.add_command(worker)
cli.add_command(doctor)


@cli.command()
@click.option("--insecure", is_flag=True, help="Ask nobody for a key, even where other machines can call.")
def serve(*, insecure: bool) -> None:
    """Serve the HTTP API on STANDFIRST_HOST and STANDFIRST_PORT."""
    settings = _settings()
    if insecure:
        settings = msgspec.structs.replace(settings, insecure=True)
    set_up_logs(settings.log_level, settings.log_format)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        # Longer than load balancers keep idle connections (60 s mostly): whoever closes first must be the one
        # who sends, or a request that is under way at that moment is lost.
        timeout_keep_alive=75,
        log_config=None,
        timeout_graceful_shutdown=settings.stop_s,
        server_header=False,
    )


def _check_language(_: click.Context, __: click.Parameter, tag: str | None) -> str | None:
    if tag is not None and re.fullmatch(LANGUAGE_PATTERN, tag) is None:
        raise click.BadParameter("give a BCP 47 tag such as en or pt-BR")
    return tag


@cli.command()
@click.argument("source", type=SourceType())
@click.option("--style", type=click.Choice(get_args(Style)), default="brief", show_default=True)
@click.option("--max-quotes", type=click.IntRange(0, 20), default=5, show_default=True)
@click.option("--language", callback=_check_language, help="BCP 47 tag of the language to write in.")
@click.option("--title", default="", help="The article's headline.")
@click.option("--prompt", help="Prompt as name, name@version or name@label.")
@click.option("--model", help="Model to ask; `extractive` asks none.")
@click.option("--policy", type=click.Choice(get_args(Policy)), help="What becomes of unsupported facts.")
@click.option("--no-cache", is_flag=True, help="Make the summary anew.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, as when the output is no terminal.")
def summarize(source: Source, *, title: str, no_cache: bool, as_json: bool, **options: object) -> None:
    """Summarize the article in SOURCE: a text, HTML or PDF file, a URL, or `-` for standard input."""
    settings = _settings()
    check_title(title)
    chosen = msgspec.convert(options, Options)
    summary = asyncio.run(_summarize(settings, source, title, chosen, CachePolicy(reads=not no_cache)))
    if as_json or not sys.stdout.isatty():
        click.echo(msgspec.json.format(msgspec.json.encode(summary), indent=2))
    else:
        Console().print(render_summary(summary))


async def _summarize(
    settings: Settings, source: Source, title: str, options: Options, cache: CachePolicy
) -> Summary:
    errors = Console(stderr=True)
    with errors.status("Getting ready …") as status:

        def report(event: Event) -> None:
            if isinstance(event, Progress):
                status.update(_STAGES[event.stage].format(done=event.done, total=event.total))
            elif isinstance(event, DraftedSentence):
                status.update(Text(event.text, overflow="ellipsis", no_wrap=True))

        async with Assembly(settings) as assembly:
            article = await source.read(assembly.intake, cache)
            article = msgspec.structs.replace(article, title=title or article.title)
            outcome = await assembly.summarizer.summarize(article, options, cache, report)
    summary = msgspec.json.decode(outcome.body, type=Summary)
    return msgspec.structs.replace(summary, source=article.source or msgspec.UNSET)


@cli.command()
@click.argument("source", type=SourceType())
@click.option("--json", "as_json", is_flag=True, help="Write JSON, as when the output is no terminal.")
def quotes(source: Source, *, as_json: bool) -> None:
    """List all quotations in SOURCE with their speakers: a file, a URL, or `-`. Asks no model."""
    article = asyncio.run(_read(source, _settings()))
    found = msgspec.structs.replace(find_quotes(article.text), source=article.source or msgspec.UNSET)
    if as_json or not sys.stdout.isatty():
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        Console().print(render_quotes(found))


async def _read(source: Source, settings: Settings) -> Article:
    intake = open_intake(settings, MemoryStore(), AddressBook(address_policy(settings)))
    try:
        return await source.read(intake)
    finally:
        await intake.aclose()


@cli.command()
def healthcheck() -> None:
    """Exit with 0 if the service of these settings answers on this machine; for containers."""
    if found := fault(_settings()):
        raise click.ClickException(found)


@cli.group()
def prompts() -> None:
    """Look at the prompt templates, and publish new versions."""


@prompts.command("list")
def list_prompts() -> None:
    """List prompts with their versions and labels."""
    for info in _library().list():
        labels = ", ".join(f"{label}={version}" for label, version in info.labels.items())
        click.echo(
            f"{info.name}\tversions {', '.join(map(str, info.versions))}\t{labels}\t{info.description}"
        )


@prompts.command("show")
@click.argument("reference")
def show_prompt(reference: str) -> None:
    """Show the template REFERENCE: a name, name@version or name@label."""
    click.echo(_library().get(reference).source, nl=False)


@prompts.command("render")
@click.argument("reference")
@click.option("--input", "-i", "inputs", multiple=True, help="NAME=VALUE; a value `@FILE` is read from it.")
def render_prompt(reference: str, inputs: tuple[str, ...]) -> None:
    """Show the messages of REFERENCE with its inputs filled in; every input must be given."""
    values: dict[str, object] = {}
    for item in inputs:
        name, separator, value = item.partition("=")
        if not separator:
            raise click.BadParameter(f"{item!r} is not NAME=VALUE", param_hint="--input")
        given = Path(value[1:]).read_text(encoding="utf-8") if value.startswith("@") else value
        values[name] = int(given) if given.isdecimal() else given
    for message in _library().get(reference).render(**values):
        click.echo(f"<|{message.role}|>\n{message.content}")


@prompts.command("lock")
def lock_prompts() -> None:
    """Publish the versions that are not in the lock file yet."""
    folder = _settings().prompts_dir or str(default_folder())
    published = lock(Path(folder))
    click.echo(f"published: {', '.join(published)}" if published else "nothing new to publish")


def _settings() -> Settings:
    return Settings.from_env(os.environ)


def _library() -> PromptLibrary:
    folder = _settings().prompts_dir
    return PromptLibrary.load(Path(folder) if folder else None)
