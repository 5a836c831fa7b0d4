"""Paragraphs and sentences of a text, as offsets.

Sentences are found by nupunkt (Kiss and Strunk, Unsupervised multilingual sentence boundary detection,
Computational Linguistics 32, 2006), which knows the marks of Latin scripts. Here its boundaries are joined
where news text disagrees ("U.S. Secretary …"), and other scripts' marks are added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import nupunkt

# Of what str.splitlines() takes for a line's end, what ends a paragraph too.
_PARAGRAPH_BREAKS = "\v\f\x1c\x1d\x1e\u2029"
# Lines of a hard-wrapped text are filled to a width in this range.
_MIN_WIDTH, _MAX_WIDTH = 30, 120
_MAX_WORD = 24

_CLOSING = "\"'”’»›)]}）」』】》〉］｝"
_FINAL = re.compile(rf"[.!?…:。！？｡．؟۔।॥։።។][{re.escape(_CLOSING)}]*$")
_MARK = re.compile(r"[.!?…]")
_OTHER_MARK = re.compile(rf"[。！？｡．؟۔।॥։።។៕]+[{re.escape(_CLOSING)}]*\s*")
# Japanese particles and commas after a closing bracket go on with the sentence that quotes.
_GOES_ON = frozenset("とっはがをのにもでや、，,")
_LONG_WORD = re.compile(r"\S{400,}")
_WORD_EDGE = 40
_NEAR = 40

# What stands before a name or a number, so that its full stop ends no sentence.
_TITLE = re.compile(
    r"(?:M[rsx]|Mrs|Dr|Prof|Gov|Sens?|Reps?|Gen|Lt|Col|Maj|Capt|Cmdr|Adm|Sgt|Cpl|Pvt|Det|Insp|Supt|Rev|Fr|Hon|Pres|"
    r"Amb|Atty|Ald|Dist|Ste?|[MF]t|Sr|Sra|Srta|Dra|Hr|Frl|M|Mme|Msgr|vs?|e\.g|i\.e|z\.B|d\.h|bzw|ca)\."
)
_BEFORE_NUMBER = re.compile(
    r"(?:Nos?|Nr|Art|Sec|Fig|Ch|Vol|pp?|approx|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\."
)
_HOUR = re.compile(r"[ap]\.m\.")
_AFTER_HOUR = re.compile(
    r"(?:Eastern|Central|Mountain|Pacific|Greenwich|[ECMP][SD]?T|GMT|UTC|BST|"
    r"Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)(?:day)?\b"
)
# Words that begin a sentence more often than they are part of a name.
_STARTER = re.compile(
    r"(?:A|After|All|Also|Although|An|And|Another|Any|As|At|Before|Both|But|By|Despite|During|Each|Earlier|Even|"
    r"Every|For|From|He|Her|His|How|However|I|If|In|Instead|It|Its|Last|Later|Many|Meanwhile|More|Most|Much|My|"
    r"Nearly|No|None|Not|Now|Of|On|Once|One|Only|Or|Others?|Our|Over|She|Since|So|Some|Still|Such|That|The|Their|"
    r"Then|There|These|They|This|Those|Though|Through|Thus|To|Today|Under|Until|We|What|When|Where|While|Who|Why|"
    r"With|Without|Yet|You|Your|Er|Sie|Es|Der|Die|Das|Wir|Ich|Le|La|Les|Il|Elle|El|Los|Las)"
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+")
_ORDINAL = re.compile(r"\d{1,2}\.")
_MONTH = re.compile(r"(?:Jan|Feb|M[äa]r|Apr|Ma[ij]|Jun|Jul|Aug|Sep|O[kc]t|Nov|De[zcs])")
_SAYS = re.compile(
    r"(?:[^\W\d_][\w.'’-]{0,30} ){1,4}(?:said|says|asked|asks|told|added|wrote|cried|shouted|replied)\b"
)


class Passage(NamedTuple):
    """A paragraph or sentence, `text[start:end]`, without white space at its ends."""

    start: int
    end: int


def find_paragraphs(text: str) -> list[Passage]:
    """The paragraphs of `text` in order; only white space lies outside of them.

    A blank line, a form feed or a paragraph separator ends one. So does a single line break, as in wire
    copy, unless the lines between two blank lines are hard-wrapped: filled to a common width, and broken
    in the middle of a sentence somewhere. There a line goes on in the next if its first word did not fit.
    """
    found: list[Passage] = []
    block: list[Passage] = []
    position = 0
    for line in text.splitlines(keepends=True):
        body = line.rstrip()
        if body:
            end = position + len(body)
            block.append(Passage(end - len(body.lstrip()), end))
        position += len(line)
        if block and (not body or line[-1] in _PARAGRAPH_BREAKS):
            found += block if len(block) == 1 else _join_lines(text, block)
            block = []
    return found + _join_lines(text, block)


def _join_lines(text: str, lines: list[Passage]) -> list[Passage]:
    if len(lines) < 2:
        return lines
    width = max(end - start for start, end in lines)
    if not _MIN_WIDTH <= width <= _MAX_WIDTH:
        return lines
    full = [(a.end - a.start) + 1 + _first_word_length(text, b) > width for a, b in pairwise(lines)]
    ended = [_FINAL.search(text, max(a.start, a.end - 8), a.end) is not None for a in lines[:-1]]
    broken = [
        f and not e and not text[b.start].isupper() for f, e, b in zip(full, ended, lines[1:], strict=True)
    ]
    if not any(broken) or not all(f or e for f, e in zip(full, ended, strict=True)):
        return lines
    joined = [lines[0]]
    for goes_on, line in zip(full, lines[1:], strict=True):
        if goes_on:
            joined[-1] = Passage(joined[-1].start, line.end)
        else:
            joined.append(line)
    return joined


def _first_word_length(text: str, line: Passage) -> int:
    if text[line.start] >= "\u2e80":  # scripts without spaces wrap anywhere
        return 2
    space = text.find(" ", line.start, min(line.end, line.start + _MAX_WORD))
    return (space if space > 0 else min(line.end, line.start + _MAX_WORD)) - line.start


def find_sentences(text: str, paragraphs: Sequence[Passage]) -> list[Passage]:
    """The sentences of `paragraphs` in order.

    None runs over a paragraph's end, and nothing but white space lies between those of one paragraph.
    Linear in the text, whatever it holds.
    """
    found: list[Passage] = []
    for start, end in paragraphs:
        body = text[start:end]
        for first, last in pairwise([0, *_cuts(body), len(body)]):
            kept = body[first:last].rstrip()
            if kept:
                skipped = len(kept) - len(kept.lstrip())
                found.append(Passage(start + first + skipped, start + first + len(kept)))
    return found


def _cuts(body: str) -> list[int]:
    """Where sentences of a paragraph begin, the first left out."""
    cuts: list[int] = []
    begin = 0
    if _MARK.search(body, 0, len(body) - 1):
        for cut, _ in nupunkt.sent_spans(_LONG_WORD.sub(_shorten, body))[1:]:
            if not _continues(body, begin, cut):
                cuts.append(cut)
                begin = cut
    if body.isascii():
        return cuts
    return sorted({*cuts, *_other_cuts(body)})


def _shorten(long_word: re.Match[str]) -> str:
    """Blank the inside of a run without spaces: nupunkt keeps the words around a mark in memory."""
    word = long_word.group()
    return word[:_WORD_EDGE] + " " * (len(word) - 2 * _WORD_EDGE) + word[-_WORD_EDGE:]


def _continues(body: str, begin: int, cut: int) -> bool:
    """Whether the sentence `body[begin:cut]` goes on after `cut`, in spite of its mark."""
    before = body[max(begin, cut - _NEAR) : cut].rstrip()
    plain = before[-5:-1]
    if len(plain) == 4 and plain.isalpha() and plain.islower() and body[cut].isupper():
        return False  # after a word of four letters or more, which no abbreviation below has: most boundaries
    last = before.rpartition(" ")[2].lstrip("(\"'“‘«[—–-")
    first = body[cut : cut + _NEAR].partition(" ")[0].rstrip(",;:") or ":"
    if last[-1:] in _CLOSING and last[-2:-1] in "!?":
        return _SAYS.match(body, cut, cut + 160) is not None
    if not last.endswith("."):
        return False
    if first[0].isdigit():
        return _BEFORE_NUMBER.fullmatch(last) is not None
    if _HOUR.fullmatch(last):
        goes_on = _AFTER_HOUR.match(first) is not None
    elif _ORDINAL.fullmatch(last):
        goes_on = len(before) < 4 or _MONTH.match(first) is not None
    else:
        name = first[0].isupper() and _STARTER.fullmatch(first) is None
        goes_on = name and (_TITLE.fullmatch(last) or _INITIALS.fullmatch(last)) is not None
    return goes_on or first[0].islower()


def _other_cuts(body: str) -> Iterator[int]:
    for mark in _OTHER_MARK.finditer(body):
        end = mark.end()
        if end == len(body):
            return
        last = mark.group().rstrip()[-1]
        quoted = last in _CLOSING and body[end] in _GOES_ON
        decimal = last == "．" and body[end].isdecimal()
        if not quoted and not decimal:
            yield end
