"""How well quotations and speakers are found, on annotated news articles.

    python bench/quotes_accuracy.py [ARTICLES] [--holdout] [--errors quotes|speakers]

ARTICLES is a file of JSON lines with `id`, `text` and `quotes` (`start`, `end`, `source`); 40% of them, by a
digest of the id, are held out. Only quotations of 4 words and more count. Errors are shown for the rest only.

Recall: annotated quotations found with exactly their bounds (white space aside); those of them that count
as "said", their role being `speech` or `fragment`; and those with which a found one shares 0.9 (intersection
over union). Precision: found quotations that lie inside an annotated one; "in annotated" leaves out articles
without any annotation, such as all that quote with ''two apostrophes''.
Speaker: of annotated sources with a capitalized word, those that share one with the name found; a role
that was resolved to the name of its holder counts as another name, so these are shown apart.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any  # articles are JSON of others

import msgspec

from service.names import is_role
from service.quotes import Quotation, find_quotations
from service.speakers import attribute

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "news" / "articles.jsonl"
MIN_WORDS = 4
SAID = ("speech", "fragment")
NAME = re.compile(r"[A-Z][\w'’-]*")
NOT_NAMES = frozenset(
    [
        "The",
        "A",
        "An",
        "He",
        "She",
        "It",
        "They",
        "One",
        "According",
        "Some",
        "Many",
        "His",
        "Her",
        "Their",
        "This",
        "That",
    ]
)


def is_held_out(article_id: str) -> bool:
    return int(hashlib.sha256(article_id.encode()).hexdigest(), 16) % 5 < 2


def overlap(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Intersection over union of two spans."""
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return max(0, shared) / (max(a[1], b[1]) - min(a[0], b[0]))


def name_words(source: str) -> set[str]:
    return {re.sub(r"['’]s?$", "", w) for w in NAME.findall(source)} - NOT_NAMES


def is_description(source: str) -> bool:
    """Whether a source is a role ("the Iowa senator"), whose name is another by nature."""
    words = source.split()
    return words[0].lower() in ("the", "a", "an") and (words[-1].islower() or is_role(words[-1].lower()))


class Score:
    """Counts over articles."""

    def __init__(self, show: str | None) -> None:
        self.count: Counter[str] = Counter()
        self.show = show

    def add(self, article: dict[str, Any]) -> None:
        """Score one article."""
        text: str = article["text"]
        found = find_quotations(text)
        speakers = attribute(text, found)
        gold = [q for q in article["quotes"] if len(text[q["start"] : q["end"]].split()) >= MIN_WORDS]
        self.count["articles"] += 1
        self._recall(article, found, speakers, gold)
        self._precision(article, found, gold)

    def _recall(
        self, article: dict[str, Any], found: list[Quotation], speakers: list[Any], gold: list[Any]
    ) -> None:
        text = article["text"]
        exact = {(q.start, q.end): i for i, q in enumerate(found)}
        for quote in gold:
            words = text[quote["start"] : quote["end"]]
            start = quote["start"] + len(words) - len(words.lstrip())
            span = (start, start + len(words.strip()))
            self.count["gold"] += 1
            best = max(
                range(len(found)), key=lambda i: overlap(span, (found[i].start, found[i].end)), default=None
            )
            self.count["exact"] += span in exact
            said = span in exact and found[exact[span]].role in SAID
            self.count["exact said"] += said
            if not said:
                self._error("quotes", f"NOT SAID {article['id'][:24]} {words!r}")
            if best is None or overlap(span, (found[best].start, found[best].end)) < 0.9:
                self._error("quotes", f"MISSED {article['id'][:24]} {words!r}")
                best = None
            else:
                self.count["overlapping"] += 1
            wanted = name_words(quote["source"] or "")
            if not wanted:
                continue
            self.count["named"] += 1
            speaker = speakers[best] if best is not None else None
            if speaker is not None and name_words(speaker.name) & wanted:
                self.count["right"] += 1
                continue
            self.count["nobody" if speaker is None else "wrong"] += 1
            self.count["role"] += speaker is not None and is_description(quote["source"])
            context = text[max(0, span[0] - 200) : span[1] + 150]
            self._error(
                "speakers", f"{article['id'][:24]} WANTED {quote['source']!r} GOT {speaker} IN {context!r}"
            )

    def _precision(self, article: dict[str, Any], found: list[Quotation], gold: list[Any]) -> None:
        text = article["text"]
        for q in found:
            words = text[q.start : q.end]
            if len(words.split()) < MIN_WORDS:
                continue
            inside = any(g["start"] <= q.start and q.end <= g["end"] for g in gold)
            kinds = ["any"] + (["any in annotated"] if gold else [])
            if q.role in SAID:
                kinds += [k.replace("any", "said") for k in kinds]
            for kind in kinds:
                self.count[f"{kind} found"] += 1
                self.count[f"{kind} inside"] += inside
            if not inside and gold:
                context = text[max(0, q.outer_start - 60) : q.outer_end + 60]
                self._error("quotes", f"EXTRA {q.role} {article['id'][:24]} {words!r} IN {context!r}")

    def _error(self, kind: str, message: str) -> None:
        if self.show == kind:
            print(message)


def ratio(part: int, whole: int) -> str:
    return f"{part / whole:.3f} ({part}/{whole})" if whole else "-"


def rows(count: Counter[str]) -> list[tuple[str, str]]:
    result = [
        ("articles", str(count["articles"])),
        ("recall, exact bounds", ratio(count["exact"], count["gold"])),
        ("recall, exact bounds, said", ratio(count["exact said"], count["gold"])),
        ("recall, overlap >= 0.9", ratio(count["overlapping"], count["gold"])),
    ]
    result += [
        (f"precision, {kind}", ratio(count[f"{kind} inside"], count[f"{kind} found"]))
        for kind in ("said in annotated", "any in annotated", "said", "any")
    ]
    result.append(("speaker shares a name word", ratio(count["right"], count["named"])))
    result.append(("speaker: none", ratio(count["nobody"], count["named"])))
    result.append(("speaker: another name", ratio(count["wrong"], count["named"])))
    result.append(("  where the source is a role", ratio(count["role"], count["wrong"])))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("articles", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--holdout", action="store_true", help="also score the held-out part")
    parser.add_argument(
        "--errors", choices=("quotes", "speakers"), help="print what went wrong in the other part"
    )
    options = parser.parse_args()
    if not options.articles.exists():
        parser.exit(2, f"{options.articles.name} is not there; name a file of articles\n")
    parts = {"development": Score(options.errors)}
    if options.holdout:
        parts["held out"] = Score(None)
    decoder = msgspec.json.Decoder(dict[str, Any])
    with options.articles.open("rb") as lines:
        for line in lines:
            article = decoder.decode(line)
            name = "held out" if is_held_out(article["id"]) else "development"
            if name in parts:
                parts[name].add(article)
    tables = [rows(score.count) for score in parts.values()]
    print(f"{'':30}" + "".join(f"{name:>22}" for name in parts))
    for columns in zip(*tables, strict=True):
        print(f"{columns[0][0]:30}" + "".join(f"{value:>22}" for _, value in columns))


if __name__ == "__main__":
    main()
