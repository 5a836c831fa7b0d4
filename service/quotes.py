"""Quotations of an article, found by their marks.

One pass over the marks with a short stack of those that are open. A mark that is never closed yields nothing
and hides nothing behind it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from service.dialogue import find_dialogue
from service.lexicon import HEADLINE_SMALL, ROLES
from service.passages import Passage, find_paragraphs
from service.roles import Role, role_of


class Quotation(NamedTuple):
    """Words in quotation marks.

    `text[start:end]` are the words, `text[outer_start:outer_end]` includes the marks. A quotation that runs
    over paragraphs is one `Quotation` for each; all but the first are `continued`. `depth` is 0 for one that
    stands in no other.
    """

    start: int
    end: int
    outer_start: int
    outer_end: int
    role: Role
    depth: int = 0
    continued: bool = False


class _Mark(NamedTuple):
    text: str
    start: int
    end: int
    paragraph: int
    may_open: bool
    may_close: bool
    weak: bool  # closes only if no better mark follows: it may be an apostrophe or a sign for inches


class _Open(NamedTuple):
    mark: _Mark
    continued: bool


class _Piece(NamedTuple):
    outer_start: int
    start: int
    end: int
    outer_end: int
    continued: bool = False


# Apostrophes inside words never match; others are told from single marks by what stands around them.
_MARK = re.compile(
    r"[\"“”„‟＂«»「」『』《》〈〉‹›‘‚'’`]"
    r"(?:(?<=')'|(?<=`)`|(?<=‘)‘|(?<=’)’|(?<!['’`])|(?<=['’])(?:(?<!\w.)|(?!\w)))"
)
_CLOSERS = {
    '"': ('"', "”", "“", "''"),
    "＂": ("＂",),
    "“": ("”", '"', "“", "''"),
    "‟": ("”", '"'),
    "„": ("“", "”", '"'),
    "”": ("”", '"'),
    "«": ("»",),
    "»": ("«", "»"),
    "‹": ("›",),
    "›": ("‹", "›"),
    "''": ("''", '"', "”"),
    "``": ("''", '"', "”"),
    "‘‘": ("’’", "”", '"'),
    "'": ("'", "’"),
    "‘": ("’", "'"),
    "‚": ("‘", "’", "'"),
    "「": ("」",),
    "『": ("』",),
    "《": ("》",),
    "〈": ("〉",),
}
_SINGLE = frozenset("'’‘‚‹›")
_ONLY_OPENS = frozenset(("„", "‟", "‚", "``", "‘‘", "「", "『", "《", "〈"))
_ONLY_CLOSES = frozenset(("」", "』", "》", "〉", "’", "’’"))
# What may stand before an opening mark and after a closing one, besides white space.
_BEFORE = frozenset("([{<>—–-/¿¡:\"“„«»‹›‘‚'`「『（【，。、：；！？")
_AFTER = frozenset('.,;:!?…)]}—–-/<>&*"”“«»’‘」』）】，。、：；！？؟،؛')
_ELISION = re.compile(r"(?:\d\ds?|em|til|tis|twas|cause|n|round|bout|cuz)\b", re.IGNORECASE)
# Deeper nesting is no language's habit; the bounds keep each mark's work constant.
_MAX_OPEN = 6
_MAX_AHEAD = 6
_MAX_LINES = 24
_LONGEST_CREDIT = 12  # words


def find_quotations(text: str, paragraphs: Sequence[Passage] | None = None) -> list[Quotation]:
    """The quotations of `text` in order of start, an outer one before those inside it.

    Args:
        text: the article.
        paragraphs: its paragraphs, if the caller has them already.
    """
    if paragraphs is None:
        paragraphs = find_paragraphs(text)
    pieces = _Scan(text, paragraphs).pieces()
    pieces += [_Piece(outer, start, end, end) for outer, start, end in find_dialogue(text, paragraphs)]
    return _arrange(text, pieces)


class _Scan:
    """One pass over the marks of a text."""

    def __init__(self, text: str, paragraphs: Sequence[Passage]) -> None:
        self._text = text
        self._paragraphs = paragraphs
        starts = [p.start for p in paragraphs]
        self._marks = [self._classify(m, bisect_right(starts, m.start()) - 1) for m in _MARK.finditer(text)]
        self._stack: list[_Open] = []
        self._pieces: list[_Piece] = []

    def pieces(self) -> list[_Piece]:
        """Every quotation, in order of its closing mark."""
        for index, mark in enumerate(self._marks):
            opened = self._opened_by(index, mark)
            if opened is not None:
                self._close(opened, mark)
            elif mark.may_open:
                continued = self._leave_paragraph(mark)
                if len(self._stack) == _MAX_OPEN:
                    del self._stack[0]
                self._stack.append(_Open(mark, continued))
        return self._pieces

    def _classify(self, match: re.Match[str], paragraph: int) -> _Mark:
        text, mark, start, end = self._text, match.group(), match.start(), match.end()
        if mark in _ONLY_OPENS:
            return _Mark(mark, start, end, paragraph, may_open=True, may_close=False, weak=False)
        left = text[start - 1] if start else "\n"
        right = text[end] if end < len(text) else "\n"
        opens = left.isspace() or left in _BEFORE
        closes = right.isspace() or right in _AFTER
        between = not opens and not closes
        single = mark in _SINGLE
        measure = left.isdigit() and mark in "\"'"
        may_open = (opens or (between and not single and not measure)) and left != "="
        if single and (right.isspace() or _ELISION.match(text, end)):
            may_open = mark in "‹›"
        may_close = (closes or between) and not (single and left.isspace() and mark not in "‹›")
        weak = measure or (single and left in "sSxz" and right == " " and text[end + 1 : end + 2].islower())
        if mark in _ONLY_CLOSES:
            may_open, may_close = False, True
        return _Mark(mark, start, end, paragraph, may_open, may_close, weak)

    def _opened_by(self, index: int, mark: _Mark) -> _Open | None:
        """The open mark that `mark` closes; it and all above it leave the stack."""
        if not mark.may_close:
            return None
        for depth in range(len(self._stack) - 1, -1, -1):
            opened = self._stack[depth]
            if mark.text not in _CLOSERS[opened.mark.text]:
                continue
            if mark.text == opened.mark.text == "“":
                continue
            if not self._reaches(opened.mark, mark):
                continue
            if mark.weak and self._better_follows(index, opened.mark):
                return None
            del self._stack[depth:]
            return opened
        return None

    def _reaches(self, opened: _Mark, mark: _Mark) -> bool:
        """Whether a quotation may run so far: in one paragraph, over its lines, or into the next one."""
        between = mark.paragraph - opened.paragraph
        if between == 0:
            return True
        if mark.text in "'’" or mark.may_open or between > _MAX_LINES:
            return False
        return between == 1 or not self._blank_line(opened.paragraph, mark.paragraph)

    def _blank_line(self, first: int, last: int) -> bool:
        rest = self._paragraphs
        return any(self._text.count("\n", rest[i].end, rest[i + 1].start) > 1 for i in range(first, last))

    def _better_follows(self, index: int, opened: _Mark) -> bool:
        closers = _CLOSERS[opened.text]
        for mark in self._marks[index + 1 : index + 1 + _MAX_AHEAD]:
            if mark.paragraph != opened.paragraph:
                return False
            if mark.text in closers and mark.may_close and not mark.weak and not mark.may_open:
                return True
            if mark.may_open and mark.text == opened.text:
                return False
        return False

    def _close(self, opened: _Open, mark: _Mark) -> None:
        outer, start, continued = opened.mark.start, opened.mark.end, opened.continued
        first, last = opened.mark.paragraph, mark.paragraph
        if first != last and self._blank_line(first, last):
            end = self._paragraphs[first].end
            self._pieces.append(_Piece(outer, start, end, end, continued))
            outer = start = self._paragraphs[last].start
            continued = True
        self._pieces.append(_Piece(outer, start, mark.start, mark.end, continued))

    def _leave_paragraph(self, mark: _Mark) -> bool:
        """Drop marks left open in earlier paragraphs; True if `mark` takes one of them up in the next."""
        stale = [o for o in self._stack if o.mark.paragraph != mark.paragraph]
        if not stale:
            return False
        del self._stack[: len(stale)]
        if mark.start != self._paragraphs[mark.paragraph].start:
            return False
        for opened in stale:
            if opened.mark.text == mark.text and opened.mark.paragraph == mark.paragraph - 1:
                end = self._paragraphs[opened.mark.paragraph].end
                self._pieces.append(_Piece(opened.mark.start, opened.mark.end, end, end, opened.continued))
                return True
        return False


def _arrange(text: str, pieces: list[_Piece]) -> list[Quotation]:
    """Quotations in order, trimmed, with depth and role; empty and crossing ones are left out."""
    found: list[Quotation] = []
    ends: list[int] = []
    for piece in sorted(pieces, key=lambda p: (p.outer_start, -p.outer_end)):
        words = text[piece.start : piece.end]
        start = piece.start + len(words) - len(words.lstrip())
        words = _without_credit(text, piece, words.strip())
        while ends and ends[-1] <= piece.outer_start:
            ends.pop()
        if not any(map(str.isalnum, words)) or (ends and piece.outer_end > ends[-1]):
            continue
        role = role_of(text, piece.outer_start, piece.outer_end, words)
        end = start + len(words)
        found.append(
            Quotation(start, end, piece.outer_start, piece.outer_end, role, len(ends), piece.continued)
        )
        ends.append(piece.outer_end)
    return found


def _without_credit(text: str, piece: _Piece, words: str) -> str:
    """`words` without the line that names the speaker of a pull quote inside its marks."""
    said, _, credit = words.rpartition("\n")
    if not said or text[piece.outer_start - 1 : piece.outer_start] not in ("", "\n"):
        return words
    if said.rstrip()[-1] not in ".!?…" or text[piece.outer_end : piece.outer_end + 1] not in ("", "\n"):
        return words
    return said.rstrip() if _names_somebody(credit) else words


def _names_somebody(line: str) -> bool:
    """Whether a line is a name with a description: `Ana Ruiz, mayor of Harborview`."""
    tokens = [t.strip(",.()—–-") for t in line.split()]
    tokens = [t for t in tokens if t]
    capitalized = [t for t in tokens if t[0].isupper()]
    return (
        len(capitalized) >= 2
        and len(tokens) <= _LONGEST_CREDIT
        and all(t[0].isupper() or t in HEADLINE_SMALL or t in ROLES for t in tokens)
    )
