"""Words of a text, and the forms under which they are compared."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670"
_LETTER = rf"[^\W\d_{_CJK}]"
TOKEN = re.compile(
    r"[A-Za-z][a-z]*(?=[ ,;\n])"  # most words, found quickly
    rf"|{_LETTER}(?:\.{_LETTER})+\b\.?"  # U.S.
    rf"|(?:[dljmtsnc]|qu|[DLJMTSNC](?=.[a-zà-ÿ]))['’](?={_LETTER}{{2}})"  # l'accord
    r"|\d+(?:[.,:٫٬’']\d+)*"
    rf"|{_LETTER}[^\W{_CJK}]*(?:[{_MARKS}]+[^\W{_CJK}]*)*(?:['’]{_LETTER}+)*"
    r"|[\u30a1-\u30ff]+"  # katakana
    r"|[\u3005-\u3007\u3040-\u309f]+"  # hiragana
    r"|[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
    r"|[%％٪‰$€£¥₹₩₽]"
)
_SUFFIXES = (
    "ations",
    "ation",
    "ments",
    "ment",
    "ings",
    "ing",
    "ies",
    "ers",
    "ed",
    "er",
    "es",
    "ly",
    "en",
    "s",
    "e",
)
TYPOGRAPHY = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "‛": "'",
        "′": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "‟": '"',
        "«": '"',
        "»": '"',
        "″": '"',
    }
    | {
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "−": "-",
        "…": "...",
        "\u00ad": None,
        "\u200b": None,
        "\ufeff": None,
    }
)


def words_of(text: str) -> frozenset[str]:
    """The words of a list written as running text."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words, numbers and signs of a text in order, as columns of equal length.

    Token `i` is `text[starts[i]:ends[i]] == forms[i]`; `folded[i]` is what it is compared as.
    """

    starts: list[int]
    ends: list[int]
    forms: list[str]
    folded: list[str]


def tokenize(text: str) -> Tokens:
    """The tokens of `text`."""
    spans = [m.span() for m in TOKEN.finditer(text)]
    forms = [text[start:end] for start, end in spans]
    return Tokens(
        [start for start, _ in spans], [end for _, end in spans], forms, [fold(form) for form in forms]
    )


@lru_cache(maxsize=1 << 15)
def fold(form: str) -> str:
    """Lower case, no diacritics, no possessive ending, no dots of an abbreviation."""
    if form[0].isdecimal():
        return form
    form = form.lower().replace("’", "'")
    if not form.isascii():
        form = "".join(c for c in unicodedata.normalize("NFKD", form) if not unicodedata.combining(c))
    form = form.removesuffix("'s")
    return form.replace(".", "") or form


@lru_cache(maxsize=1 << 15)
def stem(form: str) -> str:
    """A crude stem, at most six letters, so that inflected forms of a word meet."""
    word = fold(form)
    if len(word) > 4:
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= 3:
                word = word[: -len(suffix)]
                break
    return word[:6]


@lru_cache(maxsize=1 << 15)
def script_of(form: str) -> str:
    """The script of the first letter, as Unicode names it, such as `LATIN`."""
    return unicodedata.name(form[0], "").partition(" ")[0]


def is_caseless(form: str) -> bool:
    """Whether the script of `form` has no capitals."""
    return form.lower() == form.upper()


def stems_of(form: str) -> list[str]:
    """What a form is indexed under; an unsegmented run counts as its pairs of characters."""
    if len(form) > 2 and "\u3005" <= form[0] <= "\ufaff" and is_caseless(form):
        return [form[i : i + 2] for i in range(len(form) - 1)]
    return [stem(form)]
