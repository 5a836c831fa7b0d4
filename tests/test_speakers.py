from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import Speaker
from service.names import NameIndex
from service.quotes import find_quotations
from service.speakers import attribute, resolve_name, same_person

WORDS = (
    'Ana Ruiz Holm said told he The of , . : " “ ” « » \n Mr. U.S. who and that according to 氏は 「 」 قال'
)
TOKENS = st.sampled_from(re.split(" ", WORDS))
ARTICLES = st.lists(TOKENS | st.text(max_size=4), max_size=60).map(" ".join)


def speakers(text: str) -> list[str | None]:
    return [s.name if s else None for s in attribute(text, find_quotations(text))]


@pytest.mark.parametrize(
    "text",
    [
        '"The bridge opens," Ana Ruiz said.',
        '"The bridge opens," said Ana Ruiz.',
        '"Will the bridge open?" asked Mayor Ana Ruiz.',
        '"The bridge opens," Ana Ruiz, the mayor of Brill, said on Monday.',
        '"The bridge opens," said the mayor, Ana Ruiz.',
        '"The bridge opens," according to Ana Ruiz.',
        'According to Ana Ruiz, "the bridge opens soon."',
        'Ana Ruiz said that the bridge "opens in May at last" and nowhere else.',
        'Ana Ruiz, who runs Brill, told the Daily Quay: "The bridge opens."',
        'Ana Ruiz walked in, telling reporters, "The bridge opens."',
        'In Brill, Ana Ruiz took the stage and added, "The bridge opens."',
        'The plan "is the best we ever had" for Brill, said Ana Ruiz.',
        'Ana Ruiz: "The bridge opens."',
        'For Ana Ruiz, it is "a bridge too many for this town".',
        'Jan Holm left.\n\n"The bridge opens." — Ana Ruiz, mayor of Brill',
        'Jan Holm left. "The bridge opens," beamed Ana Ruiz.',
        'Jan Holm left. The plan is "a bridge too many for us", according to a report by Ana Ruiz.',
        'Jan Holm left.\n\n"The bridge opens.\nFormer NAACP president Ana Ruiz."',
        'Jan Holm left.\n\n"The bridge opens.\nAna Ruiz, Center for Bridges."',
        'Ana Ruiz shook her head. "The bridge opens."',
        'BRILL, Quay County — Ana Ruiz said: "The bridge opens."',
        'Ana Ruiz shot back that the bridge "is the best we have."',
        'Like Nora Lund, Ana Ruiz opposed the plan and said it "is the worst we have."',
        'In San Verde, Calif., Ana Ruiz laughed. "The bridge opens."',
        'Ana Ruiz released a video that said, "The bridge opens."',
        'Nora Lund met Ana Ruiz, who said, "The bridge opens."',
        '"The bridge opens," Ana Ruiz (an engineer) said.',
        '"The bridge opens," Ana Ruiz’s letter said.',
        '"The bridge opens," said Brill spokeswoman Ana Ruiz.',
        "„Die Brücke öffnet“, sagte Bürgermeisterin Ana Ruiz.",
        "Laut Ana Ruiz ist die Brücke „bald für alle offen“.",
        "« Le pont ouvre », a déclaré la maire Ana Ruiz.",
        "Selon Ana Ruiz, « le pont ouvre ».",
        "«El puente abre», afirmó la alcaldesa Ana Ruiz.",
        "—El puente abre por la noche —dijo Ana Ruiz—.",
    ],
)
def test_the_attribution_names_the_speaker(text: str) -> None:
    assert speakers(text) == ["Ana Ruiz"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("山田太郎市長は「橋は五月に開く」と述べた。", "山田太郎"),
        ("「橋は五月に開く」と山田太郎氏は語った。", "山田太郎"),
        ("وقالت سلمى حداد: «الجسر يفتح في مايو».", "سلمى حداد"),
        ("— Мост открыт, это не мечта, — сказала Анна Руденко.", "Анна Руденко"),
    ],
)
def test_speakers_are_found_in_other_scripts(text: str, name: str) -> None:
    assert speakers(text) == [name]


def test_a_speaker_is_a_place_in_the_article() -> None:
    text = 'Nora Lund came late.\n\n"The bridge opens," Lund said.'
    (speaker,) = attribute(text, find_quotations(text))
    assert speaker == Speaker(name="Nora Lund", start=0, end=9)


def test_titles_are_not_part_of_the_name() -> None:
    assert speakers('"It opens," said Sen. Nora Lund. "Soon," Ms. Lund added.') == ["Nora Lund", "Nora Lund"]


@pytest.mark.parametrize("title", ["U.S. Secretary of State", "White House Press Secretary", "State Rep."])
def test_offices_of_several_words_are_not_part_of_the_name(title: str) -> None:
    assert speakers(f'"It opens," said {title} Nora Lund. "Soon," she added.') == ["Nora Lund", "Nora Lund"]


def test_a_last_name_is_preferred_to_the_same_first_name() -> None:
    assert speakers('Lund Berg met Nora Lund in Brill. "It opens," Lund said.') == ["Nora Lund"]


def test_a_byline_behind_a_quotation_is_not_its_speaker() -> None:
    assert speakers('Nora Lund said it was "a bridge too many."--Jan Holm.') == ["Nora Lund"]


def test_an_office_of_two_words_is_not_that_of_the_last_one_with_half_of_it() -> None:
    text = 'Prime Minister Nora Lund met Finance Minister Jan Holm. "It opens," the prime minister said.'
    assert speakers(text) == ["Nora Lund"]


def test_what_somebody_says_of_another_is_still_theirs() -> None:
    text = 'Nora Lund said that "the water was cold" and that Jan Holm "never swims in May".'
    assert speakers(text) == ["Nora Lund"] * 2


def test_they_are_nobody_in_particular() -> None:
    assert speakers('Officials met Nora Lund. They called it "a very good talk" with her.') == [None]


def test_an_interrupted_quotation_has_one_speaker() -> None:
    assert speakers('"The bridge," Nora Lund said, "opens." "At last."') == ["Nora Lund"] * 3


def test_a_speaker_carries_over_paragraphs_that_continue_a_quotation() -> None:
    assert speakers('Nora Lund said: "We began small.\n\n"Then we grew."') == ["Nora Lund"] * 2


def test_a_quotation_alone_in_its_paragraph_is_that_of_the_last_speaker() -> None:
    assert speakers('"It opens," Nora Lund said.\n\n"It will be loud."') == ["Nora Lund"] * 2


def test_a_new_speaker_ends_the_carrying() -> None:
    text = '"It opens," Nora Lund said. Tom Brandt shook his head. "Never."'
    assert speakers(text) == ["Nora Lund", "Tom Brandt"]


def test_pronouns_fit_the_gender_that_the_article_gives() -> None:
    text = 'Ms. Dora Kell and Mr. Tom Brandt run the lab. "We try," he said. "We do," she said.'
    assert speakers(text) == ["Tom Brandt", "Dora Kell"]


def test_a_role_means_the_one_who_has_it() -> None:
    text = 'Sen. Nora Lund met Mayor Tom Brandt. "It opens," the senator said. "It does," the mayor said.'
    assert speakers(text) == ["Nora Lund", "Tom Brandt"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('"It opens," the White House said.', "White House"),
        ('The University of Brill said the bridge "is the best we ever had."', "University of Brill"),
        ('"It opens," Lund’s office said in a statement.', "Lund’s office"),
        ('A spokesman for Quay Systems said, "It opens."', "Quay Systems"),
        ('"It opens," a spokeswoman for the Ministry of Health told reporters.', "Ministry of Health"),
        ('Quay Systems met Nora Lund. "It opens," the company said.', "Quay Systems"),
    ],
)
def test_organizations_speak_too(text: str, name: str) -> None:
    assert speakers(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        'One of the officials, who spoke on condition of anonymity, said: "It opens."',
        '"It opens," an official said.',
        'Nora Lund met the press. "It opens," said one of the officials. "Soon," the official said.',
        '"It opens," she said.',
        '"It opens."',
    ],
)
def test_nobody_is_named_where_the_article_names_nobody(text: str) -> None:
    assert set(speakers(text)) == {None}


def test_an_interview_names_who_speaks_before_a_colon() -> None:
    assert speakers("LUND: “When does it open?” RUIZ: “In May.”") == ["LUND", "RUIZ"]


def test_who_spoke_goes_on_speaking_behind_a_participle() -> None:
    text = '"It opens," Ana Ruiz told the Quay Post on Monday, adding that Tom Brandt "is very happy" too.'
    assert speakers(text) == ["Ana Ruiz", "Ana Ruiz"]


def test_two_speakers_in_one_sentence_are_told_apart() -> None:
    assert speakers('Lund said it "is a joke," while Tom Brandt "laughed it off."') == ["Lund", "Tom Brandt"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("„Wir bauen“, sagte die Sprecherin des Vereins, Hanna Kolb.", "Hanna Kolb"),
        ("„Der Fluss steigt und das ist nicht gut“, berichtete Uwe Brand dem Stadtanzeiger.", "Uwe Brand"),
        (
            "Der Händler Bernd Kurz ist ruhig, die Kunden nicht. „Es wird knapp“, sagt der Händler.",
            "Bernd Kurz",
        ),
        ("„Wir sind bereit“, so die Ministerin Lara Beck am Montag.", "Lara Beck"),
        ("« Nous partons », a lancé le capitaine du navire, Marc Leduc.", "Marc Leduc"),
        ("D’après Anne Le Gall, « tout est prêt ».", "Anne Le Gall"),
        ("La enfermera Rosa Lillo llegó tarde. «Fue largo», recordó la enfermera.", "Rosa Lillo"),
        ("«No hay agua», lamentó el alcalde de Robledal, Tomás Vega.", "Tomás Vega"),
        ("「とても寒い」と、会社員の鈴木一郎さん(34)は話す。", "鈴木一郎"),
        ("高橋健(23)は「夢のようだ」と笑った。", "高橋健"),
        ("佐藤さくらさんは「歌が好きで、毎日歌う」と語った。", "佐藤さくら"),
        ("وقال وزير الخارجية، الأستاذ سامي نجم، للصحفيين: «الاتفاق قريب».", "سامي نجم"),
        ("وقالت المتحدثة باسم الوزارة ليلى حداد: «لا جديد».", "ليلى حداد"),
    ],
)
def test_descriptions_and_appositions_are_read_in_several_languages(text: str, name: str) -> None:
    assert speakers(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "„Wir warten und das ist nicht schön“, sagte ein Anwohner.",
        "« Personne ne nous écoute », soupire une infirmière.",
        "«Hay que esperar», dijo un vecino.",
        "鈴木一郎氏は帰った。\n\n近所の男性は「音が大きい」と話した。",
        "قال شاهد عيان: «سمعنا صوتا».",
    ],
)
def test_nobody_is_named_for_whom_other_languages_give_no_name(text: str) -> None:
    assert speakers(text) == [None]


def test_a_later_short_name_stands_for_the_whole_in_other_scripts() -> None:
    text = "وقالت سلمى حداد إن العمل بدأ. وأوضحت حداد: «الجسر يفتح»."
    assert speakers(text) == ["سلمى حداد"]


def test_letters_may_carry_combining_marks() -> None:
    assert speakers('"It opens," said Zoe\u0308 Lune\u0301.') == ["Zoe\u0308 Lune\u0301"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('Mayor Ana Ruiz met farmer Tom Brandt. "No rain," the farmer said.', ["Tom Brandt"]),
        ('Nora Lund, the treasurer, met Ana Ruiz. "It is gone," the treasurer said.', ["Nora Lund"]),
        ('A quarrel with the mayor, Tom Brandt, began. "Never," the mayor said.', ["Tom Brandt"]),
        ('A spokeswoman for Quay, Ana Ruiz, left. "No," the spokeswoman said.', ["Ana Ruiz"]),
        ('Ana Ruiz came. The Quay senator rose. "I object," he said.\n\nSen. Tom Brandt left.', [None]),
        ('Sen. Tom Brandt met Ana Ruiz. The Quay senator rose. "I object," he said.', ["Tom Brandt"]),
        ('Mayor Ana Ruiz heard of it late. The mayor met a clerk. "Odd," she said.', ["Ana Ruiz"]),
        ('Tom Brandt was late. Park director Ana Ruiz was not. "A pity," she said.', ["Ana Ruiz"]),
        ('Ilo Ruiz said that she came early. Ane Lund said he left. "Yes," she said.', ["Ilo Ruiz"]),
        ('"I can wait," said Brill resident Ana Ruiz.', ["Ana Ruiz"]),
        ('It rained in Kell and in Kell alone. "Wet," he said.', [None]),
    ],
)
def test_roles_and_pronouns_mean_whom_the_article_describes_so(text: str, names: list[str | None]) -> None:
    assert speakers(text) == names


def test_a_line_that_ends_with_a_colon_announces_the_speaker_of_the_next_paragraph() -> None:
    text = (
        "Tom Brandt came out.\n\nAna Ruiz described the night to Tom Brandt:\n\n“It was dark.\n\n“We sang.”"
    )
    assert speakers(text) == ["Ana Ruiz", "Ana Ruiz"]


def test_a_line_without_a_speaker_announces_nobody() -> None:
    assert speakers("Ana Ruiz left.\n\nOne of the letters reads:\n\n“Stop the mill.”") == [None]


def test_a_last_name_means_the_namesake_last_spoken_of() -> None:
    far = "It rained. " * 300
    text = f'Nora Lund came.\n\n{far}\n\nTom Lund stayed. Tom Lund slept. "Quiet," Lund said.'
    assert speakers(text) == ["Tom Lund"]


@pytest.mark.parametrize(
    "headline", ["Attacks On Ana Ruiz Go On In Brill", "Ana Ruiz Takes Off", "RUIZ TO QUIT OVER BRILL FLOOD"]
)
def test_a_headline_in_capitals_makes_no_names(headline: str) -> None:
    text = f'{headline}\n\nAna Ruiz said on Monday that "it is not so bad."'
    (speaker,) = attribute(text, find_quotations(text))
    assert speaker is not None
    assert speaker.name == "Ana Ruiz"


@pytest.mark.parametrize("word", ["Billionaire", "Former", "Carpenter"])
def test_a_word_before_a_name_is_not_part_of_it(word: str) -> None:
    assert speakers(f'{word} Tom Brandt paid. "Cheap," Brandt said. Then Tom Brandt left.') == ["Tom Brandt"]


def test_names_inside_the_quotation_do_not_speak() -> None:
    assert speakers('Nora Lund was blunt. "Tom Brandt said it opens," she said.') == ["Nora Lund"]


@pytest.mark.parametrize("name", ["Nora Lund", "lund", "Sen. Nora Lund", "Nora Lund, a senator", "Ms. Lund"])
def test_a_models_name_is_found_in_the_article(name: str) -> None:
    index = NameIndex("On Monday Nora Lund spoke. Lund left.")
    assert resolve_name(index, name) == Speaker(name="Nora Lund", start=10, end=19)


@pytest.mark.parametrize("name", ["", "Ana Ruiz", "Nora Brandt", "the senator", "🙂"])
def test_a_name_that_the_article_lacks_is_nobody(name: str) -> None:
    assert resolve_name(NameIndex("On Monday Nora Lund spoke. Lund left."), name) is None


def test_a_name_in_a_script_without_capitals_is_found_as_it_stands() -> None:
    assert resolve_name(NameIndex("市長の山田太郎氏。"), "山田太郎") == Speaker(
        name="山田太郎", start=3, end=7
    )


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [("Nora Lund", "Lund", True), ("Sen. Nora Lund", "Nora Lund", True), ("Nora Lund", "Tom Lund", False)],
)
def test_same_person_compares_name_words(a: str, b: str, same: bool) -> None:
    first, second = Speaker(name=a, start=0, end=len(a)), Speaker(name=b, start=50, end=50 + len(b))
    assert same_person(first, second) is same
    assert same_person(second, first) is same


@given(ARTICLES)
def test_every_speaker_stands_in_the_article(text: str) -> None:
    quotations = find_quotations(text)
    found = attribute(text, quotations)
    assert len(found) == len(quotations)
    assert found == attribute(text, quotations)
    for speaker in found:
        assert speaker is None or (speaker.name and text[speaker.start : speaker.end] == speaker.name)


@given(ARTICLES, st.text(max_size=12))
def test_a_resolved_name_stands_in_the_article(text: str, name: str) -> None:
    speaker = resolve_name(NameIndex(text), name)
    assert speaker is None or text[speaker.start : speaker.end] == speaker.name
