"""Where an article has a name: whole, shortened, spelled out, in parts, or in another language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import islice

from service.countries import abbreviations, country_forms, country_phrases
from service.entities import FUNCTION_WORDS, SPEAKS, TITLES, Name, is_within, name_key
from service.evidence import SentenceIndex
from service.facts import FactSheet
from service.lookup.located import NOWHERE, UNCHECKED, Located
from service.words import fold, is_caseless, script_of, words_of

_MOST_RUNS = 200  # so many sentences are read to find the words of a name next to each other
_ENDINGS = ("s", "n", "an", "ian", "ic", "ns", "ans", "ians", "i", "es", "er", "ers", "ese", "ish", "ern")
_SPEAKING_NOUNS = frozenset(["police", "nobody", "everyone", "someone", "everybody", "management", "staff"])
_OFFICES = words_of(
    """
    president secretary minister senator representative governor general colonel captain admiral professor
    chancellor mayor director chairman judge speaker king queen prince princess pope spokesman ceo
    """
)  # what a person is once and others are not
_WHERE = words_of("in at near from around outside of to through across")
_GOVERNMENTS = {
    capital: words.split()
    for capital, words in {
        "washington": "american federal congress",
        "moscow": "russia",
        "kremlin": "russia",
        "beijing": "china",
        "london": "britain",
        "westminster": "britain",
        "whitehall": "britain",
        "paris": "france",
        "berlin": "germany",
        "rome": "italy",
        "madrid": "spain",
        "brussels": "europe",
        "tehran": "iran",
        "kyiv": "ukraine",
        "kiev": "ukraine",
        "pyongyang": "north-korea",
        "seoul": "south-korea",
        "tokyo": "japan",
        "ankara": "turkey",
        "jerusalem": "israel",
        "riyadh": "saudi-arabia",
        "ottawa": "canada",
        "canberra": "australia",
        "pentagon": "military defense",
    }.items()
}
_LEAST_COMMON = 4  # letters of a word that an article may write small
_SKELETON = 3  # consonants that two spellings of a name have in common
_SPELLINGS = (
    ("tsch", "s"), ("sch", "s"), ("tch", "s"), ("ch", "s"), ("sh", "s"), ("ph", "f"), ("th", "t"), ("c", "k"),
    ("q", "k"), ("x", "k"), ("z", "s"), ("w", "v"), ("j", "i"), ("y", "i"),
)  # fmt: skip


class NameIndex:
    """The names of an article's sentences, read when they are asked for."""

    def __init__(self, words: SentenceIndex, sheet: Callable[[int], FactSheet], language: str) -> None:
        self._words = words
        self._sheet = sheet
        self._language = primary(language)

    def can_read(self, form: str) -> bool:
        """Whether a word, were it a name, could be told from others and found in the article."""
        if not form[0].isalpha():
            return True
        return not is_caseless(form) and (form[0].islower() or script_of(form) in self._scripts)

    @cached_property
    def _scripts(self) -> frozenset[str]:
        """The scripts in which the article writes capitals."""
        return frozenset(script_of(form) for form in self._words.by_form if form[0].isupper())

    @cached_property
    def _by_word(self) -> dict[str, set[int]]:
        """The sentences of every capitalised word, as names are compared."""
        found: dict[str, set[int]] = defaultdict(set)
        countries = country_forms() if self._language != "en" else {}  # "europeo", "russische"
        for form, where in self._words.by_form.items():
            if form[0].isupper() or (form[0].isalpha() and is_caseless(form)):
                word = fold(form)
                found[word].update(where)
                if (key := name_key(form, word)) != word:
                    found[key].update(where)
                if short_for := abbreviations().get(form.rstrip(".")):
                    found[short_for].update(where)
            elif country := countries.get(fold(form)):
                found[country].update(where)
        for phrase, country in country_phrases().items():
            if phrase[0] in found and all(word in found or word in self._words.by_form for word in phrase):
                found[country] |= set.intersection(
                    *(found.get(word) or set(self._words.by_form[word]) for word in phrase)
                )
        return found

    @cached_property
    def _acronyms(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        for i in range(len(self._words.lengths)):
            for name in self._sheet(i).names:
                if len(name.acronym) > 1:
                    found[name.acronym].add(i)
        return found

    def locate(self, fact: Name, sheet: FactSheet, language: str) -> Located | None:
        """Where the article has `fact`, a name of `sheet` in `language`; None if it is no name after all."""
        words = fact.words
        form = sheet.tokens.forms[fact.first]
        if fact.initial and not form.isupper() and words[0] in self._words.by_form:
            words = words[1:]  # the article writes it small
        if not words or (fact.initial and len(words) == 1 and not self._is_name(words[0], fact, sheet)):
            return None
        if len(words) == 1 and words[0] in TITLES and not sheet.tokens.folded[fact.last - 1].endswith("s"):
            return None  # "the Senator", but not "the Chiefs"
        last = sheet.tokens.forms[fact.last - 1]
        where = self._find_somehow(words, fact)
        if not where and primary(language) == "de":
            where = self._find_among_nouns(words)
        if not where and len(words) == 1 and last.isupper():
            where = self._acronyms.get(words[0]) or self._spelled_out(words[0])
        if not where and len(words) == 1:
            where = self._find_government(words[0], sheet, fact)
        if not where and len(words) == 2 and self._is_known_alone(words):
            return Located(self._by_word[words[1]], "in_part")
        if not where:
            found = self._find_foreign(words) if primary(language) != self._language else set()
            return Located(found, alike=True) if found else self._missing(fact, words, last, language)
        telling = [w for w in words if w not in TITLES] or list(words)
        where = where.union(*(self._by_word.get(w, ()) for w in telling))
        return Located(where, "other_name" if self._is_misplaced(fact.words, fact, sheet) else None)

    def _find_government(self, capital: str, sheet: FactSheet, fact: Name) -> set[int]:
        """Where the article has the government that "Moscow" stands for, if the sentence means no place."""
        before = sheet.tokens.folded[fact.first - 1] if fact.first else ""
        if before in _WHERE:
            return set()
        found: set[int] = set()
        for word in _GOVERNMENTS.get(capital, ()):
            key = country_phrases().get(tuple(word.split("-"))) or name_key(word, word)
            found |= self._by_word.get(key, set()) | set(self._words.by_form.get(word, ()))
        return found

    def _is_known_alone(self, words: Sequence[str]) -> bool:
        """Whether the article has a person's last name alone, and the sentence the first name too."""
        first, last = words
        if first in TITLES or "@" in (first[0], last[0]) or first in self._words.by_form:
            return False
        names = [n for i in islice(self._together([last]), _MOST_RUNS) for n in self._sheet(i).names]
        named = [[w for w in n.words if w not in TITLES] for n in names if n.words[-1] == last]
        return bool(named) and all(len(own) == 1 for own in named)

    def _find_somehow(self, words: Sequence[str], fact: Name) -> set[int]:
        """The name as it stands, in parts, or without words that are no names."""
        if where := self._find(words, fact.acronym) or self._find_parts(words):
            return where
        # The article may write a word small, or lack one that describes: "Comedian Dana Whitlow".
        small = [word for word in words if self._is_common(word)]
        names = [word for word in words if word not in small]
        if len(names) > 1 and names[-1] == "party" and names[-2].startswith("@party."):
            return self._by_word.get(names[-2], set())  # Republican Party for GOP
        described = len(names) > 2 or (len(names) == 2 and names[1][0] == "@")
        if fact.initial and described and names[0] not in self._by_word:
            names = names[1:]
        if not names:
            return set.intersection(*(set(self._words.by_form[word]) for word in small))
        if len(names) == len(words):
            return set()
        where = self._find(names) or self._find_parts(names)
        if all(word[0] == "@" for word in names):
            return where
        where = where.union(*(self._by_word.get(word, ()) for word in names[-1:])) if where else where
        return where.intersection(*(self._words.by_form[word] for word in small))

    def _is_common(self, word: str) -> bool:
        return len(word) >= _LEAST_COMMON and word in self._words.by_form

    def _missing(self, fact: Name, words: Sequence[str], form: str, language: str) -> Located:
        """What to say of a name that is not there: nothing, where it could not have been recognized."""
        if words[0][0] != "@" and primary(language) == "de" and not any(w in self._by_word for w in words):
            # Nouns, perhaps, or a name that was translated: "Jahre von Streit", "Weißes Haus".
            linked = fact.last - fact.first > len(fact.words)
            if len(words) == 1 or linked or primary(language) != self._language:
                return UNCHECKED
        return NOWHERE if self.can_read(form) else UNCHECKED

    def _spelled_out(self, acronym: str) -> set[int]:
        """The sentences with words of these initials that are written small: gross domestic product."""
        found = set()
        if len(acronym) > 2:
            for i in range(len(self._words.lengths)):
                words = self._sheet(i).tokens.folded
                told = "".join(
                    w[0] if len(w) >= _LEAST_COMMON and w not in FUNCTION_WORDS else " " for w in words
                )
                if acronym in told:
                    found.add(i)
        return found

    def _find_among_nouns(self, words: Sequence[str]) -> set[int]:
        """As every German noun has a capital, words around a known one may be no names."""
        known = next((k for k, word in enumerate(words) if word in self._by_word), len(words))
        where = self._find_german(words[known:]) if 0 < known < len(words) else set()
        return where or self._find_german(words)

    def _find_german(self, words: Sequence[str]) -> set[int]:
        """Where the names are that stand in `words` among nouns: "Ilves Nachfolger Pask"."""
        for size in range(len(words), 0, -1):
            head, rest = words[:size], words[size:]
            whole = size > 1 or head[0] in TITLES or self._stands_alone(head) or not rest
            if whole and (where := self._find(head)):
                while rest and rest[0] not in self._by_word:
                    rest = rest[1:]
                return where | self._find_german(rest) if rest else where
        return set()

    def _find_foreign(self, words: Sequence[str]) -> set[int]:
        """Where an article in another language has a name that is spelled alike: Moskau, Moscow."""
        found: set[int] = set()
        for word in words:
            if word in TITLES:
                continue
            alike = [other for other in self._by_word if _alike(word, other)]
            if not alike:
                return set()
            found = found.union(*(self._by_word[w] for w in alike))
        return found

    def _is_misplaced(self, words: Sequence[str], fact: Name, sheet: FactSheet) -> bool:
        person = [w for w in words if w not in TITLES and w[0] != "@"]
        if not person:
            return False
        titles = [*words, TITLES.get(sheet.tokens.folded[fact.first - 1], "")] if fact.first else words
        return self._holds_other_office(person[-1], titles) or self._belongs_elsewhere(words)

    def _holds_other_office(self, person: str, titles: Sequence[str]) -> bool:
        """Whether the article gives the office to others, and never near the person of this last name."""
        places = self._by_word.get(person, set())
        near = {i + k for i in places for k in (-1, 0, 1)}
        return bool(near) and any(
            title in self._offices
            and all(self._is_held(i, title, person) for i in near & self._offices[title])
            for title in titles
        )

    def _is_held(self, i: int, title: str, person: str) -> bool:
        """Whether each time that sentence `i` has an office, it is right before another person's name."""
        sheet = self._sheet(i)
        at = [k for k, word in enumerate(sheet.tokens.folded) if TITLES.get(word) == title]
        return all(
            any(
                name.first <= k + 1 < name.last and person not in name.words and name.words[-1] not in TITLES
                for name in sheet.names
            )
            for k in at
        )

    @cached_property
    def _offices(self) -> dict[str, set[int]]:
        """The sentences that have an office, in whatever form and case."""
        found: dict[str, set[int]] = defaultdict(set)
        for form, where in self._words.by_form.items():
            if (title := TITLES.get(fold(form))) in _OFFICES:
                found[title].update(where)
        return found

    def _belongs_elsewhere(self, words: Sequence[str]) -> bool:
        """Whether the article gives the person of "Chinese President Joe Dorn" another country only.

        So with the state or the party of "Texas Senator Joe Dorn", "Republican Governor Joe Dorn".
        """
        person = [w for w in words if w not in TITLES and w[0] != "@"]
        home = next((k for k, word in enumerate(words) if word[0] != "@"), 0)
        if not person or not home or words[home] not in TITLES:
            return False
        places = self._by_word.get(person[-1], set())
        known: set[str] = set()
        for i in islice(self._together(person[-1:]), _MOST_RUNS):
            sheet = self._sheet(i)
            for name in sheet.names:
                if name.words[-1] == person[-1]:
                    known.update(w for w in name.words if w[0] == "@")
                    known.update(w for w in _described(sheet, name) if w[0] == "@")
        return any(
            any(_level(other) == _level(word) for other in known)
            and self._by_word.get(word, set()).isdisjoint(places)
            for word in words[:home]
        )

    def find(self, words: Sequence[str]) -> set[int]:
        """The sentences with all of `words`, as names are compared."""
        return self._together(words)

    def _is_name(self, word: str, fact: Name, sheet: FactSheet) -> bool:
        """Whether a lone capitalised word at the beginning of a sentence must be a name."""
        if word in self._by_word or word[0] == "@":
            return True
        form = sheet.tokens.forms[fact.first]
        follower = sheet.tokens.folded[fact.last] if fact.last < len(sheet.tokens.folded) else ""
        speaks = follower in SPEAKS and not word.endswith("s") and word not in _SPEAKING_NOUNS
        return speaks or form.endswith(("'s", "’s"))

    def _find(self, words: Sequence[str], acronym: str = "") -> set[int]:
        """A sentence in which `words` stand in one name, in their order; all of them for a single word."""
        if len(words) == 1:
            return self._find_word(words[0])
        turned = tuple(reversed(words)) if len(words) == 2 else words  # Department of Justice
        for i in islice(self._together(words), _MOST_RUNS):
            if any(is_within(words, name.words) or name.words == turned for name in self._sheet(i).names):
                return {i}
        return self._by_word.get(acronym, set()) if len(acronym) > 2 else set()

    def _together(self, words: Iterable[str]) -> set[int]:
        sets = [self._by_word.get(word) for word in words]
        return set.intersection(*(s for s in sets if s)) if all(sets) else set()

    def _find_word(self, word: str) -> set[int]:
        if where := self._by_word.get(word):
            return where
        if len(word) >= 4:
            for ending in _ENDINGS:
                stemmed = word[: -len(ending)] if word.endswith(ending) else ""
                for other in (word + ending, stemmed):
                    if len(other) >= 4 and (where := self._by_word.get(other)):
                        return where
        return set()

    def _find_parts(self, words: Sequence[str]) -> set[int]:
        """Where `words` are several names in a row, or a title and a name: the sentences of the last."""
        if len(words) < 2:
            return set()
        for cut in range(1, len(words)):
            head, tail = words[:cut], words[cut:]
            is_title = all(w in TITLES or w in FUNCTION_WORDS for w in head)
            apart = is_title or self._stands_alone(head) or (tail[0] in TITLES and self._find(head))
            if not apart:
                continue
            where = self._find(tail) if len(tail) > 1 or is_title or self._stands_alone(tail) else set()
            if where := where or self._find_parts(tail):
                return where
        return set()

    def _stands_alone(self, words: Sequence[str]) -> bool:
        """Whether the article has a name of exactly these words."""
        if len(words) == 1 and words[0][0] == "@":
            return words[0] in self._by_word
        return any(
            name.words == tuple(words)
            for i in islice(self._together(words), _MOST_RUNS)
            for name in self._sheet(i).names
        )


def _described(sheet: FactSheet, name: Name) -> Sequence[str]:
    """The words of the name in an apposition: "Ana Ruiz, a Vermont Democrat"."""
    article = sheet.tokens.folded[name.last : name.last + 1]
    if article not in (["a"], ["an"], ["the"]):
        return ()
    return next((other.words for other in sheet.names if other.first == name.last + 1), ())


def primary(language: str) -> str:
    """The language of a BCP 47 tag without its region."""
    return language.partition("-")[0].lower()


def _level(key: str) -> str:
    """What kind of affiliation an id is: a country, a state or a party."""
    return key[: key.find(".") + 1]


def _alike(word: str, other: str) -> bool:
    """Whether two words may be one name in two spellings: the same beginning, or the same consonants."""
    if len(word) < 4 or len(other) < 4 or "@" in (word[0], other[0]):
        return False
    if word[:3] == other[:3]:
        return True
    mine = _skeleton(word)
    return len(mine) >= _SKELETON and mine[:_SKELETON] == _skeleton(other)[:_SKELETON]


def _skeleton(word: str) -> str:
    for spelling, sound in _SPELLINGS:
        word = word.replace(spelling, sound)
    return "".join(c for c in word if c not in "aeiou")
