"""What quotation marks are there for: speech, words out of it, a title, or a word held at a distance."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from service.lexicon import HEADLINE_SMALL, has_saying
from service.words import words_of

Role: TypeAlias = Literal["speech", "fragment", "title", "scare"]

_LONG = 120  # characters; longer ones are no titles
_LONGEST_HEADLINE = 200
_TERMINAL = ".,!?…。！？；؟"
_KEY_FOLLOWS = re.compile(r":[ ]?[\"\[{\d]")
_DATA_PRECEDES = re.compile(r"(?:[{\[]|\":)[ ]?$")
_STOP = re.compile(r"[.!?…。！？؟]['’\"”»)]?\s|\n")
# "“…” (2015)", "“…” (election poster 2003)": works and adverts are cited so.
_YEAR_FOLLOWS = re.compile(r"\s?\((?:[^()\n]{0,60}[ ,])?(?:1[5-9]|20)\d\d\)")
_NEXT_WORD = re.compile(r" ([a-z]+)")
_PARTICLE = re.compile(r"、?(?:と|って|などと)")
_CONTRACTED = re.compile(r"['’]\w+$")

_TITLE_WORD = re.compile(
    r"\b(?:author of|titled|entitled|headlined|book|novel|film|movie|song|album|series|show|magazine|memoir"
    r"|episode|essay|column"
    r"|headline|Buch|Roman|Film|Lied|Serie|livre|roman|chanson|libro|novela|película|canción)[,:]? $"
)
_SCARE_WORD = re.compile(
    r"\b(?:so-called|self-styled|so ?genannte[nrs]?|soi-disant|llamad[oa]s?|cosiddett[oaie]"
    r"|(?:the|a|an|this|that) (?:word|term|name|label|nickname|phrase|expression|acronym)) $"
)
_TONGUES = (
    "Latin|Greek|Hebrew|Arabic|Spanish|French|German|Italian|Russian|Chinese|Mandarin|Cantonese|Japanese|Korean"
    "|Hindi|Urdu|Farsi|Persian|Turkish|Portuguese|Dutch|Polish|Swedish|Danish|Finnish|Gaelic|Welsh|Irish"
    "|Yiddish|Swahili|Hawaiian|Sanskrit|slang|shorthand|short|code|acronym|abbreviation"
)
# "Latin for “…”", "roughly translated as “…”": what a word means is nobody's speech.
_GLOSS = re.compile(
    rf"(?:\b(?:{_TONGUES}) for|\bstand(?:s|ing) for"
    r"|\b(?:literally|roughly|loosely)(?: translat\w+)?(?: meaning| as| to)?|\bwhich means"
    r"|\btranslat\w+ (?:as|to)),? $"
)
_MOTTO = re.compile(
    r"\b(?:slogan|slogans|motto|tagline|catchphrase|hashtag|headline|subtitle|caption|Motto|Slogan|lema|devise)"
    r"(?: (?:of|was|is|reads?))?[,:]? $"
)
_DETERMINER = re.compile(r"(?:\b[Tt]he|\b[Ii]ts|\b[Tt]heir|\b[Tt]his|\b[Tt]hese|\b[Tt]hose|['’]s) $")
# What has a name in quotation marks: `the "…" campaign`.
_NAMED_THINGS = words_of(
    """
    act album amendment app art article award ballad ban banner bill book brand campaign category
    chapter clause column comedy concert conference contest course doctrine documentary episode event
    exhibit exhibition festival film franchise fund game group hashtag initiative label law lecture list
    magazine march meme mission motion movement movie musical novel operation painting party petition
    play podcast poem policy poster prize program programme project protocol provision rally referendum
    report rule scheme section segment series show single slogan song speech stage statute strategy
    summit talk tour trilogy video
    """
)


def role_of(text: str, outer_start: int, outer_end: int, words: str) -> Role:
    """The role of `words`, which stand between marks in `text[outer_start:outer_end]`.

    `speech` is somebody's sentence or clause; `fragment` some words of one inside the article's own sentence;
    `title` the name or motto of a work, a show, a law, a campaign; `scare` a word or phrase that the article
    holds at a distance, explains or mentions.
    """
    mark = text[outer_start]
    before = text[max(0, outer_start - 200) : outer_start]
    after = text[outer_end : outer_end + 100]
    if mark in "—–―":
        return "speech"
    if _is_cited(mark, before, after) or _is_headline(text, outer_start, words):
        return "title"
    if len(words) > _LONG:
        return "speech"
    lead, tail = before[-40:], after[:60]
    attributed = tail.startswith(",") and has_saying(tail)
    if _SCARE_WORD.search(lead) or _GLOSS.search(lead) or _is_data(lead, tail):
        return "scare"
    if not attributed and (_is_title(words, lead) or _is_motto(words, lead, tail)):
        return "title"
    return _role_spoken(mark, words, before, tail, attributed=attributed)


def _is_headline(text: str, outer_start: int, words: str) -> bool:
    """Whether a headline in capitals quotes them so, which is not how they were said: `'Tired Of It'`."""
    if outer_start > _LONGEST_HEADLINE or "\n" in text[:outer_start].lstrip():
        return False
    return _is_title(words.rstrip(_TERMINAL), "") if len(words) <= _LONG else False


def _is_cited(mark: str, before: str, after: str) -> bool:
    return mark in "《〈" or (_YEAR_FOLLOWS.match(after) is not None and not has_saying(_since_stop(before)))


def _role_spoken(mark: str, words: str, before: str, after: str, *, attributed: bool) -> Role:
    """The role of words that no title and no explanation is made of."""
    tokens = words.split()
    if len(tokens) == 1 and not words.isascii() and (unspaced := _role_unspaced(mark, words, after)):
        return unspaced
    announced = before.rstrip().endswith(":")
    complete = attributed or announced or words[-1] in _TERMINAL
    says = has_saying(_since_stop(before)) or has_saying(_until_stop(after))
    if not complete and not says and _is_term(words, before[-40:]):
        return "scare"
    if complete or len(tokens) > 4:
        return "speech"
    says = says or has_saying(before[-80:]) or has_saying(after)
    return "fragment" if says or len(tokens) == 4 else "scare"


def _since_stop(before: str) -> str:
    stops = [m.end() for m in _STOP.finditer(before)]
    return before[stops[-1] :] if stops else before


def _until_stop(after: str) -> str:
    stop = _STOP.search(after)
    return after[: stop.start()] if stop else after


def _is_data(before: str, after: str) -> bool:
    """Whether a key or a value of JSON is what is quoted: `{"key": "value"}`."""
    return _KEY_FOLLOWS.match(after) is not None or _DATA_PRECEDES.search(before) is not None


def _is_title(words: str, before: str) -> bool:
    """Whether every word but the small ones is capitalized, or a work is announced: `her novel "…"`."""
    if words[-1:] in ("", "."):
        return False
    tokens = words.split()
    introduced = _TITLE_WORD.search(before) is not None
    if introduced and tokens[0][:1].isupper() and len(tokens) < 12:
        return True
    bare = [_CONTRACTED.sub("", t.strip(",.!?:;—–-()")) for t in tokens]
    telling = [w for w in bare if w.isalpha() and w not in HEADLINE_SMALL]
    capitalized = [w for w in telling if len(w) > 3 and w[0].isupper()]
    if words[-1] == "," and len(capitalized) < 3:
        return False
    return len(capitalized) > 1 and tokens[0][:1].isupper() and all(w[0].isupper() for w in telling)


def _is_motto(words: str, before: str, after: str) -> bool:
    """`the slogan "…"`, `the "…" campaign`."""
    if _MOTTO.search(before):
        return True
    following = _NEXT_WORD.match(after)
    return (
        words[-1] not in _TERMINAL
        and following is not None
        and following[1] in _NAMED_THINGS
        and _DETERMINER.search(before) is not None
    )


def _is_term(words: str, before: str) -> bool:
    return words[0].islower() and words[-1] not in _TERMINAL and _DETERMINER.search(before) is not None


def _role_unspaced(mark: str, words: str, after: str) -> Role | None:
    """Of words in a script without spaces; few of these have sentences of less than 12 characters."""
    if mark in "「『" and _PARTICLE.match(after):
        return "speech" if len(words) > 3 else "fragment"
    if mark == "『":
        return "title"
    return "speech" if len(words) > 12 else None
