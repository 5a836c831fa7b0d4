"""Orders carried out: the source read, the summary made, and the answer or one friendly sentence shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from service.errors import (
    SEND_THE_TEXT,
    LLMBusyError,
    LLMError,
    LLMSpentError,
    NotCachedError,
    RequestError,
    StandfirstError,
)
from service.intake import Intake
from service.models import ArticleInput, Quote, Summary
from service.planning import Article, Options
from service.run import CachePolicy, Event, Progress
from service.slack.blocks import Heading, Message, buttons, modal, show_evidence, show_summary, show_text
from service.slack.client import SlackCallError, SlackClient
from service.slack.once import Once
from service.slack.orders import Link, Order, Orders, Thread, Words
from service.slack.replies import Reply
from service.slack.text import Json
from service.slack.threads import Conversation, converse, is_said, people_in
from service.spending import Account
from service.summarizer import Summarizer

_STOPPED: Final = "I was stopped before I was done; please ask again in a minute."
_FAULT: Final = (
    "Something is wrong with me, not with your article; whoever runs Standfirst finds it in the log."
)
_STAGES: Final = {
    "article": "The model reads the article …",
    "chunks": "The model reads the article in parts: {done} of {total} …",
    "combine": "The model combines its notes …",
    "repair": "The model mends what the checks found …",
}
_FAREWELL_S: Final = 3.0
_REPORT_S: Final = 3.0
_MOST_NAMES: Final = 100
_log = logging.getLogger(__name__)


class Material(NamedTuple):
    """What is to be summarized, what to call it, for a thread who wrote what, and what was left out."""

    article: Article
    heading: Heading
    conversation: Conversation | None = None
    left_out: str = ""

    def author_of(self, quote: Quote) -> str | None:
        """Who wrote the message that a quote is from; None where the source is no thread."""
        return self.conversation.author_of(quote.start, quote.end) if self.conversation else None


class Worker:
    """Carries out orders; every error ends as a sentence where the answer would have been.

    Args:
        client: Slack's Web API.
        summarizer: Makes the summaries.
        intake: Makes articles of links and texts.
        orders: Puts orders behind buttons.
        once: Tells repeated events.
        account: Pays for the summaries.
        languages: Those that answers have buttons for.
    """

    def __init__(
        self,
        client: SlackClient,
        summarizer: Summarizer,
        intake: Intake,
        orders: Orders,
        once: Once,
        *,
        account: Account,
        languages: tuple[str, ...],
    ) -> None:
        self._client = client
        self._summarizer = summarizer
        self._intake = intake
        self._orders = orders
        self._once = once
        self._account = account
        self._languages = languages

    async def summarize(self, event_id: str, order: Order, reply: Reply) -> None:
        """Answer an order with a summary, unless the event was worked on before."""
        if not await self._once.first(event_id):
            return
        try:
            await reply.start(opening(order))
            await reply.finish(await self._make(order, reply))
        except asyncio.CancelledError:
            with suppress(Exception):
                async with asyncio.timeout(_FAREWELL_S):
                    await reply.tell(_STOPPED)
            raise
        except Exception as exc:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            await _tell(exc, reply.tell)

    async def restyle(self, event_id: str, sealed: str, changes: dict[str, str], reply: Reply) -> None:
        """Answer the order of a button with another style or language."""
        try:
            order = msgspec.structs.replace(await self._orders.open(sealed), **changes)
        except RequestError as exc:
            await _tell(exc, reply.tell)
            return
        await self.summarize(event_id, order, reply)

    async def say(self, event_id: str, reply: Reply, text: str) -> None:
        """Show a sentence, unless the event was answered before."""
        if await self._once.first(event_id):
            try:
                await reply.tell(text)
            except SlackCallError as exc:
                _log.warning("a notice could not be shown in Slack: %s", exc.code)

    async def show_evidence(self, event_id: str, sealed: str, trigger_id: str, reply: Reply) -> None:
        """Open a window with the passages that a summary rests on."""
        if not await self._once.first(event_id):
            return
        try:
            view_id = await self._client.open_view(trigger_id, modal(show_text("Looking it up …").blocks))
        except SlackCallError:
            text = "Slack let no window be opened; press the button again."
            await _tell(RequestError(text), reply.tell)
            return

        async def show(blocks: list[Json]) -> None:
            await self._client.update_view(view_id, modal(blocks))

        try:
            order = await self._orders.open(sealed)
            material = await self._read(order)
            # What is shown must be what was seen: nothing is made anew.
            only_kept = CachePolicy(only=True)
            outcome = await self._summarizer.summarize(material.article, _options(order), only_kept)
            await show(show_evidence(_decode(outcome.body), material.article.text))
        except NotCachedError:
            await _tell(
                RequestError("this summary is no longer kept, or its article has changed", remedy="ask anew"),
                lambda text: show(show_text(text).blocks),
            )
        except Exception as exc:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            await _tell(exc, lambda text: show(show_text(text).blocks))

    async def _make(self, order: Order, reply: Reply) -> list[Message]:
        """The messages that answer an order, with reports of progress on the way."""
        latest: list[Progress] = []

        def note(event: Event) -> None:
            if isinstance(event, Progress):
                latest[:] = [event]

        making = asyncio.create_task(self._answer(order, note))
        try:
            for pause_s in reply.pauses_s():
                await asyncio.wait((making,), timeout=pause_s)
                while not (latest or making.done()):  # a report that says nothing new is none
                    await asyncio.wait((making,), timeout=pause_s)
                if making.done():
                    break
                # A report that Slack does not take at once is worth no wait.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_REPORT_S):
                        await reply.progress(_in_words(latest.pop()))
            return await making
        finally:
            making.cancel()

    async def _answer(self, order: Order, report: Callable[[Event], object]) -> list[Message]:
        material = await self._read(order)
        outcome = await self._summarizer.summarize(
            material.article, _options(order), _cache(order), report, account=self._account
        )
        summary = _decode(outcome.body)
        row = buttons(order, await self._orders.seal(order, summary.id), summary, self._languages)
        messages = show_summary(summary, material.heading, material.author_of, row)
        if material.left_out:
            messages.append(show_text(material.left_out))
        return messages

    async def _read(self, order: Order) -> Material:
        match order.source:
            case Link(url):
                article = await self._intake.read(ArticleInput(url=url), _cache(order))
                return Material(article, Heading(article.title or url, url))
            case Words(text):
                article = await self._intake.read(ArticleInput(text=text))
                return Material(article, Heading("Summary of your text"))
            case Thread(channel, ts, without):
                return await self._read_thread(channel, ts, without)

    async def _read_thread(self, channel: str, ts: str, without: tuple[str, ...]) -> Material:
        found, complete = await self._client.thread(channel, ts)
        said = [m for m in found if is_said(m) and m.get("ts") not in without]
        people = await asyncio.to_thread(people_in, said)
        names = await self._client.names(people[:_MOST_NAMES])
        conversation = await asyncio.to_thread(
            converse, said, lambda user: names.get(user, user or "Someone")
        )
        article = await self._intake.read(ArticleInput(text=conversation.text))
        heading = Heading(f"Summary of a thread of {len(conversation.turns)} messages")
        left_out = "" if complete else f"The thread is long: I have read its first {len(found)} messages."
        return Material(article, heading, conversation, left_out)


def _in_words(step: Progress) -> str:
    return _STAGES[step.stage].format(done=step.done, total=step.total)


def opening(order: Order) -> str:
    """What is shown while work goes on."""
    match order.source:
        case Link(url):
            return f"Reading {_host(url)} …"
        case Words():
            return "Reading your text …"
        case Thread():
            return "Reading the thread …"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "the page"
    except ValueError:  # the intake will say what is wrong with it
        return "the page"


def sentence(error: RequestError) -> str:
    """An error that the asker can mend, as one sentence with what to do."""
    remedy = "paste the article's text instead" if error.remedy == SEND_THE_TEXT else error.remedy
    remedy = f"; {remedy}" if remedy else ""
    text = f"{error}{remedy}"
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!')) else '.'}"


def _cache(order: Order) -> CachePolicy:
    return CachePolicy(reads=order.kept, writes=order.kept)


def _options(order: Order) -> Options:
    return Options(style=order.style, language=order.language)


def _decode(body: bytes) -> Summary:
    return msgspec.json.decode(body, type=Summary)


def _words(error: Exception) -> str:
    match error:
        case RequestError():
            return sentence(error)
        case LLMBusyError():
            return "Too many articles wait for the model; ask again in a minute."
        case LLMSpentError():
            return "What may be spent on summaries is used up for now; ask again tomorrow."
        case LLMError():
            return "The model does not answer at present; ask again in a few minutes."
        case SlackCallError():
            return str(error)
        case _:
            return _FAULT


async def _tell(error: Exception, show: Callable[[str], object]) -> None:
    """Show an error to who asked; log what the asker cannot mend, by class and place, never by its text."""
    if isinstance(error, SlackCallError):
        _log.warning("Slack did not do as asked: %s", error.code)
    elif not isinstance(error, RequestError):
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place else "?"
        level = logging.WARNING if isinstance(error, StandfirstError) else logging.ERROR
        _log.log(level, "%s at %s while answering in Slack", type(error).__name__, where)
    try:
        await show(_words(error))  # type: ignore[misc]
    except SlackCallError as exc:
        _log.warning("an error could not be shown in Slack: %s", exc.code)
