"""Who said a quotation, from the words around it.

In this order: an attribution behind the quotation (`," Ana Ruiz said`, `," said Ana Ruiz`), one before it in
its sentence (`Ana Ruiz said that "`), the speaker of the quotation before it in the same paragraph, the
subject of the sentence or paragraph before it. Pronouns and roles stand for the best fitting name before
them. Where only an unnamed source speaks there is no speaker.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from service.lexicon import (
    ACCORDING,
    ADVERBS,
    COMMON,
    COORDINATORS,
    IN_THE_EYES_OF,
    PARTICIPLES,
    PRONOUNS,
    REPORTING,
    REPORTS,
)
from service.models import Speaker
from service.names import Entity, NameIndex, is_role
from service.passages import Passage, find_paragraphs
from service.phrases import UNKNOWN, Answer, Phrases, Token, is_saying
from service.quotes import Quotation
from service.references import References
from service.uncased import UncasedNames

__all__ = ["NameIndex", "attribute", "resolve_name", "same_person"]

_SENTENCE_END = re.compile(
    r"[.!?…。！？؟\n](?:(?<=[。！？؟\n])|(?<!\b[A-Z].)(?<!\b(?:Mr|Ms|Dr|St|Jr|Lt).)(?<!\b(?:Mrs|Rep|Sen|Gov|Gen|Col).)"
    r"[)\]”\"’'»“]?(?=\s+[\"“«„'‘(\[]?[^\Wa-z\d_]))"
)
# A verb of saying is sought this far before and behind a quotation, in characters.
_REACH = 400
_STRIP = "'’\"“”.,;:()[]"
_SUBJECT_WORDS = 5
_LONGEST_NAME = 4
_CLOSING = " \xa0'’\"”»“"


def attribute(
    text: str,
    quotations: Sequence[Quotation],
    paragraphs: Sequence[Passage] | None = None,
    names: NameIndex | None = None,
) -> list[Speaker | None]:
    """The speaker of each of `quotations`, or None where the article names none.

    Args:
        text: the article.
        quotations: what `find_quotations` returned for it.
        paragraphs: its paragraphs, if the caller has them already.
        names: its names, likewise.
    """
    if not quotations:
        return []
    if names is None:
        names = NameIndex(text)
    return _Attribution(names, quotations, find_paragraphs(text) if paragraphs is None else paragraphs).run()


class _Attribution:
    def __init__(
        self, names: NameIndex, quotations: Sequence[Quotation], paragraphs: Sequence[Passage]
    ) -> None:
        self._text = names.text
        self._names = names
        self._quotations = quotations
        self._paragraphs = paragraphs
        self._starts = [p.start for p in paragraphs]
        self._references = References(names)
        self._uncased = UncasedNames(names.text)
        self._phrases = Phrases(names, quotations, self._references)
        self._references.quoted = self._phrases.quoted

    def run(self) -> list[Speaker | None]:
        found: list[Speaker | None] = [None] * len(self._quotations)
        outer = [i for i, q in enumerate(self._quotations) if q.depth == 0]
        previous = 0
        for position, i in enumerate(outer):
            q = self._quotations[i]
            following = self._quotations[outer[position + 1]] if position + 1 < len(outer) else None
            entity = self._speaker_of(q, previous, following.outer_start if following else len(self._text))
            self._references.spoke(entity, q.outer_end)
            previous = q.outer_end
            found[i] = self._names.speaker(entity) if entity else None
        return found

    def _paragraph(self, offset: int) -> Passage:
        return self._paragraphs[max(0, bisect_right(self._starts, offset) - 1)]

    def _speaker_of(self, q: Quotation, previous_end: int, following_start: int) -> Answer:
        if q.continued:
            return self._references.last
        credit = self._credit(q)
        if credit is not UNKNOWN:
            return credit
        paragraph = self._paragraph(q.outer_start)
        same = previous_end > paragraph.start
        start = max(previous_end if same else paragraph.start, q.outer_start - _REACH)
        end = min(self._paragraph(q.outer_end - 1).end, q.outer_end + _REACH)
        before = self._sentence_start(start, q.outer_start)
        same_sentence = same and before == start
        if self._uncased.applies(q.start):
            uncased = self._uncased.find(start, q.outer_start, q.outer_end, min(end, following_start))
            if uncased is None and not same and self._uncased.has_topic(start, q.outer_start):
                return None
            return uncased or self._references.last
        words = self._text[q.start : q.end].rstrip(_CLOSING)
        announced = self._text[before : q.outer_start].rstrip().endswith((",", ":")) and words[-1:] != ","
        found: Answer = UNKNOWN
        if not announced:
            found = self._behind(q, end, following_start)
        if found is UNKNOWN:
            lead = self._phrases.tokens(before, q.outer_start)
            found = self._before(lead, before, q.outer_start, same_sentence=same_sentence)
        if found is UNKNOWN and announced:
            found = self._behind(q, end, following_start)
        return self._carried(start, q.outer_start, same=same) if found is UNKNOWN else found

    def _credit(self, q: Quotation) -> Answer:
        """The speaker of a pull quote, whose name stands in a line of its own before the closing mark."""
        comma = self._text.find(",", q.end, q.outer_end)
        named = self._names.between(q.end, q.outer_end if comma < 0 else comma)
        return self._names.entity(named[-1]) if named else UNKNOWN

    def _sentence_start(self, start: int, end: int) -> int:
        for stop in _SENTENCE_END.finditer(self._text, start, end):
            start = stop.end()
        rest = self._text[start:end].rstrip()
        return end if rest[-1:] in ".!?…" else start

    def _behind(self, q: Quotation, end: int, following_start: int) -> Answer:
        """An attribution behind the quotation in the same sentence."""
        text = self._text
        last = text[q.start : q.end].rstrip(_CLOSING)[-1:]
        lead = text[q.outer_end : q.outer_end + 3].lstrip()[:1]
        if last == "." and lead not in ",—–-":
            return UNKNOWN
        end = min(end, following_start)
        stop = _SENTENCE_END.search(text, q.outer_end, end)
        limit = stop.start() if stop else end
        tokens = self._phrases.tokens(q.outer_end, limit)
        if last in ",?!…—–-" or lead in (",", "—", "–", "-"):
            found = self._direct(tokens, q.outer_end, limit)
            alone = self._paragraph(q.outer_start).start == q.outer_start
            return self._signed(tokens, limit) if found is UNKNOWN and alone and lead in "—–-" else found
        return self._trailing(tokens, limit)

    def _direct(self, tokens: Sequence[Token], start: int, limit: int) -> Answer:
        """`Ana Ruiz said`, `said Ana Ruiz` or `according to Ana Ruiz` right behind a quotation."""
        for i, token in enumerate(tokens[:40]):
            if i < 3 and (token.low in ACCORDING or _is_german_so(tokens[i : i + 2])):
                return self._phrases.behind(_skip_to(tokens[i + 1 :]), limit)
            if not is_saying(tokens, i):
                continue
            ahead = [t for t in tokens[:i] if t.word not in ",;:()"]
            if all(t.low in ADVERBS or t.low.endswith("ly") for t in ahead):
                if token.low in PARTICIPLES:
                    return UNKNOWN
                return self._phrases.behind(tokens[i + 1 :], limit)
            if ahead[0].low in ("and", "but", "that", "which", "while", "when"):
                return UNKNOWN
            return self._phrases.subject(tokens[:i], start)
        return UNKNOWN

    def _signed(self, tokens: Sequence[Token], limit: int) -> Answer:
        """`“The bridge opens.” — Ana Ruiz, mayor of Brill`: a name that a comma or the end follows."""
        end = next((t.start for t in tokens if t.word in ",;:("), limit)
        words = [t for t in tokens if t.start < end]
        is_name = 0 < len(words) <= _LONGEST_NAME and all(t.word[0].isupper() for t in words)
        return self._phrases.name_at(words[-1]) if is_name else UNKNOWN

    def _trailing(self, tokens: Sequence[Token], limit: int) -> Answer:
        """`, said Ana Ruiz` or `, Ana Ruiz said` at the end of a sentence that goes on behind."""
        for i in range(len(tokens) - 1):
            if i and tokens[i - 1].word != ",":
                continue
            if is_saying(tokens, i) and tokens[i].low not in PARTICIPLES:
                return self._phrases.behind(tokens[i + 1 :], limit)
        for i in range(len(tokens) - 1, 0, -1):
            if tokens[i].low in ACCORDING:
                return self._phrases.behind(_skip_to(tokens[i + 1 :]), limit)
            if not is_saying(tokens, i) or tokens[i].low in PARTICIPLES:
                continue
            comma = max((j for j in range(i) if tokens[j].word == ","), default=-1)
            if comma < 0 or i - comma > 4 or not self._names_subject(tokens[i - 1]):
                return UNKNOWN
            return self._phrases.subject(tokens[comma + 1 : i], tokens[comma].end)
        return UNKNOWN

    def _names_subject(self, token: Token) -> bool:
        return token.low in PRONOUNS or self._phrases.name_at(token) is not UNKNOWN

    def _before(self, tokens: Sequence[Token], start: int, end: int, *, same_sentence: bool) -> Answer:
        """An attribution before the quotation in the same sentence."""
        for i in range(len(tokens) - 1, -1, -1):
            low = tokens[i].low
            if low in ACCORDING:
                return self._phrases.behind(_skip_to(tokens[i + 1 :]), end)
            if not is_saying(tokens, i):
                continue
            if same_sentence and _goes_on(tokens[: i + 1]):
                return self._references.last
            if low in PARTICIPLES:
                found = self._phrases.main_subject(tokens[:i], start)
            else:
                found = self._phrases.subject(tokens[:i], start)
            if found is not UNKNOWN:
                return found
        return self._without_verb(tokens, start, same_sentence=same_sentence)

    def _without_verb(self, tokens: Sequence[Token], start: int, *, same_sentence: bool) -> Answer:
        """`Ana Ruiz: “…”`, `For Ana Ruiz, it is “…”`, or the subject of the sentence."""
        if len(tokens) > 1 and tokens[-1].word == ":":
            named = self._phrases.name_at(tokens[-2])
            if named is not UNKNOWN:
                return named
        if same_sentence and tokens:
            named = self._phrases.name_at(tokens[-1])
            # "… and that Ruiz “…”" is what the one who spoke before says of Ruiz.
            reported = any(t.low in REPORTING for t in tokens[-_SUBJECT_WORDS:])
            return self._references.last if named is UNKNOWN or reported else named
        if tokens and tokens[0].low in IN_THE_EYES_OF:
            comma = next((i for i, t in enumerate(tokens[: _LONGEST_NAME + 2]) if t.word == ","), 0)
            named = self._phrases.name_in(tokens[1:comma])
            if named is not UNKNOWN:
                return named
        return self._phrases.main_subject(tokens, start)

    def _carried(self, start: int, end: int, *, same: bool) -> Answer:
        """The subject of the last sentence of `text[start:end]`, or who spoke last."""
        sentences = self._sentences(start, end)
        # Behind a quotation the first sentence is the rest of its own.
        for first, last in reversed(sentences[1:] if same else sentences):
            found = self._phrases.main_subject(self._phrases.tokens(first, last), first)
            if found is not UNKNOWN:
                return found
        if same:
            return self._references.last
        announced = self._announced(start)
        return self._references.resolve("", (), end) if announced is UNKNOWN else announced

    def _announced(self, start: int) -> Answer:
        """The subject of the last sentence before the paragraph at `start`, if it ends with a colon."""
        index = bisect_right(self._starts, start) - 2
        if index < 0:
            return UNKNOWN
        before = self._paragraphs[index]
        if self._text[before.end - 1] != ":":
            return UNKNOWN
        first, last = self._sentences(max(before.start, before.end - _REACH), before.end)[-1]
        return self._before(self._phrases.tokens(first, last), first, last, same_sentence=False)

    def _sentences(self, start: int, end: int) -> list[tuple[int, int]]:
        cuts = [start, *(m.end() for m in _SENTENCE_END.finditer(self._text, start, end)), end]
        return [(a, b) for a, b in pairwise(cuts) if self._text[a:b].strip()]


def _goes_on(tokens: Sequence[Token]) -> bool:
    """Whether who spoke does so again: `"…," Ana Ruiz said, adding "…"`, `… and said "…"`."""
    *ahead, verb = tokens
    if verb.low in PARTICIPLES:
        return bool(ahead) and ahead[-1].word == ","
    return bool(ahead) and all(t.low in COORDINATORS or t.word == "," for t in ahead)


def _is_german_so(tokens: Sequence[Token]) -> bool:
    """`„…“, so Ana Ruiz`, `„…“, so die Ministerin`."""
    return tokens[0].word == "so" and (
        tokens[-1].word[0].isupper() or tokens[-1].low in ("der", "die", "das")
    )


def _skip_to(tokens: Sequence[Token]) -> Sequence[Token]:
    """The tokens behind "to", and behind "a report by" if they begin with that."""
    tokens = tokens[1:] if tokens and tokens[0].low == "to" else tokens
    author = next((i for i, t in enumerate(tokens[:5]) if t.low == "by"), 0)
    return tokens[author + 1 :] if author and any(t.low in REPORTS for t in tokens[:author]) else tokens


def resolve_name(index: NameIndex, name: str) -> Speaker | None:
    """The person or organization that `name` means, as the article names it; None if it does not.

    `name` may carry titles and descriptions ("John Kirby, White House spokesman"); its case does not matter.
    """
    wanted = _name_words(re.split(r"[,(]", name, maxsplit=1)[0])
    best: tuple[int, Entity] | None = None
    for i, mention in enumerate(index.mentions):
        have = set(mention.words)
        if wanted and (have <= wanted or wanted <= have):
            score = 2 * len(have & wanted) - len(have ^ wanted)
            if best is None or score > best[0]:
                best = (score, index.entity(i))
    if best is not None:
        return index.speaker(best[1])
    # A script without capital letters has no mentions; the name itself may stand there.
    start = index.text.find(name) if name.strip() == name and name.lower() == name.upper() else -1
    if start < 0 or not name or not all(map(str.isalpha, name.replace(" ", ""))):
        return None
    return Speaker(name=name, start=start, end=start + len(name))


def same_person(a: Speaker, b: Speaker) -> bool:
    """Whether two speakers of one article are the same: one name's words are all in the other's."""
    if (a.start, a.end) == (b.start, b.end):
        return True
    first, second = _name_words(a.name), _name_words(b.name)
    return bool(first and second) and (first <= second or second <= first)


def _name_words(name: str) -> set[str]:
    words = {re.sub(r"['’]s$", "", w.strip(_STRIP).lower()) for w in name.split()}
    return {w for w in words if w and not is_role(w) and w not in COMMON}
