"""Chunks: an article cut into stretches under a token budget, so that an edit moves only what is near it.

The cuts are chosen by content, not by counting from the start. A stretch over budget is cut at the boundary
whose next words have the smallest checksum, and its halves are cut in the same way. An edit leaves all other
checksums alone, so it leaves the cuts alone too, except where a stretch crosses the budget. (The shape is
that of a treap: Seidel and Aragon, Randomized search trees, Algorithmica 16, 1996.)
"""

from __future__ import annotations

import unicodedata
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import tiktoken

from service.passages import Passage, find_paragraphs, find_sentences
from service.tokens import count_tokens

MIN_TOKENS = 16
"""The smallest budget; below it, one character may not fit."""

# No cut nearer to the ends of a stretch than this share of the budget, where there is a choice.
_MARGIN = 0.4
# A stretch of more budgets than this is cut in its middle half, so that no text makes the cutting quadratic.
_LONG = 16
# Characters that a boundary is known by: enough to tell paragraphs apart, few enough to survive an edit.
_KEY_LENGTH = 32
_GRAPHEME_LIMIT = 32
_JOINERS = "\u200d\ufe0e\ufe0f"


class Chunk(NamedTuple):
    """A stretch of the article: `text == article[start:end]`, of `tokens` tokens."""

    start: int
    end: int
    text: str
    tokens: int


class _Unit(NamedTuple):
    """What is never cut: a paragraph, else a sentence, else a part of one, with the white space after it."""

    start: int
    tokens: int
    key: tuple[int, int]  # how much a cut before the unit is wanted: level, then checksum
    exact: bool  # whether the tokens of this unit and of those before it add up


def split(
    text: str, *, max_tokens: int, encoding: tiktoken.Encoding, paragraphs: Sequence[Passage] | None = None
) -> list[Chunk]:
    """Cut `text` into chunks of at most `max_tokens` tokens that cover it without a gap.

    Chunks are whole paragraphs; a paragraph over budget is cut between sentences, a sentence over budget
    between words or characters. White space belongs to the chunk before it. A text within the budget is one
    chunk, an empty text none. `paragraphs` saves finding them again. Raises ValueError for a budget below
    `MIN_TOKENS`.
    """
    if max_tokens < MIN_TOKENS:
        raise ValueError(f"max_tokens must be at least {MIN_TOKENS}, not {max_tokens}")
    if not text:
        return []
    return _Cutter(text, max_tokens, encoding).chunks(
        find_paragraphs(text) if paragraphs is None else paragraphs
    )


class _Cutter:
    """One text, one budget."""

    def __init__(self, text: str, budget: int, encoding: tiktoken.Encoding) -> None:
        self.text = text
        self.budget = budget
        self.encoding = encoding

    def chunks(self, paragraphs: Sequence[Passage]) -> list[Chunk]:
        units = list(self._units(paragraphs))
        starts = [u.start for u in units] + [len(self.text)]
        totals = [0, *accumulate(u.tokens for u in units)]
        inexact = [0, *accumulate(not u.exact for u in units)]
        found: list[Chunk] = []
        pending = [(0, len(units))]
        while pending:
            first, last = pending.pop()
            tokens = totals[last] - totals[first]
            part = self.text[starts[first] : starts[last]]
            if tokens <= self.budget and inexact[last] > inexact[first + 1]:
                tokens = count_tokens(part, self.encoding)
            if tokens <= self.budget:
                found.append(Chunk(starts[first], starts[last], part, tokens))
                continue
            middle = self._choose(units, totals, first, last)
            pending += [(middle, last), (first, middle)]
        return found

    def _choose(self, units: Sequence[_Unit], totals: Sequence[int], first: int, last: int) -> int:
        """The unit among `first + 1 … last - 1` to cut before."""
        size = totals[last] - totals[first]
        margin = size / 4 if size > _LONG * self.budget else min(_MARGIN * self.budget, size / 3)
        low = bisect_left(totals, totals[first] + margin, first + 1, last)
        high = bisect_right(totals, totals[last] - margin, low, last)
        if low == high:
            low = min(
                max(bisect_left(totals, totals[first] + size / 2, first + 1, last), first + 1), last - 1
            )
            high = low + 1
        return min(range(low, high), key=lambda i: units[i].key)

    def _units(self, paragraphs: Sequence[Passage]) -> Iterator[_Unit]:
        for start, end in pairwise([0, *self._line_starts(paragraphs), len(self.text)]):
            tokens = count_tokens(self.text[start:end], self.encoding)
            if tokens <= self.budget:
                yield self._unit(start, tokens, 0)
            else:
                yield from self._parts(start, end)

    def _line_starts(self, paragraphs: Sequence[Passage]) -> Iterator[int]:
        for before, after in pairwise(paragraphs):
            line = max(
                self.text.rfind("\n", before.end, after.start), self.text.rfind("\r", before.end, after.start)
            )
            yield line + 1 or after.start

    def _parts(self, start: int, end: int) -> Iterator[_Unit]:
        sentences = find_sentences(self.text, [Passage(start, end)])
        level = 0
        for first, last in pairwise([start, *(s.start for s in sentences[1:]), end]):
            tokens = count_tokens(self.text[first:last], self.encoding)
            if tokens <= self.budget:
                yield self._unit(first, tokens, level)
            else:
                yield from self._fragments(first, last, level)
            level = 1

    def _fragments(self, start: int, end: int, level: int) -> Iterator[_Unit]:
        while start < end:
            stop = self._fit(start, end)
            yield self._unit(start, count_tokens(self.text[start:stop], self.encoding), level)
            start, level = stop, 2

    def _fit(self, start: int, end: int) -> int:
        """The end of a part of `text[start:end]` within the budget."""
        stop = min(end, start + 8 * self.budget)
        while True:
            tokens = self.encoding.encode_ordinary(self.text[start:stop])
            if len(tokens) <= self.budget:
                return stop
            kept = self.encoding.decode_bytes(tokens[: self.budget]).decode("utf-8", "ignore")
            stop = self._gap(start, min(start + max(len(kept), 1), stop - 1))

    def _gap(self, start: int, stop: int) -> int:
        """The last place up to `stop` between two words, else between two characters as readers see them."""
        space = self.text.rfind(" ", start + (stop - start) * 3 // 4, stop)
        if space > start:
            return space + 1
        for place in range(stop, max(start, stop - _GRAPHEME_LIMIT), -1):
            if not _joins(self.text[place - 1], self.text[place]):
                return place
        return stop

    def _unit(self, start: int, tokens: int, level: int) -> _Unit:
        # Both encodings start a token after a line feed, unless punctuation before it takes a slash along.
        exact = start == 0 or (self.text[start - 1] == "\n" and self.text[start] not in "\r\n/")
        head = self.text[start : start + _KEY_LENGTH].encode("utf-8", "surrogatepass")
        return _Unit(start, tokens, (level, zlib.crc32(head)), exact)


def _joins(before: str, after: str) -> bool:
    return before == "\u200d" or after in _JOINERS or unicodedata.category(after).startswith("M")
