"""Checks of this machine: nobody is asked."""

from __future__ import annotations

import errno
import shutil
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from service.assembly import Assembly, model_names
from service.catalogue import Catalogue
from service.doctor.finding import Finding
from service.errors import KeyFileError, PromptError, SettingError
from service.health import fault
from service.keys import load
from service.planning import EXTRACTIVE
from service.prompts import PromptLibrary
from service.settings import Settings, variable_of
from service.tokens import get_encoding

_LEAST_FREE_BYTES: Final = 1 << 30
_LEAST_FILES: Final = 4096
_SOON: Final = timedelta(days=14)


def check_parts(settings: Settings) -> Iterator[Finding]:
    """Whether prompts are whole and as published, and whether all parts fit together."""
    try:
        library = PromptLibrary.load(Path(settings.prompts_dir) if settings.prompts_dir else None)
    except PromptError as exc:
        yield Finding("prompts", "wrong", str(exc), "restore the file, or publish it as a new version")
        return
    versions = sum(len(info.versions) for info in library.list())
    yield Finding("prompts", "well", f"{versions} versions, as they were published")
    try:
        Assembly(msgspec.structs.replace(settings, otlp_endpoint=None))  # it would start to send
    except SettingError as exc:
        yield Finding("parts", "wrong", str(exc), "set it right")
    else:
        yield Finding("parts", "well", "fit together")


def check_models(settings: Settings) -> Iterator[Finding]:
    """Whether windows and prices of the models are known."""
    try:
        catalogue = Catalogue.load(Path(settings.models_file) if settings.models_file else None)
    except SettingError as exc:
        yield Finding("models", "wrong", str(exc), "mend the file")
        return
    names = [*model_names(settings), *(server.model for server in settings.fallbacks)]
    infos = [catalogue.find(name) for name in dict.fromkeys(names) if name != EXTRACTIVE]
    guessed = [info.name for info in infos if not info.known]
    unpriced = [info.name for info in infos if info.known and info.input_usd is None]
    remedy = f"name them in a file, and the file in {variable_of('models_file')}"
    if guessed:
        yield Finding("models", "doubtful", f"window and price are a guess: {', '.join(guessed)}", remedy)
    if unpriced:
        yield Finding("models", "doubtful", f"of unknown price: {', '.join(unpriced)}", remedy)
    if not guessed and not unpriced:
        yield Finding("models", "well", f"known: {', '.join(info.name for info in infos) or EXTRACTIVE}")


def check_tokenizer(settings: Settings) -> Iterator[Finding]:
    """Whether the tokenizer's ranks are there."""
    del settings
    try:
        tokens = len(get_encoding().encode("standfirst"))
    except Exception as exc:  # noqa: BLE001 - whatever a broken installation raises
        yield Finding("tokenizer", "wrong", f"cannot be loaded ({type(exc).__name__})", "install it anew")
    else:
        yield Finding("tokenizer", "well", f"counts ({tokens} tokens)")


def check_access(settings: Settings) -> Iterator[Finding]:
    """Whether others can call who should not, and whether those who should can."""
    part = "access"
    if settings.keys_file is None or settings.insecure:
        if settings.listens_on_loopback:
            yield Finding(part, "well", "this machine alone can call")
        elif settings.insecure:
            yield Finding(part, "doubtful", "everybody can call", "make keys with `standfirst keys create`")
        else:
            name = variable_of("keys_file")
            yield Finding(part, "wrong", f"{settings.host} without keys", f"name a file of keys in {name}")
        return
    try:
        keys = load(Path(settings.keys_file))
    except KeyFileError as exc:
        yield Finding(part, "wrong", str(exc), "make it with `standfirst keys create NAME`")
        return
    now = datetime.now(UTC)
    valid = [
        key for key in keys if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
    ]
    ending = [key.name for key in valid if key.expires_at is not None and key.expires_at < now + _SOON]
    if not valid:
        yield Finding(part, "wrong", "no key is valid", "make one with `standfirst keys create NAME`")
    elif ending:
        yield Finding(part, "doubtful", f"keys end soon: {', '.join(ending)}", "make new ones in time")
    else:
        yield Finding(part, "well", f"{len(valid)} keys are valid")


def check_port(settings: Settings) -> Iterator[Finding]:
    """Whether the service can listen where it is to."""
    part, where = "port", f"{settings.host} port {settings.port}"
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((settings.host, settings.port), family=family):
            yield Finding(part, "well", f"{where} is free")
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE and fault(settings) is None:
            yield Finding(part, "well", f"the service answers on {where}")
        elif exc.errno == errno.EADDRINUSE:
            remedy = f"end it, or set {variable_of('port')}"
            yield Finding(part, "wrong", f"something else listens on {where}", remedy)
        else:
            remedy = f"set {variable_of('host')} to an address of this machine"
            yield Finding(part, "wrong", f"cannot listen on {where}: {exc.strerror}", remedy)


def check_files(settings: Settings) -> Iterator[Finding]:
    """Whether there is room on disk, and for connections."""
    folders = {Path(tempfile.gettempdir())}
    parts = urlsplit(settings.resolved_cache_url())
    if parts.scheme == "sqlite":
        folders.add(_existing(Path("/", unquote(parts.path).lstrip("/")).parent))
    for folder in sorted(folders):
        free = shutil.disk_usage(folder).free
        found = f"{free / (1 << 30):.1f} GiB free in {folder}"
        if free < _LEAST_FREE_BYTES:
            yield Finding("disk", "doubtful", found, "make room")
        else:
            yield Finding("disk", "well", found)
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= files < _LEAST_FILES:
        yield Finding("files", "doubtful", f"{files} may be open", f"allow more: ulimit -n {_LEAST_FILES}")
    else:
        yield Finding("files", "well", "enough may be open")


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
