"""Chunking: speed against tiktoken's encode alone, where chunks end, and what an edit changes.

    python -m bench.chunking [FILE.jsonl]

The text is made up from a seed, or taken from the `text` fields of a JSON Lines file.
"""

from __future__ import annotations

import json
import math
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import tiktoken

from bench.harness import Row, show
from service.assembly import settle_collector
from service.chunks import split
from service.passages import find_paragraphs, find_sentences
from service.tokens import count_tokens, get_encoding

SIZE = 1_000_000
BUDGETS = (300, 600, 1_500, 3_000, 6_000)
TRIALS = 400
ROUNDS = 9
SYLLABLES = re.findall("..[a-z]?", "bacodenferbolhinjaskerlunmornelpraquoristentulvorwenyarzim")


def make_paragraphs(rng: random.Random) -> Iterator[str]:
    words = ["".join(rng.choices(SYLLABLES, k=rng.choice((1, 1, 2, 2, 3)))) for _ in range(4_000)]
    while True:
        sentences = (
            " ".join(rng.choices(words, k=rng.randint(6, 32))).capitalize()
            for _ in range(rng.choice((1, 1, 2, 3)))
        )
        yield " ".join(f"{sentence}." for sentence in sentences)


def read_paragraphs(path: Path) -> Iterator[str]:
    while True:
        for line in path.read_text(encoding="utf-8").splitlines():
            text = json.loads(line)["text"]
            yield from (text[start:end] for start, end in find_paragraphs(text))


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_speed(text: str, encoding: tiktoken.Encoding) -> None:
    found = find_paragraphs(text)
    for budget in BUDGETS:
        cut = partial(split, text, max_tokens=budget, encoding=encoding)
        given, whole = [], []
        for _ in range(ROUNDS):
            alone = cpu_seconds(partial(encoding.encode_ordinary, text))
            given.append(alone / cpu_seconds(partial(cut, paragraphs=found)))
            whole.append(alone / cpu_seconds(cut))
        note = f"{statistics.median(whole):.2f} with finding paragraphs"
        what = f"chunks of {budget} tokens: speed against tiktoken's encode alone"
        show([Row(what, statistics.median(given), 0.8, at_least=True, note=note)])


def measure_chunks(text: str, encoding: tiktoken.Encoding) -> None:
    ends = {end for _, end in find_sentences(text, find_paragraphs(text))}
    for budget in BUDGETS:
        chunks = split(text, max_tokens=budget, encoding=encoding)
        lossless = "".join(chunk.text for chunk in chunks) == text
        exact = all(chunk.tokens == count_tokens(chunk.text, encoding) <= budget for chunk in chunks)
        ended = sum(chunk.start + len(chunk.text.rstrip()) in ends for chunk in chunks) / len(chunks)
        fill = sum(chunk.tokens for chunk in chunks) / len(chunks) / budget
        note = f"fill {fill:.2f}" + ("" if exact else "; counts are not exact")
        show(
            [
                Row(f"chunks of {budget} tokens: lossless", float(lossless), 1.0, at_least=True, note=note),
                Row(f"chunks of {budget} tokens: end at a sentence", ended, 0.97, at_least=True),
            ]
        )


def edit(rng: random.Random, paragraphs: list[str], fresh: str) -> list[str]:
    place = rng.randrange(len(paragraphs))
    words = paragraphs[place].split()
    changed = {
        "replace": [fresh],
        "lengthen": [" ".join(words + fresh.split()[: rng.randint(1, 30)])],
        "shorten": [" ".join(words[: rng.randrange(1, len(words) + 1)])],
        "insert": [fresh, paragraphs[place]],
        "delete": [],
    }[rng.choice(("replace", "lengthen", "shorten", "insert", "delete"))]
    return [*paragraphs[:place], *changed, *paragraphs[place + 1 :]]


def measure_edits(source: Iterator[str], encoding: tiktoken.Encoding) -> None:
    for budget in BUDGETS:
        rng = random.Random(budget)
        changed: Counter[int] = Counter()
        counts, ratios = [], []
        for _ in range(TRIALS):
            article: list[str] = []
            tokens = 0
            while tokens < 6.1 * budget:
                article.append(next(source))
                tokens += count_tokens(article[-1], encoding) + 1
            before = split("\n\n".join(article), max_tokens=budget, encoding=encoding)
            after = split("\n\n".join(edit(rng, article, next(source))), max_tokens=budget, encoding=encoding)
            known = {chunk.text.rstrip() for chunk in before}
            changed[sum(chunk.text.rstrip() not in known for chunk in after)] += 1
            counts.append(len(before))
            ratios.append(len(before) / math.ceil(tokens / budget))
        spread = "  ".join(f"{n}: {changed[n] / TRIALS:.1%}" for n in sorted(changed))
        few = (
            f"at most {most}: {sum(changed[n] for n in changed if n <= most) / TRIALS:.1%}" for most in (2, 3)
        )
        print(
            f"{budget:>6} tokens  {statistics.mean(counts):.1f} chunks; changed by an edit  {spread}  "
            f"({', '.join(few)}); {statistics.mean(ratios):.2f} times the fewest possible"
        )


def main() -> None:
    encoding = get_encoding()
    settle_collector()  # as the service does
    source = read_paragraphs(Path(sys.argv[1])) if len(sys.argv) > 1 else make_paragraphs(random.Random(1))
    parts: list[str] = []
    size = 0
    while size < SIZE:
        parts.append(next(source))
        size += len(parts[-1]) + 2
    text = "\n\n".join(parts)[:SIZE]
    measure_speed(text, encoding)
    measure_chunks(text, encoding)
    measure_edits(source, encoding)


if __name__ == "__main__":
    main()
