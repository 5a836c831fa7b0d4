from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.quotes import Quotation, find_quotations

MARKS = "\"“”„«»‹›‘’‚'`「」『』《》—–"
ARTICLES = st.text(st.sampled_from(MARKS + "aAsß 1.,:=\n\xa0é山ل\0🙂\u0301") | st.characters(), max_size=200)


def words(text: str) -> list[str]:
    return [text[q.start : q.end] for q in find_quotations(text)]


def only(text: str) -> Quotation:
    (quotation,) = find_quotations(text)
    return quotation


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('Ana Ruiz said, "The bridge opens in May."', "The bridge opens in May."),
        ("Ana Ruiz said, “The bridge opens in May.”", "The bridge opens in May."),
        ("''The bridge opens in May,'' said Ana Ruiz.", "The bridge opens in May,"),
        ("``The bridge opens in May,'' said Ana Ruiz.", "The bridge opens in May,"),
        ("‘The bridge opens in May,’ said Ana Ruiz.", "The bridge opens in May,"),
        ("'The bridge opens in May,' said Ana Ruiz.", "The bridge opens in May,"),
        ("„Die Brücke öffnet im Mai“, sagte Ana Ruiz.", "Die Brücke öffnet im Mai"),
        ("‚Die Brücke öffnet im Mai‘, sagte Ana Ruiz.", "Die Brücke öffnet im Mai"),
        ("»Die Brücke öffnet im Mai«, sagte Ana Ruiz.", "Die Brücke öffnet im Mai"),
        ("« Le pont ouvre en mai », dit Ana Ruiz.", "Le pont ouvre en mai"),
        ("«El puente abre en mayo», dijo Ana Ruiz.", "El puente abre en mayo"),
        ("‹Le pont ouvre en mai›, dit Ana Ruiz.", "Le pont ouvre en mai"),
        ("„Most otwiera się w maju” – powiedziała Ana Ruiz.", "Most otwiera się w maju"),
        ("”Bron öppnar i maj”, sade Ana Ruiz.", "Bron öppnar i maj"),
        ("市長は「橋は五月に開く」と述べた。", "橋は五月に開く"),
        ("『橋は五月に開く』と書いた。", "橋は五月に開く"),
        ("وقالت: «الجسر يفتح في مايو».", "الجسر يفتح في مايو"),
        ('“The bridge opens in May," said Ana Ruiz.', "The bridge opens in May,"),
        ('"The bridge opens in May,” said Ana Ruiz.', "The bridge opens in May,"),
    ],
)
def test_words_stand_without_their_marks(text: str, quoted: str) -> None:
    assert words(text) == [quoted]


def test_outer_offsets_include_the_marks() -> None:
    text = "She called it « un détour » again."
    q = only(text)
    assert text[q.outer_start : q.outer_end] == "« un détour »"


def test_an_interrupted_quotation_is_two() -> None:
    text = '"The bridge," she said, "opens in May."'
    assert words(text) == ["The bridge,", "opens in May."]


@pytest.mark.parametrize(
    "text",
    [
        "The '90s band's fans met at O'Brien's; rock 'n' roll isn't dead.",
        "The ’90s band’s fans met at O’Brien’s; rock ’n’ roll isn’t dead.",
        "The dogs' owners blamed the cats' owners.",
        'A 12" pipe, a 14" pipe and a goalkeeper of 6\'2" came by.',
        'The width="12" attribute is no speech.',
        "An empty pair \"\" and a pair of dots '...' hold no words.",
    ],
)
def test_apostrophes_and_inches_quote_nothing(text: str) -> None:
    assert words(text) == []


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('"A 12" pipe burst," he said.', 'A 12" pipe burst,'),
        ("‘We went to the dogs’ home,’ he said.", "We went to the dogs’ home,"),
        ("'We went to the dogs' home,' he said.", "We went to the dogs' home,"),
        ("“’Twas the ’90s,” he said.", "’Twas the ’90s,"),
    ],
)
def test_apostrophes_and_inches_do_not_close_a_quotation(text: str, quoted: str) -> None:
    assert words(text) == [quoted]


def test_nested_quotations_follow_the_one_around_them() -> None:
    text = "“She told me, ‘Read “The Quay” first,’ and left,” Lund said."
    found = find_quotations(text)
    assert [(text[q.start : q.end], q.depth) for q in found] == [
        ("She told me, ‘Read “The Quay” first,’ and left,", 0),
        ("Read “The Quay” first,", 1),
        ("The Quay", 2),
    ]


def test_a_quotation_over_paragraphs_is_one_piece_for_each() -> None:
    text = '"We began small.\n\n"Then we grew.\n\n"Now we stop," Lund said.'
    assert [(text[q.start : q.end], q.continued) for q in find_quotations(text)] == [
        ("We began small.", False),
        ("Then we grew.", True),
        ("Now we stop,", True),
    ]


def test_a_second_paragraph_without_an_opening_mark_is_still_quoted() -> None:
    text = "“We began small.\n\nNow we stop,” Lund said."
    assert words(text) == ["We began small.", "Now we stop,"]


def test_a_quotation_runs_over_hard_wrapped_lines() -> None:
    text = 'Lund said: "We began\nsmall and we\nstay small."'
    assert words(text) == ["We began\nsmall and we\nstay small."]


def test_the_credit_of_a_pull_quote_is_not_a_part_of_it() -> None:
    text = "The vote is near.\n\n“We began small and stay small.\nFormer director Ana Ruiz.”\n\nMore."
    assert words(text) == ["We began small and stay small."]


@pytest.mark.parametrize("last", ["We stay in Old Harbour.", "Ana Ruiz knows it, and so do we."])
def test_a_last_line_that_says_something_belongs_to_its_quotation(last: str) -> None:
    text = f"The vote is near.\n\n“We began small.\n{last}”\n\nMore."
    assert words(text) == [f"We began small.\n{last}"]


def test_an_unclosed_mark_hides_nothing_behind_it() -> None:
    text = '"We began small, Lund said.\n\nHolm disagreed. "Not at all," he said.\n\nThe "old" quay.'
    assert words(text) == ["Not at all,", "old"]


@pytest.mark.parametrize(
    ("text", "speeches"),
    [
        ("—No sé qué decir —dijo Rosa—. Es que no la vi.", ["No sé qué decir", "Es que no la vi."]),
        ("— Je ne sais pas, dit Rosa.\n— Et vous ?", ["Je ne sais pas", "Et vous ?"]),
        ("– Nie wiem, co to jest – powiedział Jan.", ["Nie wiem, co to jest"]),
        ("— Я не знаю, — сказала Роза. — И что?", ["Я не знаю,", "И что?"]),
    ],
)
def test_a_dash_opens_speech_where_the_language_prints_it_so(text: str, speeches: list[str]) -> None:
    assert words(text) == speeches


@pytest.mark.parametrize("text", ["— The list of the day\n— and the rest", "– Das ist die Liste der Woche"])
def test_a_dash_opens_no_speech_in_other_languages(text: str) -> None:
    assert words(text) == []


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ('Lund said, "We began small and stay small."', "speech"),
        ('"No," said Lund.', "speech"),
        ('Lund called the deal a "positive development" on Monday.', "fragment"),
        ('Her novel "The Quay" sold well.', "title"),
        ('She was a guest on "The Late Harbour Hour" in May.', "title"),
        ("他读了《红楼梦》。", "title"),
        ('She read "Songs My Aunt Sang," her first novel.', "title"),
        ('The so-called "quiet zone" is loud.', "scare"),
        ('He dislikes the word "growth" in titles.', "scare"),
        ('The hall was hung with posters: "Keep the ferry, keep the town" (1987).', "title"),
        ('"No toll on our bridge!" (council election poster 2003)', "title"),
        ('"No toll on our bridge," she wrote (in 2003).', "speech"),
        ('They marched under the slogan "the quay is ours" on Monday.', "title"),
        ('The town opened its "clean water for all" programme in May.', "title"),
        ('The board dropped the "second crossing by the old mill" in 2010.', "scare"),
        ('The mayor said the "second crossing by the old mill" was dear.', "speech"),
        ('Lund fired back that the "second crossing by the old mill" was dear.', "speech"),
        ('Above the door stands "Navigare necesse est", Latin for "one has to sail the sea".', "scare"),
        ('A "wadloper", literally "somebody who walks the mud", guided them.', "scare"),
        ('"Ahoy, brother! Come over here!" shouted the pilot.', "speech"),
        ('It was her "You are no Captain Lund" moment.', "speech"),
        ('Jan Holm, author of "Tides and Toll," lives there.', "title"),
        ("彼女は『海の家』を書いた。", "title"),
        ("Mayor Lund: ‘We Are Tired Of This Old Bridge.’\n\nThe mayor spoke on Monday.", "title"),
        ("Mayor Lund: ‘We are tired of this bridge.’\n\nThe mayor spoke on Monday.", "speech"),
        ("彼女は「寒かった」と話した。", "speech"),
    ],
)
def test_roles_tell_speech_from_fragments_titles_and_scare_quotes(text: str, role: str) -> None:
    assert find_quotations(text)[-1].role == role


@given(ARTICLES)
def test_any_text_gives_exact_ordered_quotations(text: str) -> None:
    found = find_quotations(text)
    assert found == find_quotations(text)
    assert found == sorted(found, key=lambda q: q.outer_start)
    for q in found:
        assert 0 <= q.outer_start <= q.start < q.end <= q.outer_end <= len(text)
        assert text[q.start : q.end] == text[q.start : q.end].strip()
        assert any(map(str.isalnum, text[q.start : q.end]))


@given(ARTICLES)
def test_quotations_nest_and_never_cross(text: str) -> None:
    around: list[int] = []
    for q in find_quotations(text):
        while around and around[-1] <= q.outer_start:
            around.pop()
        assert q.depth == len(around)
        assert not around or q.outer_end <= around[-1]
        around.append(q.outer_end)
