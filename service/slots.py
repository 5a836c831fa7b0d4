"""Whether the article has another fact where a sentence has this one: the same words around another value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.amounts import is_same_amount
from service.dates import DateMention, agrees
from service.entities import FUNCTION_WORDS, SPEAKS, TITLES, Name, is_within
from service.facts import Fact, FactSheet
from service.numbers import Number
from service.vocabulary import MONEY, RESPECTIVELY
from service.words import stem

_REACH = 4  # words compared on each side
_MARGIN = 3.0
_ENOUGH = 1.6  # one telling word and a few small ones
_SMALL = 0.3  # what a function word, or the edge of the sentence, counts
_LIST_GAP = 2  # tokens between two numbers of a list
_MOST = 60  # facts of one kind in one sentence; more is a table, and would cost the square of it
_MOST_SWAPPED = 8  # numbers of a sentence that are compared pairwise
_LONGEST_CLAUSE = 9  # words behind a number that say what it is of
_LONGEST_ASIDE = 20  # words between a name and its verb, set off by marks
_EDGE = "\0"
_SMALL_STEMS = frozenset(stem(word) for word in FUNCTION_WORDS | TITLES.keys() | {"said", "say"}) | {_EDGE}


class _Place(NamedTuple):
    """Tokens `first` to `last` of a sheet, half-open."""

    sheet: FactSheet
    first: int
    last: int


class _Rival(NamedTuple):
    """How well another fact fits a place, and how many names its sentence shares with the one checked."""

    likeness: float
    shared: int


class Rivals:
    """The facts of a sentence that have a rival in one of `others`, the closest sentences of the article."""

    def __init__(self, sheet: FactSheet, others: Sequence[FactSheet]) -> None:
        self.sheet = sheet
        self._found: dict[int, _Rival] = {}
        for other in others:
            close = [
                (mine, theirs, score)
                for mine, theirs in _neighbours(sheet, other)
                if (score := _likeness(sheet, mine, other, theirs)) >= _ENOUGH
                and not _describes(theirs, mine, other)
            ]
            if close:
                own, foreign = _unmatched(sheet, other)
                for mine, theirs, score in close:
                    if theirs in foreign and (mine in own or self._fits_better(mine, other, theirs, score)):
                        rival = _Rival(score, _shared_names(sheet, other, mine))
                        self._found[mine.first] = max(rival, self._found.get(mine.first, rival))

    def _fits_better(self, mine: Fact, other: FactSheet, rival: Fact, score: float) -> bool:
        """Whether a sentence that has `mine` has it in quite another place than the one that fits so well."""
        if mine.first == 0 or not RESPECTIVELY.isdisjoint(other.tokens.folded):
            return False
        homes = [fact for fact in _of_kind(mine, other) if _same(mine, fact)]
        if any(fact.first <= rival.last + 1 and rival.first <= fact.last + 1 for fact in homes):
            return False  # "in Halden, Vermont" may lose its first half
        own = [_likeness(self.sheet, mine, other, fact) for fact in homes]
        return bool(own) and (not any(own) or score >= max(own) + _MARGIN)

    def has(self, fact: Fact, homes: Sequence[FactSheet], cited: Sequence[FactSheet] = ()) -> bool:
        """Whether `fact` has a rival in a place that fits it better than its places in `homes`.

        Against a place in one of `cited`, which the sentence rests on anyway, an equal fit is not better.
        """
        rival = self._found.get(fact.first)
        return rival is not None and all(
            rival.likeness > likeness
            if any(home is sheet for sheet in cited)
            else rival > _Rival(likeness, _shared_names(self.sheet, home, fact))
            for home in homes
            for own in _of_kind(fact, home)
            if _same(fact, own)
            for likeness in [_likeness(self.sheet, fact, home, own)]
        )


def _shared_names(sheet: FactSheet, other: FactSheet, but: Fact) -> int:
    return sum(
        not _same(name, but) and any(_same(name, own) for own in other.names) for name in sheet.names[:_MOST]
    )


def _of_kind(fact: Fact, sheet: FactSheet) -> Sequence[Fact]:
    """Names compete with names; dates and numbers with each other, as a year may take a number's place."""
    return sheet.names if isinstance(fact, Name) else [*sheet.dates, *sheet.numbers]


def _kinds(sheet: FactSheet) -> tuple[list[Fact], list[Fact]]:
    figures: list[Fact] = [*sheet.dates, *sheet.numbers]
    return list(sheet.names[:_MOST]), figures[:_MOST]


def _neighbours(sheet: FactSheet, other: FactSheet) -> list[tuple[Fact, Fact]]:
    """The pairs of facts of a kind that have the same word next to them, or at one end of them."""
    mine, theirs = [_EDGE, *sheet.stems, _EDGE], [_EDGE, *other.stems, _EDGE]
    return [
        (f, g)
        for own, foreign in zip(_kinds(sheet), _kinds(other), strict=True)
        for f in own
        for g in foreign
        if mine[f.first] == theirs[g.first]
        or mine[f.last + 1] == theirs[g.last + 1]
        or mine[f.first + 1] == theirs[g.first + 1]
        or mine[f.last] == theirs[g.last]
    ]


def _describes(rival: Fact, mine: Fact, told: FactSheet) -> bool:
    """Whether `rival` is a country or a party that describes `mine` there: "Democratic Senator Ruiz"."""
    if not isinstance(rival, Name) or any(word[0] != "@" for word in rival.words):
        return False
    behind = (name for name in told.names if 0 <= name.first - rival.last <= _LIST_GAP)
    return any(_same(name, mine) for name in behind)


def _unmatched(sheet: FactSheet, other: FactSheet) -> tuple[set[Fact], set[Fact]]:
    """The facts of each sheet that the other has not."""
    left: set[Fact] = set()
    right: set[Fact] = set()
    for own, foreign in zip(_kinds(sheet), _kinds(other), strict=True):
        theirs = list(foreign)
        mine = list(own)
        for equal in (_equal, _same):
            for fact in list(mine):
                partner = next((f for f in theirs if equal(fact, f)), None)
                if partner is not None:
                    mine.remove(fact)
                    theirs.remove(partner)
        # What the sentence says twice and the other once is shared, too.
        left.update(f for f in mine if not any(_same(f, g) for g in foreign))
        right.update(theirs)
    return left, right


def is_crossed(sheet: FactSheet, told: FactSheet) -> Number | None:
    """The number of `sheet` that `told` gives to another name in a list that ends with "respectively".

    "Renn and Oduya spoke for six and three minutes, respectively": six belongs to Renn.
    """
    if RESPECTIVELY.isdisjoint(told.tokens.folded):
        return None
    numbers = told.numbers[-1:]
    for number in reversed(told.numbers[:-1]):
        if numbers[0].first - number.last > _LIST_GAP:
            break
        numbers.insert(0, number)
    names = [name for name in told.names if numbers and name.last <= numbers[0].first][-len(numbers) :]
    if not 2 <= len(numbers) == len(names):
        return None
    claimed = [i for i, name in enumerate(names) if any(_same(name, own) for own in sheet.names)]
    stated = [
        (i, own) for own in sheet.numbers for i, number in enumerate(numbers) if own.value == number.value
    ]
    if len(claimed) == len(stated) == 1 and claimed[0] != stated[0][0]:
        return stated[0][1]
    return None


def find_swapped(sheet: FactSheet, told: FactSheet) -> list[Number]:
    """The numbers of `sheet` that `told` has the other way round: "23 died, 140 were hurt" for 140 and 23."""
    mine = [n for n in sheet.numbers if not n.weak][:_MOST_SWAPPED]
    theirs = {n.value: _telling_after(told, n) for n in told.numbers[:_MOST]}
    known = [n for n in mine if n.value in theirs]
    found: list[Number] = []
    for k, a in enumerate(known):
        for b in known[k + 1 :]:
            if a.value == b.value or a.unit != b.unit:
                continue
            own_a, own_b = _telling_after(sheet, a), _telling_after(sheet, b)
            straight = len(own_a & theirs[a.value]) + len(own_b & theirs[b.value])
            to_b, to_a = len(own_a & theirs[b.value]), len(own_b & theirs[a.value])
            if to_a and to_b and to_a + to_b > straight:
                found += [a, b]
    return found


def _telling_after(sheet: FactSheet, number: Number) -> frozenset[str]:
    """The stems of the words behind a number, as far as the next one."""
    starts = [n.first for n in sheet.numbers] + [d.first for d in sheet.dates]
    after = min((first for first in starts if first >= number.last), default=len(sheet.stems))
    end = min(after, number.last + _LONGEST_CLAUSE)
    return frozenset(sheet.stems[number.last : end]) - _SMALL_STEMS


def find_outbid(sheet: FactSheet, told: FactSheet) -> list[Fact]:
    """The facts of `sheet` that are the only ones of their kind there, where `told` has another one only.

    Kinds are sums of money, shares, and years.
    """
    found: list[Fact] = []
    for own, foreign in zip(_by_kind(sheet), _by_kind(told), strict=True):
        if len(own) == len(foreign) == 1 and not _same(own[0], foreign[0]):
            found.append(own[0])
    return found


def _by_kind(sheet: FactSheet) -> tuple[list[Fact], list[Fact], list[Fact]]:
    numbers = sheet.numbers[:_MOST]
    return (
        [n for n in numbers if n.unit in MONEY],
        [n for n in numbers if n.unit == "%"],
        [d for d in sheet.dates[:_MOST] if d.date.year is not None and d.date.month is None],
    )


def is_misattributed(sheet: FactSheet, told: FactSheet) -> Name | None:
    """The name that `sheet` has speaking where `told`, the closest sentence, names another speaker only."""
    speaker = next(_speakers(sheet), None)
    teller = next(_speakers(told), None)
    if speaker is None or teller is None or any(_same(speaker, name) for name in told.names):
        return None
    return None if any(_same(teller, name) for name in sheet.names) else speaker


def _speakers(sheet: FactSheet) -> Iterator[Name]:
    """The names with a verb of saying right behind them, or right before them: "Renn said", "said Renn"."""
    folded = sheet.tokens.folded
    for name in sheet.names:
        follower = folded[name.last] if name.last < len(folded) else ""
        if follower in SPEAKS or (name.first and folded[name.first - 1] in SPEAKS):
            yield name
        elif name.last < len(folded) and _is_apart(sheet, name.last):
            # "Renn - who is in Velmar - said"
            behind = range(name.last + 1, min(len(folded), name.last + _LONGEST_ASIDE))
            closing = next((i for i in behind if _is_apart(sheet, i)), None)
            if closing is not None and folded[closing] in SPEAKS:
                yield name


def _is_apart(sheet: FactSheet, at: int) -> bool:
    """Whether a mark stands between token `at` and the one before it."""
    return sheet.tokens.starts[at] - sheet.tokens.ends[at - 1] > 1


def _equal(a: Fact, b: Fact) -> bool:
    return isinstance(a, Name) and isinstance(b, Name) and a.words == b.words


def _same(a: Fact, b: Fact) -> bool:
    """Whether two facts may be one: a shorter and a longer name, a date and its weekday."""
    if isinstance(a, Name) and isinstance(b, Name):
        return _same_name(a, b)
    if isinstance(a, DateMention) and isinstance(b, DateMention):
        return agrees(a.date, b.date) or agrees(b.date, a.date)
    return isinstance(a, Number) and isinstance(b, Number) and is_same_amount(a, b)


def _same_name(a: Name, b: Name) -> bool:
    short, long = sorted((a, b), key=lambda name: len(name.words))
    if set(short.words).isdisjoint(long.words):
        word = short.words[0]
        return len(short.words) == 1 and (
            long.acronym == word or any(_inflected(word, other) for other in long.words)
        )
    if is_within(short.words, long.words):
        return True
    persons = [[w for w in name.words if w not in TITLES and w[0] != "@"] for name in (short, long)]
    if all(persons) and not TITLES.keys().isdisjoint(
        short.words + long.words
    ):  # "Vermont Senator Dorn", "Senator Dorn of Vermont"
        return is_within(persons[0], persons[1]) or is_within(persons[1], persons[0])
    bare_a, bare_b = ([w for w in name.words if w not in TITLES] for name in (a, b))
    return bool(bare_a) and bool(bare_b) and (is_within(bare_a, b.words) or is_within(bare_b, a.words))


def _inflected(a: str, b: str) -> bool:
    """Republican and Republicans, California and Californian."""
    short, long = sorted((a, b), key=len)
    return len(short) >= 5 and long.startswith(short[:-1]) and len(long) - len(short) <= 3


def _likeness(sheet: FactSheet, mine: Fact, other: FactSheet, theirs: Fact) -> float:
    """How many words around two facts are the same, counted outwards until they differ.

    What two names begin or end with in common counts as a part of the surroundings.
    """
    a, b = _Place(sheet, mine.first, mine.last), _Place(other, theirs.first, theirs.last)
    if (
        isinstance(mine, Name)
        and isinstance(theirs, Name)
        and min(len(mine.words), len(theirs.words)) > 1  # "European Union" is one
        and not mine.words[0][0] == theirs.words[0][0] == "@"  # nor is "New York Times" like "New York Bank"
        and not _same(mine, theirs)
    ):
        a, b, tail = _trim(a, b)
        if tail and not (mine.words[0][0] == "@" and theirs.words[0][0] == "@"):
            return 0.0  # "Senator Marsh", "Republican Marsh": another description of the same person
    before = _run(a.sheet.stems, a.first - 1, b.sheet.stems, b.first - 1, -1)
    return before + _run(a.sheet.stems, a.last, b.sheet.stems, b.last, 1)


def _trim(a: _Place, b: _Place) -> tuple[_Place, _Place, int]:
    """The two names without the words at their beginning and end that they share; how many at the end."""
    head = 0
    size = min(a.last - a.first, b.last - b.first) - 1
    while head < size and a.sheet.stems[a.first + head] == b.sheet.stems[b.first + head]:
        head += 1
    tail = 0
    while tail < size - head and a.sheet.stems[a.last - 1 - tail] == b.sheet.stems[b.last - 1 - tail]:
        tail += 1
    return (
        _Place(a.sheet, a.first + head, a.last - tail),
        _Place(b.sheet, b.first + head, b.last - tail),
        tail,
    )


def _run(mine: Sequence[str], i: int, theirs: Sequence[str], j: int, step: int) -> float:
    score = 0.0
    for _ in range(_REACH):
        a = mine[i] if 0 <= i < len(mine) else _EDGE
        b = theirs[j] if 0 <= j < len(theirs) else _EDGE
        if a != b:
            break
        score += _SMALL if a in _SMALL_STEMS else 1.0
        if a == _EDGE:
            break
        i, j = i + step, j + step
    return score
