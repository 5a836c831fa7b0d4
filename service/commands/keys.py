"""`standfirst keys`: API keys, made, listed, rotated and revoked."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import click
import msgspec

from service import keys as key_file
from service.callers import Limits, Scope
from service.errors import SettingError
from service.settings import Settings, variable_of

_NUMBER = click.IntRange(min=1)


@click.group()
def keys() -> None:
    """Make and end the API keys in the file that STANDFIRST_KEYS_FILE names.

    Running services take note of a change within a second.
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(get_args(Scope)),
    default=("summaries", "batches"),
    show_default=True,
    help="What the key may do; may be given again.",
)
@click.option("--expires-in-days", type=_NUMBER, help="Days after which the key ends.")
@click.option("--requests-per-minute", type=_NUMBER)
@click.option("--requests-per-day", type=_NUMBER)
@click.option("--tokens-per-minute", type=_NUMBER, help="Tokens that the model reads and writes.")
@click.option("--tokens-per-day", type=_NUMBER)
@click.option("--usd-per-day", type=click.FloatRange(min=0, min_open=True))
def create(name: str, *, scopes: tuple[Scope, ...], expires_in_days: int | None, **limits: float) -> None:
    """Make a key called NAME; it is shown this once, and kept nowhere."""
    lasts = None if expires_in_days is None else timedelta(days=expires_in_days)
    key, token = key_file.create(_path(), name, scopes, msgspec.convert(limits, Limits), lasts)
    click.echo(f"key {key.id} ({name}), for {', '.join(key.scopes)}; keep it, it is shown once:", err=True)
    click.echo(token)


@keys.command("list")
def list_keys() -> None:
    """List the keys, without their secrets."""
    now = datetime.now(UTC)
    for key in key_file.load(_path()):
        limits = msgspec.to_builtins(key.limits)
        columns = (
            key.id,
            key.name,
            _state(key, now),
            ",".join(key.scopes),
            " ".join(f"{name}={value}" for name, value in limits.items()) or "no limits",
        )
        click.echo("\t".join(columns))


@keys.command()
@click.argument("key")
@click.option(
    "--overlap-hours",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="How long the older secrets are accepted beside the new one.",
)
def rotate(key: str, overlap_hours: float) -> None:
    """Give KEY, an id or a name, a new secret, shown this once; its id, limits and usage stay."""
    changed, token = key_file.rotate(_path(), key, timedelta(hours=overlap_hours))
    click.echo(f"key {changed.id}: the older secret ends in {overlap_hours:g} h", err=True)
    click.echo(token)


@keys.command()
@click.argument("key")
def revoke(key: str) -> None:
    """End KEY, an id or a name."""
    revoked = key_file.revoke(_path(), key)
    click.echo(f"key {revoked.id} ({revoked.name}) is revoked", err=True)


def _path() -> Path:
    settings = Settings.from_env(os.environ)
    if settings.keys_file is None:
        raise SettingError(variable_of("keys_file"), "name the file that holds the keys")
    return Path(settings.keys_file)


def _state(key: key_file.Key, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "valid"
    return f"{'valid until' if now < key.expires_at else 'expired'} {key.expires_at:%Y-%m-%d %H:%M}Z"
