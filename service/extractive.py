"""Summaries and key passages without a model: the article's own sentences, chosen and not rewritten.

A sentence scores by the words it shares with other sentences, the rarer the better (close to the centroid of
Radev et al., Centroid-based summarization of multiple documents, 2004), and by how early it stands, since
news puts first what matters most.
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
# A picture's credit closes its caption, with no full stop behind it.
_CREDIT = re.compile(r"[(\[（][^()\[\]（）]{2,60}[)\]）]$")
# Words that lean on a sentence before, which a summary may lack.
_LEANING = re.compile(
    r"(?:And|But|He|However|Indeed|It|She|So|That|These|They|This|Those|Er|Es|Sie|Aber|Elle|Ils?|Elles|Mais|Pero)\b"
)
_LEANING_COST = 0.25
_SOCIAL = re.compile(
    r"\b(?:follow|subscribe|sign up|click|read more|related|newsletter|share this|advertisement|"
    r"all rights reserved|copyright|photo|image|file)\b|https?://|www\.|@\w",
    re.IGNORECASE,
)
# Share of the shorter one's words from which on two sentences say the same.
_SAME = 0.6
_SPEAKER_BONUS = _SPREAD_BONUS = _WHOLE_BONUS = 0.3
_MIN_WORDS, _MAX_WORDS = 6, 60
_LONGEST = 600  # characters of a sentence that is shown
# Where a longer one is cut, best first: before a comma or the like, and before a space.
_EDGES = (re.compile(r"\S(?=[,;:—،؛、，；])"), re.compile(r"\S(?=\s)"))


class Quotation(NamedTuple):
    """A quotation to weigh: its span, how well its speaker is known, whether it is a whole statement.

    `voice` is 1 for a person who is named, less for an organization, 0 for nobody.
    """

    start: int
    end: int
    voice: float
    whole: bool = False


def summarize(
    text: str, *, sentences: Sequence[Passage], paragraphs: Sequence[Passage], max_sentences: int
) -> list[Passage]:
    """At most `max_sentences` of `sentences` that together tell what `text` says, in their order.

    At least one where there is any sentence at all. None is longer than 600 characters: where there are only
    longer ones, their beginnings are given.
    """
    ranked = _rank(text, sentences, paragraphs, lead=1.0)
    limit = max(max_sentences, 0)
    return (
        sorted(_pick(ranked, limit))
        or [s for s in sentences if s.end - s.start <= _LONGEST][:limit]
        or [_beginning(text, s) for s in sentences[:limit]]
    )


def rank_passages(
    text: str, *, sentences: Sequence[Passage], paragraphs: Sequence[Passage], limit: int
) -> list[Passage]:
    """The `limit` most telling sentences, best first: quotes for an article without quotation marks."""
    return _pick(_rank(text, sentences, paragraphs, lead=0.3), limit)


def _beginning(text: str, sentence: Passage) -> Passage:
    """The sentence as far as its last clause, else word, that ends within the longest length to show."""
    body = text[sentence.start : sentence.start + _LONGEST]
    for edge in _EDGES:
        ends = [m.end() for m in edge.finditer(body)]
        if ends and ends[-1] >= _LONGEST // 2:
            return Passage(sentence.start, sentence.start + ends[-1])
    return Passage(sentence.start, sentence.start + len(body))


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
    # What only one sentence says joins it to no other, and what all of them say tells nothing.
    weight = {t: (n - 1) * math.log((len(bags) + 1) / n) ** 2 for t, n in frequency.items()}
    starts = [p.start for p in paragraphs]
    captions = {p.start for p in paragraphs if _CREDIT.search(text, max(p.start, p.end - 64), p.end)}
    scored = []
    for sentence, bag in zip(sentences, bags, strict=True):
        place = max(bisect_right(starts, sentence.start) - 1, 0)
        if (starts and starts[place] in captions) or not _reads_alone(text, sentence, bag):
            continue
        central = sum(weight[t] for t in bag) / math.sqrt(len(bag) + 8)
        bonus = lead / (1 + place) - _LEANING_COST * bool(_LEANING.match(text, sentence.start))
        scored.append((sentence, frozenset(bag), central, bonus))
    top = max((c for *_, c, _ in scored), default=0) or 1.0
    ranked = [_Scored(s, words, central / top + bonus) for s, words, central, bonus in scored]
    return sorted(ranked, key=lambda s: (-s.score, s.passage))


def _reads_alone(text: str, sentence: Passage, bag: Counter[str]) -> bool:
    """Whether a sentence can stand in a summary: no question, appeal or fragment."""
    body = text[sentence.start : sentence.end]
    # Scripts without spaces have about two pairs of characters a word.
    words = bag.total() // 2 if _UNSPACED.search(body) else bag.total()
    return (
        len(body) <= _LONGEST
        and _MIN_WORDS <= words <= _MAX_WORDS
        and _FINAL.search(body[-12:]) is not None
        and _QUESTION.search(body[-12:]) is None
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

    Whole statements of 6 to 40 words by a person who is named come first; what repeats or stands close to a
    quotation already chosen comes later.
    """
    terms = [_terms(text[q.start : q.end]) for q in spans]
    bags = [frozenset(t) for t in terms]
    worth = [
        _worth(len(t)) + _SPEAKER_BONUS * q.voice + _WHOLE_BONUS * q.whole
        for t, q in zip(terms, spans, strict=True)
    ]
    distance = [1.0] * len(spans)  # to the nearest quotation chosen, at most 1 for an eighth of the article
    rest = list(range(len(spans)))
    chosen: list[int] = []
    while rest and len(chosen) < limit:
        best = max(rest, key=lambda i: worth[i] + _SPREAD_BONUS * distance[i])
        chosen.append(best)
        rest.remove(best)
        for i in rest:
            distance[i] = min(distance[i], abs(spans[i].start - spans[best].start) * 8 / len(text))
            worth[i] -= _overlap(bags[i], bags[best]) >= _SAME
    return [spans[i] for i in chosen]


def _worth(words: int) -> float:
    """Of a quotation by its length: a full statement 1, a long one less, a scrap least."""
    if words < 6:
        return 0.1 * words
    return 1.0 if words <= 40 else 0.7
