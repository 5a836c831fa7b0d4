"""The seeds are golden: what `seeds/expected.toml` says of an article, the text modules find in it."""

import re
from pathlib import Path

import msgspec
import pytest

from service.quotes import Quotation, find_quotations
from service.speakers import attribute

SEEDS = Path(__file__).parent.parent / "seeds"


class ExpectedQuote(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    speaker: str | None = None


class Miss(msgspec.Struct, forbid_unknown_fields=True):
    file: str
    text: str
    reason: str


class Seed(msgspec.Struct, forbid_unknown_fields=True):
    file: str
    language: str
    quotes: list[ExpectedQuote]
    not_quotes: list[str] = []

    def read(self) -> str:
        return (SEEDS / self.file).read_bytes().decode("utf-8")


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    seed: list[Seed]
    misses: list[Miss]


EXPECTED = msgspec.toml.decode((SEEDS / "expected.toml").read_bytes(), type=Expected)
ALL = EXPECTED.seed
MISSES = {(miss.file, miss.text) for miss in EXPECTED.misses}

each_seed = pytest.mark.parametrize("seed", ALL, ids=lambda seed: seed.file)
each_quote = pytest.mark.parametrize(
    ("seed", "quote"), [pytest.param(s, q, id=f"{s.file}-{q.text[:30]}") for s in ALL for q in s.quotes]
)


def spoken(text: str) -> list[Quotation]:
    return [q for q in find_quotations(text) if q.role in {"speech", "fragment"}]


def test_every_seed_has_an_expectation() -> None:
    assert [seed.file for seed in ALL] == sorted(path.name for path in SEEDS.glob("*.txt"))


def test_readme_lists_every_seed_with_its_language() -> None:
    readme = (SEEDS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (\w+) \| .+ \|$", readme, re.MULTILINE)
    assert rows == [(seed.file, seed.language) for seed in ALL]


@each_seed
def test_seed_is_a_headline_and_a_body(seed: Seed) -> None:
    headline, blank, body = seed.read().split("\n", 2)
    assert headline.strip()
    assert not blank
    assert body.strip()


@each_seed
def test_expected_words_stand_once_in_the_seed(seed: Seed) -> None:
    text = seed.read()
    words = [quote.text for quote in seed.quotes] + seed.not_quotes
    assert [w for w in words if text.count(w) != 1] == []


@each_seed
def test_expected_speakers_are_named_in_the_seed(seed: Seed) -> None:
    text = seed.read()
    assert [q.speaker for q in seed.quotes if q.speaker and q.speaker not in text] == []


@each_quote
def test_expected_quote_is_found_exactly(seed: Seed, quote: ExpectedQuote) -> None:
    text = seed.read()
    assert quote.text in [text[q.start : q.end] for q in spoken(text)]


@each_quote
def test_expected_quote_has_its_speaker(seed: Seed, quote: ExpectedQuote) -> None:
    text = seed.read()
    quotations = find_quotations(text)
    speakers = attribute(text, quotations)
    found = {text[q.start : q.end]: s.name if s else None for q, s in zip(quotations, speakers, strict=True)}
    assert quote.text in found
    is_right = found[quote.text] == quote.speaker
    assert is_right is ((seed.file, quote.text) not in MISSES), found[quote.text]


def test_misses_are_few_and_quotes_of_seeds() -> None:
    assert len(EXPECTED.misses) <= 8
    assert {(seed.file, quote.text) for seed in ALL for quote in seed.quotes} >= MISSES


@pytest.mark.parametrize("miss", EXPECTED.misses, ids=lambda miss: miss.file)
def test_a_miss_names_nobody_rather_than_a_wrong_one(miss: Miss) -> None:
    text = next(seed.read() for seed in ALL if seed.file == miss.file)
    quotations = find_quotations(text)
    speakers = attribute(text, quotations)
    found = {text[q.start : q.end]: s for q, s in zip(quotations, speakers, strict=True)}
    assert found[miss.text] is None


@each_seed
def test_nothing_is_quoted_that_nobody_said(seed: Seed) -> None:
    text = seed.read()
    starts = [q.outer_start for q in spoken(text)]
    barred = [(text.index(words), words) for words in seed.not_quotes]
    assert [words for at, words in barred if any(at <= start < at + len(words) for start in starts)] == []
