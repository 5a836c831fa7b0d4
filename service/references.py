"""Whom a pronoun or a role ("she", "the senator") means: the best fitting name before it."""

from __future__ import annotations

from collections.abc import Collection

from service.lexicon import HE, PREPOSITIONS, SHE, THEY
from service.names import Entity, Mention, NameIndex, is_role

_REACH = 1200
_MAX_CANDIDATES = 40
_CHARACTERS_A_POINT = 150
_CLAUSE_STARTS = frozenset('\n.!?,;:—–-”"»')


class References:
    """Resolves pronouns and roles; it is told who spoke last."""

    def __init__(self, names: NameIndex) -> None:
        self._names = names
        self._text = names.text
        self.last: Entity | None = None
        self._last_at = -_REACH
        self.quoted: set[int] = set()

    def spoke(self, entity: Entity | None, at: int) -> None:
        """Note that a quotation that ends at `at` is that of `entity`."""
        self.last = entity
        self._last_at = at
        if entity is not None and not entity.organization:
            entity.person = True

    def resolve(self, pronoun: str, roles: Collection[str], at: int) -> Entity | None:
        """The name that a pronoun, a role (its words) or nothing at all stands for at offset `at`."""
        best: Entity | None = None
        best_score = 0.0
        if self.last is not None and at - self._last_at < _REACH:
            best, best_score = (
                self.last,
                6.0 - self._distance(self._last_at, at) - _mismatch(self.last, pronoun),
            )
            if self.last.roles.intersection(roles):
                best_score += 6
        for i in self._names.between(max(0, at - _REACH), at)[-_MAX_CANDIDATES:]:
            if i in self.quoted:
                continue
            mention, entity = self._names.mentions[i], self._names.entity(i)
            if not entity.known:
                continue
            score = (
                self._salience(mention, entity) - self._distance(mention.end, at) - _mismatch(entity, pronoun)
            )
            if entity.roles.intersection(roles):
                score += 6
            if score > best_score:
                best, best_score = entity, score
        return best

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
        before = self._text[max(0, mention.start - 30) : mention.start].split(" ")
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


def _mismatch(entity: Entity, pronoun: str) -> float:
    if pronoun in HE:
        return 8.0 if entity.gender == "f" or entity.organization else 0.0
    if pronoun in SHE:
        return 8.0 if entity.gender == "m" or entity.organization else 0.0
    if pronoun in THEY and pronoun not in ("sie", "es"):
        human = entity.person or entity.gender or len(entity.first.words) in (2, 3)
        return 8.0 if not entity.organization and (human or pronoun != "it") else 0.0
    return 0.0
