"""Names of persons, places and organizations: runs of capitalised words, and the forms they take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from service.countries import country_forms, country_phrases
from service.words import Tokens, words_of

_PARTICLES = words_of(
    """
    of de del la von van der den du des di da dos bin ibn al el zu zur the and
    """
)
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
        "president": "president presidente prasident",
        "secretary": "secretary sec",
        "minister": "minister ministre ministro ministra",
        "senator": "senator sen senators",
        "representative": "representative rep congressman congresswoman",
        "governor": "governor gov",
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
        "mayor": "mayor",
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
    for word in words.split()
}
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

    `words` are folded, particles left out, a country as its id (`@us`). `initial` says that the first word
    opens a sentence, so that its capital proves nothing.
    """

    start: int
    end: int
    first: int
    last: int
    words: tuple[str, ...]
    initial: bool


@lru_cache(maxsize=1 << 15)
def name_key(form: str, folded: str) -> str:
    """What one word of a name is compared as: a country's id, or the folded word."""
    forms = country_forms()
    bare = form[:-2] if form[-2:] in ("'s", "’s") else form
    country = forms.get(bare.rstrip(".")) if bare.isupper() else None
    return country or forms.get(folded, folded)


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


def find_names(text: str, tokens: Tokens, candidates: Sequence[int], taken: Sequence[bool]) -> list[Name]:
    """The names that begin at one of `candidates`; no token marked in `taken` is part of one."""
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
        past = _end_of_run(text, tokens, taken, i)
        words = _keys(tokens, i, past)
        found.append(Name(tokens.starts[i], tokens.ends[past - 1], i, past, words, _opens(text, tokens, i)))
    return found


def _end_of_run(text: str, tokens: Tokens, taken: Sequence[bool], i: int) -> int:
    j = i + 1
    while j < min(len(tokens.forms), i + _LONGEST):
        k = j
        while (
            k < len(tokens.forms)
            and k < j + 2
            and tokens.folded[k] in _PARTICLES
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
    words = [
        name_key(form, folded)
        for form, folded in zip(tokens.forms[first:last], tokens.folded[first:last], strict=True)
        if folded not in _PARTICLES or form[0].isupper()
    ]
    for size in (4, 3, 2):
        i = 0
        while len(words) >= size and i + size <= len(words):
            country = country_phrases().get(tuple(words[i : i + size]))
            if country:
                words[i : i + size] = [country]
            i += 1
    return tuple(words)


def is_within(words: Sequence[str], run: Sequence[str]) -> bool:
    """Whether `words` stand in `run` in their order, others perhaps between them."""
    rest = iter(run)
    return all(any(word == other for other in rest) for word in words)


def initials(words: Sequence[str]) -> str:
    """The acronym of a name."""
    return "".join(word[0] for word in words if word[0] != "@")
