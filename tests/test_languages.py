import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.languages import detect_language, language_name, same_language


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "The council said on Tuesday that the ferry would sail again in the spring."),
        ("de", "Der Stadtrat teilte am Dienstag mit, dass die Fähre im Frühling wieder fährt."),
        ("fr", "Le conseil a annoncé mardi que le bac reprendrait son service au printemps."),
        ("es", "El ayuntamiento anunció el martes que el transbordador volverá en primavera."),
        ("ja", "市議会は火曜日、渡し船が春に運航を再開すると発表した。住民は喜んでいる。"),
        ("ar", "أعلن المجلس البلدي يوم الثلاثاء أن العبارة ستعود إلى العمل في الربيع"),
        ("he", "מועצת העיר הודיעה ביום שלישי כי המעבורת תשוב להפליג באביב הקרוב"),
        ("nb", "Kommunen opplyste tirsdag at fergen begynner å gå igjen til våren, og folk er glade."),
    ],
)
def test_language_of_a_sentence_is_found(tag: str, text: str) -> None:
    assert detect_language(text) == tag


@pytest.mark.parametrize(
    "text", ["", " ", "Ferry", "\0\0\0", "😀😀😀", "\ud800", "1 234 567 890 123 456 789 012"]
)
def test_default_is_taken_where_there_is_too_little_text(text: str) -> None:
    assert detect_language(text) == "und"
    assert detect_language(text, default="fr") == "fr"


def test_control_characters_and_surrogates_do_not_disturb() -> None:
    text = "The council said\0 on Tuesday\ud800 that the ferry\x07 would sail again in the spring 😀."
    assert detect_language(text) == "en"


@given(st.text(st.characters()))
def test_any_text_has_a_tag(text: str) -> None:
    assert detect_language(text)


@pytest.mark.parametrize(
    ("tag", "other", "same"),
    [
        ("en", "en-GB", True),
        ("pt-BR", "PT-pt", True),
        ("zh-Hant", "zh", True),
        ("no", "nb", True),
        ("iw", "he", True),
        ("en", "de", False),
        ("und", "und", False),
    ],
)
def test_tags_are_compared_by_language(tag: str, other: str, same: bool) -> None:
    assert same_language(tag, other) is same


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("en", "English"),
        ("pt-BR", "Portuguese (Brazil)"),
        ("zh-hans", "Chinese (Simplified)"),
        ("zh-Hant-TW", "Chinese (Traditional, Taiwan)"),
        ("es-419", "Spanish (Latin America)"),
        ("DE", "German"),
        ("de-XX", "German (XX)"),
        ("tlh", "tlh"),
        ("und", "und"),
    ],
)
def test_tags_have_english_names(tag: str, name: str) -> None:
    assert language_name(tag) == name
