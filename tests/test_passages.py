from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.passages import find_paragraphs, find_sentences

ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from(' \n\r\t.!?…"”)。」؟।A1a\ud800\u2029\u2028\f')))


def paragraphs(text: str) -> list[str]:
    return [text[start:end] for start, end in find_paragraphs(text)]


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in find_sentences(text, find_paragraphs(text))]


@pytest.mark.parametrize("gap", ["\n\n", "\r\n\r\n", "\n \t\n", "\n", "\r", "\u2028", "\u2029", "\f"])
def test_breaks_between_lines_of_wire_copy_end_a_paragraph(gap: str) -> None:
    assert paragraphs(f"The harbour reopened.{gap}Ferries sailed at noon.") == [
        "The harbour reopened.",
        "Ferries sailed at noon.",
    ]


WRAPPED = (
    "The council of Bramford voted on Tuesday to close the old\n"
    "ferry landing, which has stood on the river since the war,\n"
    "and to build a new one. The vote was close."
)


def test_hard_wrapped_lines_are_one_paragraph() -> None:
    assert paragraphs(WRAPPED) == [WRAPPED]


def test_a_short_line_ends_a_hard_wrapped_paragraph() -> None:
    assert paragraphs(f"{WRAPPED}\n{WRAPPED}") == [WRAPPED, WRAPPED]


def test_headline_and_byline_are_paragraphs_of_their_own() -> None:
    text = "Bramford closes its ferry landing\nBy Ada Holt\nThe landing closes in May."
    assert paragraphs(text) == text.split("\n")


def test_lines_that_end_their_sentences_are_paragraphs_though_they_fill_the_width() -> None:
    text = "The landing in the town of Bramford closes.\nThe ferry service across the river goes on."
    assert paragraphs(text) == text.split("\n")


def test_list_items_are_paragraphs() -> None:
    text = "- a longer ferry, with room for more cars\n- a pier\n- a bridge, which will take a little longer"
    assert paragraphs(text) == text.split("\n")


def test_hard_wrapped_japanese_is_one_paragraph() -> None:
    line = "市議会は火曜日に古い渡し場を閉鎖して新しい桟橋を建設することを賛成多数で決めた"
    assert len(paragraphs(f"{line}\n{line}\nと発表した。")) == 1


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u2029\f\r\n"])
def test_white_space_has_no_passages(text: str) -> None:
    assert paragraphs(text) == []
    assert sentences(text) == []


@pytest.mark.parametrize(
    "first",
    [
        "Talks began at 5 p.m. Eastern.",
        "It sank on Oct. 27 off the coast.",
        "She lives at No. 5 Quay Street.",
        "J. K. Larkin wrote it.",
        "We met U.S. Secretary Ada Holt.",
        "The U.N. General Assembly met.",
        "Lt. Gov. Ada Holt agreed.",
        "Lt. Col. Ben Marsh agreed.",
        "Gov. Smith came.",
        "La Sra. Gómez habló.",
        "Er kam am 3. Mai an.",
        "В 2020 г. Иванов уехал.",
        "He waited … and left.",
        "He paid $3.5 million.",
        '"Stop!" Holt said.',
        '"Why now?" she asked.',
        "“Is it so?” Ada Holt asked.",
        '"We will rebuild."',
        "(They left early.)",
        "« Nous restons. »",
        "2. The second item of a list.",
    ],
)
def test_sentence_is_kept_whole_and_ends_before_the_next(first: str) -> None:
    assert sentences(f"{first} They went home.") == [first, "They went home."]


def test_sentence_may_end_at_an_abbreviation() -> None:
    assert sentences("Few live in the U.S. They moved at 5 p.m. The rest stayed.") == [
        "Few live in the U.S.",
        "They moved at 5 p.m.",
        "The rest stayed.",
    ]


@pytest.mark.parametrize(
    "expected",
    [
        ["市長は辞任した。", "議会は驚いた！", "なぜか？", "理由は不明だ。"],
        ["「帰ります。」と市長は言った。", "議会は驚いた。"],
        ["成長率は３．５％だった｡", "去年は低かった｡"],
    ],
)
def test_scripts_without_spaces_have_sentences(expected: list[str]) -> None:
    assert sentences("".join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [
        ["هل سافر الوزير؟", "نعم، سافر أمس.", "وعاد اليوم."],
        ["وزیر آ گیا۔", "وہ چلا گیا۔"],
        ["मंत्री आए।", "वे चले गए॥"],
        ["Նա եկավ։", "Նա գնաց։"],
        ["ሚኒስትሩ መጣ።", "ከዚያ ሄደ።"],
        ["រដ្ឋមន្ត្រីមក។", "គាត់ទៅ។"],
        ["Министр приехал.", "Потом он уехал."],
    ],
)
def test_other_scripts_have_sentences(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


@pytest.mark.parametrize("unit", ["a", "a. ", "U.S. ", "? ", '." ', "é。", "\u0301", "Mr. A", "word "])
def test_long_text_of_one_pattern_is_covered(unit: str) -> None:
    text = unit * (60_000 // len(unit))
    found = find_sentences(text, find_paragraphs(text))
    assert (found[0].start, found[-1].end) == (0, len(text.rstrip()))


def test_threads_find_the_same_sentences() -> None:
    texts = [
        f"Mr. Holt{i} met Dr. Marsh{i}. They spoke for {i}.5 hours. It ended at 5 p.m. Friday."
        for i in range(200)
    ]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sentences, texts)) == [sentences(text) for text in texts]


@given(ANY_TEXT)
def test_only_white_space_lies_outside_of_paragraphs(text: str) -> None:
    ends = 0
    for start, end in find_paragraphs(text):
        assert start < end
        assert not text[ends:start].strip()
        assert text[start:end] == text[start:end].strip()
        ends = end
    assert not text[ends:].strip()


@given(ANY_TEXT)
def test_sentences_fill_their_paragraphs_in_order(text: str) -> None:
    found = find_paragraphs(text)
    rest = find_sentences(text, found)
    for paragraph in found:
        inside = [s for s in rest if paragraph.start <= s.start and s.end <= paragraph.end]
        assert inside == rest[: len(inside)]
        rest = rest[len(inside) :]
        assert (inside[0].start, inside[-1].end) == paragraph
        for before, after in pairwise(inside):
            assert before.start < before.end <= after.start
            assert not text[before.end : after.start].strip()
    assert rest == []
