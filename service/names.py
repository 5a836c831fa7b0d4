"""Names of persons and organizations as they stand in a text.

No dictionary of names: a name is a run of capitalized words that is not just a sentence's first word, a title, a
month or a common role. Different forms of one name ("John Kirby", "Kirby", "Mr. Kirby") are one `Entity`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

from service.lexicon import COMMON, FEMALE_ROLES, MALE_ROLES, ORGANIZATION, ROLE_ENDINGS, ROLES
from service.models import Speaker

_INITIAL = r"[^\W\d_a-zß-öø-ÿ]"
_ABBREVIATION = r"(?:Mr|Mrs|Ms|Mx|Dr|Rep|Reps|Sen|Sens|Gov|Gen|Lt|Col|Maj|Capt|Sgt|Rev|Prof|Hon|St|Ft|Jr|Sr|Atty|Adm|Cmdr)\."
_NAME_WORD = rf"(?:{_ABBREVIATION}|(?:[A-Z]\.)++|{_INITIAL}(?:\w|-(?=\w)|['’](?!s\b)(?=\w))*+)"
_PARTICLE = r"(?:(?:de|la|le|los|las|del|della|der|den|van|von|zu|bin|ibn|al|el|di|da|dos|du|ben|abu|ter|ten)[ \xa0]){0,2}"
_RUN = re.compile(rf"(?<!\w){_NAME_WORD}(?:[ \xa0]{_PARTICLE}{_NAME_WORD})*+")
_WORD = re.compile(r"[^\s]+")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;…•»”\"“'‘’\n(\[—–-])[\s\"“”'‘’«»„(\[]*$")
_JOINT = re.compile(r"[ \xa0](?:of|for)(?:[ \xa0]the)?[ \xa0]")
_STRIP = "'’\"“”.,;:()[]"


class Mention(NamedTuple):
    """One place where a name stands, `text[start:end]`, without titles; `role` is the title before it."""

    start: int
    end: int
    words: tuple[str, ...]
    role: str
    initial: bool


class Entity:
    """All mentions of one name; `first` is the first mention of its fullest form."""

    __slots__ = ("count", "first", "gender", "organization", "person", "roles")

    def __init__(self, first: Mention) -> None:
        self.first = first
        self.count = 0
        self.person = False
        self.organization = is_organization(first.words)
        self.gender = ""
        self.roles: set[str] = set()


def is_organization(words: tuple[str, ...]) -> bool:
    """Whether a name looks like that of an organization: by its last noun, or because it is an abbreviation."""
    return any(w.strip(".").lower() in ORGANIZATION for w in words) or (
        len(words) == 1 and len(words[0]) < 6 and words[0].isupper()
    )


def _is_role(word: str) -> bool:
    low = word.rstrip(".").lower()
    return low in ROLES or low.endswith(ROLE_ENDINGS)


class NameIndex:
    """The names of `text`, in order, and who they stand for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.mentions: list[Mention] = []
        for match in _RUN.finditer(text):
            if match.group()[0].isupper():
                self._add(match.start(), match.group())
        self.starts = [m.start for m in self.mentions]
        self.entities: list[Entity] = []
        self._entity_of: list[Entity] = []
        self._group()

    def between(self, start: int, end: int) -> range:
        """Indices of the mentions that lie in `text[start:end]`."""
        first = bisect_left(self.starts, start)
        last = bisect_left(self.starts, end, first)
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
        initial = False
        while words and words[0][1].rstrip(".").lower() in COMMON:
            words.pop(0)
        if not words:
            return
        role = ""
        last = len(words) - 1
        if not is_organization((words[-1][1],)):
            for i in range(last - 1, -1, -1):
                if _is_role(words[i][1]):
                    role = words[i][1].rstrip(".").lower()
                    words = words[i + 1 :]
                    break
        while words and words[0][1][0].islower():
            words.pop(0)
        if not words or (len(words) == 1 and (_is_role(words[0][1]) or len(words[0][1]) < 2)):
            return
        start = offset + words[0][0]
        end = offset + words[-1][0] + len(words[-1][1])
        if len(words) == 1:
            initial = bool(_SENTENCE_START.search(self.text[max(0, start - 6) : start]) or start == 0)
        mention = Mention(start, end, tuple(w for _, w in words), role, initial)
        if self.mentions and self._joins(self.mentions[-1], start):
            before = self.mentions.pop()
            mention = Mention(before.start, end, before.words + mention.words, before.role, before.initial)
        self.mentions.append(mention)

    def _joins(self, before: Mention, start: int) -> bool:
        return (
            start - before.end < 10
            and before.words[-1].lower() in ORGANIZATION
            and bool(_JOINT.fullmatch(self.text, before.end, start))
        )

    def _group(self) -> None:
        full: dict[tuple[str, ...], Entity] = {}
        partial: dict[str, Entity] = {}
        for mention in self.mentions:
            key = tuple(w.lower() for w in mention.words)
            if len(key) > 1 and key not in full:
                full[key] = entity = Entity(mention)
                if entity.organization:
                    continue
                for word in (key[-1], key[0]):
                    partial.setdefault(word, entity)
                if key[-1] in ("jr.", "sr.", "iii", "ii") and len(key) > 2:
                    partial.setdefault(key[-2], entity)
        for mention in self.mentions:
            key = tuple(w.lower() for w in mention.words)
            found = full.get(key)
            if found is None:
                found = partial.get(key[0])
                if found is None:
                    found = partial[key[0]] = Entity(mention)
                elif len(found.first.words) > 1 and not found.organization:
                    found.person = True
            self._entity_of.append(found)
            found.count += 1
            if mention.role:
                found.person = found.person or not found.organization
                found.roles.add(mention.role)
                found.gender = found.gender or (
                    "f" if mention.role in FEMALE_ROLES else "m" if mention.role in MALE_ROLES else ""
                )
        self.entities = list(dict.fromkeys(self._entity_of))


def resolve_name(index: NameIndex, name: str) -> Speaker | None:
    """The person or organization of the article that `name` means, as the article names it; None if it does not.

    `name` may carry titles and descriptions ("John Kirby, White House spokesman"); its case does not matter.
    """
    best: tuple[int, Entity] | None = None
    head = name.split(",", maxsplit=1)[0].split("(", maxsplit=1)[0]
    wanted = [
        w
        for w in (x.strip(_STRIP).lower() for x in head.split())
        if w and not _is_role(w) and w not in COMMON
    ]
    if not wanted:
        return None
    for i, mention in enumerate(index.mentions):
        have = [w.strip(_STRIP).lower() for w in mention.words]
        if have[-1] not in wanted and wanted[-1] not in have:
            continue
        shared = sum(w in have for w in wanted)
        entity = index.entity(i)
        if shared < len(wanted) and not set(have) <= set(wanted):
            continue
        score = shared * 4 - abs(len(have) - len(wanted))
        if best is None or score > best[0]:
            best = (score, entity)
    return None if best is None else index.speaker(best[1])


def same_person(a: Speaker, b: Speaker) -> bool:
    """Whether two speakers of one article are the same: same words, or one name's words are part of the other's."""
    if (a.start, a.end) == (b.start, b.end):
        return True
    first, second = _name_words(a.name), _name_words(b.name)
    return bool(first and second) and (first <= second or second <= first)


def _name_words(name: str) -> set[str]:
    words = {w.strip(_STRIP).lower() for w in name.split()}
    return {w for w in words if w and not _is_role(w) and w not in COMMON}
