"""Slack's way of writing text, and cutting text to Slack's lengths."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, TypeAlias

# Blocks, views and payloads: JSON whose shape is Slack's.
Json: TypeAlias = dict[str, Any]

_TOKEN = re.compile(r"<([@#!]?)([^<>|\s][^<>|]*)(?:\|([^<>]*))?>")
_LINK = re.compile(r"<(https?://[^<>|\s]+)(?:\|[^<>]*)?>|(https?://[^\s<>|]+)")
_AFTER_LINK = ".,;:!?)]}'\"’”»"
_JOINER = "\u200d"
_MODIFIERS = range(0x1F3FB, 0x1F400)
_REGIONAL = range(0x1F1E6, 0x1F200)


def escape(text: str) -> str:
    """`text` as mrkdwn in which nothing is a mention, a channel or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def to_plain(text: str, name_of: Callable[[str], str] = lambda _: "someone") -> str:
    """A message's text as its readers see it; `name_of` maps the ids of users to their names."""

    def show(token: re.Match[str]) -> str:
        sign, target, label = token[1], token[2], token[3]
        if sign == "@":
            return f"@{label or name_of(target)}"
        if sign == "#":
            return f"#{label or target}"
        if sign == "!":
            return label or f"@{target.partition('^')[0]}"
        return label or target.removeprefix("mailto:")

    return html.unescape(_TOKEN.sub(show, text))


def find_link(text: str) -> str | None:
    """The first link in a message or a command, as its address."""
    found = _LINK.search(text)
    if found is None:
        return None
    return html.unescape(found[1]) if found[1] else html.unescape(found[2]).rstrip(_AFTER_LINK)


def without_links(text: str) -> str:
    """`text` without its links."""
    return _LINK.sub(" ", text)


def units(text: str) -> int:
    """The length of `text` in UTF-16 units, the most that any counting of characters makes of it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def size(content: object) -> int:
    """What blocks count against Slack's limit, taken high: their JSON, with `&`, `<` and `>` as entities."""
    return units(escape(json.dumps(content, ensure_ascii=False, separators=(",", ":"))))


def pieces(text: str, limit: int) -> list[str]:
    """`text` in pieces of at most `limit` UTF-16 units, cut between words, and never inside a character.

    Together they are the text, but for the white space at the cuts; none is empty.
    """
    found = []
    while units(text) > limit:
        cut = _cut(text, limit)
        found.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [piece for piece in (*found, text) if piece]


def shorten(text: str, limit: int) -> str:
    """The beginning of `text`, with an ellipsis where something was left out."""
    return text if units(text) <= limit else text[: _cut(text, limit - 1)].rstrip() + "…"


def _cut(text: str, limit: int) -> int:
    """Where to cut so that at most `limit` UTF-16 units stand before it."""
    end = min(len(text), limit)
    over = units(text[:end]) - limit
    while over > 0:
        end -= 1
        over -= units(text[end])
    space = max(text.rfind(" ", limit // 2, end + 1), text.rfind("\n", limit // 2, end + 1))
    if space > 0:
        return space
    whole = end
    while whole > 1 and _joined(text, whole):
        whole -= 1
    return whole if whole > 1 else max(end, 1)


def _joined(text: str, at: int) -> bool:
    """Whether what stands before and after `at` are parts of one character as readers see it (UAX 29)."""
    if at >= len(text):
        return False
    before, after = text[at - 1], text[at]
    if (
        _JOINER in (before, after)
        or unicodedata.combining(after)
        or unicodedata.category(after) in ("Mn", "Me")
    ):
        return True
    if ord(after) in _MODIFIERS or "\ufe00" <= after <= "\ufe0f":
        return True
    flags = 0
    while flags < at and ord(text[at - 1 - flags]) in _REGIONAL:
        flags += 1
    return ord(after) in _REGIONAL and flags % 2 == 1
