"""Whether the article ties facts together as a sentence does: a person to a post, a sum to what it pays for.

Each look-up accuses only where the article says otherwise: it has the same post, noun, rate or part of the
day, and always with another fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from service.dates import DateMention
from service.entities import FUNCTION_WORDS, SPEAKS, TITLES, Name
from service.evidence import SentenceIndex
from service.facts import Fact, FactSheet
from service.lexicon import PERSONS, ROLES
from service.models import FindingReason
from service.numbers import Number
from service.vocabulary import MONEY
from service.words import stem, words_of

_MOST = 60  # sentences that are read for one look-up
_LEAD = 2  # sentences: the headline, perhaps, and the first one
_LONGEST_GAP = 3  # words between an owner and what is owned
_PERSON_ENDINGS = ("er", "or", "ist", "ian", "man", "woman", "eer")
_PERSON_NOUNS = ROLES | words_of(
    """
    aide ally analyst boss chief critic delegate editor executive expert graduate head heir lobbyist nominee
    owner partner patron president publicist rival scholar spouse star student surgeon
    """
)
_PARTS_OF_DAY = words_of("morning afternoon evening night")
_RATE_WORDS = words_of("a an per each every")
_PERIODS = {
    word: period
    for period, words in {
        "hour": "hour hourly",
        "day": "day daily",
        "week": "week weekly",
        "month": "month monthly",
        "year": "year yearly annually annum",
    }.items()
    for word in words.split()
}
_NO_RATE = words_of("ago earlier later after before old since from")
_LINKS = words_of("of for to in from with by")


class _Word(NamedTuple):
    """Token `at` of a sentence of the article."""

    sheet: FactSheet
    at: int


class Ties:
    """The ties between the facts of an article."""

    def __init__(
        self,
        words: SentenceIndex,
        sheet: Callable[[int], FactSheet],
        find_name: Callable[[Sequence[str]], set[int]],
    ) -> None:
        self._words = words
        self._sheet = sheet
        self._find_name = find_name

    def broken(self, fact: Fact, sheet: FactSheet, where: Iterable[int]) -> FindingReason | None:
        """The reason why `fact`, which the sentences `where` of the article have, is tied to another."""
        if isinstance(fact, Name):
            known = self._is_posted_elsewhere(fact, sheet) or self._is_of_others(fact, sheet)
            return "other_name" if known or self._owns_what_others_own(fact, sheet) else None
        told = [self._sheet(i) for i in islice(sorted(where), _MOST)]
        if isinstance(fact, DateMention):
            return "other_date" if self._has_other_part_of_day(fact, sheet, told) else None
        if _has_other_rate(fact, sheet, told):
            return "other_unit"
        if self._pays_for_another(fact, told) or self._goes_to_another(fact, sheet, told):
            return "other_number"
        return "other_noun" if _is_an_age_there(fact, told) or _is_no_age_there(fact, sheet, told) else None

    def _having(self, *words: str) -> Iterator[FactSheet]:
        sets = [self._words.by_stem.get(stem(word), set()) for word in words]
        return (self._sheet(i) for i in islice(sorted(set.intersection(*sets)), _MOST))

    # -- names

    def _is_posted_elsewhere(self, name: Name, sheet: FactSheet) -> bool:
        """Whether the article has the post right before `name` ("campaign manager") for others alone."""
        folded, at = sheet.tokens.folded, name.first - 1
        if at < 1 or not (_is_person_noun(sheet, at) and _is_small(sheet, at - 1) and _adjoin(sheet, at, 2)):
            return False
        kind, post = folded[at - 1], folded[at]
        owners = [
            owner
            for told in self._having(kind, post)
            for j in range(1, len(told.tokens.folded))
            if told.tokens.folded[j] == post and told.tokens.folded[j - 1] == kind
            for owner in [_holder(told, j)]
        ]
        return bool(owners) and all(owner is not None and not _share(owner, name) for owner in owners)

    def _is_of_others(self, name: Name, sheet: FactSheet) -> bool:
        """Whether the article never has `name` near what it is said to be of: "Quay Radio host Ana Ruiz"."""
        person = [w for w in name.words if w not in TITLES and w[0] != "@"]
        before = next((n for n in sheet.names if 0 <= name.first - n.last <= _LONGEST_GAP), None)
        if before is None or not person or not _is_said_to_be_of(sheet, name.first, before):
            return False
        if all(w[0] == "@" and "." not in w for w in before.words):
            return False  # a nationality is added from memory
        bodies = self._find_name([w for w in before.words if w not in TITLES] or before.words)
        places = self._find_name(person[-1:])
        near = {i + k for i in places for k in (-1, 0, 1)}
        # What the lead names, all of the article may be about.
        if not bodies or not near or min(bodies) < _LEAD or not bodies.isdisjoint(near):
            return False
        return any(_is_person(n) for i in islice(sorted(bodies), _MOST) for n in self._sheet(i).names)

    def _owns_what_others_own(self, name: Name, sheet: FactSheet) -> bool:
        """Whether the article has "Ruiz's search", and never that of `name`."""
        head = _owned(sheet, name)
        if head is None:
            return False
        noun = sheet.stems[head]
        owners = [
            other
            for told in self._having(sheet.tokens.forms[head])
            for other in told.names
            if (own := _owned(told, other)) is not None and told.stems[own] == noun
        ]
        if not owners or any(_share(owner, name) for owner in owners):
            return False
        return self._words.by_stem[noun].isdisjoint(self._find_name(name.words[-1:]))

    # -- dates

    def _has_other_part_of_day(self, date: DateMention, sheet: FactSheet, told: Sequence[FactSheet]) -> bool:
        """Whether "Monday night" is no night there, and the night another weekday's."""
        part = _part_of_day(sheet, date)
        if part is None:
            return False
        own = [
            d
            for s in told
            for d in s.dates
            if d.date.weekday == date.date.weekday and _part_of_day(s, d) == part
        ]
        return not own and any(
            d.date.weekday is not None and _part_of_day(s, d) == part
            for s in self._having(part)
            for d in s.dates
        )

    # -- numbers

    def _pays_for_another(self, number: Number, told: Sequence[FactSheet]) -> bool:
        """Whether the article has "a $9 million pier", and this sum for something else."""
        if number.unit not in MONEY or number.noun is None or number.noun in FUNCTION_WORDS:
            return False
        noun = stem(number.noun)
        sums = [n for s in self._having(number.noun) for n in s.numbers if n.noun and stem(n.noun) == noun]
        if not any(n.unit == number.unit for n in sums) or any(n.value == number.value for n in sums):
            return False
        return all(
            s.stems.count(noun) == sum(n.noun is not None and stem(n.noun) == noun for n in s.numbers)
            for s in told
        )

    def _goes_to_another(self, number: Number, sheet: FactSheet, told: Sequence[FactSheet]) -> bool:
        """Whether "40 percent of Northerners" are of others there, and they are another number."""
        name = _linked(sheet, number)
        if name is None:
            return False
        link = sheet.tokens.folded[number.last]
        pairs = [
            (n, other)
            for s in told
            for n in s.numbers
            if n.unit == number.unit
            and (other := _linked(s, n)) is not None
            and s.tokens.folded[n.last] == link
        ]
        own = [other for n, other in pairs if n.value == number.value]
        return (
            bool(own)
            and not any(_share(other, name) for other in own)
            and any(n.value != number.value and _share(other, name) for n, other in pairs)
        )


def _is_small(sheet: FactSheet, at: int) -> bool:
    form = sheet.tokens.forms[at]
    return form[0].islower() and sheet.tokens.folded[at] not in FUNCTION_WORDS


def _is_person_noun(sheet: FactSheet, at: int) -> bool:
    word = sheet.tokens.folded[at]
    return _is_small(sheet, at) and (
        word in _PERSON_NOUNS or word in PERSONS or (len(word) > 5 and word.endswith(_PERSON_ENDINGS))
    )


def _is_said_to_be_of(sheet: FactSheet, at: int, body: Name) -> bool:
    """Whether `body` leads to the name at `at`: "Quay Radio's Ana Ruiz", "Quay Radio host Ana Ruiz"."""
    if not _adjoin(sheet, body.last - 1, at - body.last + 1):
        return False
    if at == body.last:
        return _is_possessive(sheet, body)
    return all(_is_small(sheet, i) for i in range(body.last, at)) and _is_person_noun(sheet, at - 1)


def _is_person(name: Name) -> bool:
    """Whether a name may be that of a person, in full."""
    return sum(word not in TITLES and word[0] != "@" for word in name.words) == len(name.words) == 2


def _adjoin(sheet: FactSheet, first: int, count: int) -> bool:
    """Whether single spaces join the token at `first` to the next, `count` times, backwards from the last."""
    starts, ends = sheet.tokens.starts, sheet.tokens.ends
    return all(starts[i + 1] - ends[i] == 1 for i in range(first, first + count - 1))


def _is_possessive(sheet: FactSheet, name: Name) -> bool:
    return sheet.tokens.forms[name.last - 1].endswith(("'s", "’s"))


def _owned(sheet: FactSheet, name: Name) -> int | None:
    """The token of what `name` owns: "search" in "Ruiz's long search for"."""
    if not _is_possessive(sheet, name):
        return None
    end = name.last
    while (
        end < min(len(sheet.tokens.forms), name.last + _LONGEST_GAP)
        and _is_small(sheet, end)
        and sheet.tokens.folded[end] not in SPEAKS
        and sheet.tokens.starts[end] - sheet.tokens.ends[end - 1] == 1
    ):
        end += 1
    return end - 1 if end > name.last else None


def _holder(told: FactSheet, post: int) -> Name | None:
    """The name right behind a post, or before it between commas."""
    behind = next((name for name in told.names if name.first == post + 1), None)
    return behind or next((name for name in told.names if _is_apposed(told, name, post)), None)


def _is_apposed(told: FactSheet, name: Name, post: int) -> bool:
    """Whether the post of two words that ends at `post` explains `name`: "Ana Ruiz, the harbour master"."""
    folded, starts, ends = told.tokens.folded, told.tokens.starts, told.tokens.ends
    near = name.last == post - 1 or (name.last == post - 2 and folded[post - 2] in FUNCTION_WORDS)
    return near and starts[name.last] - ends[name.last - 1] > 1


def _share(a: Name, b: Name) -> bool:
    """Whether two names have a word in common that is no title."""
    return any(word in b.words for word in a.words if word not in TITLES)


def _part_of_day(sheet: FactSheet, date: DateMention) -> str | None:
    if date.date.weekday is None:
        return None
    words = sheet.tokens.folded[date.last - 1 : date.last + 1]
    return next((w for w in words if w in _PARTS_OF_DAY), None)


def _rate(sheet: FactSheet, number: Number) -> str | None:
    """The period of "$9 a month", "9 times yearly"."""
    words = [*sheet.tokens.folded[number.last : number.last + 3], "", "", ""]
    if words[0] in _RATE_WORDS and words[1] in _PERIODS and words[2] not in _NO_RATE:
        return _PERIODS[words[1]]
    return _PERIODS.get(words[0]) if words[0].endswith("ly") else None


def _has_other_rate(number: Number, sheet: FactSheet, told: Sequence[FactSheet]) -> bool:
    """Whether the article has this number by another period, wherever it counts no thing by it."""
    rate = _rate(sheet, number)
    if rate is None:
        return False
    rates = {
        _rate(s, n)
        for s in told
        for n in s.numbers
        if n.value == number.value and (n.noun is None or n.noun in FUNCTION_WORDS or n.noun in _PERIODS)
    }
    return bool(rates) and None not in rates and rate not in rates


def _linked(sheet: FactSheet, number: Number) -> Name | None:
    """The name in "40 percent of Northerners", "two to Ruiz"."""
    folded, at = sheet.tokens.folded, number.last
    if at >= len(folded) or folded[at] not in _LINKS:
        return None
    after = at + 2 if folded[at + 1 : at + 2] == ["the"] else at + 1
    return next((name for name in sheet.names if name.first == after), None)


def _is_age(sheet: FactSheet, number: Number) -> bool:
    """Whether a number stands between commas behind a name: "Ana Ruiz, 52, says"."""
    tokens = sheet.tokens
    behind = (
        number.last >= len(tokens.starts) or tokens.starts[number.last] - tokens.ends[number.last - 1] > 1
    )
    return (
        number.unit is None
        and behind
        and any(n.last == number.first for n in sheet.names)
        and tokens.starts[number.first] - tokens.ends[number.first - 1] > 1
    )


def _is_an_age_there(number: Number, told: Sequence[FactSheet]) -> bool:
    """Whether what the sentence counts is the age of somebody in the article."""
    if number.noun is None or number.unit or number.noun in FUNCTION_WORDS or number.noun[:4] == "year":
        return False
    same = [(s, n) for s in told for n in s.numbers if n.value == number.value]
    return bool(same) and all(_is_age(s, n) for s, n in same)


def _is_no_age_there(number: Number, sheet: FactSheet, told: Sequence[FactSheet]) -> bool:
    """Whether the age that the sentence gives somebody counts things in the article."""
    if not _is_age(sheet, number):
        return False
    same = [n for s in told for n in s.numbers if n.value == number.value]
    return bool(same) and all(
        n.unit is None and n.noun is not None and n.noun[:4] != "year" and n.noun not in FUNCTION_WORDS
        for n in same
    )
