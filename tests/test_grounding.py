from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.grounding import ArticleIndex, CheckedSentence
from service.passages import find_paragraphs, find_sentences

ARTICLE = (
    "Harbour Minister Marta Ilves rejected a new bridge over the Tarn on Tuesday, saying it would cost "
    "$3.4 million.\n\n"
    '"We cannot build what we cannot keep," Ilves told reporters in Velmar.\n\n'
    "The Northern Ferry Association (NFA) had asked for 12 boats and 30 sailors. "
    "Its chairman, Joren Pask, said that 20 percent of all crossings failed in 2019.\n\n"
    "Oduya and Renn spoke for six and three hours, respectively, before the council voted on Oct. 14.\n\n"
    "U.S. President Dana Whitlow will visit the harbour in May. Officials expect about 2,100 guests.\n\n"
    "Nobody believes that the bridge will ever be built."
)


def index_of(text: str, *, language: str = "en", title: str | None = None) -> ArticleIndex:
    return ArticleIndex(
        text, title=title, language=language, sentences=find_sentences(text, find_paragraphs(text))
    )


def check(sentence: str, *, language: str = "en") -> CheckedSentence:
    return index_of(ARTICLE).check(sentence, language=language)


def reasons(checked: CheckedSentence) -> list[tuple[str, str, str]]:
    return [(f.text, f.kind, f.reason) for f in checked.unsupported]


def cited(checked: CheckedSentence) -> list[str]:
    return [ARTICLE[span.start : span.end] for span in checked.evidence]


@pytest.mark.parametrize(
    "sentence",
    [
        "U.S. President Dana Whitlow will visit the harbour in May.",
        "U.S. President  Dana Whitlow will visit\nthe harbour in May",
        "“We cannot build what we cannot keep,” Ilves told reporters in Velmar.",
    ],
)
def test_only_the_articles_own_words_are_supported(sentence: str) -> None:
    checked = check(sentence)
    assert checked.support == "supported"
    assert checked.not_checked == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The bridge will ever be built.",  # a part of a sentence that says the contrary
        "Ilves did not reject a new bridge.",
        "Whitlow will visit the harbour.",
    ],
)
def test_what_was_only_looked_up_is_never_called_supported(sentence: str) -> None:
    checked = check(sentence)
    assert checked.support == "facts_found"
    assert checked.not_checked == ["wording"]


@pytest.mark.parametrize(
    "sentence",
    [
        "The bridge would cost 3,400,000 dollars, Ilves said on Tuesday.",
        "The NFA asked for a dozen boats and thirty sailors.",
        "According to Pask, 20% of crossings failed in 2019.",
        "President Whitlow visits the harbour in May.",
        "The American president will visit the harbour.",
        "The council voted on 14 October.",
        "The council voted on 10/14.",
        "About 2,000 guests are expected.",
        "Renn spoke for three hours.",
        "Minister Ilves rejected the bridge, and Joren Pask said crossings failed.",
    ],
)
def test_true_rewordings_pass(sentence: str) -> None:
    assert reasons(check(sentence)) == []
    assert check(sentence).support == "facts_found"


@pytest.mark.parametrize(
    ("sentence", "finding"),
    [
        ("The bridge would cost $4.3 million.", ("$4.3 million", "number", "not_in_article")),
        ("The council voted on Oct. 15.", ("Oct. 15", "date", "not_in_article")),
        ("Crossings failed in 2018.", ("2018", "date", "not_in_article")),
        ("The visit is planned for June in Velmar.", ("June", "date", "not_in_article")),
        ("The minister spoke in Halden.", ("Halden", "name", "not_in_article")),
        ("Then Joren Ilves rejected the bridge.", ("Joren Ilves", "name", "not_in_article")),
        ("Dorn told reporters about the bridge.", ("Dorn", "name", "not_in_article")),
    ],
)
def test_what_the_article_lacks_is_unsupported(sentence: str, finding: tuple[str, str, str]) -> None:
    checked = check(sentence)
    assert finding in reasons(checked)
    assert checked.support == "unsupported"


@pytest.mark.parametrize(
    ("sentence", "finding"),
    [
        ("Twenty boats failed, 12 percent of all crossings.", ("12 percent", "number", "other_unit")),
        ("They asked for 30 boats.", ("30", "number", "other_noun")),
        ("Pask told reporters in Velmar that nothing would be built.", ("Pask", "name", "other_name")),
        ("Renn spoke for six hours.", ("six hours", "number", "other_name")),
        (
            "Chinese President Dana Whitlow will come. China is far.",
            ("Chinese President Dana Whitlow", "name", "other_name"),
        ),
        ("Before the council voted on Tuesday, there were speeches.", ("Tuesday", "date", "other_date")),
    ],
)
def test_a_fact_in_anothers_place_is_found(sentence: str, finding: tuple[str, str, str]) -> None:
    text = f"{ARTICLE}\n\nChina is far away."
    checked = index_of(text).check(sentence)
    assert finding in reasons(checked)
    assert checked.support in ("partial", "unsupported")


def test_offsets_of_findings_are_within_the_sentence() -> None:
    sentence = "It would cost $4.3 million."
    (finding,) = check(sentence).unsupported
    assert sentence[finding.start : finding.end] == finding.text == "$4.3 million"


def test_evidence_is_the_passage_that_says_so() -> None:
    assert cited(check("Pask said that crossings failed in 2019."))[0].startswith("Its chairman, Joren Pask")


def test_a_fused_sentence_cites_every_passage_it_rests_on() -> None:
    passages = cited(
        check("Ilves rejected a new bridge over the Tarn, and Whitlow will visit the harbour in May.")
    )
    assert {p.split()[0] for p in passages} == {"Harbour", "U.S."}


def test_nothing_to_look_up_is_unchecked() -> None:
    checked = check("Cats sleep well.")
    assert (checked.support, checked.evidence, checked.unsupported) == ("unchecked", [], [])


def test_the_title_confirms_facts_but_is_no_evidence() -> None:
    index = index_of("The vote was close.", title="Halden votes on 3 bridges")
    checked = index.check("The vote on 3 bridges in Halden was close.")
    assert checked.support == "facts_found"
    assert [(span.start, span.end) for span in checked.evidence] == [(0, 19)]


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "de",
            "Außenminister Ilves lehnte die Brücke am Dienstag ab, sie koste 3,4 Millionen Dollar.",
        ),
        ("fr", "Le président américain Dana Whitlow viendra en mai."),
        ("es", "Joren Pask dijo que el 20 por ciento falló en 2019."),
    ],
)
def test_a_summary_in_another_language_is_checked_by_its_facts(language: str, sentence: str) -> None:
    checked = check(sentence, language=language)
    assert reasons(checked) == []
    assert checked.support == "facts_found"
    assert "wording" in checked.not_checked
    assert checked.evidence


def test_a_wrong_figure_in_another_language_is_found() -> None:
    checked = check("Ilves sagt, die Brücke koste 5 Millionen Dollar.", language="de")
    assert reasons(checked) == [("5 Millionen Dollar", "number", "not_in_article")]


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("ru", "Илвес отвергла мост 14 октября."), ("ja", "イルベス大臣は10月14日に橋を拒否した。")],
)
def test_names_in_another_script_are_said_to_be_unchecked(language: str, sentence: str) -> None:
    checked = check(sentence, language=language)
    assert "names" in checked.not_checked
    assert [f for f in checked.unsupported if f.kind == "name"] == []


@pytest.mark.parametrize(
    "unit", ["7", ",", "A", "million ", ".", "A.", "1,", "Ab ", "Ab of ", "twenty one ", "万年"]
)
def test_hostile_articles_are_answered(unit: str) -> None:
    text = unit * 5_000
    checked = index_of(text).check("Ilves paid 3 million in May.")
    assert checked.support in ("unsupported", "partial", "unchecked", "facts_found")


def test_only_the_beginning_of_an_endless_sentence_is_looked_up_and_the_result_says_so() -> None:
    checked = check("The council voted on the bridge " + "again " * 1_000 + "in 2018.")
    assert checked.unsupported == []
    assert "facts" in checked.not_checked


def test_a_fact_is_not_called_missing_from_a_sentence_too_long_to_read() -> None:
    checked = index_of("1-" * 20_000 + "7 boats").check("There were 8 boats.")
    assert checked.unsupported == []


@pytest.mark.parametrize(
    ("article", "sentence"),
    [
        (
            "Sen. Oda Renn (R-Vt.) met GOP donors.",
            "The Vermont senator Oda Renn met Republican Party donors.",
        ),
        ("Gov. Oda Renn spoke in Halden, N.H., before noon.", "Governor Oda Renn spoke in New Hampshire."),
        ("The French interior minister, Oda Renn, left.", "French Interior Minister Oda Renn left."),
        ("It cost a couple of billion dollars.", "It cost $2 billion."),
        ("The gross domestic product fell.", "The economy shrank as GDP fell."),
        ("Oda Renn sings.", "Singer Oda Renn performs."),
        ("The fair opens at seven o'clock.", "It opens at 7 a.m."),
    ],
)
def test_expanded_and_shortened_forms_pass(article: str, sentence: str) -> None:
    assert reasons(index_of(article).check(sentence)) == []


@pytest.mark.parametrize(
    ("article", "sentence", "text"),
    [
        (
            "Velmar Senator Oda Renn spoke. Texas Senator Jo Pask sang. Iowa is far.",
            "Iowa Senator Jo Pask sang.",
            "Iowa Senator Jo Pask",
        ),
        (
            "Governor Oda Renn spoke. It rained. It snowed. Nobody came. Jo Pask sang.",
            "There Governor Jo Pask sang.",
            "Governor Jo Pask",
        ),
        (
            "“The bridge was never safe,” Oda Renn said. It rained. It snowed. Jo Pask sang.",
            "The bridge was never safe, Jo Pask said.",
            "Jo Pask",
        ),
    ],
)
def test_swapped_values_offices_and_speakers_are_found(article: str, sentence: str, text: str) -> None:
    assert text in [finding.text for finding in index_of(article).check(sentence).unsupported]


@pytest.mark.parametrize(
    ("language", "article", "sentence"),
    [
        ("de", "Zweihundert Kunden kamen.", "Am Morgen kamen 200 Kunden."),
        (
            "fr",
            "La vente commence à sept heures et rapporte six millions d'euros.",
            "La vente de 7 heures rapporte 6 millions d'euros.",
        ),
        (
            "ja",
            "修理には2600万円が必要で、9割が売れた。",
            "Repairs cost 26 million yen; 90 percent was sold.",
        ),
    ],
)
def test_other_languages_write_numbers_in_their_own_way(language: str, article: str, sentence: str) -> None:
    checked = index_of(article, language=language).check(
        sentence, language="en" if language == "ja" else language
    )
    assert reasons(checked) == []


TEXTS = st.text(st.sampled_from("AB ab.,'’\n 1230$%-/:\u0301\0é万年ア“”")) | st.text()


@given(TEXTS, TEXTS)
def test_any_text_is_answered_with_exact_spans(article: str, sentence: str) -> None:
    checked = index_of(article).check(sentence)
    for span in checked.evidence:
        assert 0 <= span.start < span.end <= len(article)
    for finding in checked.unsupported:
        assert sentence[finding.start : finding.end] == finding.text
    assert (checked.support == "unsupported") == any(
        f.reason == "not_in_article" for f in checked.unsupported
    )


@given(TEXTS)
def test_every_sentence_of_an_article_is_supported_by_it(article: str) -> None:
    spans = find_sentences(article, find_paragraphs(article))
    index = ArticleIndex(article, sentences=spans)
    for span in spans[:5]:
        sentence = article[span.start : span.end]
        if any(c.isalnum() for c in sentence):
            assert index.check(sentence).support == "supported"
