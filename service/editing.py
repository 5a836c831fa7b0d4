"""From a draft to a summary: sentences shaped and checked, quotes chosen, speakers compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.answers import strip_bullet
from service.drafts import Draft, DraftSentence, Pick
from service.extractive import Quotation, rank_passages, rank_quotations
from service.extractive import summarize as extract
from service.grounding import ArticleIndex
from service.intrusions import repeats, strip_hidden
from service.marking import Candidate
from service.models import (
    Attribution,
    Finding,
    Quote,
    RejectedQuote,
    Revision,
    RevisionReason,
    Sentence,
    Span,
    Speaker,
    Style,
)
from service.passages import find_paragraphs, find_sentences
from service.quotes import Quotation as FoundQuotation
from service.reading import Reading
from service.speakers import resolve_name, same_person

# The most sentences that a style holds. A prompt asks for fewer; a model that overdoes it is cut here.
_MOST_SENTENCES: dict[Style, int] = {"brief": 6, "standfirst": 1, "bullets": 8}
_EXTRACTED_SENTENCES: dict[Style, int] = {"brief": 3, "standfirst": 1, "bullets": 5}
_UNSPACED = ("ja", "zh", "th", "lo", "km", "my")
_MARK = re.compile(r"\s*\[[pq]\d{1,6}(?:\s*,\s*[pq]\d{1,6})*\]")
_WORD = re.compile(r"\w+")
_STATEMENT_ENDS = frozenset(".!?…,。！？，؟،۔।")  # of the statement, or of what introduces its speaker
_FIRST_UNSPACED = "\u2e80"
_LONGEST_REJECTED = 300
_ORGANIZATIONS_VOICE = 0.5  # what a statement by one is worth beside a person's
_SAME_WORDS = 0.85  # share of common words from which two sentences say the same thing


@dataclass(frozen=True, slots=True)
class Choice:
    """The key quotes of a summary; `by_code` means that the model picked none that could be used."""

    quotes: list[Quote]
    rejected: list[RejectedQuote]
    by_code: bool


class Shaped(NamedTuple):
    """A draft's sentences as a style wants them, and what was left out for that."""

    sentences: list[DraftSentence]
    revisions: list[Revision]


def shape(sentences: Iterable[DraftSentence], style: Style, reading: Reading) -> Shaped:
    """One sentence each, without marks and bullets, none twice, no more than the style holds.

    What only repeats an instruction that stands in the article is left out: the model obeyed it.
    """
    kept: list[DraftSentence] = []
    dropped: dict[str, Revision] = {}
    for sentence in (part for s in sentences for part in _split(s)):
        if repeats(sentence.text, reading.instructed):
            dropped.setdefault(sentence.text, drop(sentence.text, "instruction"))
        elif any(_say_the_same(sentence.text, k.text) for k in kept):
            dropped.setdefault(sentence.text, drop(sentence.text, "repeated"))
        elif len(kept) == _MOST_SENTENCES[style]:
            dropped.setdefault(sentence.text, drop(sentence.text, "over_limit"))
        else:
            kept.append(sentence)
    return Shaped(kept, list(dropped.values()))


def drop(text: str, reason: RevisionReason, unsupported: Sequence[Finding] = ()) -> Revision:
    """The record of a sentence that was left out."""
    return Revision(text=text, action="dropped", reason=reason, unsupported=list(unsupported))


def check(sentences: Iterable[DraftSentence], index: ArticleIndex | None, language: str) -> list[Sentence]:
    """The sentences with what the article bears out of them; without an index, nothing is looked up."""
    checked: list[Sentence] = []
    for s in sentences:
        if index is None:
            spans = [Span(start=p.start, end=p.end) for p in s.passages]
            checked.append(
                Sentence(
                    text=s.text,
                    support="unchecked",
                    evidence=spans,
                    unsupported=[],
                    not_checked=["wording", "facts"],
                )
            )
            continue
        found = index.check(s.text, language=language, hints=s.passages)
        checked.append(
            Sentence(
                text=s.text,
                support=found.support,
                evidence=found.evidence,
                unsupported=found.unsupported,
                not_checked=found.not_checked,
            )
        )
    return checked


def render(sentences: Sequence[Sentence], style: Style, language: str) -> str:
    """The summary as one text: bullets on lines of their own, sentences after one another."""
    if style == "bullets":
        return "\n".join(f"- {s.text}" for s in sentences)
    between = "" if language.partition("-")[0] in _UNSPACED else " "
    return between.join(s.text for s in sentences)


def extract_draft(reading: Reading, style: Style) -> Draft:
    """A draft made of the article's own sentences, without a model."""
    chosen = extract(
        reading.text,
        sentences=reading.narration,
        paragraphs=reading.paragraphs,
        max_sentences=_EXTRACTED_SENTENCES[style],
    )
    written = [reading.text[s.start : s.end] for s in chosen]
    shown = [" ".join((strip_hidden(text) or text).split()) for text in written]
    return Draft(tuple(DraftSentence(t, (s,)) for t, s in zip(shown, chosen, strict=True)))


def choose_quotes(reading: Reading, draft: Draft, max_quotes: int) -> Choice:
    """The quotes that the model picked, at most `max_quotes`; code's own choice where it picked none."""
    rejected = list(draft.rejected)
    rejected += [
        RejectedQuote(text=p.candidate.text[:_LONGEST_REJECTED], reason="over_limit")
        for p in draft.picks[max_quotes:]
    ]
    picks = draft.picks[:max_quotes]
    by_code = not picks and max_quotes > 0
    if by_code:
        picks = tuple(Pick(c, None) for c in _best_candidates(reading, max_quotes))
    return Choice([_quote(reading, p) for p in picks], rejected, by_code and bool(picks))


def _split(sentence: DraftSentence) -> Iterable[DraftSentence]:
    text = " ".join(_MARK.sub("", strip_bullet(sentence.text)).split())
    for s in find_sentences(text, find_paragraphs(text)):
        yield DraftSentence(text[s.start : s.end], sentence.passages)


def _say_the_same(text: str, other: str) -> bool:
    words, others = _words(text), _words(other)
    return len(words & others) >= _SAME_WORDS * len(words | others)


def _words(text: str) -> frozenset[str]:
    found: set[str] = set()
    for word in _WORD.findall(text.casefold()):
        # Scripts without spaces give one long word for a clause; its pairs of letters tell more.
        found |= {word[i : i + 2] for i in range(len(word))} if word[0] >= _FIRST_UNSPACED else {word}
    return frozenset(found)


def _best_candidates(reading: Reading, limit: int) -> list[Candidate]:
    candidates = {(c.start, c.end): c for c in reading.candidates}
    if any(c.kind == "quotation" for c in candidates.values()):
        spans = [
            Quotation(q.start, q.end, _voice(reading, q), _is_whole(reading.text, q))
            for q in reading.quotations
            if (q.start, q.end) in candidates
        ]
        return [candidates[q.start, q.end] for q in rank_quotations(reading.text, spans, limit=limit)]
    told = rank_passages(
        reading.text, sentences=reading.narration, paragraphs=reading.paragraphs, limit=limit
    )
    return [candidates[s.start, s.end] for s in told if (s.start, s.end) in candidates]


def _voice(reading: Reading, quotation: FoundQuotation) -> float:
    speaker = reading.speakers.get(quotation.start)
    if speaker is None:
        return 0.0
    return _ORGANIZATIONS_VOICE if reading.names.is_organization(speaker) else 1.0


def _is_whole(text: str, quotation: FoundQuotation) -> bool:
    """Whether a quotation is somebody's whole statement, not words inside a sentence of the article."""
    ends = text[quotation.end - 1] + text[quotation.outer_end : quotation.outer_end + 1]
    return not text[quotation.start].islower() and not _STATEMENT_ENDS.isdisjoint(ends)


def _quote(reading: Reading, pick: Pick) -> Quote:
    c = pick.candidate
    by_code = reading.speakers.get(c.start) if c.kind == "quotation" else None
    by_model = resolve_name(reading.names, pick.speaker) if pick.speaker else None
    attribution = _compare(by_code, by_model)
    return Quote(
        text=c.text,
        start=c.start,
        end=c.end,
        kind=c.kind,
        speaker=by_code or by_model,
        attribution=attribution,
        other_speaker=by_model if attribution == "conflict" else None,
    )


def _compare(by_code: Speaker | None, by_model: Speaker | None) -> Attribution:
    if by_code is None:
        return "none" if by_model is None else "model_only"
    if by_model is None:
        return "code_only"
    return "agreed" if same_person(by_code, by_model) else "conflict"
