"""Check a sentence of a summary against the article, by code: its facts, and the passages it rests on.

What is looked up: numbers, dates and names, and whether they stand together. What no lookup sees: negation,
causes, omissions, who did what to whom. So `supported` is said only of a sentence that the article has word
for word.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from service.evidence import Ranked, SentenceIndex
from service.facts import Fact, FactSheet, kind_of, read_facts
from service.lookup import FactIndex, Located
from service.models import Finding, FindingKind, FindingReason, NotChecked, Span, Support
from service.passages import Passage
from service.slots import Rivals, find_outbid, find_swapped, is_crossed, is_misattributed
from service.words import TYPOGRAPHY, stems_of

_MOST_EVIDENCE = 3
_STOPS = " .!?。！？…"
_LEAST_SHARE = 0.15  # below this share of a text's weight, a passage is no evidence for it
_RIVALS_SOUGHT = 4  # so many of the closest sentences are asked whether they have another fact in its place
_LONGEST = 5_000  # characters of a sentence that are looked up; a longer one is no sentence
_CLOSE = 0.3  # from this share on, the closest passage is what the sentence retells
_OUTBID = 0.5  # share of the closest passage's weight below which another one is not what is retold
_OTHER: dict[FindingKind, FindingReason] = {
    "number": "other_number",
    "date": "other_date",
    "name": "other_name",
}
_NEAR = 2  # a name may stand this many sentences before the passage that says "he"


class CheckedSentence(NamedTuple):
    """What was found out about one sentence of a summary.

    `evidence` is best first; offsets of `unsupported` are within the sentence. `not_checked` names what could
    not be compared: `wording` unless it is supported; `names` where the script has no capitals or is not
    the article's, or where a lone German noun may be one; `facts` behind the first 5,000 characters.
    """

    support: Support
    evidence: list[Span]
    unsupported: list[Finding]
    not_checked: list[NotChecked]


class ArticleIndex:
    """An article made ready for checking sentences against it."""

    def __init__(
        self, text: str, *, title: str | None = None, language: str = "en", sentences: Sequence[Passage]
    ) -> None:
        self.sentences = sentences
        self.language = language
        self._normal = [normalize(text[s.start : s.end]) for s in sentences]
        self._whole = " ".join(self._normal)
        self._starts = list(accumulate((len(s) + 1 for s in self._normal), initial=0))
        # The title confirms facts but is no passage: it has an index past the last sentence.
        self._texts = [*self._normal, normalize(title)] if title else self._normal

    @cached_property
    def _words(self) -> SentenceIndex:
        return SentenceIndex(self._texts)  # not needed where a summary repeats the article word for word

    @cached_property
    def _facts(self) -> FactIndex:
        return FactIndex(self._texts, self._words, self.language)

    def check(self, sentence: str, *, language: str = "en", hints: Sequence[Passage] = ()) -> CheckedSentence:
        """Look up `sentence`; `hints` are passages that the model pointed to, preferred where they fit."""
        if exact := self._verbatim(sentence):
            return CheckedSentence("supported", [self._span(i) for i in exact], [], [])
        sheet = read_facts(sentence[:_LONGEST], language)
        weights = self._words.weigh([stem for form in sheet.tokens.forms for stem in stems_of(form)])
        ranked = self._words.rank(weights, self._hinted(hints))
        passages = [i for i, share in ranked if share >= _LEAST_SHARE and i < len(self.sentences)]
        chosen = self._words.cover(weights, passages[0]) if passages else []
        looked_up = [(f, found) for f in sheet.facts if (found := self._facts.locate(f, sheet, language))]
        located = [(f, found) for f, found in looked_up if not found.unchecked]
        self._add_missing(chosen, located, [r.sentence for r in ranked])
        rivals = Rivals(sheet, [self._facts.sheet(i) for i in passages[:_RIVALS_SOUGHT]])
        crossed = self._crossed(sheet, chosen, ranked, located, weights)
        findings = [
            Finding(text=sentence[f.start : f.end], start=f.start, end=f.end, kind=kind_of(f), reason=reason)
            for f, found in located
            if (reason := found.reason or self._misplaced(f, found, rivals, chosen, passages))
            or (reason := crossed.get(f))
        ]
        evidence = [self._span(i) for i in chosen if i < len(self.sentences)]
        unread = not all(self._facts.can_read(form) for form in sheet.tokens.forms)
        not_checked: list[NotChecked] = ["wording"]
        if unread or len(located) < len(looked_up):
            not_checked.append("names")
        if len(sentence) > _LONGEST:
            not_checked.append("facts")
        return CheckedSentence(_support(located, findings, evidence), evidence, findings, not_checked)

    def _crossed(
        self,
        sheet: FactSheet,
        chosen: list[int],
        ranked: list[Ranked],
        located: list[tuple[Fact, Located]],
        weights: Mapping[str, float],
    ) -> dict[Fact, FindingReason]:
        """The facts that the passages which the sentence retells give to another, with the reason."""
        found: dict[Fact, FindingReason] = {}
        for i in chosen:
            told = self._facts.sheet(i)
            if (number := is_crossed(sheet, told)) is not None:
                found[number] = "other_name"
            found |= dict.fromkeys(find_swapped(sheet, told), "other_number")
        if chosen and ranked[0].share >= _CLOSE:
            best = self._facts.sheet(chosen[0])
            if (name := is_misattributed(sheet, best)) is not None:
                found[name] = "other_name"
            for fact in find_outbid(sheet, best):
                where = next((at.where for other, at in located if other == fact), ())
                own = sum(weights.get(stem, 0.0) for stem in {*sheet.stems[fact.first : fact.last]})
                homes = max((share for i, share in ranked if i in where), default=1.0)
                if (
                    chosen[0] not in where
                    and homes - own / sum(weights.values()) <= _OUTBID * ranked[0].share
                ):
                    found[fact] = _OTHER[kind_of(fact)]
        return found

    def _verbatim(self, sentence: str) -> list[int]:
        """The sentences of the article that `sentence` repeats word for word, whole ones only.

        One that ends alike goes before one that ends in another mark ("No!" and "No.").
        """
        normal = normalize(sentence)
        wanted = normal.rstrip(_STOPS)
        return (self._repeated(normal) or self._repeated(wanted)) if wanted else []

    def _repeated(self, wanted: str) -> list[int]:
        if wanted not in self._whole:
            return []
        for first, start in enumerate(self._starts[:-1]):
            if not self._whole.startswith(wanted, start):
                continue
            end = start + len(wanted)
            last = bisect_right(self._starts, end - 1) - 1
            if not self._whole[end : self._starts[last + 1] - 1].strip(_STOPS):
                return list(range(first, min(last + 1, first + _MOST_EVIDENCE)))
        return []

    def _hinted(self, hints: Sequence[Passage]) -> frozenset[int]:
        found: set[int] = set()
        for hint in hints:
            i = bisect_right(self.sentences, hint.start, key=lambda s: s.end)
            while i < len(self.sentences) and self.sentences[i].start < hint.end:
                found.add(i)
                i += 1
        return frozenset(found)

    def _span(self, i: int) -> Span:
        return Span(start=self.sentences[i].start, end=self.sentences[i].end)

    def _add_missing(self, chosen: list[int], located: list[tuple[Fact, Located]], order: list[int]) -> None:
        """Add to `chosen` the best sentence for a fact that none of them has."""
        for _, found in located:
            if found.reason or found.where.intersection(chosen) or len(chosen) >= _MOST_EVIDENCE:
                continue
            best = next((i for i in order if i in found.where and i < len(self.sentences)), None)
            if best is not None:
                chosen.append(best)

    def _misplaced(
        self, fact: Fact, found: Located, rivals: Rivals, chosen: list[int], ranked: list[int]
    ) -> FindingReason | None:
        """The reason why a fact that the article has does not stand where the sentence puts it."""
        if found.alike:
            return None
        homes = [self._facts.sheet(i) for i in ranked if i in found.where][:_RIVALS_SOUGHT]
        if rivals.has(fact, homes, [self._facts.sheet(i) for i in chosen]):
            return _OTHER[kind_of(fact)]
        if found.where.intersection(chosen) or any(
            i - k in found.where for i in chosen for k in range(1, _NEAR + 1)
        ):
            return None
        if not chosen or max(found.where) >= len(self.sentences) or rivals.sheet.is_hyphened(fact):
            return None  # "Canadian-born" need not stand where the sentence has its news from
        return "elsewhere"


def normalize(text: str) -> str:
    """`text` with plain quotes, hyphens and single spaces."""
    return " ".join((text if text.isascii() else text.translate(TYPOGRAPHY)).split())


def _support(located: list[tuple[Fact, Located]], findings: list[Finding], evidence: list[Span]) -> Support:
    if any(f.reason == "not_in_article" for f in findings):
        return "unsupported"
    if findings:
        return "partial"
    return "facts_found" if evidence or located else "unchecked"
