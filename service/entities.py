"""Names of persons, places and organizations: runs of capitalised words, and the forms they take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from service.countries import country_forms, country_phrases
from service.words import Token, is_caseless

_PARTICLES = frozenset(
    [
        "of",
        "de",
        "del",
        "la",
        "von",
        "van",
        "der",
        "den",
        "du",
        "des",
        "di",
        "da",
        "dos",
        "bin",
        "ibn",
        "al",
        "el",
        "zu",
        "zur",
        "the",
        "and",
    ]
)
_ABBREVIATED = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "sen",
        "gov",
        "rep",
        "gen",
        "col",
        "st",
        "lt",
        "sgt",
        "jr",
        "sr",
        "prof",
        "hon",
        "rev",
        "capt",
        "adm",
        "mt",
        "ft",
        "no",
        "vs",
    ]
)
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
FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "i",
        "we",
        "you",
        "he",
        "she",
        "it",
        "they",
        "them",
        "his",
        "her",
        "its",
        "their",
        "our",
        "my",
        "your",
        "who",
        "what",
        "which",
        "when",
        "where",
        "why",
        "how",
        "whether",
        "if",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "of",
        "off",
        "on",
        "onto",
        "out",
        "over",
        "to",
        "under",
        "up",
        "with",
        "without",
        "within",
        "about",
        "above",
        "across",
        "after",
        "against",
        "along",
        "among",
        "around",
        "because",
        "before",
        "behind",
        "below",
        "beneath",
        "beside",
        "between",
        "beyond",
        "but",
        "despite",
        "down",
        "during",
        "except",
        "inside",
        "like",
        "near",
        "since",
        "so",
        "than",
        "then",
        "there",
        "though",
        "through",
        "throughout",
        "till",
        "toward",
        "towards",
        "until",
        "unless",
        "upon",
        "via",
        "while",
        "and",
        "or",
        "nor",
        "not",
        "no",
        "yes",
        "yet",
        "also",
        "however",
        "meanwhile",
        "moreover",
        "furthermore",
        "instead",
        "still",
        "even",
        "just",
        "only",
        "both",
        "either",
        "neither",
        "each",
        "every",
        "all",
        "any",
        "some",
        "many",
        "most",
        "much",
        "more",
        "few",
        "several",
        "other",
        "another",
        "such",
        "same",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "am",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "will",
        "would",
        "can",
        "could",
        "may",
        "might",
        "must",
        "shall",
        "should",
        "let",
        "now",
        "here",
        "once",
        "again",
        "ever",
        "never",
        "perhaps",
        "maybe",
        "later",
        "earlier",
        "soon",
        "already",
        "today",
        "yesterday",
        "tomorrow",
        "tonight",
        "although",
        "according",
        "additionally",
        "asked",
        "speaking",
        "der",
        "die",
        "das",
        "den",
        "dem",
        "des",
        "ein",
        "eine",
        "einen",
        "einem",
        "einer",
        "und",
        "oder",
        "aber",
        "nicht",
        "auch",
        "im",
        "am",
        "zum",
        "zur",
        "bei",
        "mit",
        "nach",
        "von",
        "vor",
        "aus",
        "auf",
        "fur",
        "uber",
        "unter",
        "gegen",
        "ohne",
        "durch",
        "um",
        "seit",
        "bis",
        "wie",
        "wenn",
        "als",
        "dass",
        "er",
        "sie",
        "es",
        "wir",
        "ihr",
        "ich",
        "du",
        "man",
        "sein",
        "seine",
        "ihre",
        "dieser",
        "diese",
        "dieses",
        "jener",
        "nach",
        "wahrend",
        "doch",
        "denn",
        "noch",
        "nur",
        "schon",
        "so",
        "laut",
        "heute",
        "gestern",
        "le",
        "la",
        "les",
        "l",
        "un",
        "une",
        "des",
        "du",
        "de",
        "et",
        "ou",
        "mais",
        "ne",
        "pas",
        "il",
        "elle",
        "ils",
        "elles",
        "on",
        "nous",
        "vous",
        "je",
        "tu",
        "ce",
        "cet",
        "cette",
        "ces",
        "son",
        "sa",
        "ses",
        "leur",
        "leurs",
        "dans",
        "sur",
        "sous",
        "avec",
        "sans",
        "pour",
        "par",
        "en",
        "au",
        "aux",
        "selon",
        "apres",
        "avant",
        "depuis",
        "pendant",
        "lors",
        "alors",
        "si",
        "comme",
        "el",
        "los",
        "las",
        "una",
        "unos",
        "unas",
        "y",
        "o",
        "pero",
        "no",
        "se",
        "su",
        "sus",
        "lo",
        "al",
        "del",
        "con",
        "sin",
        "por",
        "para",
        "entre",
        "hasta",
        "desde",
        "segun",
        "tras",
        "durante",
        "como",
        "cuando",
        "este",
        "esta",
        "estos",
        "estas",
        "ese",
        "esa",
        "que",
    ]
)


class Name(NamedTuple):
    """A name at `text[start:end]`, tokens `first` to `last`, half-open.

    `words` are folded, particles left out, a country as its id (`@us`). `initial` says that the first word opens a
    sentence, so that its capital proves nothing.
    """

    start: int
    end: int
    first: int
    last: int
    words: tuple[str, ...]
    initial: bool


def name_key(form: str, folded: str) -> str:
    """What one word of a name is compared as: a country's id, a title's canonical word, or the folded word."""
    forms = country_forms()
    bare = form[:-2] if form[-2:] in ("'s", "’s") else form
    country = forms.get(bare.rstrip(".")) if bare.isupper() else None
    return country or forms.get(folded, folded)


def _opens(text: str, tokens: Sequence[Token], i: int) -> bool:
    """Whether token `i` begins a sentence, a quotation or a clause after a colon."""
    if i == 0:
        return True
    gap = text[tokens[i - 1].end : tokens[i].start]
    if gap.startswith(".") and tokens[i - 1].folded in _ABBREVIATED:
        return False
    return any(c in _OPENERS for c in gap) or "\n" in gap or (tokens[i - 1].form[-1] == "." and len(gap) > 1)


def _continues(text: str, before: Token, after: Token) -> bool:
    """Whether the words on both sides of a gap can belong to one name."""
    gap = text[before.end : after.start]
    if gap in (" ", "-", "\u00a0", "‑", " & ", "&", "/"):
        return True
    return gap in (". ", ".\u00a0", ".") and (len(before.form) == 1 or before.folded in _ABBREVIATED)


def _is_capital(token: Token) -> bool:
    return token.form[0].isupper() and token.folded not in ("i", "i'm", "i've", "i'd", "i'll")


def find_names(text: str, tokens: Sequence[Token], taken: Sequence[bool]) -> list[Name]:
    """The names among `tokens` in order; tokens marked in `taken` (dates, numbers) are no part of one."""
    found: list[Name] = []
    i, n = 0, len(tokens)
    while i < n:
        if taken[i] or not _is_capital(tokens[i]) or is_caseless(tokens[i].form):
            i += 1
            continue
        initial = _opens(text, tokens, i)
        if tokens[i].folded in FUNCTION_WORDS and not (tokens[i].form.isupper() and len(tokens[i].form) > 1):
            i += 1
            continue
        j = _end_of_run(text, tokens, taken, i)
        words = _keys(tokens[i:j])
        found.append(Name(tokens[i].start, tokens[j - 1].end, i, j, words, initial))
        i = j
    return found


def _end_of_run(text: str, tokens: Sequence[Token], taken: Sequence[bool], i: int) -> int:
    j = i + 1
    while j < len(tokens):
        k = j
        while (
            k < len(tokens)
            and k < j + 2
            and tokens[k].folded in _PARTICLES
            and not tokens[k].form[0].isupper()
        ):
            if tokens[k].folded == "and" or text[tokens[k - 1].end : tokens[k].start] not in (" ", "-"):
                return j
            k += 1
        if k >= len(tokens) or taken[k] or not _is_capital(tokens[k]) or is_caseless(tokens[k].form):
            return j
        if not _continues(text, tokens[k - 1], tokens[k]) or tokens[k - 1].form.endswith(("'s", "’s")):
            return j
        j = k + 1
    return j


def _keys(run: Sequence[Token]) -> tuple[str, ...]:
    words = [name_key(t.form, t.folded) for t in run if t.folded not in _PARTICLES or t.form[0].isupper()]
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
