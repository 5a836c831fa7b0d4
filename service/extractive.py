"""Summaries and key passages without a model: the article's own sentences, chosen and not rewritten.

A sentence scores by how much it has in common with the whole article (tf-idf against the article's centroid,
after Radev et al., Centroid-based summarization of multiple documents, 2004) and by how early it stands,
since news puts first what matters most.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from service.passages import Passage

# Words, and for scripts without spaces between words pairs of characters.
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_MIN_STEM = 5

_OPENING = "\"'“”„«»‘’‹›「『《〈(（[【—–-"
_FINAL = re.compile(r"[.!…。．！｡؟۔।॥։።។][\"'”’»›」』》〉)）\]】]*$")
_QUESTION = re.compile(r"[?？؟;][\"'”’»›」』》〉)）\]】]*$")
_CREDIT = re.compile(r"[(\[（][^()\[\]（）]{2,60}[)\]）]\W*$")
_SOCIAL = re.compile(
    r"\b(?:follow|subscribe|sign up|click|read more|related|newsletter|share this|advertisement|"
    r"all rights reserved|copyright|photo|image|file)\b|https?://|www\.|@\w",
    re.IGNORECASE,
)
_SAME = 0.6
_MIN_WORDS, _MAX_WORDS = 6, 60


class Quotation(NamedTuple):
    """A quotation to weigh: its span in the text, and whether somebody is named as its speaker."""

    start: int
    end: int
    has_speaker: bool


def summarize(
    text: str, *, sentences: Sequence[Passage], paragraphs: Sequence[Passage], max_sentences: int
) -> list[Passage]:
    """At most `max_sentences` of `sentences` that together tell what `text` says, in their order.

    At least one where there is any sentence at all.
    """
    ranked = _rank(text, sentences, paragraphs, lead=1.0)
    return sorted(_pick(ranked, max_sentences)) or list(sentences[: max(max_sentences, 0)])


def rank_passages(
    text: str, *, sentences: Sequence[Passage], paragraphs: Sequence[Passage], limit: int
) -> list[Passage]:
    """The `limit` most telling sentences, best first: quotes for an article without quotation marks."""
    return _pick(_rank(text, sentences, paragraphs, lead=0.3), limit)


class _Scored(NamedTuple):
    passage: Passage
    words: frozenset[str]
    score: float


def _terms(text: str) -> list[str]:
    found = []
    for word in _WORD.findall(text.casefold()):
        if _UNSPACED.search(word):
            found += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
        else:
            found.append(word)
    return found


def _rank(
    text: str, sentences: Sequence[Passage], paragraphs: Sequence[Passage], *, lead: float
) -> list[_Scored]:
    bags = [Counter(_terms(text[s.start : s.end])) for s in sentences]
    frequency = Counter(term for bag in bags for term in bag)
    total = sum((bag for bag in bags), Counter[str]()) if len(bags) < 2 else _sum(bags)
    weight = {t: total[t] * math.log(1 + len(bags) / n) ** 2 for t, n in frequency.items()}
    starts = [p.start for p in paragraphs]
    scored = []
    for sentence, bag in zip(sentences, bags, strict=True):
        if not _reads_alone(text, sentence, bag):
            continue
        central = sum(weight[t] for t in bag) / math.sqrt(len(bag) + 8)
        place = bisect_right(starts, sentence.start) - 1
        scored.append((sentence, frozenset(bag), central, 1 / (1 + max(place, 0))))
    top = max((c for *_, c, _ in scored), default=0) or 1.0
    ranked = [_Scored(s, words, c / top + lead * near) for s, words, c, near in scored]
    return sorted(ranked, key=lambda s: (-s.score, s.passage))


def _sum(bags: Sequence[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for bag in bags:
        total.update(bag)
    return total


def _reads_alone(text: str, sentence: Passage, bag: Counter[str]) -> bool:
    """Whether a sentence can stand in a summary: no caption, credit, question, appeal or fragment."""
    body = text[sentence.start : sentence.end]
    words = bag.total()
    return (
        _MIN_WORDS <= words <= _MAX_WORDS
        and _FINAL.search(body[-12:]) is not None
        and _QUESTION.search(body[-12:]) is None
        and _CREDIT.search(body[-80:]) is None
        and _SOCIAL.search(body) is None
        and body[0] not in _OPENING
    )


def _pick(ranked: Sequence[_Scored], limit: int) -> list[Passage]:
    picked: list[_Scored] = []
    for candidate in ranked:
        if len(picked) >= limit:
            break
        if all(_overlap(candidate.words, p.words) < _SAME for p in picked):
            picked.append(candidate)
    return [p.passage for p in picked]


def _overlap(words: frozenset[str], others: frozenset[str]) -> float:
    return len(words & others) / (min(len(words), len(others)) or 1)


def rank_quotations(text: str, spans: Sequence[Quotation], *, limit: int) -> list[Quotation]:
    """The `limit` most telling quotations, best first.

    Full statements of 6 to 40 words by a named speaker come first; what repeats or stands close to a
    quotation already chosen comes later.
    """
    bags = [frozenset(_terms(text[q.start : q.end])) for q in spans]
    counts = [len(_terms(text[q.start : q.end])) for q in spans]
    rest = list(range(len(spans)))

    def score(i: int, chosen: Sequence[int]) -> float:
        length = 1.0 if 6 <= counts[i] <= 40 else 0.25 + 0.1 * min(counts[i], 5) if counts[i] < 6 else 0.7
        near = min((abs(spans[i].start - spans[c].start) for c in chosen), default=len(text))
        repeats = any(_overlap(bags[i], bags[c]) >= _SAME for c in chosen)
        return length + 0.3 * spans[i].has_speaker + 0.3 * min(1.0, near * 8 / (len(text) + 1)) - repeats

    chosen: list[int] = []
    while rest and len(chosen) < limit:
        best = max(rest, key=lambda i: (score(i, chosen), -i))
        chosen.append(best)
        rest.remove(best)
    return [spans[i] for i in chosen]
