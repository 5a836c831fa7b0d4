"""What checking costs: CPU time to index an article and check four sentences, by size, and on hostile input.

    python bench/grounding_cost.py [--profile]

Articles are made up from a seeded vocabulary: names, figures and dates as dense as in news.
"""

from __future__ import annotations

import argparse
import cProfile
import random
import time

from service.grounding import ArticleIndex
from service.passages import Passage, find_paragraphs, find_sentences

_SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 200_000)  # tokens, at 4.5 characters
_CHARACTERS_PER_TOKEN = 4.5
_PLAIN = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "that",
    "for",
    "on",
    "with",
    "as",
    "was",
    "at",
    "by",
    "from",
    "it",
    "is",
    "had",
    "were",
    "which",
    "council",
    "river",
    "budget",
    "plan",
    "people",
    "minister",
    "report",
    "water",
    "company",
    "court",
    "vote",
    "school",
    "price",
    "winter",
    "harbour",
    "bridge",
    "road",
    "union",
    "market",
    "train",
    "station",
    "announced",
    "rejected",
    "promised",
    "agreed",
    "opened",
    "closed",
    "raised",
    "cut",
    "built",
    "sold",
    "delayed",
    "approved",
    "after",
    "before",
    "because",
]
_NAMES = [
    "Marta",
    "Ilves",
    "Joren",
    "Pask",
    "Oduya",
    "Renn",
    "Velmar",
    "Tarn",
    "Quist",
    "Halden",
    "Brice",
    "Sorel",
    "Anwen",
    "Dov",
    "Lida",
    "Farrow",
]
_FIGURES = (
    "12",
    "3,400",
    "$5.6 million",
    "40 percent",
    "three",
    "Oct. 14",
    "2019",
    "Tuesday",
    "half",
    "a dozen",
)
_HOSTILE = {
    "digits": "7",
    "commas": ",",
    "capitals": "A",
    "million million": "million ",
    "dots": ".",
    "A.": "A.",
    "1,1": "1,",
    "Ab Ab": "Ab ",
    "of of": "of ",
    "A of of": "Ab of ",
    "twenty one": "twenty one ",
    "1 - 1": "1-",
    "CJK": "万年",
    "apostrophes": "a'",
    "combining": "a\u0301",
}


def make_article(tokens: int, rng: random.Random) -> str:
    """News-like text of about `tokens` tokens."""
    paragraphs: list[str] = []
    size = 0.0
    while size < tokens * _CHARACTERS_PER_TOKEN:
        sentences = []
        for _ in range(rng.randint(1, 4)):
            words = rng.choices(_PLAIN, k=rng.randint(10, 26))
            for _ in range(rng.randint(1, 3)):
                words[rng.randrange(len(words))] = " ".join(rng.sample(_NAMES, 2))
            if rng.random() < 0.5:
                words[rng.randrange(len(words))] = rng.choice(_FIGURES)
            # A tail of rare words, as real text has.
            words.append("".join(rng.choices("bdfgklmnprstvaeiou", k=7)))
            sentences.append(" ".join(words).capitalize() + ".")
        paragraphs.append(" ".join(sentences))
        size += len(paragraphs[-1]) + 2
    return "\n\n".join(paragraphs)


def reword(sentence: str, rng: random.Random) -> str:
    """A sentence that is not word for word in the article."""
    words = sentence.split()
    del words[rng.randrange(len(words))]
    return " ".join(words)


def ground(text: str, spans: list[Passage], summary: list[str]) -> None:
    index = ArticleIndex(text, sentences=spans)
    for sentence in summary:
        index.check(sentence)


def cpu_ms(text: str, spans: list[Passage], summary: list[str], repeats: int) -> float:
    """Median CPU milliseconds of indexing `text` and checking `summary`."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        ground(text, spans, summary)
        taken.append((time.process_time() - start) * 1000)
    return sorted(taken)[repeats // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--profile", action="store_true", help="profile the 1,000-token article instead")
    options = parser.parse_args()
    rng = random.Random(7)
    for tokens in _SIZES:
        text = make_article(tokens, rng)
        spans = find_sentences(text, find_paragraphs(text))
        summary = [reword(text[s.start : s.end], rng) for s in rng.sample(spans, 4)]
        if options.profile:
            with cProfile.Profile() as profile:
                for _ in range(200):
                    ground(text, spans, summary)
            profile.print_stats("tottime")
            return
        taken = cpu_ms(text, spans, summary, 61 if tokens <= 10_000 else 5)
        print(
            f"{tokens:8} tokens {len(text):8} characters {taken:9.2f} ms"
            f" {1000 * taken / tokens:7.2f} ms per 1,000"
        )
    for name, unit in _HOSTILE.items():
        for size in (250_000, 500_000, 1_000_000):
            text = unit * (size // len(unit))
            taken = cpu_ms(text, [Passage(0, len(text))], [text[: size // 10], "3 million people in May"], 1)
            print(f"hostile {name:16} {size:8} characters {taken:9.1f} ms")


if __name__ == "__main__":
    main()
