"""The noun phrases around a verb of saying: which name in them is the one that speaks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple, TypeAlias

from service.lexicon import (
    AUXILIARIES,
    COLLECTIVE,
    COORDINATORS,
    DETERMINERS,
    INDEFINITE,
    INSTITUTIONS,
    PERSONS,
    PHRASAL,
    PHRASAL_PARTICLES,
    PREPOSITIONS,
    PRONOUNS,
    QUANTITIES,
    RELATIVE,
    SPOKES,
    TIME_WORDS,
    VERBS,
    WHEREABOUTS,
    WRITINGS,
)
from service.names import Entity, Mention, NameIndex, is_role
from service.quotes import Quotation
from service.references import SOMEBODY, References

# What a step returns that has nothing to say; None means that nobody who is named speaks.
UNKNOWN = Entity(Mention(0, 0, ("",)))
Answer: TypeAlias = Entity | None

_TOKEN = re.compile(r"\w++(?:['’]\w++)*|[,;:()]")
_OWNED = re.compile(
    rf"(?:['’]s?)?[ \xa0](?:\w+[ \xa0])?(?P<noun>{'|'.join(sorted(INSTITUTIONS | WRITINGS))})\b"
)
_POSSESSIVE = ("'s", "’s", "' ", "’ ")
_PUNCTUATION = ",;:()"
# What may follow a name that an apposition explains.
_APPOSITION = frozenset(",(-—–")
_LOOK_BACK = 24


class Token(NamedTuple):
    """A word or a punctuation mark that separates clauses; `low` is its lower case."""

    word: str
    low: str
    start: int
    end: int


def is_saying(tokens: Sequence[Token], index: int) -> bool:
    """Whether the word at `index` is a verb of saying; a capitalized one inside a sentence is a name."""
    token = tokens[index]
    if token.low in VERBS:
        return not token.word[0].isupper()
    return token.low in PHRASAL and index + 1 < len(tokens) and tokens[index + 1].low in PHRASAL_PARTICLES


def _is_passed_over(word: str) -> bool:
    return word in AUXILIARIES or word in TIME_WORDS or word.endswith("ly")


class Phrases:
    """Reads noun phrases of a text."""

    def __init__(self, names: NameIndex, quotations: Sequence[Quotation], references: References) -> None:
        self._text = names.text
        self._names = names
        self._references = references
        self.quoted: set[int] = set()
        for q in quotations:
            if q.depth == 0:
                self.quoted.update(names.between(q.outer_start, q.outer_end))

    def tokens(self, start: int, end: int) -> list[Token]:
        """Words and commas of `text[start:end]`."""
        return [
            Token(word := m.group(), word.lower(), *m.span()) for m in _TOKEN.finditer(self._text, start, end)
        ]

    def mentions(self, start: int, end: int) -> list[int]:
        """Mentions in `text[start:end]` outside quotations."""
        return [i for i in self._names.between(start, end) if i not in self.quoted]

    # -- behind a verb: `said Ana Ruiz, the mayor`

    def behind(self, tokens: Sequence[Token], limit: int) -> Answer:
        """Who speaks in the phrase that `tokens` begin, behind a verb of saying or "according to"."""
        if not tokens:
            return self._references.resolve("", (), limit)
        first = tokens[0]
        if first.low in PRONOUNS:
            return self._references.resolve(first.low, (), first.start)
        comma = next((t.start for t in tokens if t.word in ",;:"), limit)
        found = self._head(first.start, comma)
        if found is not UNKNOWN:
            return found
        for i in self.mentions(comma, min(limit, comma + 80)):
            mention = self._names.mentions[i]
            between = self._text[comma : mention.start].strip(" ,").lower()
            if between in DETERMINERS or is_role(between) or not between:
                return self._names.entity(i)
            break
        return self._role([t for t in tokens if t.start < comma])

    def _head(self, start: int, end: int) -> Answer:
        """The last name of a phrase before one that a preposition or a genitive makes a mere attribute."""
        best: Answer = UNKNOWN
        for i in self.mentions(start, end):
            mention = self._names.mentions[i]
            attribute = self.is_attribute(mention, start)
            institution = self._institution(i)
            if institution is not None and best is UNKNOWN and not attribute:
                return institution
            if attribute or self._is_possessive(mention):
                if best is not UNKNOWN:
                    break
                continue
            if best is not UNKNOWN and not self._is_title_between(
                self._names.mentions[i - 1].end, mention.start
            ):
                break
            best = self._names.entity(i)
        return best

    def _is_title_between(self, start: int, end: int) -> bool:
        """Whether the words between two names lead from one to the other: "Ruiz spokesman Jan Holm"."""
        words = self._text[start:end].split()
        return not words or (len(words) < 4 and (is_role(words[-1].lower()) or words[-1] in PERSONS))

    def is_attribute(self, mention: Mention, start: int) -> bool:
        """Whether a preposition stands before the name (titles and articles between them do not count)."""
        before = self._text[max(start, mention.start - _LOOK_BACK) : mention.start].split()
        while before:
            word = before.pop()
            low = word.lower()
            if low == "of" and mention.role == "secretary":
                continue
            if low in PREPOSITIONS:
                return True
            if low in WHEREABOUTS:
                continue
            if (
                low not in DETERMINERS
                and not is_role(low)
                and low not in INDEFINITE
                and not word[0].isupper()
            ):
                return False
            if not word[-1].isalnum() and word[-1] != ".":
                return False
        return False

    def _is_possessive(self, mention: Mention) -> bool:
        return self._text[mention.end : mention.end + 2] in _POSSESSIVE

    def _institution(self, index: int) -> Entity | None:
        """What speaks in "Ruiz's office" and "the Ruiz campaign", and who does in "Ruiz's letter"."""
        mention = self._names.mentions[index]
        following = self._text[mention.end : mention.end + 40]
        match = _OWNED.match(following)
        if match is None:
            return None
        noun = match["noun"]
        if noun in WRITINGS:
            return self._names.entity(index)
        end = mention.end + match.end()
        return Entity(Mention(mention.start, end, (*mention.words, noun), organization=True))

    # -- before a verb: `Ana Ruiz, the mayor, said`

    def subject(self, tokens: Sequence[Token], start: int) -> Answer:
        """Who does what the verb behind `tokens` says; `tokens` start at `start`, at most one sentence."""
        words = list(tokens)
        while words and _is_passed_over(words[-1].low) and self.name_at(words[-1]) is UNKNOWN:
            words.pop()
        if not words:
            return UNKNOWN
        last = words[-1]
        if last.low in COORDINATORS:
            return self._coordinated(words[:-1], start)
        if last.low in RELATIVE:
            return self._antecedent(words[:-1], last, start)
        return self._named_or_meant(words, start)

    def _named_or_meant(self, words: Sequence[Token], start: int) -> Answer:
        last = words[-1]
        if last.low in PRONOUNS:
            return self._references.resolve(last.low, (), last.start)
        if last.low in QUANTITIES:
            return None
        if is_role(last.low) and not DETERMINERS.isdisjoint(w.low for w in words[-4:-1]):
            return self._role(words)
        mentions = self.mentions(start, last.end)
        adjacent = self._adjacent(mentions, last, start)
        return self._noun_phrase(words, mentions, start) if adjacent is UNKNOWN else adjacent

    def _adjacent(self, mentions: Sequence[int], last: Token, start: int) -> Answer:
        """The name right before the verb, or before the apposition that a comma ends there."""
        heads = [i for i in mentions if not self.is_attribute(self._names.mentions[i], start)]
        if not heads:
            return UNKNOWN
        if self._names.mentions[heads[-1]].end >= last.end and self._may_speak(heads[-1]):
            return self._names.entity(heads[-1])
        if last.word in ",)":
            for i in heads:
                end = self._names.mentions[i].end
                if self._text[end : end + 2].strip()[:1] in _APPOSITION:
                    return self._names.entity(i)
        return UNKNOWN

    def _noun_phrase(self, words: Sequence[Token], mentions: Sequence[int], start: int) -> Answer:
        for i in mentions:
            mention = self._names.mentions[i]
            if self.is_attribute(mention, start):
                continue
            institution = self._institution(i)
            if institution is not None:
                return institution
            described = self._references.role_behind(mention)
            if described:
                return self._role(self.tokens(max(start, mention.start - _LOOK_BACK), described))
            if not self._is_possessive(mention) and self._names.entity(i).known:
                return self._names.entity(i)
        return self._role(words)

    def _may_speak(self, index: int) -> bool:
        entity = self._names.entity(index)
        return entity.known or not entity.first.words[0].endswith(("s", "ing", "ed"))

    def name_at(self, token: Token) -> Answer:
        """Whose name ends with `token`, if nothing makes it an attribute."""
        found = self.mentions(max(0, token.start - 60), token.end)
        if not found:
            return UNKNOWN
        mention = self._names.mentions[found[-1]]
        if mention.end < token.end or self.is_attribute(mention, max(0, token.start - 60)):
            return UNKNOWN
        return self._names.entity(found[-1])

    def name_in(self, words: Sequence[Token]) -> Answer:
        """The name that `words` are."""
        found = self.mentions(words[0].start, words[-1].end) if words else []
        return self._names.entity(found[0]) if len(found) == 1 else UNKNOWN

    def _coordinated(self, words: Sequence[Token], start: int) -> Answer:
        """The subject of the verb before "and" or "but"."""
        for i in range(len(words) - 1, 0, -1):
            if is_saying(words, i):
                return self.subject(words[:i], start)
        return self.main_subject(words, start)

    def _antecedent(self, words: Sequence[Token], relative: Token, start: int) -> Answer:
        if relative.low in ("who", "qui", "quien"):
            mentions = self.mentions(start, relative.start)
            if mentions:
                return self._names.entity(mentions[-1])
        return self.main_subject(words, start)

    def main_subject(self, tokens: Sequence[Token], start: int) -> Answer:
        """The first name or pronoun of a sentence that can be its subject."""
        end = tokens[-1].end if tokens else start
        pronoun = next((t for t in tokens if t.low in PRONOUNS), None)
        passed = -1
        for i in self.mentions(start, end):
            mention = self._names.mentions[i]
            if pronoun is not None and pronoun.start < mention.start:
                break
            gap = self._text[passed : mention.start].strip() if passed >= 0 else ""
            listed = gap == "and" or (gap == "," and self._text[mention.end : mention.end + 1] in (",", "."))
            if listed or self.is_attribute(mention, start) or not self._names.entity(i).may_speak:
                passed = mention.end
                continue
            institution = self._institution(i)
            if institution is not None:
                return institution
            described = self._references.role_behind(mention)
            if described:
                return self._role(self.tokens(max(start, mention.start - _LOOK_BACK), described))
            if not self._is_possessive(mention):
                return self._names.entity(i)
        if pronoun is not None:
            return self._references.resolve(pronoun.low, (), pronoun.start)
        if tokens and tokens[0].low in INDEFINITE:
            return self._institution_behind(tokens[:8])
        return UNKNOWN

    def _role(self, words: Sequence[Token]) -> Answer:
        """Who is meant by a phrase without a name of its own: "the senator", "one of the officials"."""
        clause = [w for w in words if w.word not in _PUNCTUATION][-8:]
        described = self._described(clause)
        if described is not None:
            return described
        spokes = next((i for i, w in enumerate(clause) if w.low in SPOKES), None)
        if spokes is not None:
            return self._institution_behind(clause[spokes:])
        for i in range(len(clause) - 1, -1, -1):
            low = clause[i].low
            if low in INDEFINITE:
                return None
            if low in DETERMINERS and not (i > 1 and clause[i - 2].low in INDEFINITE):
                return self._definite(low, {w.low for w in clause[i:]}, clause[i].start)
        return None

    def _described(self, clause: Sequence[Token]) -> Entity | None:
        """Who was called what a phrase with a definite article says."""
        for i in range(len(clause) - 1, -1, -1):
            if clause[i].low in DETERMINERS:
                if i and clause[i - 1].low in PREPOSITIONS:
                    continue
                words = [w.low for w in takewhile(lambda w: w.low not in PREPOSITIONS, clause[i + 1 :])]
                pairs = {f"{kind} {role}" for kind, role in pairwise(words)}
                return self._references.described(pairs.union(words), clause[i].start)
        return None

    def _definite(self, determiner: str, nouns: set[str], at: int) -> Answer:
        """Who "the senator", "the company" or "the statement" is; an office that no name has is nobody's."""
        if nouns & COLLECTIVE:
            return self._references.resolve("it", nouns, at)
        if any(is_role(noun) for noun in nouns):
            return self._references.resolve(SOMEBODY, nouns, at)
        return self._references.resolve(determiner, nouns, at) if nouns & WRITINGS else None

    def _institution_behind(self, clause: Sequence[Token]) -> Answer:
        """The organization for which an unnamed spokesperson speaks."""
        if not any(w.low in SPOKES for w in clause):
            return None
        for i in self.mentions(clause[0].start, clause[-1].end):
            entity = self._names.entity(i)
            if not entity.person and entity.gender == "":
                return entity
        return None
