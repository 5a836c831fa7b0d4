"""Text in an article that is meant for the model, not for readers: instructions, and hidden characters.

Patterns find what is written plainly; they are one defence of several. The prompts say that the article is
data, the model's answer can only name places in the article, and its sentences are checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from service.passages import Passage

_INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override)\s+(?:\w+\s+){0,3}?(?:previous|prior|preceding|above|earlier|foregoing|"
    r"other|system)\s+(?:\w+\s+)?(?:instruction|prompt|text|rule|message|direction|guideline|order|content|context)s?\b"
    r"|\b(?:ignore|disregard|forget)\s+(?:everything|all|anything)?\s*(?:of\s+)?(?:the\s+|that\s+)?above\b"
    r"|\b(?:your|the)\s+(?:(?:new|real|true|only)\s+instructions?)\b"
    r"|\byou\s+are\s+(?:now\s+)?(?:an?\s+)?(?:\w+\s+)?(?:ai|assistant|chatbot|language\s+model|llm)\b"
    r"(?!\s+(?:attorney|coach|director|editor|manager|prof|secretary))"
    r"|\b(?:attention|note|message|instructions?)[,:]?\s+(?:(?:to|for)\s+)?(?:the\s+|all\s+|any\s+)?"
    r"(?:ai|chatbot|language\s+model|llm|summari[sz]er)s?\b"
    r"|\b(?:respond|reply|answer|output)\s+only\s+with\b|\bdo\s+not\s+summari[sz]e\b"
    r"|\binstead\s+(?:write|say|output|reply|respond|print)\b|^\s*(?:system|assistant)\s*:|\[/?INST\]|<\|\w+\|>"
    r"|\bignorier\w*\s+(?:sie\s+)?(?:\w+\s+){0,2}(?:vorherigen|vorigen|obigen|bisherigen|früheren)\b"
    r"|\b(?:ignore[zr]?|oublie[zr]?)\s+(?:toutes\s+)?(?:les|ces|vos)\s+(?:instructions|consignes)\b"
    r"|\b(?:ignora|ignore|olvida|olvide)n?\s+(?:todas\s+)?(?:las|tus|sus)\s+instrucciones\b"
    r"|(?:指示|命令|プロンプト)を.{0,6}無視|忽略.{0,8}(?:指令|指示|说明)|تجاهل.{0,20}(?:التعليمات|الأوامر)",
    re.IGNORECASE | re.MULTILINE,
)
# Every instruction has one of these; looking for them first takes a twentieth of the time.
_TRIGGERS = (
    *("ignor", "disregard", "forget", "override", "prompt", "instruct", "you are", "assistant", "chatbot"),
    *("language model", "llm", "summari", "only with", "instead ", " ai", "system:", "[inst", "[/inst", "<|"),
    *("oubli", "olvid", "指示", "命令", "プロンプト", "忽略", "تجاهل"),
)
# Invisible in print. Joiners that emoji and some scripts need are not among them, nor are the tags of flags.
# A class at the start, and what it has matched looked at behind it: eight times as fast as alternatives.
_HIDDEN = re.compile(
    r"[\u200b\u2060-\u2064\ufeff\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
    r"(?:(?<![\U000e0000-\U000e007f])"
    r"|(?<![\U0001f3f4\U000e0061-\U000e007a][\U000e0000-\U000e007f])[\U000e0000-\U000e007f]*+)"
)
_TAGS = ("\U000e0000", "\U000e007f")
_PIECE = 50_000  # characters between which a long text lets other threads go on
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WORD = re.compile(r"\w+")
_MOST, _LONGEST = 200, 2_000  # instructions, and characters of each, that a summary is compared with
_SAME = 0.7  # share of a sentence's words from which it says the same as an instruction


def find_instructions(text: str, paragraphs: Sequence[Passage]) -> list[Passage]:
    """The stretches that address a model: from the instruction to the end of its paragraph, in order."""
    found: list[Passage] = []
    for paragraph in paragraphs:
        folded = text[paragraph.start : paragraph.end].lower()
        if any(trigger in folded for trigger in _TRIGGERS):
            match = _INSTRUCTION.search(text, paragraph.start, paragraph.end)
            if match:
                found.append(Passage(match.start(), paragraph.end))
    return found


def find_hidden(text: str) -> list[Passage]:
    """The runs of characters that readers cannot see."""
    return [Passage(m.start(), m.end()) for m in _HIDDEN.finditer(text)]


def strip_hidden(text: str) -> str:
    """`text` as readers see it."""
    return "".join(_HIDDEN.sub("", piece) for piece in _pieces(text))


def one_line(text: str) -> str:
    """`text` as readers see it, without line breaks and control characters: it looks like no new part."""
    return " ".join(_CONTROL.sub(" ", strip_hidden(text)).split())


def _pieces(text: str) -> Iterator[str]:
    """`text` in pieces that cut no run of tags."""
    start = 0
    while start < len(text):
        end = start + _PIECE
        while end < len(text) and _TAGS[0] <= text[end] <= _TAGS[1]:
            end += 1
        yield text[start:end]
        start = end


def words_of(text: str, instructions: Sequence[Passage]) -> list[frozenset[str]]:
    """The words of each of the first instructions, of a long one those at its start, for `repeats`."""
    return [_words(text[i.start : min(i.end, i.start + _LONGEST)]) for i in instructions[:_MOST]]


def repeats(sentence: str, instructions: Iterable[frozenset[str]]) -> bool:
    """Whether a summary's sentence says what one of `instructions`, given by its words, said to say."""
    words = _words(sentence)
    return bool(words) and any(len(words & told) >= _SAME * len(words) for told in instructions)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))
