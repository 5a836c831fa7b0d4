"""`standfirst settings`: every setting with its default, its value here, and what it is for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

import click
import msgspec
from msgspec import Meta

from service.settings import Secret, Settings, variable_of

_BEGIN: Final = "<!-- settings: written by `make docs` -->"
# What stands before the host in a URL may be a password.
_LOGIN: Final = re.compile(r"(\w+://)[^/@\s]*@")
_END: Final = "<!-- end of settings -->"


class _Row(NamedTuple):
    variable: str
    default: str
    text: str


@click.command()
@click.option(
    "--markdown", is_flag=True, help="Write the table for docs, without the values of this machine."
)
@click.option(
    "--into", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Replace it in FILE."
)
@click.option("--check", is_flag=True, help="With --into: change nothing, fail where FILE is behind.")
def settings(*, markdown: bool, into: Path | None, check: bool) -> None:
    """List every setting and its value; secrets are hidden."""
    if into is not None:
        _replace(into, check=check)
    elif markdown:
        click.echo(table())
    else:
        current = Settings.from_env(os.environ)
        for field, row in zip(Settings.__struct_fields__, _rows(), strict=True):
            click.echo(f"{row.variable}={_shown(getattr(current, field))}\t{row.text}")


def table() -> str:
    """The settings as a table in Markdown."""
    lines = ["| variable | default | |", "|---|---|---|"]
    for variable, default, text in _rows():
        cells = (f"`{variable}`", f"`{default}`" if default else "", text.replace("|", "\\|"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _rows() -> Iterator[_Row]:
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        parts = get_args(hints[field.name])
        said = (part.description for part in reversed(parts[1:]) if isinstance(part, Meta))
        text = next(filter(None, said), "")
        if get_origin(parts[0]) is Literal:
            text += f" ({', '.join(get_args(parts[0]))})"
        yield _Row(variable_of(field.name), _shown(field.default), text)


def _shown(value: object) -> str:
    if isinstance(value, Secret):
        return "***"
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(part if isinstance(part, str) else str(part) for part in value)
    return f"{value:.15g}" if isinstance(value, float) else _LOGIN.sub(r"\1***@", str(value))


def _replace(path: Path, *, check: bool) -> None:
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise click.ClickException(f"{path} has no place for the settings: {_BEGIN} … {_END}")
    wanted = f"{before}{_BEGIN}\n{table()}\n{_END}{after}"
    if check and wanted != text:
        raise click.ClickException(f"the settings in {path} are behind; run `make docs` and commit")
    if not check:
        path.write_text(wanted, encoding="utf-8")
