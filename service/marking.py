"""Marks a stretch of an article with the ids by which a model names its passages and quotations."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from service.intrusions import strip_hidden
from service.models import QuoteKind
from service.passages import Passage

_T = TypeVar("_T")

# A passage shorter than this is joined to the next: ids cost tokens, and a line of one word is no evidence.
_SHORTEST_PASSAGE = 80
_ID = re.compile(r"[^\w]*([pq]?)\s*0*(\d{1,6})[^\w]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Words that may be shown as a quote, `text == article[start:end]`; their id is put at `mark_at`."""

    text: str
    start: int
    end: int
    mark_at: int
    kind: QuoteKind


@dataclass(frozen=True, slots=True)
class Marked:
    """A marked text and what its ids stand for: `p1` is `passages[0]`, `q1` is `candidates[0]`.

    An id may stand for several passages of the article: in notes, for those that a note rests on. `plain` is
    the text without marks, for models that ids confuse.
    """

    text: str
    plain: str
    passages: tuple[tuple[Passage, ...], ...]
    candidates: tuple[Candidate, ...]

    def passages_of(self, name: str) -> tuple[Passage, ...]:
        """The passages that a model means by `name`, such as `p3`; empty if there is no such id."""
        return _named(name, "p", self.passages) or ()

    def candidate(self, name: str) -> Candidate | None:
        """The candidate that a model means by `name`, such as `q3`; None if there is none."""
        return _named(name, "q", self.candidates)


def mark(
    article: str, within: Passage, paragraphs: Sequence[Passage], candidates: Sequence[Candidate]
) -> Marked:
    """Mark `article[within.start:within.end]`: `[p1]` opens passages, `[q1]` stands before candidates.

    Ids count from 1 within the stretch, so that its marked text does not depend on what is around it. The
    marked text is what readers see: invisible characters are left out of it. `paragraphs` and `candidates`
    are in order, and none stands in another; what lies outside of the stretch, which is not empty where the
    article is not, costs nothing.
    """
    passages = _passages(within, paragraphs)
    first = bisect_left(candidates, within.start, key=lambda c: c.mark_at)
    last = bisect_right(candidates, within.end, first, key=lambda c: c.end)
    inside = candidates[first:last]
    marks = [(p.start, 0, f"[p{n}] ") for n, p in enumerate(passages, 1)]
    marks += [(c.mark_at, 1, f"[q{n}] ") for n, c in enumerate(inside, 1)]
    marks.sort()
    parts, at = [], within.start
    for position, _, name in marks:
        parts += [article[at:position], name]
        at = position
    parts.append(article[at : within.end])
    marked, plain = "".join(parts), article[within.start : within.end]
    return Marked(
        strip_hidden(marked).strip(),
        strip_hidden(plain).strip(),
        tuple((p,) for p in passages),
        tuple(inside),
    )


def _passages(within: Passage, paragraphs: Sequence[Passage]) -> list[Passage]:
    """The paragraphs inside `within`, clipped to it, short ones joined to the one after."""
    joined: list[Passage] = []
    first = bisect_right(paragraphs, within.start, key=lambda p: p.end)
    last = bisect_left(paragraphs, within.end, first, key=lambda p: p.start)
    for p in paragraphs[first:last]:
        start, end = max(p.start, within.start), min(p.end, within.end)
        if joined and joined[-1].end - joined[-1].start < _SHORTEST_PASSAGE:
            start = joined.pop().start
        joined.append(Passage(start, end))
    return joined


def _named(name: str, letter: str, items: Sequence[_T]) -> _T | None:
    found = _ID.fullmatch(name)
    if found is None or found[1].lower() not in ("", letter):
        return None
    number = int(found[2])
    return items[number - 1] if 1 <= number <= len(items) else None
