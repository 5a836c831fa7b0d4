"""Names next to quotations in scripts without capital letters: Japanese and Arabic, basic patterns.

A Japanese name is what stands before a title or polite suffix and a particle; an Arabic one what stands
between a verb of saying and the quotation, without offices.
"""

from __future__ import annotations

import re

from service.names import Entity, Mention

_SCRIPT = re.compile(r"[\u0620-\u06ff\u3040-\u30ff\u3400-\u9fff]")
_SUFFIX = (
    "氏|さん|首相|大統領|社長|市長|町長|村長|知事|教授|議員|長官|大臣|外相|財務相|官房長官|会長|監督|選手|代表|"
    "所長|部長|課長|博士|委員長|弁護士|報道官"
)
_JAPANESE = re.compile(
    rf"(?P<name>[\u3400-\u9fff々ァ-ヶー・]{{2,14}}?)(?:{_SUFFIX}){{1,2}}(?:（[^（）\n]{{1,12}}）)?(?:は|が|も|によると|によれば)"
)
_ARABIC = re.compile(
    r"\b[وف]?(?:قال|قالت|أضاف|أضافت|صرح|صرحت|أكد|أكدت|أوضح|أوضحت|أعلن|أعلنت|ذكر|ذكرت)[ ]"
    r"(?P<words>[\u0620-\u06ff]++(?: [\u0620-\u06ff]++){0,7})"
)
_ARABIC_OFFICE = re.compile(
    r"(?:ال\w+|وزير\w*|رئيس\w*|مدير\w*|متحدث\w*|باسم|محافظ|أمين|سفير|نائب|إن|أن|في|من|على|عن|إنه|إنها)$"
)
_REACH = 120


class UncasedNames:
    """Finds the names next to quotations, and remembers full ones for later short ones."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: list[tuple[str, Entity]] = []

    def applies(self, start: int) -> bool:
        """Whether the quotation that starts at `start` is in such a script."""
        return _SCRIPT.match(self._text, start) is not None

    def find(self, start: int, outer_start: int, outer_end: int, end: int) -> Entity | None:
        """The name before the quotation (from `start` on) or else behind it (up to `end`)."""
        regions = ((max(start, outer_start - _REACH), outer_start), (outer_end, min(end, outer_end + _REACH)))
        for first, last in regions:
            found = None
            for match in _JAPANESE.finditer(self._text, first, last):
                found = match["name"]
            for match in _ARABIC.finditer(self._text, first, last):
                found = _arabic_name(match["words"].split(" ")) or found
            if found:
                return self._entity(found)
        return None

    def _entity(self, name: str) -> Entity:
        for full, entity in self._known[-20:]:
            if full.startswith(name) or full.endswith(" " + name):
                return entity
        start = self._text.find(name)
        entity = Entity(Mention(start, start + len(name), tuple(name.split())))
        self._known.append((name, entity))
        return entity


def _arabic_name(words: list[str]) -> str | None:
    while words and _ARABIC_OFFICE.match(words[-1]):
        words.pop()
    name: list[str] = []
    while words and len(name) < 3 and not _ARABIC_OFFICE.match(words[-1]):
        name.insert(0, words.pop())
    return " ".join(name) or None
