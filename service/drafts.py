"""Drafts: what a model answered, with its ids turned into places in the article.

`Drafter.ask` is the only way to the model. It pays for each distinct question once: a question is a rendered
prompt, a model and its sampling, so an unchanged chunk of an edited article is not asked about again.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from litestar.stores.base import Store

from service.answers import Answer, AnswerQuote, read_answer
from service.cache import SingleFlight, cache_key
from service.catalogue import ModelInfo
from service.errors import LLMError, LLMLimitError, LLMOutputError, LLMRefusalError, LLMTimeoutError
from service.hooks import NO_HOOKS, Hooks, Stage
from service.llm import LLM, ChatReply, ChatRequest, OutputSchema
from service.marking import Candidate, Marked
from service.models import RejectedQuote, RejectionReason
from service.partial import PartialAnswer
from service.passages import Passage
from service.prompts import Prompt
from service.run import Run

_LONGEST_REJECTED = 300
_ENOUGH_SENTENCES = 3
_CHARACTERS_PER_TOKEN = 3  # a cautious estimate, for limits of tokens a minute
_CUT = "The model's answer was longer than its limit; its torn end was left out."
_SHORTEST_COPY = 12  # shorter texts stand in too many places to tell which was meant
_SENTENCE_END = re.compile(r"[.!?…。！？؟۔।։።][\"'”’»›」』)\]]*$")
_LOOKALIKES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " "})


@dataclass(frozen=True, slots=True)
class DraftSentence:
    """A sentence of a draft, and the passages of the article that the model pointed to."""

    text: str
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Pick:
    """A candidate that the model picked as a key quote, and who it says spoke."""

    candidate: Candidate
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model answered; its quotes are places in the article, its sentences are unchecked."""

    sentences: tuple[DraftSentence, ...]
    picks: tuple[Pick, ...] = ()
    rejected: tuple[RejectedQuote, ...] = ()


class Drafter:
    """Asks a model for drafts and keeps its answers in a store."""

    def __init__(self, llm: LLM, store: Store, *, source: str, ttl_s: float, hooks: Hooks = NO_HOOKS) -> None:
        self._llm = llm
        self._store = store
        self._source = source
        self._ttl_s = round(ttl_s)
        self._hooks = hooks
        self._flights = SingleFlight()

    async def ask(
        self,
        prompt: Prompt,
        marked: Marked,
        run: Run,
        offered: Mapping[str, object],
        *,
        is_last: bool = False,
    ) -> Draft:
        """Put `prompt` to the model; `marked` is what its ids refer to, `offered` the inputs it may use.

        The sentences of the answer that `is_last` are the summary's: who follows the run hears of each.

        Raises:
            LLMError: no answer that can be read came in time.
            PromptError: the prompt wants an input that is not offered.
        """
        inputs = {name: value for name, value in offered.items() if name in prompt.inputs}
        stage = Stage("draft", model=run.model.name, prompt=_name(prompt))
        with self._hooks.on_stage(stage):
            return resolve(await self._answer(prompt, run, inputs, is_last=is_last), marked)

    async def _answer(
        self, prompt: Prompt, run: Run, inputs: Mapping[str, object], *, is_last: bool
    ) -> Answer:
        schema, messages = prompt.output_schema, prompt.render(**inputs)
        request = ChatRequest(
            model=run.model.name,
            messages=messages,
            max_output_tokens=answer_tokens(prompt, run.model),
            timeout_s=run.call_timeout_s,
            temperature=prompt.sampling.temperature,
            seed=0,
            input_tokens=sum(len(m.content) for m in messages) // _CHARACTERS_PER_TOKEN,
            output_schema=None if schema is None else OutputSchema(name="draft", schema=schema),
            extra=dict(run.model.extra),
            priority=run.priority,
        )
        asked = msgspec.to_builtins(
            msgspec.structs.replace(request, timeout_s=0.0, input_tokens=None, priority="interactive")
        )
        del asked["listener"]
        key = f"draft/{cache_key('draft', source=self._source, request=asked)}"
        run.draft_keys.append(key)
        if run.cache.reads and (kept := await self._store.get(key)) is not None:
            return msgspec.json.decode(kept, type=Answer)
        if is_last and run.is_followed():
            request = msgspec.structs.replace(request, listener=PartialAnswer(run.report))
        # Two styles of one long article may need the notes on a chunk at the same time.
        flight = f"{key} {run.cache.reads:d}{run.cache.writes:d}"
        name = _name(prompt)
        try:
            answer, _ = await self._flights.run(flight, lambda: self._pay(key, request, run, name))
        except LLMLimitError as exc:
            if run.account is None or exc.owner == run.account.owner:
                raise
            return await self._pay(key, request, run, name)  # another caller's limit is not this one's
        return answer

    async def _pay(self, key: str, request: ChatRequest, run: Run, prompt: str) -> Answer:
        """Ask the model, and keep a whole answer; `prompt` is what usage calls it."""
        answer, whole = await self._call(request, run, prompt)
        if run.cache.writes and whole:
            await self._store.set(key, msgspec.json.encode(answer), expires_in=self._ttl_s)
        return answer

    async def _call(self, request: ChatRequest, run: Run, prompt: str) -> tuple[Answer, bool]:
        """The model's answer, and whether it is whole. A cut or unreadable one is asked for again.

        The second try gets twice the room and another seed; what is still cut, or where the second try
        fails, loses its torn sentence. Prose with sentences enough is not asked for again.
        """
        first = await self._complete(request, run, prompt)
        cut = _read_cut(first)
        if first.finish_reason != "length":
            try:
                return read_answer(first.text).answer, True
            except LLMOutputError:
                run.notice("unreadable_answer", "An answer could not be read; the model was asked again.")
        elif cut is not None and request.output_schema is None and len(cut.sentences) >= _ENOUGH_SENTENCES:
            run.notice("answer_cut_short", _CUT)
            return cut, True
        room = 2 * request.max_output_tokens
        try:
            second = await self._complete(
                msgspec.structs.replace(request, max_output_tokens=room, seed=(request.seed or 0) + 1),
                run,
                prompt,
            )
            if second.finish_reason != "length":
                return read_answer(second.text).answer, True
            cut = _read_cut(second) or cut
        except LLMError:
            if cut is None:
                raise
        if cut is None:
            raise LLMOutputError("the model's answer was cut within its first sentence, twice")
        run.notice("answer_cut_short", _CUT)
        return cut, False

    async def _complete(self, request: ChatRequest, run: Run, prompt: str) -> ChatReply:
        timeout_s = min(request.timeout_s, run.deadline - asyncio.get_running_loop().time())
        if timeout_s <= 0:
            raise LLMTimeoutError("the request's deadline has passed")
        request = msgspec.structs.replace(request, timeout_s=timeout_s)
        reply = await ask_paid(self._llm, request, run, prompt)
        run.spent.append((reply.model, reply.usage))
        if reply.finish_reason in ("refusal", "content_filter"):
            raise LLMRefusalError("the model declined to answer")
        return reply


async def ask_paid(llm: LLM, request: ChatRequest, run: Run, prompt: str) -> ChatReply:
    """The model's reply, paid for by the run's account; `prompt` is what usage calls it."""
    if run.account is None:
        return await llm.complete(request)
    reservation = await run.account.reserve(request, run.model, prompt)
    try:
        reply = await llm.complete(request)
    except BaseException as exc:
        # Who gave up waiting does not know whether the model had begun.
        await reservation.release(begun=isinstance(exc, LLMTimeoutError | asyncio.CancelledError))
        raise
    await reservation.settle(reply.usage, run.priced(reply.model))
    return reply


def _name(prompt: Prompt) -> str:
    return f"{prompt.name}@{prompt.version}"


def answer_tokens(prompt: Prompt, model: ModelInfo) -> int:
    """How many tokens the model may answer to `prompt` at first; a second try gets twice as many."""
    return min(prompt.sampling.max_output_tokens or model.max_output_tokens, model.max_output_tokens)


def resolve(answer: Answer, marked: Marked) -> Draft:
    """Turn the ids of an answer into places in the article; what names none is listed as rejected."""
    sentences = tuple(
        DraftSentence(s.text, tuple(p for name in s.passages for p in marked.passages_of(name)))
        for s in answer.sentences
    )
    picks: dict[Candidate, Pick] = {}
    rejected: list[RejectedQuote] = []
    for quote in answer.quotes:
        candidate = marked.candidate(quote.id) or _containing(quote.id, marked)
        if candidate is None:
            rejected.append(_reject(quote, "unknown_id" if _looks_like_id(quote.id) else "not_in_article"))
        elif candidate in picks:
            rejected.append(_reject(quote, "repeated"))
        else:
            picks[candidate] = Pick(candidate, quote.speaker)
    return Draft(sentences, tuple(picks.values()), tuple(rejected))


def _containing(text: str, marked: Marked) -> Candidate | None:
    """The one candidate whose words hold `text`, for models that copy words where an id was asked for."""
    words = _plain(text)
    if len(words) < _SHORTEST_COPY:
        return None
    holders = [c for c in marked.candidates if words in _plain(c.text)]
    return min(holders, key=lambda c: len(c.text), default=None)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text.translate(_LOOKALIKES)).casefold()
    return " ".join(folded.split()).strip("\"' .,!?…")


def _looks_like_id(text: str) -> bool:
    return len(text) < _SHORTEST_COPY and any(map(str.isdigit, text))


def _reject(quote: AnswerQuote, reason: RejectionReason) -> RejectedQuote:
    return RejectedQuote(text=quote.id[:_LONGEST_REJECTED], reason=reason)


def _read_cut(reply: ChatReply) -> Answer | None:
    """The sentences of a cut answer without one that ends in mid-air; None where none is left."""
    if reply.finish_reason != "length":
        return None
    try:
        answer = read_answer(reply.text).answer
    except LLMOutputError:
        return None
    whole = answer.sentences if _SENTENCE_END.search(answer.sentences[-1].text) else answer.sentences[:-1]
    return Answer(whole, answer.quotes) if whole else None
