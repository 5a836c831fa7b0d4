"""Names of persons, places and organizations: runs of capitalised words, and the forms they take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from service.countries import country_forms, country_phrases, phrase_openers
from service.words import Tokens, words_of

_PARTICLES = words_of(
    """
    of de del la von van der den du des di da dos bin ibn al el zu zur the and
    """
)
_GERMAN_ARTICLES = frozenset(["der", "den", "des", "zur"])
_ABBREVIATED = words_of(
    """
    mr mrs ms dr sen gov rep gen col st lt sgt jr sr prof hon rev capt adm mt ft no vs
    """
)
_LONGEST = 12  # words of a name; a longer run is a heading, and is cut
_OPENERS = frozenset('.!?:;"“”„«»‘(—–…|•*[')
TITLES = {
    word: canonical
    for canonical, words in {
        "president": "president presidente presidenta prasident prasidentin",
        "secretary": "secretary sec",
        "minister": "minister ministerin außenminister außenministerin ministre ministro ministra",
        "senator": "senator sen senators senatorin senateur senador senadora",
        "representative": "representative rep congressman congresswoman",
        "governor": "governor gov gouverneur gouverneurin gobernador gobernadora",
        "general": "general gen",
        "colonel": "colonel col",
        "lieutenant": "lieutenant lt",
        "sergeant": "sergeant sgt",
        "captain": "captain capt",
        "admiral": "admiral adm",
        "doctor": "doctor dr",
        "professor": "professor prof",
        "mr": "mr mrs ms miss herr frau monsieur madame senor senora",
        "chancellor": "chancellor kanzler kanzlerin bundeskanzler",
        "prime": "prime premier",
        "attorney": "attorney",
        "director": "director",
        "chairman": "chairman chairwoman chair",
        "judge": "judge justice",
        "speaker": "speaker",
        "mayor": "mayor burgermeister burgermeisterin maire alcalde alcaldesa",
        "king": "king",
        "queen": "queen",
        "prince": "prince",
        "princess": "princess",
        "pope": "pope",
        "sir": "sir",
        "lord": "lord",
        "chief": "chief",
        "vice": "vice",
        "leader": "leader",
        "state": "state",
        "foreign": "foreign",
        "defense": "defense defence",
        "former": "former ex",
        "deputy": "deputy",
        "officer": "officer",
        "executive": "executive",
        "spokesman": "spokesman spokeswoman spokesperson",
        "ceo": "ceo cfo coo",
    }.items()
    for single in words.split()
    for word in (single, f"{single}s")
}
SPEAKS = words_of(
    """
    said says told tells added warned announced claimed argued denied replied stated wrote tweeted explained
    insisted declared noted recalled responded testified sagte erklarte sagt betonte
    """
)
FUNCTION_WORDS = words_of(
    """
    a an the this that these those i we you he she it they them his her its their our my your who what which
    when where why how whether if as at by for from in into of off on onto out over to under up with without
    within about above across after against along among around because before behind below beneath beside
    between beyond but despite down during except inside like near since so than then there though through
    throughout till toward towards until unless upon via while and or nor not no yes yet also however
    meanwhile moreover furthermore instead still even just only both either neither each every all any some
    many most much more few several other another such same one two three four five six seven eight nine ten
    is are was were be been being am do does did has have had will would can could may might must shall
    should let now here once again ever never perhaps maybe later earlier soon already today yesterday
    tomorrow tonight although according additionally asked speaking der die das den dem des ein eine einen
    einem einer und oder aber nicht auch im am zum zur bei mit nach von vor aus auf fur uber unter gegen
    ohne durch um seit bis wie wenn als dass er sie es wir ihr ich du man sein seine ihre dieser diese
    dieses jener nach wahrend doch denn noch nur schon so laut heute gestern le la les l un une des du de et
    ou mais ne pas il elle ils elles on nous vous je tu ce cet cette ces son sa ses leur leurs dans sur sous
    avec sans pour par en au aux selon apres avant depuis pendant lors alors si comme el los las una unos
    unas y o pero no se su sus lo al del con sin por para entre hasta desde segun tras durante como cuando
    este esta estos estas ese esa que
    """
)


class Name(NamedTuple):
    """A name at `text[start:end]`, tokens `first` to `last`, half-open.

    `words` are folded, particles left out, a title as `TITLES` has it, a country as its id (`@us`). `initial`
    says that the first word opens a sentence, so that its capital proves nothing. `acronym` is folded.
    """

    start: int
    end: int
    first: int
    last: int
    words: tuple[str, ...]
    initial: bool
    acronym: str


@lru_cache(maxsize=1 << 15)
def name_key(form: str, folded: str) -> str:
    """What a word of a name is compared as: a country's id, a title as in `TITLES`, or the folded word."""
    forms = country_forms()
    bare = form[:-2] if form[-2:] in ("'s", "’s") else form
    country = forms.get(bare.rstrip(".")) if bare.isupper() else None
    return country or forms.get(folded) or TITLES.get(folded, folded)


def _opens(text: str, tokens: Tokens, i: int) -> bool:
    """Whether token `i` begins a sentence, a quotation or a clause after a colon."""
    if i == 0:
        return True
    gap = text[tokens.ends[i - 1] : tokens.starts[i]]
    if gap.startswith(".") and tokens.folded[i - 1] in _ABBREVIATED:
        return False
    return any(c in _OPENERS for c in gap) or "\n" in gap or (tokens.forms[i - 1][-1] == "." and len(gap) > 1)


def _continues(text: str, tokens: Tokens, i: int) -> bool:
    """Whether token `i` can belong to the name that the token before it is a part of."""
    gap = text[tokens.ends[i - 1] : tokens.starts[i]]
    if gap in (" ", "-", "\u00a0", "‑", " & ", "&", "/"):
        return True
    return gap in (". ", ".\u00a0", ".") and (
        len(tokens.forms[i - 1]) == 1 or tokens.folded[i - 1] in _ABBREVIATED
    )


def is_capital(form: str) -> bool:
    """Whether a word is written as a name is."""
    return form[0].isupper() and form not in ("I", "I'm", "I've", "I'd", "I'll", "I’m", "I’ve", "I’d", "I’ll")


def find_names(
    text: str, tokens: Tokens, candidates: Sequence[int], taken: Sequence[bool], *, german: bool = False
) -> list[Name]:
    """The names that begin at one of `candidates`; no token marked in `taken` is part of one.

    In a `german` text, "Beginn des Verfahrens" are two nouns and no name.
    """
    particles = _PARTICLES - _GERMAN_ARTICLES if german else _PARTICLES
    found: list[Name] = []
    past = 0
    for i in candidates:
        form = tokens.forms[i]
        if (
            i < past
            or taken[i]
            or (tokens.folded[i] in FUNCTION_WORDS and not (form.isupper() and len(form) > 1))
        ):
            continue
        past = _end_of_run(text, tokens, taken, i, particles)
        words, acronym = _keys(tokens, i, past), _acronym(tokens, i, past)
        initial = _opens(text, tokens, i)
        found.append(Name(tokens.starts[i], tokens.ends[past - 1], i, past, words, initial, acronym))
    return found


def _end_of_run(text: str, tokens: Tokens, taken: Sequence[bool], i: int, particles: frozenset[str]) -> int:
    j = i + 1
    while j < min(len(tokens.forms), i + _LONGEST):
        k = j
        while (
            k < len(tokens.forms)
            and k < j + 2
            and tokens.folded[k] in particles
            and not tokens.forms[k][0].isupper()
        ):
            if tokens.folded[k] == "and" or text[tokens.ends[k - 1] : tokens.starts[k]] not in (" ", "-"):
                return j
            k += 1
        if k >= len(tokens.forms) or taken[k] or not is_capital(tokens.forms[k]):
            return j
        if not _continues(text, tokens, k) or tokens.forms[k - 1].endswith(("'s", "’s")):
            return j
        j = k + 1
    return j


def _keys(tokens: Tokens, first: int, last: int) -> tuple[str, ...]:
    kept = [
        i for i in range(first, last) if tokens.folded[i] not in _PARTICLES or tokens.forms[i][0].isupper()
    ]
    words = [tokens.folded[i] for i in kept]
    keys: list[str] = []
    i = 0
    while i < len(words):
        country, size = _phrase(words, i)
        keys.append(country or name_key(tokens.forms[kept[i]], words[i]))
        i += size
    return tuple(keys)


def _phrase(words: Sequence[str], i: int) -> tuple[str | None, int]:
    """The country whose name of several words begins at `words[i]`, and how many they are."""
    if words[i] in phrase_openers():
        for size in (4, 3, 2):
            if country := country_phrases().get(tuple(words[i : i + size])):
                return country, size
    return None, 1


def is_within(words: Sequence[str], run: Sequence[str]) -> bool:
    """Whether `words` stand in `run` in their order, others perhaps between them."""
    rest = iter(run)
    return all(any(word == other for other in rest) for word in words)


def _acronym(tokens: Tokens, first: int, last: int) -> str:
    forms = zip(tokens.forms[first:last], tokens.folded[first:last], strict=True)
    return "".join(folded[0] for form, folded in forms if form[0].isupper())
