"""What an LLM provider's error response means.

Only its status, its error code and the time it asks to wait are passed on. Its own words are read to
recognize what they are about and never repeated: they may quote the prompt or the key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from time import time

from service.errors import (
    LLMAuthenticationError,
    LLMContextLengthError,
    LLMError,
    LLMModelNotFoundError,
    LLMRateLimitedError,
    LLMRequestError,
    LLMServerError,
    LLMTimeoutError,
    LLMUnsupportedError,
)

# In the words of OpenAI, llama.cpp, vLLM, Ollama, Anthropic, Google, TGI and Mistral.
_CONTEXT_LENGTH = re.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|window|size)|prompt is too long"
    r"|too many (?:input )?tokens|input token count|tokens. must be <=|too large for model",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(r"unsupported|not support|unknown_parameter|unrecognized", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
_DURATION = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")
_DURATION_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 1e-3)
_KINDS: dict[int, tuple[type[LLMError], str]] = {
    401: (LLMAuthenticationError, "does not accept the API key"),
    403: (LLMAuthenticationError, "does not accept the API key"),
    404: (LLMModelNotFoundError, "does not know the model, or its base URL is wrong"),
    408: (LLMTimeoutError, "gave up waiting"),
}


class RefusedError(Exception):
    """A request that the server refused as wrong (HTTP 400, 422), perhaps for something that can be left out.

    `words` is what the provider said, in lower case: to recognize what it is about, and never to be shown.
    `error` is what to raise when nothing can be left out.
    """

    def __init__(self, error: LLMError, words: str) -> None:
        super().__init__()
        self.error = error
        self.words = words


def error_of_status(status: int, codes: Iterable[str], text: str, headers: Mapping[str, str]) -> LLMError:
    """The error for a response of `status` (300 and up), its error codes, text and headers."""
    named = [code for code in codes if _IDENTIFIER.fullmatch(code)]
    kind, problem = _kind(status, named, text)
    told = f"HTTP {status}" + (f", {named[0]}" if named else "")
    return kind(f"the provider {problem} ({told})", retry_after_s=_retry_after_s(headers))


def is_about_context_length(text: str) -> bool:
    """Whether a provider says in `text` that prompt and answer do not fit the model's window."""
    return _CONTEXT_LENGTH.search(text) is not None


def _kind(status: int, codes: list[str], text: str) -> tuple[type[LLMError], str]:
    if status in {400, 413, 422}:
        if status == 413 or is_about_context_length(text):
            return LLMContextLengthError, "finds the prompt too long for the model"
        if _UNSUPPORTED.search(text):
            return LLMUnsupportedError, "lacks something that the request used"
    if status == 429 and "insufficient_quota" not in codes:
        return LLMRateLimitedError, "throttles"
    if status >= 500:
        return LLMServerError, "failed"
    return _KINDS.get(status, (LLMRequestError, "refused the request"))


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms`, by `Retry-After`, or until a limit that is used up is reset."""
    told_s = _told_s(headers)
    if told_s is not None:
        return told_s
    resets = [_reset_s(headers, unit) for unit in ("requests", "tokens")]
    return max((seconds for seconds in resets if seconds is not None), default=None)


def _reset_s(headers: Mapping[str, str], unit: str) -> float | None:
    """Seconds until a limit that is used up is reset, told as `1s`, `6m0s` or `250ms`; or None.

    (OpenAI, "Rate limits in headers", and those who took them over.)
    """
    left, reset = headers.get(f"x-ratelimit-remaining-{unit}"), headers.get(f"x-ratelimit-reset-{unit}", "")
    bare = reset.strip()
    match = _DURATION.fullmatch(f"{bare}s" if bare[-1:].isdigit() else bare)
    if left is None or left.strip() != "0" or not match or not any(match.groups()):
        return None
    return sum(float(n) * unit_s for n, unit_s in zip(match.groups(), _DURATION_UNITS_S, strict=True) if n)


def _told_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms`, or by `Retry-After` in seconds or as a date (RFC 9110)."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time())
    except (TypeError, ValueError, OverflowError):
        return None
