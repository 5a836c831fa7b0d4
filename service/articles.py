"""What every edge asks of a text before it is taken for an article."""

from __future__ import annotations

import re

from service.errors import ArticleTooLargeError, InvalidArticleError

# NUL, which only binary files have, and surrogates, with which no text can be encoded.
_NEVER_TEXT = re.compile(r"[\x00\ud800-\udfff]")
_CONTROL = re.compile(r"[\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
# Archives of news hold a stray control character here and there; binary files are full of them.
_FEWEST_CHARACTERS_PER_CONTROL = 1000


def check_text(text: str, max_bytes: int) -> None:
    """Make sure that `text` is one, and has at most `max_bytes` in UTF-8.

    Raises:
        InvalidArticleError: it is empty, or has control characters as no text has them.
        ArticleTooLargeError: it is too long.
    """
    if not text.strip():
        raise InvalidArticleError("the article is empty", field="text", remedy="send its text")
    if odd := _NEVER_TEXT.search(text) or _first_of_many_controls(text):
        raise InvalidArticleError(
            f"the article has a character U+{ord(odd[0]):04X} at offset {odd.start()}, which is not text",
            field="text",
            remedy="remove control characters; is the file binary, or in another encoding?",
        )
    # A code point takes 4 bytes at the most, so that most articles need not be encoded to know.
    if len(text) * 4 > max_bytes and len(text.encode()) > max_bytes:
        raise ArticleTooLargeError(
            f"the article is over {max_bytes} bytes", limit=max_bytes, unit="byte", remedy="send it in parts"
        )


def check_title(title: str) -> None:
    """Make sure that `title` is text; raises InvalidArticleError."""
    if odd := _NEVER_TEXT.search(title):
        raise InvalidArticleError(
            f"the title has a character U+{ord(odd[0]):04X} at offset {odd.start()}, which is not text",
            field="title",
            remedy="remove it",
        )


def _first_of_many_controls(text: str) -> re.Match[str] | None:
    first = _CONTROL.search(text)
    many = first and len(_CONTROL.findall(text)) * _FEWEST_CHARACTERS_PER_CONTROL > len(text)
    return first if many else None
