"""Paragraphs and sentences of a text, as offsets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import nupunkt

_PARAGRAPH = re.compile(r"[^\s][^\n]*")


class Passage(NamedTuple):
    """A paragraph or sentence, `text[start:end]`, without white space at its ends."""

    start: int
    end: int


def find_paragraphs(text: str) -> list[Passage]:
    """The paragraphs of `text` in order."""
    return [Passage(m.start(), m.start() + len(m.group().rstrip())) for m in _PARAGRAPH.finditer(text)]


def find_sentences(text: str, paragraphs: Sequence[Passage]) -> list[Passage]:
    """The sentences of `paragraphs` in order; none runs over a paragraph's end."""
    found: list[Passage] = []
    for p in paragraphs:
        body = text[p.start : p.end]
        for start, end in nupunkt.sent_spans(body):
            part = body[start:end]
            s = p.start + start + len(part) - len(part.lstrip())
            e = p.start + start + len(part.rstrip())
            if s < e:
                found.append(Passage(s, e))
    return found
