"""Who said a quotation, from the words around it.

In this order: an attribution behind the quotation (`," Ana Ruiz said`, `," said Ana Ruiz`), one before it in its
sentence (`Ana Ruiz said that "`), the speaker of the quotation before it in the same paragraph, the subject of the
sentence or paragraph before it. Pronouns and roles ("he", "the senator") stand for the best fitting name before
them. Where only an unnamed source speaks there is no speaker.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from service.lexicon import (
    ACCORDING,
    AUXILIARIES,
    DETERMINERS,
    HE,
    INDEFINITE,
    PARTICIPLES,
    PREPOSITIONS,
    PRONOUNS,
    SHE,
    VERBS,
)
from service.models import Speaker
from service.names import Entity, Mention, NameIndex, resolve_name, same_person
from service.passages import Passage, find_paragraphs
from service.quotes import Quotation

__all__ = ["NameIndex", "attribute", "resolve_name", "same_person"]

_TOKEN = re.compile(r"\w++(?:['’-]\w++)*+|[,;:()]")
_SENTENCE_END = re.compile(
    r"(?<!\b[A-Z])(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bJr)(?<!\bMrs)(?<!\bRep)(?<!\bSen)(?<!\bGov)(?<!\bGen)"
    r"(?<!\bLt)(?<!\bCol)[.!?…][)\]”\"’'»“]?(?=\s+[^\Wa-z\d_])|[。！？؟]|\n"
)
_REACH = 400
_MAX_CANDIDATES = 40


class _Token(NamedTuple):
    word: str
    start: int
    end: int


def attribute(
    text: str, quotations: Sequence[Quotation], paragraphs: Sequence[Passage] | None = None
) -> list[Speaker | None]:
    """The speaker of each of `quotations`, or None where the article names none.

    Args:
        text: the article.
        quotations: what `find_quotations` returned for it.
        paragraphs: its paragraphs, if the caller has them already.
    """
    if not quotations:
        return []
    if paragraphs is None:
        paragraphs = find_paragraphs(text)
    return _Attribution(NameIndex(text), quotations, paragraphs).run()


class _Attribution:
    def __init__(
        self, names: NameIndex, quotations: Sequence[Quotation], paragraphs: Sequence[Passage]
    ) -> None:
        self._text = names.text
        self._names = names
        self._quotations = quotations
        self._paragraphs = paragraphs
        self._starts = [p.start for p in paragraphs]
        self._quoted = self._mentions_in_quotations()
        self._last: Entity | None = None
        self._last_at = -1
        self._anonymous = False

    def run(self) -> list[Speaker | None]:
        found: list[Speaker | None] = []
        outer = [q for q in self._quotations if q.depth == 0]
        position = 0
        previous: Quotation | None = None
        for quotation in self._quotations:
            if quotation.depth:
                found.append(None)
                continue
            position += 1
            following = outer[position] if position < len(outer) else None
            entity = self._speaker_of(quotation, previous, following)
            previous = quotation
            found.append(self._names.speaker(entity) if entity else None)
        return found

    def _mentions_in_quotations(self) -> list[bool]:
        inside = [False] * len(self._names.mentions)
        for q in self._quotations:
            if q.depth == 0:
                for i in self._names.between(q.outer_start, q.outer_end):
                    inside[i] = True
        return inside

    def _paragraph(self, offset: int) -> Passage:
        return self._paragraphs[max(0, bisect_right(self._starts, offset) - 1)]

    def _speaker_of(
        self, q: Quotation, previous: Quotation | None, following: Quotation | None
    ) -> Entity | None:
        paragraph = self._paragraph(q.outer_start)
        if q.continued:
            return self._remember(self._last, q)
        begin = paragraph.start
        same = previous is not None and previous.outer_end > begin
        if same and previous is not None:
            begin = previous.outer_end
        end = self._paragraph(max(q.outer_start, q.outer_end - 1)).end
        if following is not None:
            end = min(end, following.outer_start)
        end = min(end, q.outer_end + _REACH)
        behind = self._behind(q, end)
        if behind is not _UNKNOWN:
            return self._remember(behind, q)
        before = self._before(q, max(begin, q.outer_start - _REACH), same)
        if before is not _UNKNOWN:
            return self._remember(before, q)
        return self._remember(self._carried(q, paragraph, same), q)

    def _remember(self, entity: Entity | None, q: Quotation) -> Entity | None:
        self._last = entity
        self._last_at = q.outer_end
        if entity is not None:
            entity.person = entity.person or not entity.organization
        return entity

    # -- behind: `," Ana Ruiz said`, `," said Ana Ruiz`, `," according to Ana Ruiz`

    def _behind(self, q: Quotation, end: int) -> Entity | None:
        text = self._text
        last = text[q.end - 1]
        lead = text[q.outer_end : q.outer_end + 3].lstrip()[:1]
        if last == "." and lead not in ",—–-":
            return _UNKNOWN
        stop = _SENTENCE_END.search(text, q.outer_end, end)
        limit = stop.start() if stop else end
        tokens = self._tokens(q.outer_end, limit)
        strong = last in ",?!…—–-" or lead in (",", "—", "–", "-") or q.outer_end >= limit
        for i, token in enumerate(tokens[:40]):
            word = token.word.lower()
            if word in ACCORDING:
                if i > 3:
                    continue
                return self._after_verb(tokens[i + 1 :], limit)
            if word not in VERBS:
                continue
            ahead = [t for t in tokens[:i] if t.word not in ",;:()"]
            if not ahead or all(t.word.lower() in AUXILIARIES or t.word.endswith("ly") for t in ahead):
                if strong or i == 0:
                    return self._after_verb(tokens[i + 1 :], limit)
                return _UNKNOWN
            if not strong:
                return _UNKNOWN
            subject = self._subject(tokens[:i], q.outer_end, token.start)
            if subject is not _UNKNOWN:
                return subject
        return _UNKNOWN

    def _tokens(self, start: int, end: int) -> list[_Token]:
        return [_Token(m.group(), m.start(), m.end()) for m in _TOKEN.finditer(self._text, start, end)]

    def _after_verb(self, tokens: list[_Token], limit: int) -> Entity | None:
        """The name in a noun phrase that follows a verb of saying."""
        if not tokens:
            return self._resolve("", tokens, limit)
        first = tokens[0].word.lower()
        start = tokens[0].start
        if first in PRONOUNS:
            return self._resolve(first, tokens, start)
        comma = next((t.start for t in tokens if t.word in ",;:"), limit)
        head = self._head(start, comma)
        if head is not None:
            return head
        mentions = self._names.between(comma, min(limit, comma + 80))
        if mentions and not self._text[comma : self._names.mentions[mentions[0]].start].strip(" ,"):
            return self._names.entity(mentions[0])
        if first in INDEFINITE:
            return self._head(start, limit, of=True)
        return self._resolve(first, tokens, start)

    def _head(self, start: int, end: int, *, of: bool = False) -> Entity | None:
        """The last name of a phrase that no preposition and no genitive makes a mere attribute."""
        best: Entity | None = None
        for i in self._names.between(start, end):
            mention = self._names.mentions[i]
            if self._quoted[i] or (not of and self._is_attribute(mention, start)):
                if best is not None:
                    break
                continue
            best = self._names.entity(i)
        return best

    def _is_attribute(self, mention: Mention, start: int) -> bool:
        before = self._text[max(start, mention.start - 24) : mention.start].split()
        while before and (before[-1].lower() in ("the", "former", "then") or before[-1][:1].isupper()):
            before.pop()
        if before and before[-1].lower() in PREPOSITIONS:
            return True
        return self._text[mention.end : mention.end + 2] in ("'s", "’s", "' ", "’ ")

    # -- the subject of a verb: `Ana Ruiz, the mayor, said`

    def _subject(self, tokens: list[_Token], start: int, end: int) -> Entity | None:
        words = list(tokens)
        while words and (words[-1].word.lower() in AUXILIARIES or words[-1].word.endswith("ly")):
            words.pop()
        if not words:
            return _UNKNOWN
        last = words[-1]
        low = last.word.lower()
        if low == "who" and len(words) > 1:
            mentions = self._names.between(start, last.start)
            return self._names.entity(mentions[-1]) if mentions else _UNKNOWN
        if low in PRONOUNS:
            return self._resolve(low, words, last.start)
        mentions = self._names.between(start, last.end)
        if not mentions:
            return self._role(words)
        closest = self._names.mentions[mentions[-1]]
        if closest.end >= last.end and not self._is_attribute(closest, start):
            return self._names.entity(mentions[-1])
        if last.word in ",)":
            for i in mentions:
                mention = self._names.mentions[i]
                if self._text[mention.end : mention.end + 2].strip()[:1] in (
                    ",",
                    "(",
                ) and not self._is_attribute(mention, start):
                    return self._names.entity(i)
        for i in mentions:
            if not self._is_attribute(self._names.mentions[i], start):
                return self._names.entity(i)
        return self._role(words)

    def _role(self, words: list[_Token]) -> Entity | None:
        """A noun phrase without a name of its own: "the senator", "one of the officials"."""
        clause = [w for w in words if w.word not in ",;:()"][-5:]
        for word in reversed(clause):
            low = word.word.lower()
            if low in INDEFINITE:
                return None
            if low in DETERMINERS:
                return self._resolve(low, clause, word.start)
        return None

    # -- before: `Ana Ruiz said that "`

    def _before(self, q: Quotation, start: int, same: bool) -> Entity | None:
        text = self._text
        for stop in _SENTENCE_END.finditer(text, start, q.outer_start):
            if text[stop.end() : q.outer_start].strip():
                start = stop.end()
                same = False
        tokens = self._tokens(start, q.outer_start)
        for i in range(len(tokens) - 1, -1, -1):
            word = tokens[i].word.lower()
            if word in ACCORDING:
                return self._after_verb(tokens[i + 1 :], q.outer_start)
            if word not in VERBS:
                continue
            if word in PARTICIPLES:
                subject = self._main_subject(tokens[:i], start, tokens[i].start)
            else:
                subject = self._subject(tokens[:i], start, tokens[i].start)
            if subject is not _UNKNOWN:
                return subject
        if same and tokens:
            return self._last
        if tokens:
            return self._main_subject(tokens, start, q.outer_start)
        return _UNKNOWN

    def _main_subject(self, tokens: list[_Token], start: int, end: int) -> Entity | None:
        for i in self._names.between(start, end):
            if not self._quoted[i] and not self._is_attribute(self._names.mentions[i], start):
                return self._names.entity(i)
        for token in tokens:
            if token.word.lower() in PRONOUNS:
                return self._resolve(token.word.lower(), tokens, token.start)
        return _UNKNOWN

    # -- carried over

    def _carried(self, q: Quotation, paragraph: Passage, same: bool) -> Entity | None:
        if same:
            return self._last
        if q.outer_start > paragraph.start + 1:
            subject = self._main_subject([], paragraph.start, q.outer_start)
            if subject is not _UNKNOWN:
                return subject
        return self._resolve("", [], q.outer_start)

    def _resolve(self, pronoun: str, phrase: list[_Token], at: int) -> Entity | None:
        """The name that a pronoun, a role or nothing at all stands for at offset `at`."""
        best: Entity | None = None
        best_score = -1.0
        if self._last is not None and at - self._last_at < 1500:
            best, best_score = self._last, 6.0 - (at - self._last_at) / 150
            best_score -= self._mismatch(self._last, pronoun)
        mentions = self._names.between(max(0, at - 1200), at)
        roles = {t.word.lower() for t in phrase[:6]}
        for i in list(mentions)[-_MAX_CANDIDATES:]:
            if self._quoted[i]:
                continue
            mention, entity = self._names.mentions[i], self._names.entity(i)
            score = 4.0 - (at - mention.end) / 150
            if entity.person or len(entity.first.words) in (2, 3):
                score += 1.5
            if mention.initial or self._starts_sentence(mention):
                score += 2
            if self._is_attribute(mention, max(0, mention.start - 30)):
                score -= 2
            if entity.roles & roles:
                score += 6
            score -= self._mismatch(entity, pronoun)
            if score > best_score:
                best, best_score = entity, score
        return best

    def _mismatch(self, entity: Entity, pronoun: str) -> float:
        if pronoun in HE:
            return 8.0 if entity.gender == "f" or entity.organization else 0.0
        if pronoun in SHE:
            return 8.0 if entity.gender == "m" or entity.organization else 0.0
        if pronoun in ("it", "they"):
            return 0.0 if entity.organization else 3.0
        return 0.0

    def _starts_sentence(self, mention: Mention) -> bool:
        before = self._text[max(0, mention.start - 3) : mention.start]
        return mention.start == 0 or "\n" in before or before.rstrip()[-1:] in (".", "”", '"')


# What an attribution step returns when it has nothing to say; None means "nobody who is named".
_UNKNOWN = Entity(Mention(0, 0, ("",), "", False))
