"""Names of persons and organizations as they stand in a text.

No dictionary of names: a name is a run of capitalized words that is not just a sentence's first word, a
title, a month or a common role. Different forms of one name ("Ana Ruiz", "Ms. Ruiz") are one `Entity`.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.lexicon import (
    COMMON,
    FEMALE_NAMES,
    FEMALE_ROLES,
    HEADLINE_SMALL,
    MALE_NAMES,
    MALE_ROLES,
    OFFICES,
    ORGANIZATION,
    PARTIES,
    ROLE_ENDINGS,
    ROLES,
)
from service.models import Speaker

# A pattern that begins with a class lets the engine skip ahead; `str.isupper` decides in the end.
# No group is possessive: Python before 3.11.5 matches these wrongly (gh-106052). As nothing has to follow a
# run, none gives anything back all the same.
_FIRST = (
    r"[^\W\d_a-zß-öø-ÿāăąćčďđēęěğīįıķļłńņňōőœřśşšţťūůűųźżžșțа-яёђ-џґєіїα-ώ\u0590-\u109f\u0e00-\u0eff"
    r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
_ABBREVIATED = (
    r"(?:\.(?:(?<=\b[A-Z]\.)(?:[A-Z]\.)*|(?<=\b(?:Mr|Ms|Mx|Dr|St|Ft|Lt|Jr|Sr)\.)"
    r"|(?<=\b(?:Mrs|Rep|Sen|Gov|Gen|Col|Maj|Sgt|Rev|Hon|Adm)\.)|(?<=\b(?:Reps|Sens|Capt|Prof|Atty|Cmdr)\.)))?"
)
_LETTERS = r"[\w\u0300-\u036f]"
_REST = rf"{_LETTERS}*+(?:(?:-|['’](?!s\b)){_LETTERS}++)*{_ABBREVIATED}"
_PARTICLE = (
    r"(?:(?:(?:van|von)(?:[ \xa0]de[rnm])?|de|la|le|los|las|del|della|zu|bin|ibn|al|el|di|da|dos|du|ben|abu"
    r"|ter|ten)[ \xa0]){0,2}"
)
_RUN = re.compile(rf"{_FIRST}(?<!\w\w){_REST}(?:[ \xa0]{_PARTICLE}{_FIRST}{_REST})*")
_OPENING = "\"“”'‘’«»„([ \xa0"
_SENTENCE_ENDS = frozenset("\n.!?:;…•—–-")
_DATELINE = re.compile(r"(?:, [\w.]{2,12})?(?: \([\w ]{2,20}\))?[ ]?(?:[—–]| - )")
_JOINT = re.compile(r"[ \xa0](?:of|for)(?:[ \xa0]the)?[ \xa0]")
# In German every noun is capitalized: one that follows an article is no name.
_GERMAN_ARTICLE = re.compile(
    r"\b(?:der|die|das|den|dem|des|ein|eine|einen|einem|einer|im|am|zum|zur|vom|keine?|seine?|ihre?)[ \xa0]$",
    re.IGNORECASE,
)
_SMALL_WORD = re.compile(r"(?<![\w’'.-])[a-zß-öø-ÿ][\w’'.-]*")
_CAPITAL_WORD = re.compile(rf"{_FIRST}(?<![\w’'.-].)")
_MAX_HEADLINE = 200
_NEVER = (sys.maxsize, sys.maxsize)
_LATELY = 3000
_MAX_HEAD = 2000
_IN = (" in ", " im ", " near ", " in the ")
_PORTFOLIOS = ("Secretary of ", "Minister of ")
GIVEN_NAMES = MALE_NAMES | FEMALE_NAMES
_PLACE_ARTICLES = frozenset(("los", "las"))
_GENERATIONS = frozenset(("jr", "sr", "ii", "iii"))
_GERMAN_WORDS = (
    " und ",
    " der ",
    " die ",
    " das ",
    " ist ",
    " sind ",
    " nicht ",
    " ein ",
    " eine ",
    " dem ",
    "sagte ",
)


class Mention(NamedTuple):
    """One place where a name stands, `text[start:end]`, without titles; `role` is the last title before it.

    `words` are its words in lower case; `initial` tells that its one word stands where any is capitalized,
    `place` that it stands where a place does.
    """

    start: int
    end: int
    words: tuple[str, ...]
    role: str = ""
    initial: bool = False
    organization: bool = False
    place: bool = False


class Entity:
    """All mentions of one name; `first` is the first mention of its fullest form.

    `known` is False for a single word that stands only where any word is capitalized.
    """

    __slots__ = ("first", "gender", "known", "organization", "person", "placed", "roles")

    def __init__(self, first: Mention) -> None:
        self.first = first
        self.organization = first.organization
        self.known = len(first.words) > 1
        self.person = False
        self.placed = 0
        self.gender = "" if self.organization else _gender(first.words[0], MALE_NAMES, FEMALE_NAMES)
        self.roles: set[str] = set()

    def add(self, mention: Mention) -> None:
        """Learn from a further mention."""
        self.known = self.known or not mention.initial
        self.placed += 1 if mention.place else -1
        if mention.role:
            self.known = True
            self.person = not self.organization
            self.roles.add(mention.role)
            self.gender = self.gender or _gender(mention.role, MALE_ROLES, FEMALE_ROLES)

    @property
    def may_speak(self) -> bool:
        """Whether the name can be that of a speaker where no verb of saying stands next to it."""
        return self.known and (self.placed < 0 or self.person)


def _gender(word: str, male: frozenset[str], female: frozenset[str]) -> str:
    return "m" if word in male else "f" if word in female else ""


def is_role(word: str) -> bool:
    """Whether `word`, in lower case, is a title or an office."""
    return word in ROLES or word.endswith(ROLE_ENDINGS)


def _last_title(words: list[str], low: int, high: int) -> int:
    """The index of the last title before a name in `words[low:high]`, or -1."""
    if words[high - 1] in ORGANIZATION:
        return -1
    return next((i for i in range(high - 2, low - 1, -1) if is_role(words[i])), -1)


class _Namesakes:
    """The persons of one last name, and which of them it means where it stands alone."""

    __slots__ = ("_count", "_last")

    def __init__(self) -> None:
        self._count: dict[Entity, int] = {}
        self._last: dict[Entity, int] = {}

    @property
    def first(self) -> Entity:
        return next(iter(self._count))

    @property
    def several(self) -> bool:
        return len(self._count) > 1

    def add(self, entity: Entity) -> None:
        self._count.setdefault(entity, 0)

    def replace(self, old: Entity, new: Entity) -> None:
        self._count = {(new if entity is old else entity): 0 for entity in self._count}

    def mentioned(self, entity: Entity, at: int) -> None:
        if entity in self._count:
            self._count[entity] += 1
            self._last[entity] = at

    def at(self, start: int) -> Entity:
        """The one mentioned most of those lately mentioned before `start`."""
        if not self.several:
            return self.first
        recent = [e for e in self._count if e in self._last and start - self._last[e] < _LATELY]
        return max(recent, key=self._count.__getitem__, default=self.first)


def _bare(words: list[str]) -> tuple[int, int]:
    """Where a run begins and ends without the words that are capitalized for other reasons."""
    low, high = 0, len(words)
    while low < high and words[low] in COMMON and (words[low] not in _PLACE_ARTICLES or low + 1 == high):
        low += 1
    while low < high and words[high - 1] in COMMON:
        high -= 1
    return low, high


class NameIndex:
    """The names of `text`, in order, and who they stand for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.mentions: list[Mention] = []
        # Every noun of a German text is capitalized; one behind an article is not taken for a name.
        head = text[:_MAX_HEAD]
        self._german = sum(word in head for word in _GERMAN_WORDS) > 1
        headlines = _headlines(text)
        in_headlines: list[re.Match[str]] = []
        first, last = next(headlines, _NEVER)
        for match in _RUN.finditer(text):
            run, start = match.group(), match.start()
            while last <= start:
                first, last = next(headlines, _NEVER)
            if not run[0].isupper():
                continue
            if first <= start:
                in_headlines.append(match)
            else:
                self._add(start, run)
        self._entity_of = self._group(in_headlines)
        self._starts = [m.start for m in self.mentions]

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

    def is_organization(self, speaker: Speaker) -> bool:
        """Whether the name of `speaker` is that of an organization."""
        named = self.between(speaker.start, speaker.end)
        return bool(named) and self.entity(named[0]).organization

    def _add(self, offset: int, run: str) -> None:
        lower = run.lower()
        if lower in COMMON:
            return
        words = lower.replace(".", "").split()
        low, high = (0, len(words)) if words[0] not in COMMON and words[-1] not in COMMON else _bare(words)
        if low == high or (high - low > 1 and words[high - 1] in PARTIES):
            return
        role = ""
        if high - low > 1:
            role, low = self._title(offset, run, words, low, high)
        start = offset + len(run) - len(run.split(None, low)[low]) if low else offset
        end = offset + len(run.rsplit(None, len(words) - high)[0] if high < len(words) else run)
        organization = not ORGANIZATION.isdisjoint(words[low:high])
        single = high - low == 1
        if single and not organization:
            organization = end - start < 6 and self.text[start:end].isupper()
        if not self._stands_alone(start, end, words[low] if single else ""):
            return
        initial = single and not role and (self._german or self._is_initial(start))
        place = not role and self.text.endswith(_IN, 0, start)
        self._append(Mention(start, end, tuple(words[low:high]), role, initial, organization, place))

    def _title(self, offset: int, run: str, words: list[str], low: int, high: int) -> tuple[str, int]:
        """The last title before the name in `words[low:high]`, and where the name begins."""
        # In "Secretary of State Nora Lund" the portfolio belongs to the office.
        portfolio = self.text.endswith(_PORTFOLIOS, max(0, offset - 14), offset)
        title = _last_title(words, low + portfolio, high)
        if title >= 0:
            return OFFICES.get(words[title], words[title]), title + 1
        if portfolio:
            return "secretary", low + 1
        if self._german:
            start = offset + len(run) - len(run.split(None, low)[low])
            low += _GERMAN_ARTICLE.search(self.text, max(0, start - 9), start) is not None
        return "", low

    def _stands_alone(self, start: int, end: int, word: str) -> bool:
        """Whether a run is a name: no dateline or party; a single `word` no role or German noun."""
        before = self.text[max(0, start - 9) : start]
        if word and (len(word) < 2 or is_role(word) or (self._german and _GERMAN_ARTICLE.search(before))):
            return False
        if "(" in before[-4:]:
            return False
        return not ((start == 0 or before[-1] == "\n") and _DATELINE.match(self.text, end))

    def _is_initial(self, start: int) -> bool:
        before = self.text[max(0, start - 4) : start]
        if before[-1:] != " " and before[-1:] in _OPENING:
            return True
        before = before.rstrip(_OPENING)
        return not before or before[-1] in _SENTENCE_ENDS

    def _append(self, mention: Mention) -> None:
        if self.mentions and self._joins(self.mentions[-1], mention.start):
            head = self.mentions.pop()
            mention = Mention(
                head.start, mention.end, head.words + mention.words, head.role, organization=True
            )
        self.mentions.append(mention)

    def _joins(self, before: Mention, start: int) -> bool:
        return (
            start - before.end < 10
            and before.words[-1] in ORGANIZATION
            and _JOINT.fullmatch(self.text, before.end, start) is not None
        )

    def _group(self, in_headlines: Sequence[re.Match[str]]) -> list[Entity]:
        full: dict[tuple[str, ...], Entity] = {}
        by_last: dict[str, _Namesakes] = {}
        by_first: dict[str, Entity] = {}
        for mention in self.mentions:
            key = mention.words
            if len(key) < 2 or key in full:
                continue
            full[key] = entity = Entity(mention)
            if not entity.organization:
                last = key[-2] if key[-1] in _GENERATIONS and len(key) > 2 else key[-1]
                by_last.setdefault(last, _Namesakes()).add(entity)
                by_first.setdefault(key[0], entity)
        self._unite(full, by_last)
        shared = {last: namesakes for last, namesakes in by_last.items() if namesakes.several}
        found: list[Entity] = []
        for mention in self.mentions:
            key = mention.words
            one = full.get(key)
            if one is None and key[0] in by_last:
                one = by_last[key[0]].at(mention.start)
            one = one or by_first.get(key[0])
            if one is None:
                one = by_first[key[0]] = Entity(mention)
            elif len(key) == 1 and len(one.first.words) > 1:
                one.person = True
            one.add(mention)
            found.append(one)
            if key[-1] in shared:
                shared[key[-1]].mentioned(one, mention.start)
        if not in_headlines:
            return found
        known = full | {(word,): entity for word, entity in by_first.items() if entity.known}
        known |= {(word,): namesakes.first for word, namesakes in by_last.items()}
        pairs = list(zip(self.mentions, found, strict=True))
        pairs += [pair for run in in_headlines for pair in _known_names(run, known)]
        pairs.sort(key=lambda pair: pair[0].start)
        self.mentions = [mention for mention, _ in pairs]
        return [entity for _, entity in pairs]

    def _unite(self, full: dict[tuple[str, ...], Entity], by_last: dict[str, _Namesakes]) -> None:
        """Make one of a name and the same with a word before it: a first name, or a sentence's first word."""
        for key, long in list(full.items()):
            short = full.get(key[-2:])
            if len(key) < 3 or short is None or long.organization:
                continue
            extra = key[0] not in GIVEN_NAMES and self._is_initial(long.first.start)
            full[key] = full[key[-2:]] = one = short if extra else long
            if key[-1] in by_last:
                by_last[key[-1]].replace(long if extra else short, one)


def _headlines(text: str) -> Iterator[tuple[int, int]]:
    """The lines in Title Case that other text follows: their runs of capitals are no names."""
    start = 0
    end = text.find("\n")
    while end >= 0:
        if 20 < end - start < _MAX_HEADLINE:
            small = (match.group() in HEADLINE_SMALL for match in _SMALL_WORD.finditer(text, start, end))
            if all(small) and len(_CAPITAL_WORD.findall(text, start, end)) > 3:
                yield start, end
        start = end + 1
        end = text.find("\n", start)


def _known_names(run: re.Match[str], known: dict[tuple[str, ...], Entity]) -> list[tuple[Mention, Entity]]:
    """The names in capitals of a headline that stand in the text below it as well."""
    parts = list(re.finditer(r"\S+", run.group()))
    words = [part.group().lower().replace(".", "") for part in parts]
    found = []
    i = 0
    while i < len(parts):
        for j in range(min(len(parts), i + 4), i, -1):
            entity = known.get(tuple(words[i:j]))
            if entity is not None:
                start, end = run.start() + parts[i].start(), run.start() + parts[j - 1].end()
                mention = Mention(start, end, tuple(words[i:j]), organization=entity.organization)
                found.append((mention, entity))
                i = j - 1
                break
        i += 1
    return found
