from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dates import Date
from service.facts import read_facts


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("3,000,000 trees", 3e6, None),
        ("3 million trees", 3e6, None),
        ("three million trees", 3e6, None),
        ("3m trees", 3e6, None),
        ("2.3 million trees", 2.3e6, None),
        ("$5.6bn", 5.6e9, "dollar"),
        ("US$ 40", 40, "dollar"),
        ("40 dollars", 40, "dollar"),
        ("20%", 20, "%"),
        ("20 percent", 20, "%"),
        ("20 per cent", 20, "%"),
        ("two hundred and five goats", 205, None),
        ("twenty-one goats", 21, None),
        ("a dozen eggs", 12, None),
        ("half of the town", 0.5, None),
        ("two-thirds of the town", 2 / 3, None),
        ("one in five voters", 0.2, None),
        ("3½ hours", 3.5, "hour"),
        ("a three-day visit", 3, "day"),
        ("the 3rd bridge", 3, "ordinal"),
        ("an hour of rain", 1, "hour"),
        ("٤٢ sheep", 42, None),
        ("４２ sheep", 42, None),
        ("3万人", 30_000, "人"),
        ("500円", 500, "yen"),
    ],
)
def test_english_numbers_have_a_value_and_a_unit(text: str, value: float, unit: str | None) -> None:
    number = read_facts(text).numbers[0]
    assert number.value == pytest.approx(value)
    assert number.unit == unit


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("de", "1.234,5 Euro", 1234.5),
        ("de", "einundzwanzig Ziegen", 21),
        ("de", "3 Millionen Bäume", 3e6),
        ("fr", "quatre-vingt-dix-sept arbres", 97),
        ("fr", "3 000 000 arbres", 3e6),
        ("es", "treinta y uno árboles", 31),
        ("es", "1,5 millones de árboles", 1.5e6),
        ("en", "1,234.5 euros", 1234.5),
    ],
)
def test_numbers_are_read_by_the_rules_of_their_language(language: str, text: str, value: float) -> None:
    assert read_facts(text, language).numbers[0].value == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("They won 3-1.", [3, 1]),
        ("from 10 to 15 percent", [10, 15]),
        ("six and three hours", [6, 3]),
    ],
)
def test_scores_ranges_and_lists_are_several_numbers(text: str, values: list[float]) -> None:
    assert [number.value for number in read_facts(text).numbers] == values


def test_first_number_of_a_range_shares_the_unit_of_the_second() -> None:
    assert [number.unit for number in read_facts("from 10 to 15 percent").numbers] == ["%", "%"]


@pytest.mark.parametrize(
    ("language", "text", "date"),
    [
        ("en", "on Oct. 27, 2023", Date(2023, 10, 27)),
        ("en", "on October 27", Date(None, 10, 27)),
        ("en", "on 27 October 2023", Date(2023, 10, 27)),
        ("en", "on the 27th of October", Date(None, 10, 27)),
        ("en", "on 10/27/2023", Date(2023, 10, 27)),
        ("en", "on 2023-10-27", Date(2023, 10, 27)),
        ("en", "in April 2017", Date(2017, 4)),
        ("en", "in May", Date(None, 5)),
        ("en", "since 2017", Date(2017)),
        ("en", "in the 1990s", Date(1990, span="decade")),
        ("en", "last Friday", Date(weekday=4)),
        ("en", "at 3 p.m.", Date(time=15 * 60)),
        ("en", "at 15:00", Date(time=15 * 60)),
        ("en", "last week", Date(relative="-1 week")),
        ("en", "yesterday", Date(relative="-1 day")),
        ("de", "am 27. Oktober 2023", Date(2023, 10, 27)),
        ("de", "am 27.10.2023", Date(2023, 10, 27)),
        ("fr", "le 27 octobre 2023", Date(2023, 10, 27)),
        ("es", "el 27 de octubre de 2023", Date(2023, 10, 27)),
        ("ja", "2023年10月27日", Date(2023, 10, 27)),
    ],
)
def test_dates_are_read_in_every_form(language: str, text: str, date: Date) -> None:
    assert [mention.date for mention in read_facts(text, language).dates] == [date]


@pytest.mark.parametrize("text", ["You may go.", "They march on.", "2017 people came, $2017 was paid"])
def test_words_and_amounts_that_look_like_dates_are_none(text: str) -> None:
    assert [m.date.month for m in read_facts(text).dates if m.date.month] == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("They met Marta Ilves in Tarn.", [("marta", "ilves"), ("tarn",)]),
        ("They met Marta J. Ilves.", [("marta", "j", "ilves")]),
        ("They met Marta Ilves's aunt.", [("marta", "ilves")]),
        ("It was the Bank of Velmar.", [("bank", "velmar")]),
        ("They left the United States.", [("@us",)]),
        ("They left the U.S. for good.", [("@us",)]),
        ("They let US officials in.", [("@us",)]),
        ("They let us in.", []),
        ("It rained on Friday in May.", []),
    ],
)
def test_names_are_runs_of_capitals(text: str, names: list[tuple[str, ...]]) -> None:
    assert [name.words for name in read_facts(text).names if not name.initial] == names


def test_a_capital_that_opens_a_sentence_is_marked_as_such() -> None:
    names = read_facts("Farmers met Oduya.").names
    assert [name.initial for name in names] == [True, False]


@given(st.text())
def test_every_fact_is_a_stretch_of_the_text(text: str) -> None:
    for fact in read_facts(text).facts:
        assert 0 <= fact.start < fact.end <= len(text)


@given(st.integers(min_value=0, max_value=10**14))
def test_grouped_and_plain_digits_are_the_same_number(value: int) -> None:
    plain, grouped = (read_facts(f"about {form} sheep").numbers for form in (f"{value}", f"{value:,}"))
    if plain:  # four digits alone may be a year
        assert plain[0].value == grouped[0].value == value
