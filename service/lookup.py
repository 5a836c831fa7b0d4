"""Where an article has a number, a date or a name, in whatever form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from service.countries import country_phrases
from service.dates import Date, DateMention, agrees
from service.entities import FUNCTION_WORDS, TITLES, Name, initials, is_within, name_key
from service.evidence import SentenceIndex
from service.facts import Fact, FactSheet, read_facts
from service.numbers import Number, tidy
from service.vocabulary import vocabulary_of
from service.words import fold, is_caseless, script_of, stem

_MOST_RUNS = 200  # so many sentences are read to find the words of a name next to each other
_ENDINGS = ("s", "n", "an", "ian", "ic", "ns", "ans", "ians", "i", "es", "er", "ers", "ese", "ish")
_TOLERANCE = 0.05
_SPEAKS = frozenset(
    ["said", "says", "told", "added", "warned", "announced", "claimed", "argued", "denied", "called"]
)
_SPEAKING_NOUNS = frozenset(["police", "nobody", "everyone", "someone", "everybody", "management", "staff"])
UNCHECKED = "unchecked"  # the reason of a name that could not be compared; no finding


class Located(NamedTuple):
    """The sentences that have a fact, by index; `reason` is a finding's code if it is not borne out."""

    where: frozenset[int] | set[int]
    reason: str | None = None


class _Told(NamedTuple):
    """How a sentence has a number: its unit, and the stem of the noun after it."""

    sentence: int
    unit: str | None
    noun: str | None


_NOWHERE = Located(frozenset(), "not_in_article")


class FactIndex:
    """The facts of an article by sentence, read as far as somebody asks for them."""

    def __init__(self, texts: Sequence[str], words: SentenceIndex, language: str) -> None:
        self._texts = texts
        self._words = words
        self._language = language
        self._sheets: dict[int, FactSheet] = {}

    def sheet(self, i: int) -> FactSheet:
        """The facts of sentence `i`."""
        found = self._sheets.get(i)
        if found is None:
            found = self._sheets[i] = read_facts(self._texts[i], self._language)
        return found

    def locate(self, fact: Fact, sheet: FactSheet, language: str) -> Located | None:
        """Where the article has `fact`, a fact of `sheet` in `language`; None if it is no fact after all."""
        if isinstance(fact, Number):
            return None if fact.weak else self._locate_number(fact)
        if isinstance(fact, DateMention):
            return self._locate_date(fact)
        return self._locate_name(fact, sheet, language)

    def can_read(self, form: str) -> bool:
        """Whether a word, were it a name, could be told from others and found in the article."""
        if not form[0].isalpha():
            return True
        return not is_caseless(form) and (form[0].islower() or script_of(form) in self._scripts)

    # Numbers

    @cached_property
    def _figured(self) -> list[int]:
        """The sentences that may have a number or a date."""
        vocabulary = vocabulary_of(self._language)
        return self._with(vocabulary.number_start | vocabulary.date_start - vocabulary.directions.keys())

    def _with(self, wanted: frozenset[str]) -> list[int]:
        """The sentences with a figure or one of the folded words."""
        found: set[int] = set()
        for form, where in self._words.by_form.items():
            if form[0].isnumeric() or fold(form) in wanted:
                found.update(where)
        return sorted(found)

    @cached_property
    def _numbers(self) -> dict[float | str, set[_Told]]:
        found: dict[float | str, set[_Told]] = defaultdict(set)
        for i in self._figured:
            for number in self.sheet(i).numbers:
                found[number.value].add(_Told(i, number.unit, stem(number.noun) if number.noun else None))
        return found

    def _locate_number(self, fact: Number) -> Located:
        same = self._numbers.get(fact.value, set())
        fitting = {told for told in same if _fits(fact, told)}
        if fitting:
            where = {told.sentence for told in fitting}
            return Located(where, "other_noun" if self._counts_another(fact, fitting) else None)
        if other := self._equivalents(fact):
            return Located(other)
        if same:
            return Located({told.sentence for told in same}, "other_unit")
        if fact.value == 1.0 and fact.unit:
            units = {
                i for i in range(len(self._texts)) if any(n.unit == fact.unit for n in self.sheet(i).numbers)
            }
            return Located(units) if units else _NOWHERE
        years = {i for i, date in self._dates if fact.value in (date.year, date.day)}
        return Located(years) if years else _NOWHERE

    def _counts_another(self, fact: Number, same: set[_Told]) -> bool:
        """Whether the article counts something else by this number, and what `fact` counts by another."""
        if fact.unit or fact.noun is None:
            return False
        noun = stem(fact.noun)
        if any(told.noun in (noun, None) or told.unit for told in same):
            return False
        return any(
            number.noun is not None and stem(number.noun) == noun and number.value != fact.value
            for told in same
            for number in self.sheet(told.sentence).numbers
        )

    def _equivalents(self, fact: Number) -> set[int]:
        """Sentences that say the same number in another way, or the exact one behind a rounded one."""
        value = fact.value
        if isinstance(value, str):
            return self._above(float(value[1:])) if value.startswith("~") else set()
        if fact.unit == "%":
            return {told.sentence for told in self._numbers.get(tidy(value / 100), ()) if told.unit is None}
        if fact.unit == "ordinal" and value:
            return {told.sentence for told in self._numbers.get(tidy(1 / value), ())}
        if 0 < value < 1:
            return {told.sentence for told in self._numbers.get(tidy(value * 100), ()) if told.unit == "%"}
        if fact.hedged and value:
            return {
                told.sentence
                for other, found in self._numbers.items()
                if isinstance(other, float) and abs(other - value) <= _TOLERANCE * value
                for told in found
                if _fits(fact, told)
            }
        return set()

    def _above(self, least: float) -> set[int]:
        """The sentences with a number that "dozens" or "thousands" may stand for."""
        return {
            told.sentence
            for value, found in self._numbers.items()
            if isinstance(value, float) and 2 * least <= value < 1000 * least
            for told in found
        }

    # Dates

    @cached_property
    def _dates(self) -> set[tuple[int, Date]]:
        return self._dates_of(self._figured)

    @cached_property
    def _relative_dates(self) -> set[tuple[int, Date]]:
        vocabulary = vocabulary_of(self._language)
        return self._dates_of(self._with(frozenset([*vocabulary.directions, *vocabulary.relative_days])))

    def _dates_of(self, sentences: Iterable[int]) -> set[tuple[int, Date]]:
        return {
            (i, date)
            for i in sentences
            for mention in self.sheet(i).dates
            for date in (mention.date, mention.other)
            if date is not None
        }

    def _locate_date(self, fact: DateMention) -> Located:
        for claim in (fact.date, fact.other):
            if claim is None:
                continue
            dates = self._relative_dates if claim.relative else self._dates
            where = {i for i, date in dates if agrees(claim, date)}
            if claim.year and claim.month and not any(date.year == claim.year for _, date in dates):
                where = set()
            if where := where or self._loosely(claim):
                return Located(where)
        return _NOWHERE

    def _loosely(self, claim: Date) -> set[int]:
        """Sentences that say it otherwise: a year of the decade, a time without "p.m.", a bare number."""
        if claim.span == "decade" and claim.year is not None:
            return {
                i for i, date in self._dates if date.year is not None and 0 <= date.year - claim.year < 10
            }
        if claim.time is not None:
            return {
                i for i, date in self._dates if date.time is not None and (date.time - claim.time) % 720 == 0
            }
        if claim.year is not None and claim.month is None:
            return {told.sentence for told in self._numbers.get(float(claim.year), ())}
        return set()

    # Names

    @cached_property
    def _name_words(self) -> dict[str, set[int]]:
        """The sentences of every capitalised word, as names are compared."""
        found: dict[str, set[int]] = defaultdict(set)
        for form, where in self._words.by_form.items():
            if form[0].isupper() or (form[0].isalpha() and is_caseless(form)):
                found[name_key(form, fold(form))].update(where)
        for phrase, country in country_phrases().items():
            if phrase[0] in found and all(word in found for word in phrase):
                found[country] |= set.intersection(*(found[word] for word in phrase))
        return found

    @cached_property
    def _acronyms(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        for i in range(len(self._texts)):
            for name in self.sheet(i).names:
                if len(name.words) > 1:
                    found[initials(name.words)].add(i)
        return found

    def _locate_name(self, fact: Name, sheet: FactSheet, language: str) -> Located | None:
        words = fact.words
        if fact.initial and self._is_ordinary(words[0], sheet.tokens.forms[fact.first]):
            words = words[1:]
        if not words or (fact.initial and len(words) == 1 and not self._is_name(words[0], fact, sheet)):
            return None
        if len(words) == 1 and words[0] in TITLES:
            return None
        if _primary(language) == "de":
            known = next((k for k, w in enumerate(words) if w in self._name_words), 0)
            words = words[known:]  # "Außenminister Renn": every German noun has a capital
        form = sheet.tokens.forms[fact.last - 1]
        where = self._find(words) or self._find_parts(words)
        if not where and len(words) == 1 and form.isupper():
            where = self._acronyms.get(words[0], set())
        if not where and _primary(language) != _primary(self._language):
            where = self._find_foreign(words)
        if not where:
            return self._missing(words, form, language)
        telling = [w for w in words if w not in TITLES] or list(words)
        where = where.union(*(self._name_words.get(w, ()) for w in telling))
        return Located(where, "other_name" if self._has_another_country(words) else None)

    def _missing(self, words: Sequence[str], form: str, language: str) -> Located:
        """What to say of a name that is not there: nothing, where it could not have been recognized."""
        german_noun = _primary(language) == "de" and len(words) == 1 and words[0][0] != "@"
        if german_noun or not self.can_read(form):
            return Located(frozenset(), UNCHECKED)
        return _NOWHERE

    @cached_property
    def _scripts(self) -> frozenset[str]:
        """The scripts in which the article writes capitals."""
        return frozenset(script_of(form) for form in self._words.by_form if form[0].isupper())

    def _find_foreign(self, words: Sequence[str]) -> set[int]:
        """Where an article in another language has a name that begins alike: Moskau, Moscow."""
        found: set[int] = set()
        for word in words:
            if word in TITLES:
                continue
            alike = [w for w in self._name_words if len(word) > 3 and len(w) > 3 and w[:3] == word[:3]]
            if not alike:
                return set()
            found = found.union(*(self._name_words[w] for w in alike))
        return found

    def _has_another_country(self, words: Sequence[str]) -> bool:
        """Whether the article gives the person of "Chinese President Joe Dorn" another country only."""
        person = [w for w in words if w not in TITLES and w[0] != "@"]
        if not person or words[0][0] != "@" or len(words) < 3 or words[1] not in TITLES:
            return False
        known: set[str] = set()
        for i in islice(self._together(person[-1:]), _MOST_RUNS):
            for name in self.sheet(i).names:
                if person[-1] in name.words and name.words[-1] == person[-1]:
                    known.update(w for w in name.words if w[0] == "@")
        return bool(known) and words[0] not in known

    def _is_ordinary(self, word: str, form: str) -> bool:
        """Whether a word at the beginning of a sentence is one that the article writes small."""
        return word in self._words.by_form and not form.isupper()

    def _is_name(self, word: str, fact: Name, sheet: FactSheet) -> bool:
        """Whether a lone capitalised word at the beginning of a sentence must be a name."""
        if word in self._name_words or word[0] == "@":
            return True
        form = sheet.tokens.forms[fact.first]
        follower = sheet.tokens.folded[fact.last] if fact.last < len(sheet.tokens.folded) else ""
        speaks = follower in _SPEAKS and not word.endswith("s") and word not in _SPEAKING_NOUNS
        return speaks or form.endswith(("'s", "’s"))

    def _find(self, words: Sequence[str]) -> set[int]:
        """A sentence in which `words` stand in one name, in their order; all of them for a single word."""
        if len(words) == 1:
            return self._find_word(words[0])
        for i in islice(self._together(words), _MOST_RUNS):
            if any(is_within(words, name.words) for name in self.sheet(i).names):
                return {i}
        return self._name_words.get(initials(words), set()) if len(words) > 2 else set()

    def _together(self, words: Iterable[str]) -> set[int]:
        sets = [self._name_words.get(word) for word in words]
        return set.intersection(*(s for s in sets if s)) if all(sets) else set()

    def _find_word(self, word: str) -> set[int]:
        if where := self._name_words.get(word):
            return where
        if len(word) >= 4:
            for ending in _ENDINGS:
                stemmed = word[: -len(ending)] if word.endswith(ending) else ""
                for other in (word + ending, stemmed):
                    if len(other) >= 4 and (where := self._name_words.get(other)):
                        return where
        return set()

    def _find_parts(self, words: Sequence[str]) -> set[int]:
        """Where `words` are several names in a row, or a title and a name: the sentences of the last."""
        if len(words) < 2:
            return set()
        for cut in range(1, len(words)):
            head, tail = words[:cut], words[cut:]
            is_title = all(w in TITLES or w in FUNCTION_WORDS for w in head)
            if not is_title and not self._stands_alone(head):
                continue
            where = self._find(tail) if len(tail) > 1 or is_title or self._stands_alone(tail) else set()
            if where := where or self._find_parts(tail):
                return where
        return set()

    def _stands_alone(self, words: Sequence[str]) -> bool:
        """Whether the article has a name of exactly these words."""
        return any(
            name.words == tuple(words)
            for i in islice(self._together(words), _MOST_RUNS)
            for name in self.sheet(i).names
        )


def _primary(language: str) -> str:
    return language.partition("-")[0].lower()


def _fits(claim: Number, told: _Told) -> bool:
    """Whether a number of the same value can be the one claimed: of its unit, or of none that is said."""
    return claim.unit in (told.unit, None) or (told.unit is None and told.noun is None)
