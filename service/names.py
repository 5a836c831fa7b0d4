"""Names of persons and organizations as they stand in a text.

No dictionary of names: a name is a run of capitalized words that is not just a sentence's first word, a title, a
month or a common role. Different forms of one name ("John Kirby", "Kirby", "Mr. Kirby") are one `Entity`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

from service.lexicon import (
    COMMON,
    FEMALE_NAMES,
    FEMALE_ROLES,
    MALE_NAMES,
    MALE_ROLES,
    ORGANIZATION,
    ROLE_ENDINGS,
    ROLES,
)
from service.models import Speaker

_INITIAL = r"[^\W\d_a-zß-öø-ÿ]"
_ABBREVIATION = (
    r"(?:Mr|Mrs|Ms|Mx|Dr|Reps?|Sens?|Gov|Gen|Lt|Col|Maj|Capt|Sgt|Rev|Prof|Hon|St|Ft|Jr|Sr|Atty|Adm|Cmdr)\."
)
_NAME_WORD = rf"(?:{_ABBREVIATION}|(?:[A-Z]\.)++|{_INITIAL}(?:\w|-(?=\w)|['’](?!s\b)(?=\w))*+)"
_PARTICLE = r"(?:(?:de|la|le|los|las|del|della|der|den|van|von|zu|bin|ibn|al|el|di|da|dos|du|ben|abu|ter|ten)[ \xa0]){0,2}"
_RUN = re.compile(rf"(?<!\w){_NAME_WORD}(?:[ \xa0]{_PARTICLE}{_NAME_WORD})*+")
_WORD = re.compile(r"\S+")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;…•\"“”'‘’«»„(\[—–-]|\n)[\s\"“”'‘’«»„(\[]*$")
_DATELINE = re.compile(r"(?:, [\w.]{2,12})?(?: \([\w ]{2,20}\))?[ ]?(?:[—–]| - )")
_JOINT = re.compile(r"[ \xa0](?:of|for)(?:[ \xa0]the)?[ \xa0]")
# In German every noun is capitalized: one that follows an article is no name.
_GERMAN_ARTICLE = re.compile(
    r"\b(?:der|die|das|den|dem|des|ein|eine|einen|einem|einer|im|am|zum|zur|vom|keine?|seine?|ihre?)[ \xa0]$"
)
_STRIP = "'’\"“”.,;:()[]"


class Mention(NamedTuple):
    """One place where a name stands, `text[start:end]`, without the titles before it, of which `role` is the last."""

    start: int
    end: int
    words: tuple[str, ...]
    role: str = ""
    initial: bool = False


class Entity:
    """All mentions of one name; `first` is the first mention of its fullest form.

    `known` is False for a single word that stands only where any word is capitalized.
    """

    __slots__ = ("first", "gender", "known", "organization", "person", "roles")

    def __init__(self, first: Mention) -> None:
        self.first = first
        self.organization = is_organization(first.words)
        self.known = len(first.words) > 1
        self.person = False
        self.gender = "" if self.organization else _gender(first.words[0].lower(), MALE_NAMES, FEMALE_NAMES)
        self.roles: set[str] = set()

    def add(self, mention: Mention) -> None:
        """Learn from a further mention."""
        self.known = self.known or not mention.initial
        if mention.role:
            self.known = True
            self.person = not self.organization
            self.roles.add(mention.role)
            self.gender = self.gender or _gender(mention.role, MALE_ROLES, FEMALE_ROLES)


def _gender(word: str, male: frozenset[str], female: frozenset[str]) -> str:
    return "m" if word in male else "f" if word in female else ""


def is_organization(words: tuple[str, ...]) -> bool:
    """Whether a name looks like that of an organization: by a noun in it, or because it is an abbreviation."""
    return any(w.strip(".").lower() in ORGANIZATION for w in words) or (
        len(words) == 1 and len(words[0]) < 6 and words[0].isupper()
    )


def _plain(word: str) -> str:
    return word.strip(_STRIP).lower()


def _is_role(word: str) -> bool:
    low = _plain(word)
    return low in ROLES or low.endswith(ROLE_ENDINGS)


class NameIndex:
    """The names of `text`, in order, and who they stand for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.mentions: list[Mention] = []
        for match in _RUN.finditer(text):
            if match.group()[0].isupper():
                self._add(match.start(), match.group())
        self._starts = [m.start for m in self.mentions]
        self._entity_of = self._group()

    def between(self, start: int, end: int) -> range:
        """Indices of the mentions that lie in `text[start:end]`."""
        first = bisect_left(self._starts, start)
        last = bisect_left(self._starts, end, first)
        if last > first and self.mentions[last - 1].end > end:
            last -= 1
        return range(first, last)

    def entity(self, index: int) -> Entity:
        """The entity that mention `index` stands for."""
        return self._entity_of[index]

    def speaker(self, entity: Entity) -> Speaker:
        """The entity by its fullest form, where that first stands in the text."""
        start, end = entity.first.start, entity.first.end
        return Speaker(name=self.text[start:end], start=start, end=end)

    def _add(self, offset: int, run: str) -> None:
        words = [(m.start(), m.group()) for m in _WORD.finditer(run)]
        while words and (_plain(words[0][1]) in COMMON or words[0][1][0].islower()):
            del words[0]
        while words and _plain(words[-1][1]) in COMMON:
            words.pop()
        role, words = _split_role(words)
        if not words or (len(words) == 1 and (_is_role(words[0][1]) or len(words[0][1].strip(_STRIP)) < 2)):
            return
        start = offset + words[0][0]
        end = offset + words[-1][0] + len(words[-1][1])
        before = self.text[max(0, start - 12) : start]
        if "(" in before[-4:] or (not before.strip(" ") or before.endswith("\n")) and self._is_dateline(end):
            return
        initial = False
        if len(words) == 1:
            if not role and _GERMAN_ARTICLE.search(before):
                return
            initial = not role and _SENTENCE_START.search(before) is not None
        mention = Mention(start, end, tuple(w for _, w in words), role, initial)
        if self.mentions and self._joins(self.mentions[-1], start):
            head = self.mentions.pop()
            mention = Mention(head.start, end, head.words + mention.words, head.role)
        self.mentions.append(mention)

    def _is_dateline(self, end: int) -> bool:
        return _DATELINE.match(self.text, end) is not None

    def _joins(self, before: Mention, start: int) -> bool:
        return (
            start - before.end < 10
            and before.words[-1].lower() in ORGANIZATION
            and _JOINT.fullmatch(self.text, before.end, start) is not None
        )

    def _group(self) -> list[Entity]:
        keys = [tuple(_plain(w) for w in m.words) for m in self.mentions]
        full: dict[tuple[str, ...], Entity] = {}
        partial: dict[str, Entity] = {}
        for key, mention in zip(keys, self.mentions, strict=True):
            if len(key) < 2 or key in full:
                continue
            full[key] = entity = Entity(mention)
            if not entity.organization:
                for word in (
                    (*key[-2:], key[0]) if key[-1] in ("jr", "sr", "ii", "iii") else (key[-1], key[0])
                ):
                    partial.setdefault(word, entity)
        found: list[Entity] = []
        for key, mention in zip(keys, self.mentions, strict=True):
            one = full.get(key) or partial.get(key[0])
            if one is None:
                one = partial[key[0]] = Entity(mention)
            elif len(key) == 1 and len(one.first.words) > 1:
                one.person = True
            one.add(mention)
            found.append(one)
        return found


def _split_role(words: list[tuple[int, str]]) -> tuple[str, list[tuple[int, str]]]:
    """The last title in a run, and the name behind it."""
    if words and _plain(words[-1][1]) not in ORGANIZATION:
        for i in range(len(words) - 2, -1, -1):
            if _is_role(words[i][1]):
                return _plain(words[i][1]), words[i + 1 :]
    return "", words


def resolve_name(index: NameIndex, name: str) -> Speaker | None:
    """The person or organization of the article that `name` means, as the article names it; None if it does not.

    `name` may carry titles and descriptions ("John Kirby, White House spokesman"); its case does not matter.
    """
    wanted = _name_words(name.split(",")[0].split("(")[0])
    best: tuple[int, Entity] | None = None
    for i, mention in enumerate(index.mentions):
        have = {_plain(w) for w in mention.words}
        if wanted and (have <= wanted or wanted <= have):
            score = 2 * len(have & wanted) - len(have ^ wanted)
            if best is None or score > best[0]:
                best = (score, index.entity(i))
    return None if best is None else index.speaker(best[1])


def same_person(a: Speaker, b: Speaker) -> bool:
    """Whether two speakers of one article are the same: same place, or one name's words are part of the other's."""
    if (a.start, a.end) == (b.start, b.end):
        return True
    first, second = _name_words(a.name), _name_words(b.name)
    return bool(first and second) and (first <= second or second <= first)


def _name_words(name: str) -> set[str]:
    words = {re.sub(r"['’]s$", "", _plain(w)) for w in name.split()}
    return {w for w in words if w and not _is_role(w) and w not in COMMON}
