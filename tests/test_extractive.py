import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.extractive import Quotation, rank_passages, rank_quotations, summarize
from service.passages import find_paragraphs, find_sentences

LEAD = "The town council of Bramford voted on Tuesday to close the old ferry landing and to build a new one."
SECOND = "The new ferry landing will cost 4.2 million crowns, and the council wants it to open in two years."
THIRD = (
    "Members of the council said the old landing had been closed by floods eleven times since last winter."
)
ASIDE = "Elsewhere a choir of children sang songs about apples while rain fell on an empty bandstand all day."


def article(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs)


def summary(text: str, sentences: int = 2) -> list[str]:
    paragraphs = find_paragraphs(text)
    chosen = summarize(
        text, sentences=find_sentences(text, paragraphs), paragraphs=paragraphs, max_sentences=sentences
    )
    return [text[start:end] for start, end in chosen]


def test_the_lead_and_what_shares_its_subject_are_chosen() -> None:
    assert summary(article(LEAD, ASIDE, SECOND)) == [LEAD, SECOND]


def test_sentences_stand_in_the_order_of_the_article() -> None:
    text = article(LEAD, SECOND, ASIDE, THIRD)
    chosen = summary(text, 3)
    assert chosen == sorted(chosen, key=text.index)


@pytest.mark.parametrize(
    "furniture",
    [
        "The council of Bramford meets in its hall on Tuesday, March 3. (Holt Pictures/Marsh)",
        "Follow the council of Bramford and the new ferry landing on our pages every Tuesday from now on.",
        "Will the council of Bramford close the old ferry landing before the new one is open to ferries?",
        "Related coverage: the council of Bramford and its quarrel over the old ferry landing.",
        "BRAMFORD, Tuesday.",
        "Council of Bramford to close old ferry landing and build a new ferry landing on Tuesday",
    ],
)
def test_captions_appeals_questions_and_fragments_are_left_out(furniture: str) -> None:
    assert summary(article(furniture, LEAD, ASIDE, SECOND)) == [LEAD, SECOND]


def test_a_sentence_that_repeats_another_is_left_out() -> None:
    again = LEAD.replace("voted on Tuesday", "has voted")
    assert summary(article(LEAD, again, SECOND)) == [LEAD, SECOND]


def test_text_of_fragments_alone_still_gives_a_summary() -> None:
    assert summary("Ferry closed\n\nMore soon") == ["Ferry closed", "More soon"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The ferry sailed, " + "and sailed " * 100, 600),
        ("word " * 200, 599),
        ("The ferry sailed " * 30 + ", as it had done " * 30, 600),
        ("a" * 5_000, 600),
    ],
)
def test_a_sentence_without_end_is_shown_up_to_a_clause_or_a_word(text: str, shown: int) -> None:
    (begun,) = summary(text, 1)
    assert 300 <= len(begun) <= shown
    assert text.startswith(begun)
    assert not text[len(begun)].isalpha() or " " not in text


def test_a_short_sentence_is_shown_before_a_long_one() -> None:
    assert summary(article("a" * 5_000, "Ferry closed")) == ["Ferry closed"]


def test_empty_text_has_no_summary() -> None:
    assert summary("") == []


def test_no_sentences_are_given_when_none_are_asked_for() -> None:
    assert summary(LEAD, 0) == []


def test_text_without_spaces_between_words_is_summarized() -> None:
    lead = "市議会は火曜日、老朽化した渡し場を閉鎖して新しい桟橋を建設することを賛成多数で決めた。"
    aside = "公園では子どもたちがりんごの歌を静かに歌い、見物客はほとんどいなかったという。"
    follow = "新しい桟橋の建設費は四億円で、市議会は二年後に渡し場の利用者へ開放することを目指している。"
    assert summary(f"{lead}{aside}{follow}") == [lead, follow]


def test_key_passages_come_best_first() -> None:
    text = article(ASIDE, LEAD, SECOND, THIRD)
    paragraphs = find_paragraphs(text)
    best = rank_passages(text, sentences=find_sentences(text, paragraphs), paragraphs=paragraphs, limit=2)
    assert [text[start:end] for start, end in best] == [LEAD, SECOND]


def quotations(text: str, *quotes: tuple[str, float]) -> list[Quotation]:
    return [Quotation(text.index(quote), text.index(quote) + len(quote), named) for quote, named in quotes]


def test_full_statements_come_before_scraps() -> None:
    scrap = "a mess"
    statement = "We will not leave this river to the mud"
    text = f'He called it "{scrap}" and added: "{statement}."'
    first, second = rank_quotations(text, quotations(text, (scrap, True), (statement, False)), limit=2)
    assert text[first.start : first.end] == statement
    assert text[second.start : second.end] == scrap


def test_a_named_speaker_comes_before_nobody() -> None:
    nameless = "The river belongs to all of us here"
    named = "The landing has served us for sixty years"
    text = f'"{nameless}." - "{named}," Ada Holt said.'
    (best,) = rank_quotations(text, quotations(text, (nameless, False), (named, True)), limit=1)
    assert text[best.start : best.end] == named


def test_a_person_comes_before_an_organization() -> None:
    body, person = "The river belongs to all of us here", "The landing has served us for sixty years"
    text = f'"{body}," the River Board said. "{person}," Ada Holt said.'
    (best,) = rank_quotations(text, quotations(text, (body, 0.5), (person, 1)), limit=1)
    assert text[best.start : best.end] == person


def test_a_whole_statement_comes_before_words_inside_a_sentence() -> None:
    words = "the finest harbour on the whole northern coast"
    whole = "The river belongs to all of us here"
    text = f'She called it "{words}" again. "{whole}," Ada Holt said.'
    spans = [
        q._replace(whole=q.start > text.index(words)) for q in quotations(text, (words, True), (whole, True))
    ]
    (best,) = rank_quotations(text, spans, limit=1)
    assert text[best.start : best.end] == whole


def test_quotations_are_spread_over_the_article() -> None:
    early = ["The river belongs to all of us", "My boats have waited in the harbour too long"]
    late = "Nobody asked the fishermen what they need"
    text = f'"{early[0]}." "{early[1]}." {ASIDE * 30} "{late}."'
    chosen = rank_quotations(text, quotations(text, *((q, True) for q in (*early, late))), limit=2)
    assert {text[q.start : q.end] for q in chosen} == {early[0], late}


def test_more_quotations_than_there_are_gives_all() -> None:
    text = '"The river belongs to all of us."'
    assert (
        len(rank_quotations(text, quotations(text, ("The river belongs to all of us", True)), limit=9)) == 1
    )


@given(st.text(st.one_of(st.characters(), st.sampled_from(" \n.。ab\ud800"))), st.integers(0, 5))
def test_any_text_gives_sentences_of_it_in_order(text: str, count: int) -> None:
    paragraphs = find_paragraphs(text)
    sentences = find_sentences(text, paragraphs)
    chosen = summarize(text, sentences=sentences, paragraphs=paragraphs, max_sentences=count)
    assert chosen == sorted(set(chosen) & set(sentences))
    assert min(1, count, len(sentences)) <= len(chosen) <= count
