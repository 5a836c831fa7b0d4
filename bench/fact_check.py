"""Does the fact check find replaced facts, and leave true sentences alone?

    python bench/fact_check.py ARTICLES.jsonl [--part develop|held|all] [--seed N] [--show KIND]

Reads articles (`{"id", "text", "quotes": [{"source"}]}` a line), takes their sentences, replaces one number,
date or name by another plausible one, and counts what `ArticleIndex.check` flags. What is replaced is found
by plain patterns that know nothing of the checker. Articles are split by a hash of their id: 60% to develop
on, 40% held back.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypedDict

from service.grounding import ArticleIndex, CheckedSentence
from service.passages import find_paragraphs, find_sentences

_MONTHS = "January February March April May June July August September October November December"
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
_WORDS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty"
_PATTERNS = {
    "digits": re.compile(r"(?<![\w.,$-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w-]|[.,]\d)"),
    "money": re.compile(r"(?<=\$)\d+(?:,\d{3})*(?:\.\d+)?(?!\w)"),
    "percent": re.compile(r"(?<![\w.,$-])\d[\d.]*(?=(?:%| percent| per cent))"),
    "number word": re.compile(rf"\b(?:{_WORDS.replace(' ', '|')})\b"),
    "year": re.compile(r"\b(?:19|20)\d\d\b"),
    "month": re.compile(rf"\b(?:{_MONTHS.replace(' May', '').replace(' March', '').replace(' ', '|')})\b"),
    "weekday": re.compile(rf"\b(?:{_DAYS.replace(' ', '|')})\b"),
    "full name": re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,} [A-Z][a-z]{2,}(?=[ ,.])"),
    "single name": re.compile(r"(?<=[a-z] )[A-Z][a-z]{3,}(?=[ ,.](?![A-Z]))"),
    "leading name": re.compile(r"^[A-Z][a-z]{2,} [A-Z][a-z]{2,}(?= )"),
}
_PARTS_OF_PLACES = (
    "United|New|North|South|West|Rhode|European"  # "Hampshire" is not short for "New Hampshire"
)
_NUMERIC = ("digits", "money", "percent", "year")
_PLAIN = "After Into Will With Against For This That The And Are Why When From Over Not Still Just Like"
_TITLES = (
    "President Senator Governor Secretary Judge Justice Mayor "
    "Pope Chancellor General Foreign State Rep Col Gov Sen"
)
_NOT_NAMES = frozenset(f"{_MONTHS} {_DAYS} {_PLAIN} {_TITLES}".split())


class Article(TypedDict):
    """One line of the corpus."""

    id: str
    text: str
    quotes: list[dict[str, object]]


class Case(NamedTuple):
    """A sentence to be checked."""

    kind: str
    sentence: str
    original: str
    article: ArticleIndex


def flagged(checked: CheckedSentence) -> bool:
    """Whether an editor would see that something is wrong."""
    return checked.support in ("partial", "unsupported") or bool(checked.unsupported)


def _found(pattern: str, text: str) -> list[re.Match[str]]:
    hits = list(_PATTERNS[pattern].finditer(text))
    if pattern.endswith("name"):
        return [m for m in hits if not _NOT_NAMES.intersection(m.group().split())]
    if pattern == "digits":
        return [m for m in hits if not _PATTERNS["year"].fullmatch(m.group())]
    return hits


def _foreign(pattern: str, old: str, article: str, names: list[str], rng: random.Random) -> str | None:
    """A value of the same kind that is nowhere in `article`."""
    for _ in range(40):
        if pattern in _NUMERIC:
            new = "".join(
                c if not c.isdigit() else str(rng.randint(1 if i == 0 else 0, 9)) for i, c in enumerate(old)
            )
            if pattern == "year":
                new = str(rng.randint(1950, 2025))
            if not re.search(rf"(?<![\d.,]){re.escape(new)}(?![\d])", article):
                return new
            continue
        pool = {"number word": _WORDS, "month": _MONTHS, "weekday": _DAYS}.get(pattern)
        new = rng.choice(pool.split() if pool else names)
        if pattern == "single name":
            new = new.split()[-1]
        if pattern == "month":
            absent = new[:3] not in article
        else:
            absent = not any(re.search(rf"\b{word}\b", article, re.IGNORECASE) for word in new.split())
        if absent:
            return new
    return None


def _native(pattern: str, old: str, sentence: str, article: str, rng: random.Random) -> str | None:
    """A value of the same kind from another sentence of `article`."""
    like = "full name" if pattern == "leading name" else pattern
    values = sorted({m.group() for m in _found(like, article.replace(sentence, " "))})
    rng.shuffle(values)
    for value in values:
        if value != old and not any(re.search(rf"\b{re.escape(word)}\b", sentence) for word in value.split()):
            return value
    return None


def corruptions(
    index: ArticleIndex, article: str, sentence: str, names: list[str], rng: random.Random
) -> Iterator[Case]:
    """One case of each pattern and of each origin (`foreign`, `native`) that fits the sentence."""
    for pattern in _PATTERNS:
        hits = _found(pattern, sentence)
        if not hits:
            continue
        hit = rng.choice(hits)
        for origin, new in (
            ("foreign", _foreign(pattern, hit.group(), article, names, rng)),
            ("native", _native(pattern, hit.group(), sentence, article, rng)),
        ):
            if new:
                changed = sentence[: hit.start()] + new + sentence[hit.end() :]
                yield Case(f"{origin}: {pattern}", changed, sentence, index)


def _reformat(sentence: str, _: str) -> str:
    changed = re.sub(r"(\d)(?:,000)\b(?!,)", r"\1 thousand", sentence, count=1)
    changed = (
        re.sub(r"(\d)(?:%)", r"\1 percent", changed) if "%" in changed else changed.replace(" percent", "%")
    )
    changed = re.sub(r"\b(\d[\d.]*) million\b", r"\1m", changed)
    for number, word in (
        (2, "two"),
        (3, "three"),
        (4, "four"),
        (5, "five"),
        (6, "six"),
        (10, "ten"),
        (12, "twelve"),
    ):
        changed = re.sub(rf"(?<![\w.,$-]){number}(?= [a-z])", word, changed)
    changed = re.sub(
        r"\b(January|February|August|September|October|November|December)(?= \d)",
        lambda m: m.group()[:3] + ".",
        changed,
    )
    return changed.replace("U.S.", "United States")


def _shorten_names(sentence: str, _: str) -> str:
    behind = "".join(f"(?<!{part} )" for part in _PARTS_OF_PLACES.split("|"))
    first = rf"(?<=[a-z,] ){behind}(?!(?:{_PARTS_OF_PLACES}) )[A-Z][a-z]{{2,}} (?=[A-Z][a-z]{{2,}}[ ,.])"
    return re.sub(first, "", sentence, count=1)


def _drop_clause(sentence: str, _: str) -> str:
    parts = sentence.split(", ")
    return ", ".join(parts[:1] + parts[2:]) if len(parts) > 2 else sentence


def _front(sentence: str, _: str) -> str:
    head, _, _ = sentence.rpartition(", ")
    return f"{head}." if len(head.split()) > 5 else sentence


def _turn(sentence: str, _: str) -> str:
    head, mark, tail = sentence.rstrip(".").partition(", ")
    if re.match(r"(?:The|A|An|In|On|At|After|Before|As|When|While|If|But|And|He|She|They|It)\b", head):
        head = head[0].lower() + head[1:]
    return f"{tail[0].upper()}{tail[1:]}, {head}." if mark and tail else sentence


def _join(sentence: str, other: str) -> str:
    return f"{sentence.rstrip('.')}, and {other}"


_PARAPHRASES: dict[str, Callable[[str, str], str]] = {
    "number format": _reformat,
    "short names": _shorten_names,
    "clause dropped": _drop_clause,
    "end dropped": _front,
    "turned round": _turn,
    "joined with the next": _join,
}


def paraphrases(index: ArticleIndex, sentence: str, following: str, other: str) -> Iterator[Case]:
    """True rewordings of the sentence."""
    for name, change in _PARAPHRASES.items():
        changed = change(sentence, following)
        if changed != sentence:
            yield Case(f"true: {name}", changed, sentence, index)
    yield Case("true: joined with another", _join(sentence, other), sentence, index)


def thin(sentence: str, words: list[str], rng: random.Random) -> Iterator[tuple[str, str]]:
    """The sentence with a third of its words dropped, and with a third replaced."""
    parts = sentence.split()
    lost = set(rng.sample(range(len(parts)), len(parts) // 3))
    yield "dropped", " ".join(w for i, w in enumerate(parts) if i not in lost)
    yield "replaced", " ".join(rng.choice(words) if i in lost else w for i, w in enumerate(parts))


def load(path: Path, part: str) -> list[Article]:
    found: list[Article] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        article: Article = json.loads(line)
        develop = int(hashlib.sha256(article["id"].encode()).hexdigest(), 16) % 10 < 6
        if part in ("all", "develop" if develop else "held"):
            found.append(article)
    return found


def name_pool(articles: list[Article]) -> list[str]:
    """Full names of all articles: those of the annotated sources and those that stand mid-sentence."""
    found = {m.group() for a in articles for m in _found("full name", a["text"])}
    for article in articles:
        for quote in article["quotes"]:
            found.update(re.findall(r"[A-Z][a-z]{2,} [A-Z][a-z]{2,}", str(quote.get("source") or "")))
    return sorted(found)


class Tally:
    """Counts by kind."""

    def __init__(self, show: str | None) -> None:
        self.total: Counter[str] = Counter()
        self.hit: Counter[str] = Counter()
        self.show = show
        self.examples: dict[str, list[str]] = defaultdict(list)

    def check(self, case: Case) -> None:
        """Check a case and count it."""
        checked = case.article.check(case.sentence)
        self.add(case.kind, flagged(checked))
        wrong = flagged(checked) != (case.kind.split(":")[0] in ("foreign", "native"))
        if self.show and self.show in case.kind and wrong:
            reasons = [(f.text, f.reason) for f in checked.unsupported]
            print(f"[{case.kind}] {case.sentence}\n    {case.original}\n    {checked.support} {reasons}")

    def add(self, kind: str, hit: bool) -> None:
        """Count one of `kind`."""
        self.total[kind] += 1
        self.hit[kind] += hit

    def report(self) -> None:
        """Print the shares by kind and by group."""
        groups: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for kind in sorted(self.total):
            print(
                f"{kind:36} {self.hit[kind]:6} of {self.total[kind]:6}"
                f" = {self.hit[kind] / self.total[kind]:7.2%}"
            )
            groups[kind.split(":")[0]][0] += self.hit[kind]
            groups[kind.split(":")[0]][1] += self.total[kind]
        for group, (hit, total) in groups.items():
            print(f"{'ALL ' + group:36} {hit:6} of {total:6} = {hit / total:7.2%}")


def run(articles: list[Article], names: list[str], seed: int, show: str | None) -> Tally:
    """Check every sentence of `articles`, unchanged and changed."""
    rng, tally = random.Random(seed), Tally(show)
    vocabulary = sorted({w for a in articles for w in a["text"].split() if w.isalpha() and w.islower()})
    for article in articles:
        text = article["text"]
        spans = find_sentences(text, find_paragraphs(text))
        index = ArticleIndex(text, sentences=spans)
        sentences = [text[s.start : s.end] for s in spans]
        for k, sentence in enumerate(sentences):
            tally.check(Case("unchanged: lead" if k < 2 else "unchanged: others", sentence, sentence, index))
            best = index.check(sentence).evidence
            tally.add("evidence: itself", bool(best) and text[best[0].start : best[0].end] == sentence)
            if len(sentence.split()) < 6:
                continue
            for case in corruptions(index, text, sentence, names, rng):
                tally.check(case)
            for case in paraphrases(
                index, sentence, sentences[(k + 1) % len(sentences)], rng.choice(sentences)
            ):
                tally.check(case)
            for how, changed in thin(sentence, vocabulary, rng):
                best = index.check(changed).evidence
                tally.add(
                    f"evidence: a third {how}", bool(best) and text[best[0].start : best[0].end] == sentence
                )
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("articles", type=Path)
    parser.add_argument("--part", choices=["develop", "held", "all"], default="all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", help="print the wrong answers whose kind contains this")
    options = parser.parse_args()
    articles = load(options.articles, options.part)
    print(f"{len(articles)} articles, part {options.part}, seed {options.seed}")
    run(articles, name_pool(load(options.articles, "all")), options.seed, options.show).report()


if __name__ == "__main__":
    main()
