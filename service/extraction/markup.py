"""Clean text from marked-up documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lxml.etree import _Element

_BLOCKS: Final = frozenset(("ab", "code", "div", "head", "item", "list", "p", "quote", "row", "table"))
_CELLS: Final = " | "
_SPACES = re.compile(r"\s+")
_SPACES_IN_LINE = re.compile(r"[^\S\n]+")
_INVISIBLE = re.compile(r"[\u00ad\u200b\u2060\ufeff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST: Final = 1000  # characters of a title, name or address


def find_blocks(body: _Element) -> Iterator[str]:
    """The text of each block of trafilatura's tree, in order: paragraphs, items of lists, rows of tables."""
    from lxml.etree import iterwalk  # noqa: PLC0415

    parts: list[str] = []
    broken = False  # whether the line has just been broken: a second time in a row, that parts paragraphs

    def flush() -> Iterator[str]:
        text = clean("".join(parts))
        parts.clear()
        if text:
            yield text

    for event, element in iterwalk(body, events=("start", "end")):
        text = element.text if event == "start" else element.tail
        if element.tag in _BLOCKS:
            yield from flush()
        elif event == "start" and element.tag == "lb":
            if broken:
                yield from flush()
            parts.append("\n")
            broken = True
        elif event == "end" and element.tag == "cell" and element.getnext() is not None:
            parts.append(_CELLS)
        if text and not text.isspace():
            broken = False
        parts.append(_SPACES.sub(" ", text or ""))
    yield from flush()


def clean(text: str) -> str:
    """`text` without what nobody sees, and without spaces at the edges of its lines."""
    text = _SPACES_IN_LINE.sub(" ", _CONTROL.sub("", _INVISIBLE.sub("", text)))
    return "\n".join(line for raw in text.split("\n") if (line := raw.strip()))


def as_line(text: str | None) -> str | None:
    """A short text on one line, or None if there is none."""
    return clean(text or "").replace("\n", " ")[:_LONGEST].strip() or None
