from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.slack.text import escape, find_link, pieces, shorten, size, to_plain, units, without_links

FAMILY = "👩‍👩‍👧‍👦"
FLAG = "🇳🇴"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Ask <@U1> in <#C1|general>", "Ask @Ada in #general"),
        ("<!channel> read <https://a.example/x?a=1&amp;b=2|this>", "@channel read this"),
        ("<!subteam^S1|@desk> and <!here>", "@desk and @here"),
        ("<https://a.example>", "https://a.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("a < b > c", "a < b > c"),
        ("&amp;lt;", "&lt;"),
    ],
)
def test_message_is_read_as_people_see_it(written: str, seen: str) -> None:
    assert to_plain(written, {"U1": "Ada"}.__getitem__) == seen


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("see <https://a.example/x|a.example/x> bullets", "https://a.example/x"),
        ("see https://a.example/x?a=1&amp;b=2.", "https://a.example/x?a=1&b=2"),
        ("(http://a.example)", "http://a.example"),
        ("no link: ftp://a.example", None),
    ],
)
def test_link_is_found_in_either_form(text: str, url: str | None) -> None:
    assert find_link(text) == url


def test_text_without_links_is_the_rest() -> None:
    assert without_links("<https://a.example|a> bullets https://b.example in:de").split() == [
        "bullets",
        "in:de",
    ]


@pytest.mark.parametrize(
    "ping", ["<!channel>", "<@U1>", "<#C1|x>", "<https://a.example|click>", "&lt;!here&gt;"]
)
def test_escaped_text_says_what_it_said_and_mentions_nobody(ping: str) -> None:
    assert "<" not in escape(ping)
    assert to_plain(escape(ping)) == ping


def test_pieces_are_cut_between_words_and_lose_none() -> None:
    text = "One two three. " * 500
    cut = pieces(text.strip(), 100)
    assert all(units(p) <= 100 for p in cut)
    assert " ".join(cut) == text.strip()


@pytest.mark.parametrize("whole", [FAMILY, FLAG, "👍🏽", "e\u0301", "☎️"])
@pytest.mark.parametrize("before", range(14))
def test_no_cut_goes_through_a_character(whole: str, before: int) -> None:
    assert all(
        set(p) <= {"x"} or p.strip("x").replace(whole, "") == "" for p in pieces("x" * before + whole * 9, 14)
    )


def test_flags_are_parted_between_them_alone() -> None:
    assert pieces(FLAG * 6, 10) == [FLAG * 2] * 3


def test_characters_that_never_end_are_cut_all_the_same() -> None:
    assert "".join(pieces("e" + "\u0301" * 50, 10)) == "e" + "\u0301" * 50


@given(st.text(), st.integers(2, 40))
def test_pieces_hold_every_character_but_white_space(text: str, limit: int) -> None:
    cut = pieces(text, limit)
    assert all(0 < units(p) <= limit for p in cut)
    assert "".join("".join(cut).split()) == "".join(text.split())


@given(st.text(), st.integers(4, 40))
def test_shortened_text_begins_as_the_whole(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert units(short) <= limit
    assert text.startswith(short.removesuffix("…").rstrip())


def test_size_counts_as_much_as_any_counting() -> None:
    blocks = [{"text": "a<b & “c” 😀"}]
    assert size(blocks) >= len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) + 8
    assert unicodedata.category("😀") == "So"
