"""Chunks: an article cut into stretches under a token budget, so that an edit moves only what is near it.

The cuts are chosen by content, not by counting from the start. A stretch over budget is cut at the boundary
whose next words have the smallest checksum, and both parts are cut in the same way. An edit leaves all other
checksums alone. So a chunk that outgrows the budget is cut in two, and one whose first words change is cut
anew together with the one before it, most often in two again; seldom is more than that affected.
(The shape is that of a treap: Seidel and Aragon, Randomized search trees, Algorithmica 16, 1996.)
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple
from zlib import crc32

import tiktoken

from service.passages import Passage, find_paragraphs, find_sentences
from service.tokens import PIECE_LENGTH, count_tokens, find_pieces

MIN_TOKENS = 16
"""The smallest budget; below it, one character may not fit."""

# In a stretch of more budgets than this the margin grows, so that no text makes the cutting quadratic.
_LONG = 16
# No cut is nearer to the ends of its stretch than this part of a budget. A wider margin fills chunks better,
# but what sizes decide can change with any edit, and what words decide only with an edit of those words.
_MARGIN = 0.25
# Bytes that a boundary is known by: enough to tell paragraphs apart, few enough to survive an edit.
_KEY_LENGTH = 32
# Characters that tell apart those that begin alike.
_HEAD_LENGTH = 256
_GRAPHEME_LIMIT = 32
_AFTER_LINE_FEED = frozenset(b"\r\n/")
_SPACE = 32

# How much a cut is wanted, best first: at a paragraph's end, after a heading, after a sentence, anywhere.
_PARAGRAPH, _HEADING, _SENTENCE, _FRAGMENT = range(4)
_FINAL = frozenset(".!?…\"'“”’»›)]。！？｡．」』）؟۔।॥։።។")


class Chunk(NamedTuple):
    """A stretch of the article: `text == article[start:end]`, of `tokens` tokens."""

    start: int
    end: int
    text: str
    tokens: int


def split(
    text: str, *, max_tokens: int, encoding: tiktoken.Encoding, paragraphs: Sequence[Passage] | None = None
) -> list[Chunk]:
    """Cut `text` into chunks of at most `max_tokens` tokens that cover it without a gap.

    Chunks are whole paragraphs; a paragraph over budget is cut between sentences, a sentence over budget
    between words or characters. A text within the budget is one chunk, an empty text none. `paragraphs`
    saves finding them again. Raises ValueError for a budget below `MIN_TOKENS`.
    """
    if max_tokens < MIN_TOKENS:
        raise ValueError(f"max_tokens must be at least {MIN_TOKENS}, not {max_tokens}")
    if not text:
        return []
    units = _Units(text, max_tokens, encoding)
    units.add_paragraphs(paragraphs or find_paragraphs(text) or [Passage(0, len(text))])
    return _cut(units)


class _Units:
    """What is never cut: paragraphs; of those over budget, the sentences; of those over budget, parts."""

    def __init__(self, text: str, budget: int, encoding: tiktoken.Encoding) -> None:
        self.text = text
        self.budget = budget
        self.encoding = encoding
        self.starts: list[int] = []
        self.tokens: list[int] = []
        self.keys: list[int] = []  # the smaller, the more a cut before the unit is wanted
        self.inexact: list[bool] = []  # whether the tokens of a unit and of those before it may not add up

    def add_paragraphs(self, paragraphs: Sequence[Passage]) -> None:
        text, budget, encode, joint = self.text, self.budget, self.encoding.encode_ordinary, self._joint
        start, level = 0, _PARAGRAPH
        ends = [
            after if text[after - 1] == "\n" else joint(before, after)
            for (_, before), (after, _) in pairwise(paragraphs)
        ]
        for paragraph, end in zip(paragraphs, [*ends, len(text)], strict=True):
            short = end - start <= PIECE_LENGTH
            tokens = len(encode(text[start:end])) if short else self._count(start, end)
            if tokens <= budget:
                self._add(start, tokens, level)
            else:
                self._add_sentences(start, end, level)
            level = _PARAGRAPH if text[paragraph.end - 1] in _FINAL else _HEADING
            start = end

    def _add_sentences(self, start: int, end: int, level: int) -> None:
        sentences = find_sentences(self.text, [Passage(start, end)])
        joints = [self._joint(before.end, after.start) for before, after in pairwise(sentences)]
        for first, last in pairwise([start, *joints, end]):
            tokens = self._count(first, last)
            if tokens <= self.budget:
                self._add(first, tokens, level)
            else:
                self._add_fragments(first, last, level)
            level = _SENTENCE

    def _add_fragments(self, start: int, end: int, level: int) -> None:
        reach = 8 * self.budget
        while start < end:
            stop = self._fit(start, min(end, start + reach))
            self._add(start, self._count(start, stop), level)
            # The next one is likely to be of the same script, and so about as long.
            reach = 2 * (stop - start)
            start, level = stop, _FRAGMENT

    def _add(self, start: int, tokens: int, level: int) -> None:
        text = self.text
        head = text[start : start + _HEAD_LENGTH].encode("utf-8", "surrogatepass")
        self.starts.append(start)
        self.tokens.append(tokens)
        known = crc32(head[:_KEY_LENGTH])
        self.keys.append(level << 64 | known << 32 | crc32(head[_KEY_LENGTH:], known))
        # Both encodings start a token after a line feed, unless punctuation before it takes a slash along,
        # and before a run of spaces.
        before = text[start - 1]
        self.inexact.append(
            head[0] in _AFTER_LINE_FEED if before == "\n" else head[0] != _SPACE or before.isspace()
        )

    def _joint(self, end: int, start: int) -> int:
        """Where to cut between passages: after the last line break, else before the spaces."""
        text = self.text
        if text[start - 1] == "\n":
            return start
        return max(text.rfind("\n", end, start), text.rfind("\r", end, start)) + 1 or end

    def _count(self, start: int, end: int) -> int:
        """The tokens of `text[start:end]`, or some number over the budget."""
        if end - start <= PIECE_LENGTH:
            return len(self.encoding.encode_ordinary(self.text[start:end]))
        total = 0
        for first, last in find_pieces(self.text[start:end]):
            total += len(self.encoding.encode_ordinary(self.text[start + first : start + last]))
            if total > self.budget:
                break
        return total

    def _fit(self, start: int, end: int) -> int:
        """The end of a part of `text[start:end]` that is within the budget."""
        stop = min(end, start + PIECE_LENGTH)
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
            return space
        for place in range(stop, max(start, stop - _GRAPHEME_LIMIT), -1):
            if not _joins(self.text[place - 1], self.text[place]):
                return place
        return stop


def _joins(before: str, after: str) -> bool:
    return before == "\u200d" or after == "\u200d" or unicodedata.category(after).startswith("M")


def _cut(units: _Units) -> list[Chunk]:
    starts = [*units.starts, len(units.text)]
    totals = [0, *accumulate(units.tokens)]
    inexact = [0, *accumulate(units.inexact)]
    chunks: list[Chunk] = []
    pending = [(0, len(units.starts))]
    while pending:
        first, last = pending.pop()
        tokens = totals[last] - totals[first]
        if tokens <= units.budget:
            part = units.text[starts[first] : starts[last]]
            if inexact[last] > inexact[first + 1]:
                tokens = count_tokens(part, units.encoding)
            if tokens <= units.budget:
                chunks.append(Chunk(starts[first], starts[last], part, tokens))
                continue
        middle = _choose(units, totals, first, last)
        pending += [(middle, last), (first, middle)]
    return chunks


def _choose(units: _Units, totals: Sequence[int], first: int, last: int) -> int:
    """The unit among `first + 1 … last - 1` to cut before."""
    size = totals[last] - totals[first]
    margin = max(units.budget, size / _LONG) * _MARGIN
    low = bisect_left(totals, totals[first] + margin, first + 1, last)
    high = bisect_right(totals, totals[last] - margin, low, last)
    if low == high:
        low, high = first + 1, last
    keys = units.keys[low:high]
    best, half = min(keys), len(keys) // 2
    # Where a text repeats itself, the middle.
    return low + (keys.index(best, half) if best in keys[half:] else keys.index(best))
