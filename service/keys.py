"""API keys: a file of hashed secrets that `standfirst keys` writes, and the ring that running services read.

A key is `sf_<id>_<secret>`. Its secret is 256 random bits, so that one plain SHA-256 protects it: a slow
hash makes guesses dear, and there is nothing to guess here; it would cost each request milliseconds. The id
is no secret. It names the key in lists, in usage and in limits, and lets scanners find keys that leaked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from service.callers import UNLIMITED, Caller, Limits, Scope
from service.errors import KeyFileError

_log = logging.getLogger(__name__)

PREFIX: Final = "sf_"
_ID_BYTES: Final = 5
_SECRET_BYTES: Final = 32
# How long a revoked key may go on working in a process that runs.
REREAD_S: Final = 1.0

_Time: TypeAlias = Annotated[datetime, Meta(tz=True)]


class KeySecret(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The SHA-256 of a whole token, in hex, and until when it is accepted."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    expires_at: _Time | None = None


class Key(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key as the file holds it; the newest secret comes last."""

    id: Annotated[str, Meta(pattern="^[0-9a-z]{1,32}$")]
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: tuple[Scope, ...]
    created_at: _Time
    secrets: tuple[KeySecret, ...]
    limits: Limits = UNLIMITED
    expires_at: _Time | None = None
    revoked_at: _Time | None = None


class _Document(Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    keys: tuple[Key, ...] = ()


class Denied(NamedTuple):
    """Why a token is not accepted, in words for whoever holds it."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key made ready for a fast look: times are seconds since the epoch."""

    caller: Caller
    digests: tuple[tuple[bytes, float], ...]
    expires_at: float
    revoked: bool


class KeyRing:
    """The keys of a file, which is read again within a second after it has changed.

    A file that is gone or damaged while the service runs leaves the keys valid that were read last, and
    `problem` says so: a slip of an editor shuts nobody out.

    Args:
        path: The file.
        clock: Seconds since the epoch.

    Raises:
        KeyFileError: the file cannot be read, or is no key file.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._seen = _identify(path)
        self._entries = _index(load(path))
        self._reread_at = clock() + REREAD_S
        self.problem: str | None = None

    def find(self, token: str) -> Caller | Denied:
        """The caller whose token this is."""
        now = self._clock()
        if now >= self._reread_at:
            self._reread(now)
        entry = self._entries.get(token[len(PREFIX) :].partition("_")[0])
        if entry is None or not token.startswith(PREFIX):
            return Denied("this key is not known here")
        digest = hashlib.sha256(token.encode()).digest()
        until = 0.0
        for known, expires_at in entry.digests:
            if hmac.compare_digest(digest, known):
                until = expires_at
        if until == 0.0:
            return Denied("this key is not known here")
        if entry.revoked:
            return Denied("this key was revoked")
        return entry.caller if now < until and now < entry.expires_at else Denied("this key has expired")

    def caller(self, key_id: str) -> Caller | None:
        """The caller of that id, whatever has become of its key."""
        entry = self._entries.get(key_id)
        return None if entry is None else entry.caller

    def _reread(self, now: float) -> None:
        self._reread_at = now + REREAD_S
        seen = _identify(self._path)
        if seen == self._seen:
            return
        try:
            self._entries = _index(load(self._path))
        except KeyFileError as exc:
            if self.problem is None:
                _log.error("%s; the keys read before stay valid", exc)
            self.problem = str(exc)
            self._seen = None
        else:
            self.problem = None
            self._seen = seen


def load(path: Path) -> tuple[Key, ...]:
    """The keys of a file.

    Raises:
        KeyFileError: the file cannot be read, or is no key file.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Document).keys
    except OSError as exc:
        raise KeyFileError(f"the key file {path} cannot be read: {exc.strerror}") from exc
    except msgspec.MsgspecError as exc:
        raise KeyFileError(f"{path} is no key file: {exc}") from exc


def create(
    path: Path, name: str, scopes: Sequence[Scope], limits: Limits, lasts: timedelta | None = None
) -> tuple[Key, str]:
    """A new key in the file, which is made if there is none; with its token, which is kept nowhere.

    Raises:
        KeyFileError: the file cannot be read or written, or a valid key has that name.
    """
    now = datetime.now(UTC)
    with _editing(path) as keys:
        if any(key.name == name and key.revoked_at is None for key in keys):
            raise KeyFileError(f"there is a key called {name!r}; rotate it, or choose another name")
        key_id = secrets.token_hex(_ID_BYTES)
        token, secret = _new_secret(key_id)
        key = Key(
            id=key_id,
            name=name,
            scopes=tuple(sorted(set(scopes))),
            created_at=now,
            secrets=(secret,),
            limits=limits,
            expires_at=None if lasts is None else now + lasts,
        )
        keys.append(key)
    return key, token


def rotate(path: Path, reference: str, overlap: timedelta) -> tuple[Key, str]:
    """A new secret for a key, whose older ones are accepted for `overlap` more.

    Raises:
        KeyFileError: the file cannot be read or written, or has no such key that is valid.
    """
    now = datetime.now(UTC)
    with _editing(path) as keys:
        place = _locate(keys, reference)
        key = keys[place]
        token, secret = _new_secret(key.id)
        older = (
            msgspec.structs.replace(old, expires_at=min(old.expires_at or now + overlap, now + overlap))
            for old in key.secrets
            if old.expires_at is None or old.expires_at > now
        )
        keys[place] = key = msgspec.structs.replace(key, secrets=(*older, secret))
    return key, token


def revoke(path: Path, reference: str) -> Key:
    """End a key; running services take no note of its secrets within a second.

    Raises:
        KeyFileError: the file cannot be read or written, or has no such key that is valid.
    """
    with _editing(path) as keys:
        place = _locate(keys, reference)
        keys[place] = msgspec.structs.replace(keys[place], revoked_at=datetime.now(UTC))
        return keys[place]


def _new_secret(key_id: str) -> tuple[str, KeySecret]:
    token = f"{PREFIX}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return token, KeySecret(sha256=hashlib.sha256(token.encode()).hexdigest())


def _locate(keys: Sequence[Key], reference: str) -> int:
    """The place of the key of that id or name which is not revoked."""
    for place, key in enumerate(keys):
        if reference in (key.id, key.name) and key.revoked_at is None:
            return place
    raise KeyFileError(f"there is no valid key {reference!r}; `standfirst keys list` shows them")


@contextmanager
def _editing(path: Path) -> Iterator[list[Key]]:
    """The keys, to be changed; the file is replaced at the end, by one process at a time."""
    path = path.resolve()  # a link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_name(path.name + ".lock")):
            keys = list(load(path)) if path.exists() else []
            yield keys
            _replace(path, _Document(keys=tuple(keys)))
    except OSError as exc:
        raise KeyFileError(f"the key file {path} cannot be written: {exc.strerror}") from exc


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; where the system has no such locks, nothing is held."""
    with path.open("a") as file:
        try:
            import fcntl  # noqa: PLC0415 - there is none on Windows
        except ImportError:
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(path: Path, document: _Document) -> None:
    """Write the file so that a reader sees the old one or the new one; for its owner alone to read."""
    text = json.dumps(msgspec.to_builtins(document), indent=2) + "\n"
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, scratch)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def _identify(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file does; None where it cannot be asked."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _index(keys: Sequence[Key]) -> dict[str, _Entry]:
    return {
        key.id: _Entry(
            Caller(key.id, key.name, frozenset(key.scopes), key.limits),
            tuple((bytes.fromhex(s.sha256), _seconds(s.expires_at)) for s in key.secrets),
            _seconds(key.expires_at),
            key.revoked_at is not None,
        )
        for key in keys
    }


def _seconds(time_: datetime | None) -> float:
    return float("inf") if time_ is None else time_.timestamp()
