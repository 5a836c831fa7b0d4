# ruff: noqa: S311  (made-up text, not secrets)
import re
from random import Random

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from service.chunks import MIN_TOKENS, Chunk, split
from service.passages import find_paragraphs
from service.tokens import count_tokens, get_encoding

WORDS = re.findall(
    r"\w+", "the a council river ferry landing Tuesday members said plan would cost town Holt more after new"
)


@pytest.fixture(scope="module")
def encoding() -> tiktoken.Encoding:
    return get_encoding("cl100k_base")


def sentence(random: Random) -> str:
    return " ".join(random.choices(WORDS, k=random.randint(6, 24))).capitalize() + "."


def paragraph(random: Random) -> str:
    return " ".join(sentence(random) for _ in range(random.randint(1, 4)))


def article(random: Random, paragraphs: int) -> list[str]:
    return [paragraph(random) for _ in range(paragraphs)]


def texts(chunks: list[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


def assert_covers(text: str, chunks: list[Chunk], max_tokens: int, encoding: tiktoken.Encoding) -> None:
    assert "".join(texts(chunks)) == text
    end = 0
    for chunk in chunks:
        assert chunk.start == end
        assert chunk.text == text[chunk.start : chunk.end] != ""
        assert 0 < chunk.tokens <= max_tokens
        assert chunk.tokens == count_tokens(chunk.text, encoding)
        end = chunk.end


def test_article_within_the_budget_is_one_chunk(encoding: tiktoken.Encoding) -> None:
    text = "  \nThe ferry is back.\n\n\nIt sailed at noon.\n"
    tokens = count_tokens(text, encoding)
    assert split(text, max_tokens=max(tokens, MIN_TOKENS), encoding=encoding) == [
        Chunk(0, len(text), text, tokens)
    ]


def test_empty_article_has_no_chunks(encoding: tiktoken.Encoding) -> None:
    assert split("", max_tokens=100, encoding=encoding) == []


def test_budget_too_small_for_a_character_is_refused(encoding: tiktoken.Encoding) -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        split("text", max_tokens=MIN_TOKENS - 1, encoding=encoding)


def test_chunks_are_whole_paragraphs(encoding: tiktoken.Encoding) -> None:
    text = "\n\n".join(article(Random(1), 60))
    chunks = split(text, max_tokens=300, encoding=encoding)
    starts = {0, *(p.start for p in find_paragraphs(text))}
    assert len(chunks) > 5
    assert {chunk.start for chunk in chunks} <= starts
    assert_covers(text, chunks, 300, encoding)


def test_given_paragraphs_are_kept_to(encoding: tiktoken.Encoding) -> None:
    text = "\n\n".join(article(Random(2), 40))
    found = find_paragraphs(text)
    assert split(text, max_tokens=300, encoding=encoding, paragraphs=found) == split(
        text, max_tokens=300, encoding=encoding
    )


def test_a_heading_stays_with_the_paragraph_below_it(encoding: tiktoken.Encoding) -> None:
    random = Random(3)
    parts = [f"What the members want\n\n{paragraph(random)}\n\n{paragraph(random)}" for _ in range(30)]
    text = "\n\n".join(parts)
    chunks = split(text, max_tokens=300, encoding=encoding)
    assert len(chunks) > 5
    assert not [chunk for chunk in chunks if chunk.text.rstrip().endswith("want")]


def test_paragraph_over_budget_is_cut_between_sentences(encoding: tiktoken.Encoding) -> None:
    text = " ".join(sentence(Random(i)) for i in range(100))
    chunks = split(text, max_tokens=200, encoding=encoding)
    assert len(chunks) > 5
    assert all(chunk.text.rstrip().endswith(".") for chunk in chunks)
    assert_covers(text, chunks, 200, encoding)


def test_sentence_over_budget_is_cut_between_words(encoding: tiktoken.Encoding) -> None:
    text = " ".join(Random(4).choices(WORDS, k=2_000))
    chunks = split(text, max_tokens=100, encoding=encoding)
    assert [word for chunk in chunks for word in chunk.text.split()] == text.split()
    assert_covers(text, chunks, 100, encoding)


@pytest.mark.parametrize("grapheme", ["e\u0301\u0323", "👩\u200d👩\u200d👧", "☎\ufe0f", "นี้"])
def test_text_without_spaces_is_cut_between_graphemes(grapheme: str, encoding: tiktoken.Encoding) -> None:
    text = grapheme * 300
    chunks = split(text, max_tokens=64, encoding=encoding)
    assert len(chunks) > 2
    assert {chunk.text.replace(grapheme, "") for chunk in chunks} == {""}


@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "漢", "\ud800", "\0", "a\n\n", "a. ", "\n/", "\u0301", "x\r\n\r\n", " \n"]
)
@pytest.mark.parametrize("max_tokens", [MIN_TOKENS, 500])
def test_hostile_text_is_covered_within_the_budget(
    unit: str, max_tokens: int, encoding: tiktoken.Encoding
) -> None:
    text = unit * (20_000 // len(unit))
    assert_covers(text, split(text, max_tokens=max_tokens, encoding=encoding), max_tokens, encoding)


def test_same_text_has_the_same_chunks(encoding: tiktoken.Encoding) -> None:
    text = "\n\n".join(article(Random(5), 60))
    assert split(text, max_tokens=300, encoding=encoding) == split(text, max_tokens=300, encoding=encoding)


@pytest.mark.parametrize("edit", ["replace", "lengthen", "shorten", "insert", "delete"])
def test_an_edited_paragraph_changes_few_chunks(edit: str, encoding: tiktoken.Encoding) -> None:
    random = Random(edit)
    changed = []
    for _ in range(60):
        before = article(random, 220)
        place = random.randrange(len(before))
        old = before[place]
        new = {
            "replace": [paragraph(random)],
            "lengthen": [f"{old} {sentence(random)}"],
            "shorten": [old[: len(old) // 2].rstrip() + "."],
            "insert": [paragraph(random), old],
            "delete": [],
        }[edit]
        after = [*before[:place], *new, *before[place + 1 :]]
        known = set(texts(split("\n\n".join(before), max_tokens=1_200, encoding=encoding)))
        again = texts(split("\n\n".join(after), max_tokens=1_200, encoding=encoding))
        changed.append(sum(text not in known for text in again))
    assert sum(count <= 2 for count in changed) >= 59
    assert max(changed) <= 3


ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from(" \n.。a1\ud800/\u0301\u2029")), max_size=400)


@given(text=ANY_TEXT, max_tokens=st.integers(MIN_TOKENS, 80))
def test_chunks_cover_any_text_within_the_budget(text: str, max_tokens: int) -> None:
    encoding = get_encoding("cl100k_base")
    assert_covers(text, split(text, max_tokens=max_tokens, encoding=encoding), max_tokens, encoding)
