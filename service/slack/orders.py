"""What somebody in Slack asks for: the words of a command or a mention, and what a button carries."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, get_args

import msgspec
from litestar.stores.base import Store
from msgspec import Struct

from service.errors import RequestError
from service.models import LANGUAGE_PATTERN, Style
from service.slack.text import find_link, to_plain, without_links

STYLES: Final[tuple[Style, ...]] = get_args(Style)
HELP: Final = """\
I turn an article into a summary with its key quotes, and check both against the article.
• /standfirst with a link or with the article's text
• mention me with a link, or in a thread to summarize that thread
• “Summarize” and “Summarize thread” in a message's menu
Options: brief, standfirst or bullets for the style; in:de for the language; public to answer the \
whole channel; private for an embargo: for you alone, and nothing is kept."""

_MENTION = re.compile(r"<@[^<>]*>")
_OPTION = re.compile(
    rf"(?P<style>{'|'.join(STYLES)})|(?P<audience>public|private)|(?:in|lang|language)[:=](?P<language>\S+)",
    re.IGNORECASE,
)
_FINAL = (*".!?…。！？؟۔\"'”’»)",)
_MOST_OPTIONS = 5
_ABOUT_THREAD = re.compile(r"\b(?:this|the)?\s*(?:thread|discussion|conversation)\b", re.IGNORECASE)
_FEWEST_WORDS = 25  # fewer are talk to the bot, not an article
_MOST_IN_BUTTON = 1_900  # of the 2,000 characters of a button's value


class Link(Struct, frozen=True, tag="u"):
    """A page."""

    url: str


class Words(Struct, frozen=True, tag="w"):
    """A text that somebody pasted, or that a message has."""

    text: str


class Thread(Struct, frozen=True, tag="t"):
    """A thread by its channel and its first message; the messages of `without` are left out."""

    channel: str
    ts: str
    without: tuple[str, ...] = ()


Source: TypeAlias = Link | Words | Thread


class Order(Struct, frozen=True, omit_defaults=True):
    """What to summarize and how; `kept` is False under an embargo, when nothing may be kept of it."""

    source: Source
    style: Style = "brief"
    language: str | None = None
    public: bool = False
    kept: bool = True


class HelpWantedError(RequestError):
    """Nothing was asked for, or help was."""


def read_command(text: str, *, public: bool) -> Order:
    """The order in the words after a slash command: a link or a text, and options before or after it.

    Raises:
        HelpWantedError: help is wanted.
        RequestError: an option is not known.
    """
    text = text.strip()
    if text.lower() in ("", "help", "?"):
        raise HelpWantedError("help")
    url = find_link(text)
    if url is not None and len(without_links(text).split()) < _FEWEST_WORDS:
        return _with_options(Order(Link(url), public=public), without_links(text).split())
    words, options = _strip_options(text)
    if not words:
        raise HelpWantedError("help")
    return _with_options(Order(Words(to_plain(words)), public=public), options)


def read_mention(text: str, *, channel: str, ts: str, thread_ts: str | None) -> Order:
    """The order in a message that mentions the bot: a link, a text, or the thread that it stands in.

    Raises: as `read_command`.
    """
    text = _MENTION.sub(" ", text).strip()
    if text.lower() in ("help", "?"):
        raise HelpWantedError("help")
    if find_link(text) is not None or len(text.split()) >= _FEWEST_WORDS:
        return read_command(text, public=True)
    if thread_ts is None and not (_ABOUT_THREAD.search(text)):
        raise HelpWantedError("help")
    options = [w for w in text.split() if _OPTION.fullmatch(w)]
    return _with_options(Order(Thread(channel, thread_ts or ts, (ts,)), public=True), options)


def read_message(text: str, *, public: bool) -> Order:
    """The order to summarize a message: the page that it links to, or its own words."""
    url = find_link(text)
    if url is not None and len(without_links(text).split()) < _FEWEST_WORDS * 2:
        return Order(Link(url), public=public)
    words = to_plain(text).strip()
    if not words:
        raise RequestError("this message has no text and no link", remedy="choose one that has")
    return Order(Words(words), public=public)


def _strip_options(text: str) -> tuple[str, list[str]]:
    """A text without options; at its end only after a full stop, where a word cannot be the text's own."""
    words = text.split(maxsplit=_MOST_OPTIONS)
    first = list(itertools.takewhile(_OPTION.fullmatch, words[:_MOST_OPTIONS]))
    text = text.split(maxsplit=len(first))[-1] if len(words) > len(first) else ""
    last = list(itertools.takewhile(_OPTION.fullmatch, reversed(text.rsplit(maxsplit=_MOST_OPTIONS)[1:])))
    rest = text.rsplit(maxsplit=len(last))[0] if last else text
    options_began = text[len(rest) :].lstrip(" \t")
    if last and (rest.endswith(_FINAL) or options_began.startswith("\n")):
        return rest.strip(), first + last
    return text.strip(), first


def _with_options(order: Order, words: list[str]) -> Order:
    for word in words:
        found = _OPTION.fullmatch(word)
        if found is None:
            raise RequestError(
                f"I do not know the word “{word[:40]}”",
                remedy="after a link, say brief, standfirst, bullets, in:de, public or private",
            )
        if found["style"]:
            order = msgspec.structs.replace(order, style=found["style"].lower())
        elif found["audience"]:
            private = found["audience"].lower() == "private"
            order = msgspec.structs.replace(order, public=not private, kept=not private)
        elif re.fullmatch(LANGUAGE_PATTERN, found["language"]):
            order = msgspec.structs.replace(order, language=found["language"])
        else:
            raise RequestError("this is no language tag", remedy="say in:de or in:pt-BR")
    return order


class Orders:
    """Writes orders into the values of buttons, and reads them again.

    What does not fit, or is somebody's text, lies in the store for as long as results do; an order that may
    not be kept never does. `attach` is told of the summary that it goes with and of its key in the store.
    """

    def __init__(self, store: Store, attach: Callable[[str, str], Awaitable[None]], *, ttl_s: int) -> None:
        self._store = store
        self._attach = attach
        self._ttl_s = ttl_s

    async def seal(self, order: Order, summary_id: str) -> str | None:
        """A button's value for `order`; None if it would have to be kept and may not be."""
        value = msgspec.json.encode(order)
        if not isinstance(order.source, Words) and len(value) <= _MOST_IN_BUTTON:
            return value.decode()
        if not order.kept:
            return None
        name = secrets.token_urlsafe(16)
        await self._attach(summary_id, _key(name))
        await self._store.set(_key(name), value, expires_in=self._ttl_s)
        return f"@{name}"

    async def open(self, value: str) -> Order:
        """The order in a button's value; raises RequestError if it is no longer kept."""
        sealed: bytes | None = value.encode()
        if value.startswith("@"):
            sealed = await self._store.get(_key(value[1:]))
        if sealed is None:
            raise RequestError("this text is no longer kept", remedy="paste it again")
        try:
            return msgspec.json.decode(sealed, type=Order)
        except msgspec.DecodeError as exc:
            raise RequestError("this button is too old", remedy="ask for the summary again") from exc


def _key(name: str) -> str:
    return f"slack/order/{name}"
