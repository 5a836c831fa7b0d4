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
    rf"(?P<name>(?:[\u3400-\u9fff々]{{2,8}}[ぁ-ん]{{1,4}}(?={_SUFFIX})|[\u3400-\u9fff々ァ-ヶー・]{{2,14}}?))"
    rf"(?:(?:{_SUFFIX}){{1,2}}(?:[（(][^（）()\n]{{1,12}}[）)])?|[（(][0-9０-９]{{1,3}}[）)])(?:は|が|も|によると|によれば)"
)
# Whoever has the topic's particle right before the quotation speaks, with a name or without.
_JAPANESE_TOPIC = re.compile(r"(?:[\u3400-\u9fffァ-ヶー]|[)）])(?:は|が|も)、?$")
_ARABIC = re.compile(
    r"\b[وف]?(?:قال|قالت|أضاف|أضافت|صرح|صرحت|أكد|أكدت|أوضح|أوضحت|أعلن|أعلنت|ذكر|ذكرت|تابع|تابعت|أشار|أشارت)"
    r"[ ](?P<words>[\u0620-\u06ff، ]{1,120})"
)
# The head of an office ("minister", "in the name of"): what belongs to it ends with a word with an article.
_ARABIC_OFFICE = re.compile(
    r"(?:وزير|رئيس|مدير|متحدث|محافظ|سفير|نائب|أمين|قائد|عضو|مسؤول|وكيل|عمدة|حاكم|مستشار|مبعوث)(?:ة|ا)?"
    r"|باسم|فريق|مجلس|لجنة"
)
_ARABIC_END = re.compile(r"(?:إن|أن|في|من|على|عن|إنه|إنها|أنه|أنها|إلى|خلال|بعد|قبل|وهو|وهي|لل\w+)")
# A witness, a source, an official: whoever these are, they have no name here.
_ARABIC_UNNAMED = frozenset(
    (
        "بيان",
        "تقرير",
        "شاهد",
        "شهود",
        "مصدر",
        "مصادر",
        "متحدث",
        "متحدثة",
        "شخص",
        "أحد",
        "إحدى",
        "سكان",
        "خبراء",
    )
)
_REACH = 120


class UncasedNames:
    """Finds the names next to quotations; a part of a name stands for the whole that the text gives."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[str, Entity] | None = None

    def applies(self, start: int) -> bool:
        """Whether the quotation that starts at `start` is in such a script."""
        return _SCRIPT.match(self._text, start) is not None

    def find(self, start: int, outer_start: int, outer_end: int, end: int) -> Entity | None:
        """The name before the quotation (from `start` on) or else behind it (up to `end`)."""
        if self._known is None:
            self._known = {}
            self._introduce(self._known)
        regions = ((max(start, outer_start - _REACH), outer_start), (outer_end, min(end, outer_end + _REACH)))
        for first, last in regions:
            found = None
            for match in _JAPANESE.finditer(self._text, first, last):
                found = match["name"]
                if last == outer_start and self.has_topic(match.end(), outer_start):
                    found = None
            for match in _ARABIC.finditer(self._text, first, last):
                found = _arabic_name(match["words"]) or found
            if found:
                return self._known.get(found)
        return None

    def _introduce(self, known: dict[str, Entity]) -> None:
        """Learn all names: in full, an Arabic one also by its last word, a Japanese one by its beginning."""
        for match in _JAPANESE.finditer(self._text):
            name = match["name"]
            entity = _learn(known, name, match.start("name"))
            for length in range(2, len(name)):
                known.setdefault(name[:length], entity)
        for match in _ARABIC.finditer(self._text):
            name = _arabic_name(match["words"]) or ""
            start = self._text.find(name, match.start(), match.end())
            if name and start >= 0:
                known.setdefault(name.split()[-1], _learn(known, name, start))

    def has_topic(self, start: int, outer_start: int) -> bool:
        """Whether somebody is said to speak right before the quotation: "女性は「"."""
        return _JAPANESE_TOPIC.search(self._text, max(start, outer_start - 20), outer_start) is not None


def _learn(known: dict[str, Entity], name: str, start: int) -> Entity:
    return known.setdefault(name, Entity(Mention(start, start + len(name), tuple(name.split()))))


def _arabic_name(words: str) -> str | None:
    """The name in what follows a verb of saying: what is left when offices and words with an article go."""
    for part in words.split("،"):
        name: list[str] = []
        belongs = False
        for word in part.split():
            if word in _ARABIC_UNNAMED:
                return None
            article = word.startswith("ال")
            if _ARABIC_END.fullmatch(word) or len(name) == 3:
                break
            if _ARABIC_OFFICE.fullmatch(word) and not name:
                belongs = True
            elif belongs or (article and not name):
                belongs = belongs and not article
            else:
                name.append(word)
        if name:
            return " ".join(name)
    return None
