from __future__ import annotations

import pytest

from service.grounding import ArticleIndex, CheckedSentence
from service.passages import find_paragraphs, find_sentences

ARTICLE = (
    "The port of Averne opened a $40 million terminal on Monday, said harbour master Ines Roth. "
    "Its café sells soup for $4 million a year, and a loaf is 3 dollars.\n\n"
    "Piet Osei, the dock foreman, spoke on Tuesday night. "
    "Osei, 52, praised Marta Varga's long search for a contractor.\n\n"
    "Sorrel Radio host Karel Farrow listened. The weather was fine and the crowd patient all along.\n\n"
    "Nobody thanked Tomas Kovar of Dunholm. On Monday he had stayed at home.\n\n"
    "A survey found that 61 percent of Avernians and 47 percent of Sorrelites want the terminal. "
    "The crane costs $90,000 a month to run. The yard will lose 600 people, a union said: 600 layoffs.\n\n"
    "Senator Lena Amsel came early. Former governor Bruno Petrik came late.\n\n"
    "Russia sent 2,093 crates, and Haldane wrote the labels. "
    "Rep. Oona Greer, a Vermont Democrat, counted them.\n\n"
    "Lena Dorval — who had come from Dunholm with a drum — told the Averne Post that the noise was hers. "
    "The Amsel campaign is throwing sweets in Nevada, and Kovar lives in Nevada.\n\n"
    "Right now the Varga campaign is doing what it can to be heard in Sorrel, a reader of Averne poetry said."
)


def check(sentence: str) -> CheckedSentence:
    paragraphs = find_paragraphs(ARTICLE)
    index = ArticleIndex(ARTICLE, sentences=find_sentences(ARTICLE, paragraphs))
    return index.check(sentence)


@pytest.mark.parametrize(
    ("sentence", "wrong", "reason"),
    [
        ("Averne's port opened a $4 million terminal.", "$4 million", "other_number"),
        ("The terminal was opened, said harbour master Piet Osei.", "Piet Osei", "other_name"),
        ("The dock foreman Ines Roth spoke.", "Ines Roth", "other_name"),
        ("Osei, who spoke on Monday night, was pleased.", "Monday", "other_date"),
        ("The speech drew 52 dockers.", "52", "other_noun"),
        ("Osei welcomed Roth's search for a contractor.", "Roth's", "other_name"),
        ("Sorrel Radio's Tomas Kovar listened.", "Tomas Kovar", "other_name"),
        ("The Sorrel Radio host Tomas Kovar listened.", "Tomas Kovar", "other_name"),
        ("Some 47 percent of Avernians want the terminal.", "47 percent", "other_number"),
        ("Running the crane costs $90,000 a year.", "$90,000", "other_unit"),
        ("Running the crane costs $90,000 annually.", "$90,000", "other_unit"),
        ("Former Gov. Lena Amsel came early.", "Former Gov. Lena Amsel", "other_name"),
        ("About 2,039 crates were sent.", "2,039", "not_in_article"),
        ("Otto Haldane wrote the labels.", "Otto Haldane", "in_part"),
        ("The crates were sent from Moscow.", "Moscow", "not_in_article"),
        ("Nevada Rep. Oona Greer counted the crates.", "Nevada Rep. Oona Greer", "other_name"),
        ("Ines Roth told the Averne Post that the noise was hers.", "Ines Roth", "other_name"),
    ],
)
def test_facts_that_the_article_ties_to_others_are_found(sentence: str, wrong: str, reason: str) -> None:
    assert (wrong, reason) in [(f.text, f.reason) for f in check(sentence).unsupported]


@pytest.mark.parametrize(
    "sentence",
    [
        "Averne's port has a new $40 million terminal.",
        "Harbour master Ines Roth announced the opening.",
        "The dock foreman, Piet Osei, spoke on Tuesday night.",
        "Osei, 52, spoke on Tuesday.",
        "Osei welcomed Varga's search for a contractor.",
        "Marta Varga's search has ended.",
        "Sorrel Radio's Karel Farrow listened.",
        "In the survey, 47 percent of Sorrelites wanted the terminal.",
        "The crane costs $90,000 a month.",
        "The yard is to lose 600 workers.",
        "Former Gov. Bruno Petrik came late.",
        "About 2,100 crates were sent.",
        "Moscow sent more than 2,000 crates.",
        "Vermont Rep. Oona Greer counted the crates.",
        "A reader of Averne poetry said the Varga campaign is doing what it can to be heard.",
        "The Sorrel-born Piet Osei praised Varga's search for a contractor.",
    ],
)
def test_facts_that_the_article_ties_so_are_left_alone(sentence: str) -> None:
    assert check(sentence).unsupported == []


def test_a_first_name_that_the_article_lacks_makes_a_sentence_partial() -> None:
    assert check("Otto Haldane wrote the labels.").support == "partial"


FIGURES = (
    "The quake killed 23 miners and left 140 others buried for four years and six months of digging.\n\n"
    "The tower rose by 71.4 percent over plan and cost 6 million pounds in 2009. It drew 118 visitors.\n\n"
    "Insurers put the harm at 45 million pounds after the flood of 2017, and 58 percent of them sued. "
    "Of 500,000 voters, 30 percent chose the new pier and 27 percent the old one. "
    "The gate is 1.2 km long, weighs 400 kg, of which 78 percent are stone, and stands at -9 degrees. "
    "Only five of some 90 cranes stood. Captain Owen Strand wept, and Dario Lunt, 34, counted 28 boats."
)


def check_figures(sentence: str) -> list[tuple[str, str]]:
    paragraphs = find_paragraphs(FIGURES)
    index = ArticleIndex(FIGURES, sentences=find_sentences(FIGURES, paragraphs))
    return [(f.text, f.reason) for f in index.check(sentence).unsupported]


@pytest.mark.parametrize(
    "sentence",
    [
        "More than 100 visitors came.",
        "Over 71% more tower was built than planned.",
        "At least 71 percent more was built.",
        "Almost 120 visitors came.",
        "Fewer than six in ten insurers sued.",
        "The digging took four and a half years.",
        "The digging took 4.5 years.",
        "Only five cranes stood.",
        "The quake left 140 people buried and 23 miners dead.",
        "The tower cost 6 million pounds.",
        "After the flood of 2017, the harm was put at 45 million pounds.",
        "Dario Lunt, 34, counted the boats.",
        "About a third of the voters chose the new pier.",
        "More than a quarter of the voters chose the old pier.",
        "The new pier is three points ahead.",
        "Half a million voters were asked.",
        "The digging lasted 54 months.",
        "Nearly 80% of the gate is stone.",
        "The gate is 1,200 metres long and stands at nine degrees below zero.",
        "It is 1.2 kilometres to the gate, and nearly 80% of its 0.4 tonnes are stone.",
    ],
)
def test_rounded_and_rewritten_figures_are_found(sentence: str) -> None:
    assert check_figures(sentence) == []


@pytest.mark.parametrize(
    ("sentence", "wrong", "reason"),
    [
        ("More than 200 visitors came.", "200", "not_in_article"),
        ("Fewer than 110 visitors came.", "110", "not_in_article"),
        ("Nearly 70 percent more was built.", "70 percent", "not_in_article"),
        ("About 116 visitors came.", "116", "not_in_article"),
        ("The digging found 140 dead miners and 23 buried men.", "140", "other_number"),
        ("The tower cost 45 million pounds.", "45 million pounds", "other_number"),
        ("Captain Dario Lunt wept.", "Captain Dario Lunt", "other_name"),
        ("Dario Lunt, 28, counted the boats.", "28", "other_noun"),
        ("About half of the voters chose the new pier.", "half", "not_in_article"),
        ("The new pier is 7 points ahead.", "7", "not_in_article"),
        ("A quarter of a million voters were asked.", "A quarter of a million", "not_in_article"),
    ],
)
def test_figures_that_no_rounding_explains_are_flagged(sentence: str, wrong: str, reason: str) -> None:
    assert (wrong, reason) in check_figures(sentence)


LEAD = (
    "Talks at Quay Radio\n\n"
    "On Quay Radio on Sunday, Rep. Lena Amsel said Democratic candidate Oona Greer kept a private boat.\n\n"
    "The harbour was calm. Nobody saw a wave all day. Karel Farrow asked when the boat had been bought.\n\n"
    "Greer leads Bruno Petrik 1,428 to 1,153 in pledged votes, and 516 to 39 among captains."
)


@pytest.mark.parametrize(
    "sentence",
    [
        "Amsel told Quay Radio host Karel Farrow about a boat.",
        "Rep. Lena Amsel said Greer's private boat is a problem.",
        "Greer holds 1,428 pledged votes to Petrik's 1,153, and a wider lead of 516 to 39 among captains.",
    ],
)
def test_a_summary_that_joins_what_the_lead_says_is_left_alone(sentence: str) -> None:
    index = ArticleIndex(LEAD, sentences=find_sentences(LEAD, find_paragraphs(LEAD)))
    assert index.check(sentence).unsupported == []
