"""A store whose values are encrypted where they lie."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.cache.base import CacheStore, to_bytes

KEY_BYTES: Final = 32
_MAGIC: Final = b"Sfe1"
_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = len(_MAGIC) + _ID_BYTES + _NONCE_BYTES
_LONG_BYTES: Final = 1 << 20  # from which encryption would hold the event loop for a millisecond


class EncryptedStore(CacheStore):
    """Encrypts what goes into `inner`, which it owns, with AES-256-GCM (NIST SP 800-38D).

    The first key encrypts, all of them decrypt, so that a key can be replaced without losing what is kept. A
    value is bound to its key in the store: one that was moved, altered or encrypted with another key is a
    miss. Nonces are random, which is safe for some billions of values a key. Keys of the store are digests,
    and stay as they are.
    """

    __slots__ = ("_ciphers", "_first", "inner")

    def __init__(self, inner: CacheStore, keys: Sequence[bytes]) -> None:
        self.inner = inner
        self._ciphers = {_identify(key): AESGCM(key) for key in keys}
        self._first = _identify(keys[0])

    @classmethod
    def of(cls, inner: CacheStore, keys: str) -> Self:
        """A store with keys as the settings give them: base64, separated by commas; raises ValueError."""
        return cls(inner, parse_keys(keys))

    @property
    def problem(self) -> str | None:
        """What the inner store says."""
        return self.inner.problem

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """The value, or None."""
        sealed = await self.inner.get(key, renew_for)
        if sealed is None:
            return None
        if len(sealed) < _LONG_BYTES:
            return self._open(key, sealed)
        return await asyncio.to_thread(self._open, key, sealed)

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """Keep `value`."""
        data = to_bytes(value)
        if len(data) < _LONG_BYTES:
            sealed = self._seal(key, data)
        else:
            sealed = await asyncio.to_thread(self._seal, key, data)
        await self.inner.set(key, sealed, expires_in)

    async def delete(self, key: str) -> None:
        """Forget the key, if it is there."""
        await self.inner.delete(key)

    async def delete_all(self) -> None:
        """Forget everything."""
        await self.inner.delete_all()

    async def exists(self, key: str) -> bool:
        """Whether `get` would find a value."""
        return await self.get(key) is not None

    async def expires_in(self, key: str) -> int | None:
        """Seconds until the value expires; None if there is none, or it was set without an expiry."""
        return await self.inner.expires_in(key) if await self.exists(key) else None

    async def aclose(self) -> None:
        """Close the inner store."""
        await self.inner.aclose()

    def _seal(self, key: str, value: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _MAGIC + self._first + nonce + self._ciphers[self._first].encrypt(nonce, value, key.encode())

    def _open(self, key: str, sealed: bytes) -> bytes | None:
        cipher = self._ciphers.get(sealed[len(_MAGIC) : len(_MAGIC) + _ID_BYTES])
        if cipher is None or not sealed.startswith(_MAGIC) or len(sealed) < _HEAD_BYTES:
            return None
        nonce = sealed[_HEAD_BYTES - _NONCE_BYTES : _HEAD_BYTES]
        try:
            return cipher.decrypt(nonce, memoryview(sealed)[_HEAD_BYTES:], key.encode())
        except InvalidTag:
            return None


def parse_keys(text: str) -> list[bytes]:
    """Keys in base64, separated by commas; raises ValueError."""
    keys = []
    for part in text.split(","):
        try:
            key = base64.b64decode(part.strip(), altchars=b"-_", validate=True)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(
                f"a key is {KEY_BYTES} random bytes in base64, such as `openssl rand -base64 32` makes"
            )
        keys.append(key)
    return keys


def _identify(key: bytes) -> bytes:
    """What tells which key sealed a value, and nothing about the key."""
    return hashlib.sha256(b"standfirst cache key " + key).digest()[:_ID_BYTES]
