"""A thread as an article whose speakers are the authors of its messages."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from service.errors import InvalidArticleError
from service.slack.text import Json, to_plain

# What people write; joins, topics, pins and what bots say have other subtypes.
_SUBTYPES = (None, "thread_broadcast", "file_share", "me_message")
_MENTIONED = re.compile(r"<@([A-Z0-9]+)")


class Turn(NamedTuple):
    """One message: its words are `text[start:end]` of the conversation, `author` wrote them."""

    author: str
    start: int
    end: int


class Conversation(NamedTuple):
    """A thread as text, and who wrote what."""

    text: str
    turns: Sequence[Turn]

    def author_of(self, start: int, end: int) -> str | None:
        """Who wrote all of `text[start:end]`; None if no one message has it."""
        at = bisect_right(self.turns, start, key=lambda t: t.start) - 1
        return self.turns[at].author if at >= 0 and end <= self.turns[at].end else None


def is_said(message: Json) -> bool:
    """Whether a person wrote it: no bot, no notice of a join."""
    by_bot = message.get("bot_id") or message.get("bot_profile")
    return not by_bot and message.get("subtype") in _SUBTYPES and bool(message.get("text"))


def people_in(messages: Sequence[Json]) -> list[str]:
    """The ids of those whose names `converse` asks for: who wrote, then who is mentioned."""
    wrote = (m["user"] for m in messages if m.get("user"))
    mentioned = (user for m in messages for user in _MENTIONED.findall(m["text"]))
    return list(dict.fromkeys((*wrote, *mentioned)))


def converse(messages: Sequence[Json], name_of: Callable[[str], str]) -> Conversation:
    """The messages as an article: each a paragraph, `Name: “what was written”`.

    The marks make every message a quotation, so that code finds whole messages to quote, and the names before
    them their speakers.

    Raises:
        InvalidArticleError: nobody wrote anything.
    """
    parts: list[str] = []
    turns = []
    length = 0
    for message in messages:
        words = to_plain(message["text"], name_of).strip()
        if not words:
            continue
        author = " ".join(name_of(message.get("user", "")).split())
        opening = f"{author}: “"
        turns.append(Turn(author, length + len(opening), length + len(opening) + len(words)))
        parts.append(f"{opening}{words}”\n\n")
        length += len(parts[-1])
    if not turns:
        raise InvalidArticleError("nobody wrote anything in this thread", remedy="choose another one")
    return Conversation("".join(parts).rstrip(), turns)
