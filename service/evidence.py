"""Which sentences of an article a text rests on: overlap of word stems, weighted by how rare they are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from service.words import TOKEN, stems_of

_LEAST_GAIN = 0.12  # a further passage must cover this share of the text's weight that no other covers
_LENGTH_PENALTY = 0.05
_HINT_BONUS = 0.1


class Ranked(NamedTuple):
    """A sentence of the article by index, and the share of the text's weight that it covers, 0 to 1."""

    sentence: int
    share: float


class SentenceIndex:
    """The words of an article's sentences, made once, asked often."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self.by_form: dict[str, list[int]] = defaultdict(list)
        self.lengths: list[int] = []
        for i, sentence in enumerate(sentences):
            forms = set(TOKEN.findall(sentence))
            self.lengths.append(len(forms))
            for form in forms:
                self.by_form[form].append(i)
        self.by_stem: dict[str, set[int]] = {}
        for form, where in self.by_form.items():
            for stem in stems_of(form):
                if stem in self.by_stem:
                    self.by_stem[stem].update(where)
                else:
                    self.by_stem[stem] = set(where)

    def weigh(self, stems: Sequence[str]) -> dict[str, float]:
        """How much each different stem tells: its inverse document frequency, as BM25 has it."""
        n = len(self.lengths)
        found: dict[str, float] = {}
        for stem in stems:
            df = len(self.by_stem.get(stem, ()))
            found[stem] = math.log(1 + (n - df + 0.5) / (df + 0.5))
        return found

    def rank(self, weights: Mapping[str, float], hinted: frozenset[int] = frozenset()) -> list[Ranked]:
        """The sentences that share a stem with the text, best first; `hinted` ones win near ties."""
        total = sum(weights.values())
        scores: dict[int, float] = defaultdict(float)
        for stem, weight in weights.items():
            for i in self.by_stem.get(stem, ()):
                scores[i] += weight
        count = len(weights)

        def order(item: tuple[int, float]) -> tuple[float, int]:
            i, score = item
            surplus = max(self.lengths[i] - count, 0) / (self.lengths[i] + count)
            return -(score / total) + _LENGTH_PENALTY * surplus - _HINT_BONUS * (i in hinted), i

        return [Ranked(i, score / total) for i, score in sorted(scores.items(), key=order)]

    def cover(self, weights: Mapping[str, float], best: int, most: int = 3) -> list[int]:
        """Up to `most` sentences that together cover the text: `best`, then what adds most to it."""
        least = _LEAST_GAIN * sum(weights.values())
        chosen = [best]
        missing = {s: w for s, w in weights.items() if best not in self.by_stem.get(s, ())}
        while len(chosen) < most:
            gains: dict[int, float] = defaultdict(float)
            for stem, weight in missing.items():
                for i in self.by_stem.get(stem, ()):
                    gains[i] += weight
            if not gains:
                break
            best = max(gains, key=lambda i: (gains[i], -i))
            if gains[best] < least:
                break
            chosen.append(best)
            missing = {s: w for s, w in missing.items() if best not in self.by_stem.get(s, ())}
        return chosen
