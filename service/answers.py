"""A model's answer, read strictly where it keeps to the schema and tolerantly where it does not."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

import json_repair
import msgspec
from msgspec import Struct, field

from service.errors import LLMOutputError
from service.passages import find_paragraphs, find_sentences

Reading: TypeAlias = Literal["exact", "repaired", "prose"]

_TEXT_KEYS = ("text", "sentence", "summary", "content")
_SENTENCES_KEYS = ("sentences", "summary", "bullets", "points", "text")
_QUOTES_KEYS = ("quotes", "key_quotes", "quote_ids")
_QUOTE_KEYS = ("id", "text", "quote")
_PREAMBLE = re.compile(
    r"^(?:sure|certainly|of course|here (?:is|are)|okay)\b[^\n]{0,120}[:!.]\s*$", re.IGNORECASE
)
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+")
_FEWEST_LETTERS = 6  # a sentence of two Chinese words passes, `null` and `42` do not
_FENCE = re.compile(r"^```[a-z]*\s*$", re.MULTILINE)


class AnswerSentence(Struct, frozen=True):
    """A sentence of the model's summary, and the ids of the passages it says it rests on."""

    text: str
    passages: list[str] = field(default_factory=list)


class AnswerQuote(Struct, frozen=True):
    """A quote that the model picked: a candidate's id (or, against the rules, a text) and its speaker."""

    id: str
    speaker: str | None = None


class Answer(Struct, frozen=True):
    """A model's answer; nothing in it has been checked against the article."""

    sentences: list[AnswerSentence]
    quotes: list[AnswerQuote] = field(default_factory=list)


class ReadAnswer(NamedTuple):
    """An answer and how it had to be read."""

    answer: Answer
    reading: Reading


_decoder = msgspec.json.Decoder(Answer)


def read_answer(text: str) -> ReadAnswer:
    """Read a model's output; raises LLMOutputError if there is no sentence in it."""
    try:
        answer, reading = _decoder.decode(text), "exact"
    except msgspec.DecodeError:
        bare = _FENCE.sub("", text).strip()
        answer, reading = _read_json(bare), "repaired"
        if not answer.sentences:
            answer, reading = _read_prose(bare), "prose"
    sentences = [s for s in answer.sentences if sum(map(str.isalpha, s.text)) >= _FEWEST_LETTERS]
    if not sentences:
        raise LLMOutputError("the model's answer holds no sentence")
    return ReadAnswer(Answer(sentences, answer.quotes), reading)  # type: ignore[arg-type]


def strip_bullet(line: str) -> str:
    """`line` without the bullet or the number that it begins with."""
    return _BULLET.sub("", line)


def _read_json(text: str) -> Answer:
    """The answer in the first JSON value of `text`, however broken; empty where there is none."""
    start = min((at for mark in "{[" if (at := text.find(mark)) >= 0), default=None)
    return Answer([]) if start is None else _coerce(json_repair.loads(text[start:]))


def _coerce(value: object) -> Answer:
    """The answer in a JSON value of nearly the right shape; empty where there is none."""
    if isinstance(value, list):
        objects = [v for v in value if isinstance(v, dict) and any(k in v for k in _SENTENCES_KEYS)]
        value = objects[0] if len(objects) == 1 else {"sentences": value}
    if not isinstance(value, dict):
        return Answer([])
    inner = value.get("summary")
    if isinstance(inner, dict):
        value = {**value, **inner}
    sentences = [s for v in _items(value, _SENTENCES_KEYS) for s in _sentences_in(v)]
    quotes = [q for v in _items(value, _QUOTES_KEYS) if (q := _quote_in(v))]
    return Answer(sentences, quotes)


def _items(value: dict[str, object], keys: tuple[str, ...]) -> list[object]:
    for key in keys:
        found = value.get(key)
        if isinstance(found, list) and found:
            return found
        if isinstance(found, str) and found.strip():
            return [found]
    return []


def _sentences_in(value: object) -> list[AnswerSentence]:
    if isinstance(value, str):
        return list(_read_prose(value).sentences)
    if isinstance(value, dict):
        text = next((t for k in _TEXT_KEYS if isinstance(t := value.get(k), str)), "")
        passages = value.get("passages")
        ids = [str(p) for p in passages] if isinstance(passages, list) else []
        return [AnswerSentence(" ".join(text.split()), ids)]
    return []


def _quote_in(value: object) -> AnswerQuote | None:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return AnswerQuote(str(value))
    if isinstance(value, dict):
        named = next((v for k in _QUOTE_KEYS if isinstance(v := value.get(k), (str, int))), None)
        speaker = value.get("speaker")
        if named is not None:
            return AnswerQuote(str(named), speaker if isinstance(speaker, str) else None)
    return None


def _read_prose(text: str) -> Answer:
    """The sentences of prose or of a bulleted list, without the phrase that introduces them."""
    lines = [strip_bullet(line).strip() for line in text.splitlines()]
    body = "\n\n".join(
        line for line in lines if line and not _PREAMBLE.match(line) and not line.endswith(":")
    )
    spans = find_sentences(body, find_paragraphs(body))
    return Answer([AnswerSentence(" ".join(body[s.start : s.end].split())) for s in spans])
