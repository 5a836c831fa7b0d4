"""Speech that a dash opens at a paragraph's start, as French, Spanish, Polish and Russian print dialogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from service.lexicon import DIALOGUE_HABIT, FRENCH_VERBS, NO_DIALOGUE_HABIT, OTHER_VERBS, SPANISH_VERBS
from service.passages import Passage

_DASHES = "—–―"
_OPENING = re.compile(r"[—–―]\s?(?=[^\W_]|[¿¡«„…])")
_INNER = re.compile(r"(?<=\s)[—–―]|[—–―](?=\s|[.,;:!?]|\w)")
_LEADING = " \xa0.,;:"
_INCISE = re.compile(
    r"[,?!…][ \xa0](?P<verb>[a-zéèà]+)(?:-t)?(?:-(?:il|elle|ils|elles|je)\b|[ \xa0](?:[^\Wa-z\d_]|l[ea'’] ?))"
)
_WORD = re.compile(r"[^\W\d_]+")
_VERBS = FRENCH_VERBS | SPANISH_VERBS | OTHER_VERBS


def find_dialogue(text: str, paragraphs: Sequence[Passage]) -> Iterator[tuple[int, int, int]]:
    """Offsets (of the dash, of the first word, behind the last word) of every speech in such paragraphs.

    A paragraph alternates between speech and narration at its dashes where the narration has a verb of
    saying; other dashes belong to the speech. Languages that do not print dialogue so have none.
    """
    opened = [p for p in paragraphs if text[p.start] in _DASHES]
    if not opened or not _has_habit(text):
        return
    for paragraph in opened:
        opening = _OPENING.match(text, paragraph.start, paragraph.end)
        if opening:
            yield from _speeches(text, opening, paragraph.end)


def _has_habit(text: str) -> bool:
    words = _WORD.findall(text[:4000].lower())
    habit = sum(w in DIALOGUE_HABIT for w in words)
    return habit > 2 * sum(w in NO_DIALOGUE_HABIT for w in words)


def _speeches(text: str, opening: re.Match[str], end: int) -> Iterator[tuple[int, int, int]]:
    outer, start = opening.start(), opening.end()
    narration = False
    for dash in _INNER.finditer(text, start, end):
        if narration:
            outer, narration = dash.start(), False
            lead = text[dash.end() : min(end, dash.end() + 4)]
            start = dash.end() + len(lead) - len(lead.lstrip(_LEADING))
        elif _narrates(text[dash.end() : min(end, dash.end() + 60)]):
            yield outer, start, dash.start()
            narration = True
    if not narration:
        yield outer, start, _cut_incise(text, start, end)


def _cut_incise(text: str, start: int, end: int) -> int:
    """Where the speech ends in `Je viens, dit Pierre.`: French has no second dash before the narration."""
    for match in _INCISE.finditer(text, start, end):
        if match["verb"] in FRENCH_VERBS:
            return match.start("verb") - 1 if text[match.start()] != "," else match.start()
    return end


def _narrates(words: str) -> bool:
    first = _WORD.findall(words)[:3]
    return bool(first) and first[0][0].islower() and any(w in _VERBS for w in first)
