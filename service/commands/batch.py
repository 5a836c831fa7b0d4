"""`standfirst batch`: an archive in, its summaries out; the same command again goes on where it stopped."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import get_args

import click
import msgspec
import platformdirs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from service.archives.sinks import Write, writing
from service.archives.sources import Columns, Entry, read_archive
from service.assembly import Assembly
from service.batches import Batch, Batches, LineError, RawLine, Submission
from service.errors import BadLinesError, BatchConflictError
from service.models import Policy, Style
from service.settings import Settings

_OWNER = "local"
_AT_ONCE = 200
_SHOWN_ERRORS = 10
_SOME_FAILED = 1
_BUDGET_REACHED = 3


@dataclass(frozen=True, slots=True)
class _Order:
    """What the command line asked for; `file` is the database of this batch alone, if it has one."""

    archive: Path
    output: Path
    columns: Columns
    submission: Submission
    file: Path | None


def _pairs(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`FIELD=COLUMN` as what the archive's readers want: fields by column."""
    pairs = dict(value.partition("=")[::2] for value in values)
    if not all(pairs.values()):
        raise click.BadParameter("give FIELD=COLUMN, such as text=body")
    return {column: name for name, column in pairs.items()}


@click.command()
@click.argument("archive", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option("-o", "--output", type=click.Path(allow_dash=True, path_type=Path), help="Where results go.")
@click.option("--style", type=click.Choice(get_args(Style)), help="For articles that do not say.")
@click.option("--max-quotes", type=click.IntRange(0, 20), help="For articles that do not say.")
@click.option("--language", help="BCP 47 tag of the language to write in.")
@click.option("--prompt", help="Prompt as name, name@version or name@label.")
@click.option("--model", help="Model to ask; `extractive` asks none.")
@click.option("--policy", type=click.Choice(get_args(Policy)), help="What becomes of unsupported facts.")
@click.option("--max-cost-usd", type=click.FloatRange(0, min_open=True), help="Stop before it costs more.")
@click.option("--strict", is_flag=True, help="Do nothing if one article cannot be read.")
@click.option("--dry-run", is_flag=True, help="Estimate tokens and cost; ask and keep nothing.")
@click.option("--column", "renamed", multiple=True, callback=_pairs, help="FIELD=COLUMN of a table.")
@click.option("--keep-columns", "unknown", flag_value="keep", help="Keep other columns as metadata.")
@click.option("--skip-columns", "unknown", flag_value="skip", help="Leave other columns out.")
def batch(
    archive: Path,
    output: Path | None,
    max_cost_usd: float | None,
    *,
    strict: bool,
    dry_run: bool,
    renamed: dict[str, str],
    unknown: str | None,
    **defaults: str | int | None,
) -> None:
    """Summarize the articles of ARCHIVE: JSONL, CSV, TSV or Parquet, a folder of texts, `-` for JSONL.

    The output's ending says what is written: .jsonl, .csv, .tsv, .parquet, a folder, `-` for JSONL. Stopped
    by ctrl-C or a crash, the same command goes on. Exit code 0: all done; 1: some articles failed; 3: the
    budget is used up.
    """
    if output is None and not dry_run:
        raise click.UsageError("say where results go: -o out.jsonl")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(message)s")
    settings = Settings.from_env(os.environ)
    columns = msgspec.convert({"renamed": renamed, "unknown": unknown or "refuse"}, Columns)
    submission = Submission(
        owner=_OWNER,
        defaults={name: value for name, value in defaults.items() if value is not None},
        max_cost_usd=max_cost_usd,
        strict=strict,
    )
    if dry_run or output is None:
        asyncio.run(_estimate(settings, archive, columns, submission))
        return
    key = None if archive == Path("-") else _key(archive, output, columns, submission)
    submission = msgspec.structs.replace(submission, idempotency_key=key)
    file = None
    if settings.jobs_url is None:  # a running service has the shared file for itself
        name = key or f"{os.getpid()}"
        file = platformdirs.user_data_path("standfirst") / "batches" / f"{name[:32]}.sqlite3"
        settings = msgspec.structs.replace(settings, jobs_url=f"sqlite:///{file}")
    sys.exit(asyncio.run(_run(settings, _Order(archive, output, columns, submission, file))))


def _key(archive: Path, output: Path, columns: Columns, submission: Submission) -> str:
    """The same for the same command, whatever its budget is."""
    asked = [str(archive.resolve()), str(output.resolve()), dict(columns.renamed), columns.unknown]
    rest = msgspec.structs.replace(submission, max_cost_usd=None)
    return hashlib.sha256(msgspec.json.encode([*asked, rest])).hexdigest()


async def _estimate(settings: Settings, archive: Path, columns: Columns, submission: Submission) -> None:
    async with Assembly(settings) as assembly:
        lines = _lines(read_archive(archive, columns, max_article_bytes=settings.max_article_bytes))
        found = await assembly.batches.estimate(lines, submission)
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))


async def _run(settings: Settings, order: _Order) -> int:
    entries = read_archive(order.archive, order.columns, max_article_bytes=settings.max_article_bytes)
    with writing(order.output) as write:
        async with Assembly(settings) as assembly:
            await assembly.batches.work()
            ended = await _follow(assembly.batches, await _submit(assembly.batches, entries, order), write)
        if ended.state == "paused":
            click.echo(
                f"standfirst: the budget is used up before line {ended.next_line}; the same command with a "
                "higher --max-cost-usd goes on",
                err=True,
            )
            raise click.exceptions.Exit(_BUDGET_REACHED)
    if order.file is not None:
        for path in order.file.parent.glob(f"{order.file.name}*"):
            path.unlink(missing_ok=True)
    _report(ended, order.output)
    return _SOME_FAILED if ended.counts.failed or ended.counts.invalid else 0


async def _submit(batches: Batches, entries: Iterator[Entry], order: _Order) -> Batch:
    try:
        receipt = await batches.submit(_lines(entries), order.submission)
    except BatchConflictError as exc:
        raise BatchConflictError(
            "the archive has changed since this command was stopped",
            remedy="name another output, or put the archive back",
        ) from exc
    except BadLinesError as exc:
        _show_errors([error for error in exc.lines if isinstance(error, LineError)])
        raise
    _show_errors(receipt.errors)
    found = receipt.batch
    if found.max_cost_usd != order.submission.max_cost_usd:
        found = await batches.set_budget(found.id, _OWNER, order.submission.max_cost_usd)
    return found


def _show_errors(errors: Sequence[LineError]) -> None:
    for error in errors[:_SHOWN_ERRORS]:
        click.echo(f"{error.line}: {error.message}", err=True)


async def _follow(batches: Batches, started: Batch, write: Write) -> Batch:
    """Write results as they come, until the batch has ended or its budget has."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
    )
    console = Console(stderr=True)
    written = 0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("articles", total=started.counts.total, pace="")
        async with aclosing(batches.watch(started.id, _OWNER)) as states:
            async for found in states:
                async for lines in await batches.results(started.id, _OWNER, after=written):
                    await asyncio.to_thread(write, lines)
                    written = _last_line(lines)
                _show(progress, task, found)
                if found.state == "paused" and not found.counts.under_way:
                    break
    return found


def _last_line(lines: bytes) -> int:
    last = lines.rstrip(b"\n").rpartition(b"\n")[2]
    return msgspec.json.decode(last, type=_Numbered).line


class _Numbered(msgspec.Struct):
    line: int


def _show(progress: Progress, task: TaskID, found: Batch) -> None:
    pace = []
    if found.articles_per_minute is not None:
        pace.append(f"{found.articles_per_minute:g} a minute")
    if found.usage.cost_usd:
        pace.append(f"${found.usage.cost_usd:.2f}")
    if found.seconds_left is not None:
        minutes, seconds = divmod(round(found.seconds_left), 60)
        pace.append(f"{minutes}:{seconds:02} left")
    if found.held_up:
        pace.append(found.held_up)
    progress.update(task, completed=found.counts.done + found.counts.failed, pace=", ".join(pace))


def _report(ended: Batch, output: Path) -> None:
    counts, cost = ended.counts, ended.usage.cost_usd
    spent = "cost unknown" if cost is None else f"${cost:.4f}"
    click.echo(
        f"standfirst: {counts.done} done ({counts.cached} cached), {counts.failed} failed, "
        f"{counts.invalid} not readable; {spent}; {output}",
        err=True,
    )


async def _lines(entries: Iterator[Entry]) -> AsyncIterator[Sequence[RawLine]]:
    """Entries some at a time, read in a thread."""
    while block := await asyncio.to_thread(_take, entries):
        yield block


def _take(entries: Iterator[Entry]) -> list[RawLine]:
    return [
        RawLine(e.number, None, f"{e.place}: {e.problem}") if e.problem else RawLine(e.number, e.line)
        for e in islice(entries, _AT_ONCE)
    ]
