"""`standfirst doctor`: what is wrong here, and what to do."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Final

import click
import msgspec

from service.doctor import Finding, Status, examine

_COLOURS: Final[dict[Status, str]] = {"well": "green", "doubtful": "yellow", "wrong": "red"}


@click.command()
@click.option("--offline", is_flag=True, help="Ask no model and no collector.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.pass_context
def doctor(ctx: click.Context, *, offline: bool, as_json: bool) -> None:
    """Check the settings and all that they name: exit code 1 if something does not work.

    Each model is asked for a word, which costs some hundred tokens.
    """
    logging.getLogger("service").setLevel(logging.CRITICAL)  # what it would warn of is found here
    findings = asyncio.run(_examine(offline=offline, quiet=as_json))
    wrong = any(finding.status == "wrong" for finding in findings)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode({"well": not wrong, "findings": findings})))
    ctx.exit(1 if wrong else 0)


async def _examine(*, offline: bool, quiet: bool) -> list[Finding]:
    findings = []
    async for finding in examine(os.environ, offline=offline):
        findings.append(finding)
        if not quiet:
            status = click.style(f"{finding.status:<9}", fg=_COLOURS[finding.status])
            click.echo(f"{status}{finding.part:<12}{finding.found}")
            if finding.remedy:
                click.echo(f"{'':<21}→ {finding.remedy}")
    return findings
