"""The language of a text, and languages' names."""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter
from collections.abc import Mapping

import gcld3  # type: ignore[import-untyped]

# The detector reads this many bytes at most, and cannot tell on fewer.
_SAMPLE_LENGTH = 1_000
_SAMPLE_BYTES = 6_000
_MIN_LETTERS = 20

# cld3 names some languages by tags that BCP 47 has since replaced.
_CANONICAL = {"iw": "he", "no": "nb"}

# Scripts by the first words of their letters' names in Unicode; a language not named has Latin letters.
# Where a language is written in two, so that either is taken, both name it.
_SCRIPTS = """
ARABIC=ar,fa,ks,ku,ms,pa,ps,sd,ug,ur,uz ARMENIAN=hy BENGALI=bn CJK=ja,zh
CYRILLIC=az,be,bg,bs,kk,ky,mk,mn,ru,sr,tg,uk,uz DEVANAGARI=hi,mr,ne,sd ETHIOPIC=am GEORGIAN=ka GREEK=el
GUJARATI=gu GURMUKHI=pa HANGUL=ko HEBREW=he,yi HIRAGANA=ja KANNADA=kn KATAKANA=ja KHMER=km LAO=lo
LATIN=az,bs,kk,ku,ms,sr,uz MALAYALAM=ml MONGOLIAN=mn MYANMAR=my SINHALA=si TAMIL=ta TELUGU=te THAI=th
"""
_FEWEST_OF_SCRIPT = 0.2  # of all letters, so that one name in another script proves nothing

_LANGUAGES = """
af=Afrikaans am=Amharic ar=Arabic az=Azerbaijani be=Belarusian bg=Bulgarian bn=Bangla bs=Bosnian
ca=Catalan ceb=Cebuano co=Corsican cs=Czech cy=Welsh da=Danish de=German el=Greek en=English
eo=Esperanto es=Spanish et=Estonian eu=Basque fa=Persian fi=Finnish fil=Filipino fr=French
fy=Frisian ga=Irish gd=Gaelic gl=Galician gu=Gujarati ha=Hausa haw=Hawaiian he=Hebrew hi=Hindi
hmn=Hmong hr=Croatian ht=Haitian hu=Hungarian hy=Armenian id=Indonesian ig=Igbo is=Icelandic
it=Italian ja=Japanese jv=Javanese ka=Georgian kk=Kazakh km=Khmer kn=Kannada ko=Korean ku=Kurdish
ky=Kyrgyz la=Latin lb=Luxembourgish lo=Lao lt=Lithuanian lv=Latvian mg=Malagasy mi=Māori
mk=Macedonian ml=Malayalam mn=Mongolian mr=Marathi ms=Malay mt=Maltese my=Burmese nb=Norwegian
ne=Nepali nl=Dutch nn=Nynorsk no=Norwegian ny=Nyanja pa=Punjabi pl=Polish ps=Pashto pt=Portuguese
ro=Romanian ru=Russian sd=Sindhi si=Sinhala sk=Slovak sl=Slovenian sm=Samoan sn=Shona so=Somali
sq=Albanian sr=Serbian st=Sotho su=Sundanese sv=Swedish sw=Swahili ta=Tamil te=Telugu tg=Tajik
th=Thai tr=Turkish uk=Ukrainian ur=Urdu uz=Uzbek vi=Vietnamese xh=Xhosa yi=Yiddish yo=Yoruba
zh=Chinese zu=Zulu
"""
_VARIANTS = """
Arab=Arabic_script Cyrl=Cyrillic Hans=Simplified Hant=Traditional Latn=Latin_script AR=Argentina
AT=Austria AU=Australia BE=Belgium BR=Brazil CA=Canada CH=Switzerland CL=Chile CN=China CO=Colombia
DE=Germany EG=Egypt ES=Spain FR=France GB=United_Kingdom HK=Hong_Kong IE=Ireland IN=India IT=Italy
JP=Japan KR=South_Korea MX=Mexico NG=Nigeria NL=Netherlands NZ=New_Zealand PE=Peru PK=Pakistan
PT=Portugal RU=Russia SA=Saudi_Arabia SG=Singapore TW=Taiwan US=United_States ZA=South_Africa
419=Latin_America
"""

# Languages that the detector takes for each other in short texts.
_LOOKALIKES = tuple(
    frozenset(group.split())
    for group in (
        "af nl fy",
        "be bg mk ru sr uk",
        "bs hr sl sr",
        "ca es gl pt",
        "co it la",
        "cs sk",
        "da nb nn no sv",
        "de lb",
        "fil ceb tl",
        "hi mr ne",
        "id jv ms su",
        "zh ja",
    )
)


@functools.cache
def _names(table: str) -> dict[str, str]:
    return {tag: name.replace("_", " ") for tag, _, name in (entry.partition("=") for entry in table.split())}


def detect_language(text: str, *, default: str = "und") -> str:
    """The BCP 47 tag of the language of `text`, or `default` where that is not sure, as for a few words."""
    sample = text[:_SAMPLE_LENGTH]
    counts = Counter(sample)
    for c in counts:
        if not c.isprintable():
            sample = sample.replace(c, " ")
    letters = {c: n for c, n in counts.items() if c.isalpha()}
    if sum(letters.values()) < _MIN_LETTERS:
        return default
    # The detector keeps its state while it reads, so every call has one of its own.
    result = gcld3.NNetLanguageIdentifier(0, _SAMPLE_BYTES).FindLanguage(sample)
    language = _CANONICAL.get(result.language, str(result.language))
    return language if result.is_reliable and _is_script_of(language, letters) else default


def _is_script_of(language: str, letters: Mapping[str, int]) -> bool:
    """Whether enough of `letters` are such as `language` is written in; the detector does not look."""
    scripts = _scripts().get(language, ("LATIN",))
    of_script = sum(n for c, n in letters.items() if _script_of(c) in scripts)
    return of_script >= _FEWEST_OF_SCRIPT * sum(letters.values())


@functools.lru_cache(4096)
def _script_of(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


@functools.cache
def _scripts() -> dict[str, list[str]]:
    """The scripts of each language; a tag such as `ja-Latn`, which is not among them, says Latin itself."""
    scripts: dict[str, list[str]] = {}
    for entry in _SCRIPTS.split():
        script, _, languages = entry.partition("=")
        for language in languages.split(","):
            scripts.setdefault(language, []).append(script)
    return scripts


def same_language(tag: str, other: str) -> bool:
    """Whether two tags name the same language, whatever their regions and scripts; `und` is like none."""
    return _primary(tag) == _primary(other) != "und"


def _primary(tag: str) -> str:
    subtag = tag.partition("-")[0].lower()
    return _CANONICAL.get(subtag, subtag)


def language_name(tag: str) -> str:
    """The English name of a language, such as "Portuguese (Brazil)" for `pt-BR`; an unknown tag as it is."""
    primary, *rest = tag.split("-")
    name = _names(_LANGUAGES).get(primary.lower())
    if name is None:
        return tag
    variants = [_names(_VARIANTS).get(s.title() if len(s) == 4 else s.upper(), s) for s in rest]
    return f"{name} ({', '.join(variants)})" if variants else name


def differs(written: str, wanted: str) -> bool:
    """Whether a text detected as `written` is surely not in `wanted`: not for languages that look alike."""
    first, second = _primary(written), _primary(wanted)
    if first == second or "und" in (first, second) or language_name(second) == second:
        return False
    return not any(first in group and second in group for group in _LOOKALIKES)
