"""One article's way from text to summary, readable from top to bottom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from service.drafts import Draft, Drafter, DraftSentence
from service.editing import check, choose_quotes, drop, extract_draft, render, shape
from service.errors import (
    LLMAuthenticationError,
    LLMBudgetError,
    LLMBusyError,
    LLMConnectionError,
    LLMError,
    LLMModelNotFoundError,
    LLMOutputError,
    LLMRateLimitedError,
    LLMRefusalError,
    LLMSpentError,
    LLMTimeoutError,
    LLMUnavailableError,
)
from service.grounding import ArticleIndex
from service.hooks import NO_HOOKS, Hooks, Stage
from service.intrusions import find_hidden
from service.languages import detect_language, differs, same_language
from service.mapreduce import MapReduce, Order, Prompts
from service.models import (
    ArticleInfo,
    Policy,
    Quote,
    Revision,
    RevisionReason,
    Sentence,
    Style,
    Summary,
)
from service.offload import offload
from service.passages import Passage
from service.prompts import Prompt
from service.reading import Reading, read
from service.repairs import compare, repair
from service.run import CheckedSentence, ChosenQuote, Run
from service.tokens import count_tokens, get_encoding

_MOST_PLACES = 5
_log = logging.getLogger(__name__)

_PROBLEMS: dict[type[LLMError], str] = {
    LLMAuthenticationError: "The model's provider does not accept the API key",
    LLMModelNotFoundError: "The provider does not know the model",
    LLMRateLimitedError: "The provider is throttling",
    LLMTimeoutError: "The model did not answer in time",
    LLMBusyError: "Too many requests wait for the model",
    LLMUnavailableError: "The model's server has failed and is left alone for some seconds",
    LLMBudgetError: "Today's budget is spent",
    LLMConnectionError: "The model's server could not be reached",
    LLMRefusalError: "The model declined to summarize the article",
    LLMOutputError: "The model's answer could not be read",
}


@dataclass(frozen=True, slots=True)
class Job:
    """One article to summarize, with every option resolved; without `prompts`, no model is asked.

    `id` is the summary's, `digest` the article's; `language` is None for the article's own; `page` is the
    store's key of the page that it was read from.
    """

    id: str
    digest: str
    text: str
    title: str
    style: Style
    max_quotes: int
    language: str | None
    model: str
    policy: Policy
    prompts: Prompts | None
    page: str | None = None


@dataclass(frozen=True, slots=True)
class _Edition:
    """A draft and its sentences as they will be shown."""

    draft: Draft
    sentences: list[Sentence]
    revisions: list[Revision]


@dataclass(frozen=True, slots=True)
class _Work:
    """One article under way: the job, the run that pays for it, and what code has found so far."""

    job: Job
    run: Run
    reading: Reading
    index: ArticleIndex | None
    language: str
    hooks: Hooks
    detected: dict[str, str] = field(default_factory=dict)

    def detect(self, text: str) -> str:
        """The language of a summary; the same text is asked about before and after repairs."""
        if text not in self.detected:
            self.detected[text] = detect_language(text)
        return self.detected[text]

    async def check(self, sentences: Sequence[DraftSentence]) -> list[Sentence]:
        """Look up the sentences in the article, as far as the policy wants it."""
        with self.hooks.on_stage(Stage("check")):
            return await offload(len(self.job.text), check, sentences, self.index, self.language)


class Pipeline:
    """Makes summaries: reads the article, has a model draft, checks and edits the draft.

    With `fallback`, sentences of the article stand in for a model that does not answer, but not in a batch,
    which has the time to ask again.
    """

    def __init__(
        self,
        drafter: Drafter,
        *,
        max_chunks: int,
        chunk_concurrency: int,
        fallback: bool = True,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self._drafter = drafter
        self._max_chunks = max_chunks
        self._chunk_concurrency = chunk_concurrency
        self._fallback = fallback
        self._hooks = hooks

    async def make(self, job: Job, run: Run) -> Summary:
        """Summarize one article.

        Raises:
            LLMError: the model did not answer, and there is no fallback.
        """
        with self._hooks.on_stage(Stage("read")):
            reading, index = await offload(len(job.text), _read, job)
        work = _Work(job, run, reading, index, job.language or reading.language, self._hooks)
        if job.prompts is None:
            return await self._finish(work, await self._extract(work))
        try:
            async with asyncio.timeout_at(run.deadline):
                edition = await self._edit(work, job.prompts, await self._draft(work, job.prompts))
        except (LLMError, TimeoutError) as exc:
            error = exc if isinstance(exc, LLMError) else LLMTimeoutError("the deadline has passed")
            final = isinstance(error, LLMSpentError) and error.final
            if final or not self._fallback or run.priority == "batch":
                raise error from exc
            _stand_in(error, run)
            edition = await self._extract(work)
        return await self._finish(work, edition)

    async def _draft(self, work: _Work, prompts: Prompts) -> Draft:
        """What the model makes of the article."""
        job = work.job
        order = Order(job.title, job.style, work.language, job.max_quotes)
        drafting = MapReduce(
            self._drafter, prompts, max_chunks=self._max_chunks, concurrency=self._chunk_concurrency
        )
        return await drafting.draft(work.reading, order, work.run)

    async def _edit(self, work: _Work, prompts: Prompts, draft: Draft) -> _Edition:
        """The draft in the shape of its style, checked, and mended or shortened as the policy wants it."""
        shaped = shape(draft.sentences, work.job.style, work.reading)
        sentences = await work.check(shaped.sentences)
        revisions = list(shaped.revisions)
        reason = _reason_to_repair(work, sentences)
        if reason is not None and prompts.repair is not None:
            sentences, changes = await self._mend(work, prompts.repair, sentences, reason)
            revisions += changes
        if work.job.policy == "strict":
            lost = [s for s in sentences if s.support == "unsupported"]
            sentences = [s for s in sentences if s.support != "unsupported"]
            revisions += [drop(s.text, "unsupported", s.unsupported) for s in lost]
        if not sentences:
            work.run.degraded = True
            work.run.notice(
                "nothing_supported",
                "No sentence of the model's summary was borne out; sentences of the article stand in for it.",
            )
            sentences = (await self._extract(work)).sentences
        return _Edition(draft, sentences, revisions)

    async def _mend(
        self, work: _Work, prompt: Prompt, sentences: list[Sentence], reason: RevisionReason
    ) -> tuple[list[Sentence], list[Revision]]:
        """The sentences after one more call, and what it changed; as they were where the model fails."""
        try:
            mended = await repair(self._drafter, prompt, work.reading, sentences, work.language, work.run)
        except LLMError:
            work.run.notice("repair_failed", "The model did not answer when asked to mend its summary.")
            return sentences, []
        shaped = shape(mended, work.job.style, work.reading)
        after = await work.check(shaped.sentences)
        if reason == "wrong_language":
            better = not _strays(" ".join(s.text for s in after), work)
        else:
            better = _findings(after) <= _findings(sentences)
        if not after or not better:
            work.run.notice("repair_failed", "Asked to mend its summary, the model made it no better.")
            return sentences, []
        return after, compare(sentences, after, reason) + shaped.revisions

    async def _extract(self, work: _Work) -> _Edition:
        """What the article's own sentences make of it."""
        draft = await offload(len(work.job.text), extract_draft, work.reading, work.job.style)
        return _Edition(draft, await work.check(draft.sentences), [])

    async def _finish(self, work: _Work, edition: _Edition) -> Summary:
        """The summary with its quotes and everything by which it can be explained later."""
        job, run, reading = work.job, work.run, work.reading
        long = len(job.text)
        choice = await offload(long, choose_quotes, reading, edition.draft, job.max_quotes)
        if choice.by_code and job.prompts is not None and not run.degraded:
            run.notice("quotes_chosen_by_code", "The model picked no quotation; code chose.")
        _tell_result(run, edition.sentences, choice.quotes)
        if run.tokens is None:
            run.tokens = await offload(long, count_tokens, job.text, get_encoding(run.model.encoding))
        text = render(edition.sentences, job.style, work.language)
        strays = _strays(text, work)
        written = work.detect(text) if strays or work.language == "und" else work.language
        _notice_intrusions(reading, await offload(long, find_hidden, reading.text), run)
        _notice_language(work, written, strays=strays)
        return Summary(
            id=job.id,
            summary=text,
            sentences=edition.sentences,
            key_quotes=choice.quotes,
            rejected_quotes=choice.rejected,
            revisions=edition.revisions,
            degraded=run.degraded,
            warnings=run.notices,
            style=job.style,
            language=written,
            policy=job.policy,
            model=job.model,
            prompt=None if job.prompts is None else job.prompts.article.reference,
            article=ArticleInfo(
                digest=job.digest, tokens=run.tokens, chunks=run.chunks, truncated=run.truncated
            ),
            usage=run.usage(),
            created_at=datetime.now(UTC),
        )


def _tell_result(run: Run, sentences: Sequence[Sentence], quotes: Sequence[Quote]) -> None:
    for number, sentence in enumerate(sentences):
        run.report(CheckedSentence(number, sentence))
    for number, quote in enumerate(quotes):
        run.report(ChosenQuote(number, quote))


def _read(job: Job) -> tuple[Reading, ArticleIndex | None]:
    """The article as code reads it, and made ready for checks if the policy wants them."""
    reading = read(job.text)
    if job.policy == "off":
        return reading, None
    title, language = job.title or None, reading.language
    return reading, ArticleIndex(job.text, title=title, language=language, sentences=reading.sentences)


def _stand_in(error: LLMError, run: Run) -> None:
    name = type(error).__name__
    _log.warning("the model did not answer (%s); the extractive summarizer stands in", name)
    problem = _PROBLEMS.get(type(error), "The model failed")
    run.degraded = True
    run.notice("model_unavailable", f"{problem}; sentences of the article stand in for its summary.")


def _findings(sentences: Sequence[Sentence]) -> int:
    return sum(len(s.unsupported) for s in sentences)


def _reason_to_repair(work: _Work, sentences: Sequence[Sentence]) -> RevisionReason | None:
    policy = work.job.policy
    if policy != "off" and _strays(" ".join(s.text for s in sentences), work):
        return "wrong_language"
    return "unsupported" if policy == "strict" and _findings(sentences) else None


def _strays(text: str, work: _Work) -> bool:
    """Whether a summary is in another language than the one that was asked for."""
    return differs(work.detect(text), work.language)


def _notice_intrusions(reading: Reading, hidden: Sequence[Passage], run: Run) -> None:
    if reading.instructions:
        places = ", ".join(f"{p.start}-{p.end}" for p in reading.instructions[:_MOST_PLACES])
        run.notice(
            "instructions_in_article",
            f"The article has text that addresses a language model, at characters {places}; "
            "it was not used as evidence.",
        )
    if hidden:
        run.notice(
            "hidden_text",
            f"The article has characters that readers cannot see, in {len(hidden)} places, the first at "
            f"character {hidden[0].start}; models do not see them either.",
        )


def _notice_language(work: _Work, written: str, *, strays: bool) -> None:
    article = work.reading.language
    if strays:
        work.run.notice("wrong_language", f"The summary is in {written}, not in {work.language}.")
    elif "und" not in (article, written) and not same_language(article, written):
        work.run.notice(
            "checked_across_languages",
            "Numbers, dates and names were looked up in an article in another language; wording was not.",
        )
