from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evidence import SentenceIndex
from service.words import fold, stem, stems_of, tokenize

SENTENCES = [
    "The harbour council rejected a new bridge over the river Tarn.",
    "Fishermen had feared that the bridge would close the old harbour for two winters.",
    "A school in the hills reopened after the storm.",
    "The minister promised money for roads, but not for ferries.",
]


def best(text: str, hinted: frozenset[int] = frozenset()) -> int:
    index = SentenceIndex(SENTENCES)
    return index.rank(index.weigh([stem(form) for form in tokenize(text).forms]), hinted)[0].sentence


@pytest.mark.parametrize("i", range(len(SENTENCES)))
def test_a_sentence_points_to_itself(i: int) -> None:
    assert best(SENTENCES[i]) == i


@pytest.mark.parametrize(
    ("text", "i"),
    [
        ("Council rejects bridge across the Tarn.", 0),
        ("Fearing closed harbours, fishermen worried.", 1),
        ("Schools reopen after storms.", 2),
        ("There is money for a road and none for a ferry.", 3),
    ],
)
def test_inflected_and_reordered_words_find_the_sentence(text: str, i: int) -> None:
    assert best(text) == i


def test_a_hint_decides_between_equals() -> None:
    assert best("bridge harbour", frozenset([0])) == 0
    assert best("bridge harbour", frozenset([1])) == 1


def test_a_hint_without_a_word_in_common_is_ignored() -> None:
    assert best("The school reopened.", frozenset([3])) == 2


def test_a_fused_sentence_rests_on_both_passages() -> None:
    index = SentenceIndex(SENTENCES)
    text = "The council rejected the bridge over the Tarn, and a school in the hills reopened."
    weights = index.weigh([stem(form) for form in tokenize(text).forms])
    assert set(index.cover(weights, index.rank(weights)[0].sentence)) == {0, 2}


def test_unsegmented_scripts_match_by_pairs_of_characters() -> None:
    index = SentenceIndex(["港の橋は閉鎖された。", "学校は再開した。"])
    weights = index.weigh([s for form in tokenize("橋が閉鎖").forms for s in stems_of(form)])
    assert index.rank(weights)[0].sentence == 0


def test_an_unknown_text_has_no_evidence() -> None:
    index = SentenceIndex(SENTENCES)
    assert index.rank(index.weigh(["zzz"])) == []


@given(st.text())
def test_tokens_tile_the_text_in_order(text: str) -> None:
    tokens = tokenize(text)
    assert [text[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)] == tokens.forms
    assert tokens.starts == sorted(tokens.starts)


@given(st.from_regex(r"[A-Za-zÀ-ÿ]+", fullmatch=True))
def test_case_and_possessive_do_not_matter(word: str) -> None:
    assert fold(f"{word}'s") == fold(f"{word}’s") == fold(word)
