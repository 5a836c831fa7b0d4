"""Cache keys: one canonical encoding, one hash."""

from __future__ import annotations

import hashlib
import json
from typing import TypeAlias

JSON: TypeAlias = "str | int | float | bool | list[JSON] | tuple[JSON, ...] | dict[str, JSON] | None"

# Raised whenever the encoding below changes, so that old entries become misses.
_VERSION = 1

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":"))


def cache_key(kind: str, /, **parts: JSON) -> str:
    """The SHA-256 digest, in hex, of everything that shapes a result.

    `kind` tells results apart that have different types, such as `summary` and `chunk`. `parts` must hold
    every value that can change the result: the digests of the text and the prompt, the model, the options as
    they were resolved, the version of the code that made it. What is left out is what two results may differ
    in and yet be served for each other. The order of parts and of keys within them does not matter; types do:
    1, 1.0, "1" and True are four different parts.

    Raises:
        TypeError: a part is not JSON.
        ValueError: a part is NaN or infinite.
    """
    # "surrogatepass": escaping lone surrogates instead would let a pair of them pass for the character they
    # make up.
    canonical = _ENCODER.encode([_VERSION, kind, parts]).encode("utf-8", "surrogatepass")
    return hashlib.sha256(canonical).hexdigest()
