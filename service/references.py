"""Whom a pronoun or a role ("she", "the senator") means: the best fitting name before it."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import takewhile

from service.lexicon import HE, OF, PERSONS, PREPOSITIONS, SHE, SPOKES, THEY, VERBS
from service.names import Entity, Mention, NameIndex, is_role

_REACH = 1200
_MAX_CANDIDATES = 40
_MAX_DESCRIBED = 400
_CHARACTERS_A_POINT = 150
_CLAUSE_STARTS = frozenset('\n.!?,;:—–-”"»')
_WORD = re.compile(r"[^\W\d_]++(?:-\w++)*")
_GERMAN_ARTICLES = ("der ", "die ", "dem ", "den ")
# Stands for a pronoun where an office is all that is said of a person.
SOMEBODY = "somebody"
# "Park director" in "It rained. Park director Ana Ruiz": what leads from a sentence's start to its subject.
_LEAD = re.compile(r"(?:^|\n|[.!?…][”\"’»)]*[ ])(?P<words>(?:(?![.!?…,;:])[^\n ]+[ ]){0,4})$")
_SUBJECT_BONUS = 3.0
_PARAGRAPH_MALUS = 1.0
_NO_PERSON_MALUS = 4.0
_ROLE_BONUS = 6.0
_LEADING = 7.0
_GENDER_BONUS = 2.0
_IMPOSSIBLE = 99.0
_NOUN_BEHIND = re.compile(r"[ ](?P<noun>[^\W\d_A-Z]+)\b(?![ ][A-Z])")
_ARTICLE_AHEAD = re.compile(r"\b(?:the|a|an|this|that)[ ](?:[\w-]+[ ])?$", re.IGNORECASE)
# ", the mayor of Brill," and ", 61, a teacher": what explains the name before it.
_APPOSITION = re.compile(r",(?:[ ]\d{1,3},)?[ ](?P<words>[^\n.,;:()—–“”\"«»„]{3,80})")
_CLAUSE_END = re.compile(r"[,.;:()—–“”\"«»„]")
# "The mayor shook his head.": a sentence that a role begins.
_ROLE_LEADS = re.compile(
    r"(?:(?<=\n)|(?<=[.!?…][ ])|(?<=[.!?…][”\"’»][ ]))(?:(?:The|Der|Die|Le|La|El|Her|His)[ ]|L['’])"
    r"(?P<words>[^\W\d_]+(?:[ ][^\W\d_]+){0,2})"
)
_ITS_GENDER = re.compile(r"[^.!?\n“”\"«»„;]{0,100}?\b(?P<pronoun>he|his|him|she|her|whom?|[A-Z]\w+)\b")
_PRONOUN_GENDER = {"he": "m", "his": "m", "him": "m", "she": "f", "her": "f"}

_SAID_OF_ANYBODY = frozenset({"official", "source", "insider"})


class References:
    """Resolves pronouns and roles; it is told who spoke last."""

    def __init__(self, names: NameIndex) -> None:
        self._names = names
        self._text = names.text
        self.last: Entity | None = None
        self._last_at = -_REACH
        self.quoted: set[int] = set()
        self._genders: dict[Entity, str] = {}
        self._mentions: dict[Entity, list[Mention]] = {}
        self._by_description: dict[str, set[Entity]] | None = None

    def spoke(self, entity: Entity | None, at: int) -> None:
        """Note that a quotation that ends at `at` is that of `entity`."""
        self.last = entity
        self._last_at = at
        if entity is not None and not entity.organization:
            entity.person = True

    def described(self, nouns: Collection[str], at: int) -> Entity | None:
        """The last one before `at` whom the article calls by one of `nouns`, words or pairs of words."""
        if self._by_description is None:
            self._by_description = self._describe()
        # "The official said" is how unnamed sources are quoted, even where somebody was called an official.
        telling = {noun for noun in nouns if noun not in _SAID_OF_ANYBODY}
        telling = {noun for noun in telling if noun in self._by_description}
        # "The prime minister" is not the last minister who was named.
        telling = {noun for noun in telling if " " in noun} or telling
        called = [self._by_description[noun] for noun in telling]
        if not called:
            return None
        for i in reversed(self._names.between(0, at)[-_MAX_DESCRIBED:]):
            entity = self._names.entity(i)
            if i not in self.quoted and any(entity in those for those in called):
                return entity
        return None

    def _describe(self) -> dict[str, set[Entity]]:
        """By each noun the persons whom it describes, here or there in the article."""
        found: dict[str, set[Entity]] = {}
        for i, mention in enumerate(self._names.mentions):
            entity = self._names.entity(i)
            human = entity.person or (len(entity.first.words) > 1 and not entity.organization)
            if human and entity.may_speak and i not in self.quoted:
                for noun in self._descriptions(mention):
                    found.setdefault(noun, set()).add(entity)
        return found

    def _descriptions(self, mention: Mention) -> set[str]:
        """The nouns that stand beside a name: "the economist Ana Ruiz", "Ana Ruiz, a teacher from Brill"."""
        before = self._text[max(0, mention.start - 60) : mention.start].rsplit("\n", 1)[-1]
        found = {mention.role} - {""}
        title = _WORD.findall(before.lower())[-2:]
        if mention.role and title[-1:] == [mention.role]:
            found.add(" ".join(title))
        if before.endswith((", ", " is ", " was ", " ist ", " est ", " es ")):
            clause = _CLAUSE_END.split(before.rstrip(" ,"))[-1]
            found.update(w for w in _WORD.findall(clause) if w[0].islower() and is_role(w))
        elif before.endswith(" "):
            word = before[:-1].rsplit(" ", 1)[-1]
            noun = word.islower() or before.lower().endswith(_GERMAN_ARTICLES, 0, -len(word) - 1)
            if noun and word.isalpha() and word not in PREPOSITIONS and word not in VERBS:
                found.add(word.lower())
        behind = _APPOSITION.match(self._text, mention.end)
        if behind:
            for word in _WORD.findall(behind["words"]):
                if word in OF:
                    break
                found.add(word.lower())
        return found

    def resolve(self, pronoun: str, roles: Collection[str], at: int) -> Entity | None:
        """The name that a pronoun, a role (its words) or nothing at all stands for at offset `at`."""
        paragraph = max(0, at - _REACH, self._text.rfind("\n", max(0, at - _REACH), at))
        best, best_score = self._last_speaker(pronoun, roles, at, paragraph)
        if _of_a_person(pronoun):
            leading = self._leading_role(paragraph, at)
            if leading is not None and not self._mismatch(leading, pronoun):
                best, best_score = leading, _LEADING
        # "The senator" is nobody whom the same sentence calls by name.
        end = max(paragraph, self._text.rfind(". ", paragraph, at)) if pronoun == SOMEBODY else at
        for i in self._names.between(max(0, at - _REACH), end)[-_MAX_CANDIDATES:]:
            mention, entity = self._names.mentions[i], self._names.entity(i)
            if i in self.quoted or not entity.may_speak:
                continue
            score = self._salience(mention, entity) - self._distance(mention.end, at)
            score -= self._mismatch(entity, pronoun)
            if entity.roles.intersection(roles):
                score += _ROLE_BONUS
            if mention.start >= paragraph and self._leads(mention.start):
                score += _SUBJECT_BONUS
            if score > best_score and not self.role_behind(mention):
                best, best_score = entity, score
        return best

    def _last_speaker(
        self, pronoun: str, roles: Collection[str], at: int, paragraph: int
    ) -> tuple[Entity | None, float]:
        if self.last is None or at - self._last_at >= _REACH:
            return None, 0.0
        score = 6.0 - self._distance(self._last_at, at) - self._mismatch(self.last, pronoun)
        if self.last.roles.intersection(roles):
            score += _ROLE_BONUS
        return self.last, score - _PARAGRAPH_MALUS if self._last_at < paragraph else score

    def _leading_role(self, start: int, end: int) -> Entity | None:
        """Who is meant by the role that begins the last such sentence of `text[start:end]`."""
        found = None
        for match in _ROLE_LEADS.finditer(self._text, start, end):
            words = takewhile(lambda word: word not in OF, match["words"].lower().split())
            found = self.described(set(words), match.start()) or found
        return found

    def _leads(self, start: int) -> bool:
        """Whether the name at `start` begins its sentence, with no more than a description before it."""
        lead = _LEAD.search(self._text, max(0, start - 60), start)
        if lead is None:
            return False
        words = lead["words"].split()
        if not words:
            return True
        described = words[-1][0].isupper() or is_role(words[-1]) or words[-1] in PERSONS
        return described and PREPOSITIONS.isdisjoint(map(str.lower, words))

    def role_behind(self, mention: Mention) -> int:
        """Where the noun ends in "the Vermont senator", which is not the name that stands before it; or 0."""
        match = _NOUN_BEHIND.match(self._text, mention.end)
        if match is None or not _ARTICLE_AHEAD.search(self._text, max(0, mention.start - 30), mention.start):
            return 0
        noun = match["noun"]
        return match.end() if noun in PERSONS or (is_role(noun) and noun not in SPOKES) else 0

    def _distance(self, start: int, at: int) -> float:
        return (at - start) / _CHARACTERS_A_POINT

    def _salience(self, mention: Mention, entity: Entity) -> float:
        score = 4.0
        if entity.person:
            score += 1.5
        elif entity.organization or len(entity.first.words) == 1:
            score -= 1.5
        else:
            score += 1
        before = self._text[max(0, mention.start - 30) : mention.start].rstrip(" ").split(" ")
        while before and is_role(before[-1].rstrip(".").lower()):
            before.pop()
        last = next((word for word in reversed(before) if word), "\n")
        if last[-1] in _CLAUSE_STARTS:
            score += 2
        elif last.lower() in PREPOSITIONS:
            score -= 1
        if self._text[mention.end : mention.end + 2] in ("'s", "’s"):
            score -= 1
        return score

    def _mismatch(self, entity: Entity, pronoun: str) -> float:
        if _of_a_person(pronoun):
            other = "f" if pronoun in HE else "m"
            gender = self._gender(entity)
            if entity.organization or gender == other:
                return _IMPOSSIBLE
            if gender:
                return -_GENDER_BONUS
            return 0.0 if entity.person or len(entity.first.words) > 1 else _NO_PERSON_MALUS
        if pronoun == SOMEBODY:
            return _IMPOSSIBLE if entity.organization else 0.0
        if pronoun in THEY and pronoun != "es":
            human = entity.person or entity.gender or len(entity.first.words) in (2, 3)
            return _IMPOSSIBLE if not entity.organization and (human or pronoun != "it") else 0.0
        return 0.0

    def _gender(self, entity: Entity) -> str:
        """The gender of a name's role or first name, or else that of the pronouns right behind it."""
        if entity.gender:
            return entity.gender
        if not self._mentions:
            for i, mention in enumerate(self._names.mentions):
                if i not in self.quoted:
                    self._mentions.setdefault(self._names.entity(i), []).append(mention)
        if entity not in self._genders:
            found = set()
            for mention in self._mentions.get(entity, ()):
                match = _ITS_GENDER.match(self._text, mention.end)
                found.add(_PRONOUN_GENDER.get(match["pronoun"], "") if match else "")
            found.discard("")
            self._genders[entity] = found.pop() if len(found) == 1 else ""
        return self._genders[entity]


def _of_a_person(pronoun: str) -> bool:
    return pronoun in HE or pronoun in SHE or pronoun == "sie"
