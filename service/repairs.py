"""One more call that mends the sentences in which the checks found something."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from service.drafts import Drafter, DraftSentence
from service.languages import language_name
from service.marking import Marked
from service.models import Finding, Revision, RevisionReason, Sentence
from service.passages import Passage
from service.prompts import Prompt, fence
from service.reading import Reading
from service.run import Progress, Run

_MOST_PASSAGES = 12
_RESEMBLANCE = 0.5  # share of common characters from which a sentence is another one mended
_REASONS = {
    "not_in_article": "is not in the article",
    "in_part": "is in the article without the first name",
    "other_name": "is in the article, but the passage has another name here",
    "other_number": "is in the article, but the passage has another number here",
    "other_date": "is in the article, but the passage has another date here",
    "other_unit": "is in the article, but with another unit",
    "other_noun": "is in the article, but counts something else",
    "elsewhere": "is in the article, but not with the rest of this sentence",
}


async def repair(
    drafter: Drafter,
    prompt: Prompt,
    reading: Reading,
    sentences: Sequence[Sentence],
    language: str,
    run: Run,
) -> list[DraftSentence]:
    """Ask the model to mend `sentences`; raises LLMError where it does not answer."""
    run.report(Progress("repair", 0, 1))
    marked = _mark(reading, sentences)
    described = "\n".join(_describe(n, s) for n, s in enumerate(sentences, 1))
    opening, closing = fence(f"{marked.text}\n{described}")
    offered: dict[str, object] = {
        "sentences": described,
        "passages": marked.text,
        "open": opening,
        "close": closing,
        "language": "their language" if language == "und" else language_name(language),
    }
    draft = await drafter.ask(prompt, marked, run, offered)
    return list(draft.sentences)


def compare(before: Sequence[Sentence], after: Sequence[Sentence], reason: RevisionReason) -> list[Revision]:
    """What a repair did to the sentences that it did not leave alone: mended them, or dropped them."""
    texts = {s.text for s in after}
    return [
        Revision(
            text=s.text,
            action="repaired" if any(_resembles(s.text, text) for text in texts) else "dropped",
            reason=reason,
            unsupported=s.unsupported,
        )
        for s in before
        if s.text not in texts
    ]


def _resembles(text: str, other: str) -> bool:
    return SequenceMatcher(None, text, other, autojunk=False).ratio() >= _RESEMBLANCE


def _mark(reading: Reading, sentences: Sequence[Sentence]) -> Marked:
    """The article's lead, and the paragraphs that hold the evidence found so far."""
    wanted = {0} if reading.paragraphs else set()
    for sentence in sentences:
        for span in sentence.evidence:
            wanted |= {
                n for n, p in enumerate(reading.paragraphs) if p.start < span.end and span.start < p.end
            }
    chosen: list[Passage] = [reading.paragraphs[n] for n in sorted(wanted)[:_MOST_PASSAGES]]
    lines = [f"[p{n}] {reading.text[p.start : p.end]}" for n, p in enumerate(chosen, 1)]
    return Marked("\n\n".join(lines), "", tuple((p,) for p in chosen), ())


def _describe(number: int, sentence: Sentence) -> str:
    wrong = "; ".join(_explain(f) for f in sentence.unsupported)
    return f"{number}. {sentence.text}\n   Wrong: {wrong or 'nothing found'}"


def _explain(finding: Finding) -> str:
    return f"“{finding.text}” {_REASONS.get(finding.reason, 'is not borne out by the article')}"
