"""Drafts for the mock LLM: made of sentences, ids and names that stand in the prompt, or lies about them."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

# JSON of any shape: the schema and the request are the client's, and tests look into both.
Json: TypeAlias = Any
Lie: TypeAlias = Literal[
    "fabricated_ids", "altered_quotes", "wrong_facts", "repeats_sentence", "repeats_quote", "wrong_speaker"
]
_MARKUP = re.compile(r"<[^<>\n]{0,80}>|\[[^\[\]\n]{0,80}\]")
_SENTENCE = re.compile(r"[^.!?。！？؟\n]{20,400}[.!?。！？؟]")
_PASSAGE_ID = re.compile(r"\bp\d+\b")
_QUOTE_ID = re.compile(r"\bq\d+\b")
_NAME = re.compile(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b")
_DRAFT_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "sentences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "passages": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "quotes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "speaker": {"type": "string"}},
            },
        },
    },
}


def write_prose(prompt: str) -> str:
    """The first sentences of `prompt` after a word of greeting."""
    return "Gladly! " + " ".join(_Source(prompt).sentences[:3])


def write_draft(prompt: str, schema: Json | None, lie: str | None = None) -> str:
    """A JSON text that fits `schema`, or the usual draft; any `lie` but a `Lie` is the truth."""
    draft = _Source(prompt).fill(schema or _DRAFT_SCHEMA, "", 0)
    if lie in _LIES:
        _LIES[lie](draft)
    return json.dumps(draft, ensure_ascii=False)


class _Source:
    """What the prompt offers for a draft: sentences with the passage they stand in, ids and names."""

    def __init__(self, prompt: str) -> None:
        plain = _MARKUP.sub(lambda m: " " * len(m.group()), prompt)
        marks = list(_PASSAGE_ID.finditer(prompt))
        starts = [mark.start() for mark in marks]
        self.sentences: list[str] = []
        self.passages: list[str] = []
        for match in _SENTENCE.finditer(plain):
            before = bisect_left(starts, match.end()) - 1
            self.sentences.append(" ".join(match.group().split()))
            self.passages.append(marks[before].group() if before >= 0 else "p1")
        if not self.sentences:
            self.sentences, self.passages = ["The article says little."], ["p1"]
        self.quotes = list(dict.fromkeys(_QUOTE_ID.findall(prompt)))
        self.names = list(dict.fromkeys(_NAME.findall(plain)))

    def fill(self, schema: Json, name: str, index: int) -> Json:
        """A value that `schema` allows, for the `index`th item of a list where it is in one."""
        options = schema.get("anyOf")
        if options:
            return self.fill(options[0], name, index)
        kind = schema.get("type", "string")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object":
            return {key: self.fill(part, key, index) for key, part in schema.get("properties", {}).items()}
        if kind == "array":
            size = {"quotes": len(self.quotes), "sentences": len(self.sentences)}.get(name, 1)
            size = max(min(3, size, schema.get("maxItems", 3)), schema.get("minItems", 0))
            return [self.fill(schema["items"], name, index + i) for i in range(size)]
        if kind == "string":
            return self._text(name, index)[: schema.get("maxLength")]
        return {"integer": 0, "number": 0, "boolean": False}.get(kind)

    def _text(self, name: str, index: int) -> str:
        choices: list[str] = {
            "passages": self.passages,
            "id": self.quotes or ["q1"],
            "speaker": self.names or [""],
        }.get(name, self.sentences)
        return choices[index % len(choices)]


def _fabricate_ids(draft: Json) -> None:
    for number, sentence in enumerate(draft["sentences"]):
        sentence["passages"] = [f"p{9001 + number}"]
    draft["quotes"] = [{"id": f"q{9001 + i}", "speaker": None} for i in range(2)]


def _alter_quotes(draft: Json) -> None:
    draft["quotes"] = [{"id": "We have never, ever said anything of that kind.", "speaker": None}]


def _change_facts(draft: Json) -> None:
    for sentence in draft["sentences"]:
        wrong = re.sub(r"\d", lambda m: str((int(m.group()) + 1) % 10), sentence["text"])
        sentence["text"] = f"{wrong[:-1]}, Zebulon Quartermain said on 31 February."


def _repeat_sentence(draft: Json) -> None:
    draft["sentences"] = draft["sentences"][:1] * 10


def _repeat_quote(draft: Json) -> None:
    draft["quotes"] = draft["quotes"][:1] * 10


def _misattribute(draft: Json) -> None:
    for quote in draft["quotes"]:
        quote["speaker"] = "Zebulon Quartermain"


_LIES: dict[str, Callable[[Json], None]] = {
    "fabricated_ids": _fabricate_ids,
    "altered_quotes": _alter_quotes,
    "wrong_facts": _change_facts,
    "repeats_sentence": _repeat_sentence,
    "repeats_quote": _repeat_quote,
    "wrong_speaker": _misattribute,
}
