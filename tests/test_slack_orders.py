from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from service.cache import MemoryStore
from service.errors import RequestError
from service.slack.orders import (
    HelpWantedError,
    Link,
    Order,
    Orders,
    Thread,
    Words,
    read_command,
    read_mention,
    read_message,
)

URL = "https://news.example/bridge"
ARTICLE = "The council closed the bridge on Tuesday. It opens again in May, and is free for the public."


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    made = MemoryStore()
    yield made
    await made.aclose()


async def attach(_: str, __: str) -> None:
    """Nothing is to be removed."""


def command(text: str) -> Order:
    return read_command(text, public=False)


def mention(text: str, thread_ts: str | None = None) -> Order:
    return read_mention(f"<@UBOT> {text}", channel="C1", ts="2.0", thread_ts=thread_ts)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        (URL, Order(Link(URL))),
        (f"<{URL}|news.example/bridge> BULLETS", Order(Link(URL), style="bullets")),
        (f"in:pt-BR standfirst {URL}", Order(Link(URL), style="standfirst", language="pt-BR")),
        (f"{URL} public", Order(Link(URL), public=True)),
        (f"{URL} private lang=de", Order(Link(URL), language="de", kept=False)),
        (ARTICLE, Order(Words(ARTICLE))),
        (f"bullets {ARTICLE}", Order(Words(ARTICLE), style="bullets")),
        (f"{ARTICLE}\nprivate", Order(Words(ARTICLE), kept=False)),
        (f"{ARTICLE} bullets in:fr", Order(Words(ARTICLE), style="bullets", language="fr")),
        ("Ice holds the ferry &amp; its crew.", Order(Words("Ice holds the ferry & its crew."))),
    ],
)
def test_command_is_a_link_or_a_text_with_options(text: str, order: Order) -> None:
    assert command(text) == order


@pytest.mark.parametrize(
    "text", ["The museum is open to the public", "They are brief", "It ends with bullets"]
)
def test_last_word_of_a_text_is_the_texts_own(text: str) -> None:
    assert command(text) == Order(Words(text))


@pytest.mark.parametrize("text", ["", " ", "help", "HELP", "?", "bullets", "public in:de"])
def test_nothing_to_summarize_wants_help(text: str) -> None:
    with pytest.raises(HelpWantedError):
        command(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [(f"{URL} shorty", "do not know the word “shorty”"), (f"{URL} in:x", "no language tag")],
)
def test_unknown_option_is_named(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as failure:
        command(text)
    assert failure.value.remedy is not None


def test_link_in_a_long_text_belongs_to_the_text() -> None:
    text = f"{ARTICLE} " * 3 + f"See {URL} for more."
    assert command(text) == Order(Words(text))


@pytest.mark.parametrize(
    ("text", "thread_ts", "order"),
    [
        (f"<{URL}> bullets", None, Order(Link(URL), style="bullets", public=True)),
        ("summarize this thread", "1.0", Order(Thread("C1", "1.0", ("2.0",)), public=True)),
        ("", "1.0", Order(Thread("C1", "1.0", ("2.0",)), public=True)),
        ("please, as bullets in:de", "1.0", Order(Thread("C1", "1.0", ("2.0",)), "bullets", "de", True)),
        ("private", "1.0", Order(Thread("C1", "1.0", ("2.0",)), kept=False)),
        (f"{ARTICLE} {ARTICLE}", None, Order(Words(f"{ARTICLE} {ARTICLE}"), public=True)),
    ],
)
def test_mention_is_a_link_a_text_or_its_thread(text: str, thread_ts: str | None, order: Order) -> None:
    assert mention(text, thread_ts) == order


@pytest.mark.parametrize("text", ["", "hello", "help"])
def test_mention_of_nothing_wants_help(text: str) -> None:
    with pytest.raises(HelpWantedError):
        mention(text)


def test_message_with_a_link_and_a_remark_is_the_page() -> None:
    assert read_message(f"Look at <{URL}>, shocking", public=False) == Order(Link(URL))


def test_message_without_a_link_is_its_words() -> None:
    assert read_message("<@U1> said &lt;no&gt;", public=True) == Order(
        Words("@someone said <no>"), public=True
    )


def test_message_without_text_is_refused() -> None:
    with pytest.raises(RequestError, match="no text"):
        read_message("", public=False)


@pytest.mark.parametrize(
    "order",
    [Order(Link(URL), style="bullets"), Order(Thread("C1", "1.0", ("2.0",)), kept=False, language="de")],
)
async def test_short_order_is_in_its_button(order: Order, store: MemoryStore) -> None:
    orders = Orders(store, attach, ttl_s=60)
    sealed = await orders.seal(order, "s")
    assert sealed is not None
    assert await orders.open(sealed) == order
    await store.delete_all()
    assert await orders.open(sealed) == order


@pytest.mark.parametrize("source", [Words(ARTICLE), Link(URL + "x" * 2_000)])
async def test_long_order_lies_in_the_store_for_its_time(source: Words | Link, store: MemoryStore) -> None:
    orders = Orders(store, attach, ttl_s=60)
    sealed = await orders.seal(Order(source), "s")
    assert sealed is not None
    assert len(sealed) < 100
    assert await orders.open(sealed) == Order(source)
    await store.delete_all()
    with pytest.raises(RequestError, match="no longer kept"):
        await orders.open(sealed)


async def test_embargoed_text_is_kept_nowhere(store: MemoryStore) -> None:
    assert await Orders(store, attach, ttl_s=60).seal(Order(Words(ARTICLE), kept=False), "s") is None


@pytest.mark.parametrize("value", ["", "{}", "null", '{"source":{"type":"z"}}', "é"])
async def test_button_of_another_make_is_refused(value: str, store: MemoryStore) -> None:
    with pytest.raises(RequestError):
        await Orders(store, attach, ttl_s=60).open(value)


def test_orders_are_frozen() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Order(Link(URL))), type=Order) == Order(Link(URL))
