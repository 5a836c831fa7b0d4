"""Drafts of articles of any length: one call where the article fits, else notes on its chunks, combined.

Notes do not depend on the style asked for, nor on where in the article a chunk stands, so another style or an
edit elsewhere finds them in the cache.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, bisect_right
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import lru_cache

import tiktoken

from service.chunks import Chunk, split
from service.drafts import Draft, Drafter, DraftSentence, Pick, answer_tokens
from service.errors import LLMError, LLMSpentError
from service.extractive import summarize as extract
from service.intrusions import one_line
from service.languages import language_name, same_language
from service.marking import Marked, mark
from service.models import Style
from service.offload import offload
from service.passages import Passage
from service.prompts import Prompt, fence
from service.reading import Reading
from service.run import Progress, Run
from service.tokens import count_tokens, fits, get_encoding

_LONGEST_QUOTE = 300  # characters of a quotation that the combining prompt shows
_LONGEST_CHUNK = 6_000  # tokens; shorter chunks run side by side, and an edit repeats less
_NOTES_PER_CHUNK = 3
_SMALLEST_ROOM = 256
_MOST_OF_A_MARK = 16  # tokens; four as a rule, and what it changes around it
_UNKNOWN = "the language of the article"
INPUTS = frozenset(("article", "notes", "text", "open", "close", "title", "style", "language", "max_quotes"))
"""What a prompt may ask for that makes a summary or notes."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts that one summary is made with; without `repair`, nothing is mended."""

    article: Prompt
    chunk: Prompt
    combine: Prompt
    repair: Prompt | None

    def digests(self) -> tuple[str, ...]:
        """Digests of all, in a fixed order."""
        return tuple(p.digest for p in (self.article, self.chunk, self.combine, self.repair) if p)


@dataclass(frozen=True, slots=True)
class Order:
    """What to draft; `language` is a BCP 47 tag, `title` may be empty."""

    title: str
    style: Style
    language: str
    max_quotes: int


class MapReduce:
    """Drafts one article; `max_chunks` bounds what is read of it, `concurrency` its calls at once."""

    def __init__(self, drafter: Drafter, prompts: Prompts, *, max_chunks: int, concurrency: int) -> None:
        self._drafter = drafter
        self._prompts = prompts
        self._max_chunks = max_chunks
        self._slots = asyncio.Semaphore(concurrency)

    async def draft(self, reading: Reading, order: Order, run: Run) -> Draft:
        """Draft the summary of an article; raises LLMError where the model gives nothing to work with."""
        (whole,) = await offload(len(reading.text), _mark, reading, [Passage(0, len(reading.text))])
        room = _room(run, self._prompts, reading.language)
        if await self._fits_one_call(reading, whole, room, run):
            run.report(Progress("article", 0, 1))
            return await self._ask(self._prompts.article, whole, order, run, style=order.style, is_last=True)
        chunks = await self._chunks(reading, run, min(_LONGEST_CHUNK, room // 2))
        notes = await self._take_notes(reading, chunks, order, run)
        return await self._combine(notes, order, run, room)

    async def _fits_one_call(self, reading: Reading, whole: Marked, room: int, run: Run) -> bool:
        """Whether the marked article has at most `room` tokens; counts those of the article on the way."""
        encoding = get_encoding(run.model.encoding)
        run.tokens = await offload(len(reading.text), count_tokens, reading.text, encoding)
        marks = len(whole.passages) + len(whole.candidates)
        return run.tokens + _MOST_OF_A_MARK * marks <= room or await _fits(whole.text, room, run)

    async def _chunks(self, reading: Reading, run: Run, budget: int) -> Sequence[Chunk]:
        chunks = await offload(
            len(reading.text),
            split,
            reading.text,
            max_tokens=budget,
            encoding=get_encoding(run.model.encoding),
            paragraphs=reading.paragraphs,
        )
        if len(chunks) > self._max_chunks:
            end = chunks[self._max_chunks].start
            run.truncated = True
            run.notice(
                "article_truncated",
                f"The model read {self._max_chunks} of {len(chunks)} chunks: characters 0 to {end}.",
            )
            chunks = chunks[: self._max_chunks]
        run.chunks = len(chunks)
        return chunks

    async def _take_notes(
        self, reading: Reading, chunks: Sequence[Chunk], order: Order, run: Run
    ) -> list[Draft]:
        """Notes on every chunk, in order; where the model fails on one, sentences of the chunk stand in."""
        failures: list[LLMError] = []
        done = 0
        run.report(Progress("chunks", done, len(chunks)))
        spans = [Passage(chunk.start, chunk.end) for chunk in chunks]
        all_marked = await offload(len(reading.text), _mark, reading, spans)

        async def take(span: Passage, marked: Marked) -> Draft:
            nonlocal done
            try:
                async with self._slots:
                    notes = await self._ask(self._prompts.chunk, marked, order, run)
            except LLMError as exc:
                if isinstance(exc, LLMSpentError) and (exc.final or run.priority == "batch"):
                    raise
                failures.append(exc)
                notes = await offload(len(reading.text), _extract_notes, reading, span)
            done += 1
            run.report(Progress("chunks", done, len(chunks)))
            return notes

        drafts = await _all([take(*pair) for pair in zip(spans, all_marked, strict=True)])
        if len(failures) == len(chunks):
            raise failures[0]
        if failures:
            run.degraded = True
            run.notice(
                "chunks_without_model",
                f"The model did not answer for {len(failures)} of {len(chunks)} chunks; "
                "sentences of these stand in.",
            )
        return drafts

    async def _combine(self, notes: Sequence[Draft], order: Order, run: Run, room: int) -> Draft:
        """One draft from many; in several rounds where the notes do not fit one call."""
        rejected = tuple(r for draft in notes for r in draft.rejected)
        while True:
            marked = await offload(_size(notes), mark_notes, notes)
            if len(notes) <= 2 or await _fits(marked.text, room, run):
                break
            sizes = await offload(_size(notes), _sizes, notes, get_encoding(run.model.encoding))
            groups = _group(notes, sizes, room)
            notes = await _all([self._combine_group(group, order, run) for group in groups])
        run.report(Progress("combine", 0, 1))
        draft = await self._ask(self._prompts.combine, marked, order, run, style=order.style, is_last=True)
        return Draft(draft.sentences, _keep_speakers(draft, notes), rejected + draft.rejected)

    async def _combine_group(self, notes: Sequence[Draft], order: Order, run: Run) -> Draft:
        marked = await offload(_size(notes), mark_notes, notes)
        async with self._slots:
            return await self._ask(self._prompts.combine, marked, order, run, style="notes")

    async def _ask(
        self,
        prompt: Prompt,
        marked: Marked,
        order: Order,
        run: Run,
        *,
        style: str = "notes",
        is_last: bool = False,
    ) -> Draft:
        """Put a prompt to the model, offering it every input; a template takes those that it declares."""
        title = one_line(order.title) if "title" in prompt.inputs else ""
        opening, closing = await offload(len(marked.text), fence, f"{title}\n{marked.text}")
        offered: dict[str, object] = {
            "article": marked.text,
            "notes": marked.text,
            "text": marked.plain,
            "open": opening,
            "close": closing,
            "title": title,
            "style": style,
            "language": _UNKNOWN if order.language == "und" else language_name(order.language),
            "max_quotes": order.max_quotes if marked.candidates else 0,
        }
        return await self._drafter.ask(prompt, marked, run, offered, is_last=is_last)


def mark_notes(notes: Sequence[Draft]) -> Marked:
    """Notes as a marked text: sentences, then the quotations picked so far with their speakers."""
    sentences = [s for draft in notes for s in draft.sentences]
    picks = {pick.candidate: pick for draft in notes for pick in draft.picks}
    lines = [f"[p{n}] {s.text}" for n, s in enumerate(sentences, 1)]
    if picks:
        lines += ["", "Quotations:"]
    for n, pick in enumerate(picks.values(), 1):
        words = " ".join(pick.candidate.text.split())
        shown = words if len(words) <= _LONGEST_QUOTE else words[:_LONGEST_QUOTE] + "…"
        lines.append(f"[q{n}] “{shown}” ({pick.speaker or 'speaker not named'})")
    plain = "\n".join(s.text for s in sentences)
    return Marked("\n".join(lines), plain, tuple(s.passages for s in sentences), tuple(picks))


def _mark(reading: Reading, spans: Sequence[Passage]) -> list[Marked]:
    """Each of `spans` of the article, marked."""
    return [mark(reading.text, span, reading.paragraphs, reading.candidates) for span in spans]


def _size(notes: Sequence[Draft]) -> int:
    return sum(len(s.text) for draft in notes for s in draft.sentences)


def _sizes(notes: Sequence[Draft], encoding: tiktoken.Encoding) -> list[int]:
    """The tokens of each of `notes` by itself."""
    return [count_tokens(mark_notes([note]).text, encoding) for note in notes]


def _room(run: Run, prompts: Prompts, language: str) -> int:
    """Tokens of marked text, by our encoding, that fit one call beside the prompt and a doubled answer."""
    english = same_language(language, "en")
    factor = run.model.token_factor if english else run.model.token_factor_other
    model, encoding = run.model, get_encoding(run.model.encoding)
    used = (prompts.article, prompts.chunk, prompts.combine)
    answer = 2 * max(answer_tokens(p, model) for p in used)
    fixed = max(_tokens_of_prompt(p.source, encoding) for p in used)
    return max(_SMALLEST_ROOM, math.floor((model.context_window - answer) / factor) - fixed)


@lru_cache(maxsize=64)
def _tokens_of_prompt(source: str, encoding: tiktoken.Encoding) -> int:
    return count_tokens(source, encoding)


async def _all(work: Sequence[Coroutine[None, None, Draft]]) -> list[Draft]:
    """The outcomes of coroutines that run side by side; the first error ends them all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]


async def _fits(text: str, room: int, run: Run) -> bool:
    return await offload(len(text), fits, text, room, get_encoding(run.model.encoding))


def _group(notes: Sequence[Draft], sizes: Sequence[int], room: int) -> list[list[Draft]]:
    """Neighbouring drafts in groups that fit `room`; two at least in each, so that every round is shorter."""
    groups: list[list[Draft]] = [[]]
    size = 0
    for draft, tokens in zip(notes, sizes, strict=True):
        if len(groups[-1]) >= 2 and size + tokens > room:
            groups.append([])
            size = 0
        groups[-1].append(draft)
        size += tokens
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2] += groups.pop()
    return groups


def _keep_speakers(draft: Draft, notes: Sequence[Draft]) -> tuple[Pick, ...]:
    """The picks of a combined draft; where it names no speaker, the one that the notes named."""
    named = {pick.candidate: pick.speaker for note in notes for pick in note.picks}
    return tuple(Pick(p.candidate, p.speaker or named.get(p.candidate)) for p in draft.picks)


def _extract_notes(reading: Reading, span: Passage) -> Draft:
    """Sentences of a part of the article, in place of the notes that the model did not take on it."""
    inside = _within(span, reading.narration)
    around = _within(span, reading.paragraphs)
    chosen = extract(reading.text, sentences=inside, paragraphs=around, max_sentences=_NOTES_PER_CHUNK)
    return Draft(tuple(DraftSentence(reading.text[s.start : s.end], (s,)) for s in chosen))


def _within(span: Passage, passages: Sequence[Passage]) -> Sequence[Passage]:
    """Those of `passages`, which are in order and apart, that lie in `span`."""
    first = bisect_left(passages, span.start, key=lambda p: p.start)
    return passages[first : bisect_right(passages, span.end, first, key=lambda p: p.end)]
