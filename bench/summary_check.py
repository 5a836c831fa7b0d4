"""Does the fact check leave sentences alone that a good model would write, and find single errors in them?

    python -m bench.summary_check [--show]

Reads `summary_cases.toml` beside this file. A sentence counts as flagged if it has any finding.
"""

from __future__ import annotations

import argparse
import tomllib
from collections import Counter
from pathlib import Path

from service.grounding import ArticleIndex
from service.reading import read

CASES = Path(__file__).with_name("summary_cases.toml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the sentences that are judged wrongly")
    options = parser.parse_args()
    count: Counter[tuple[str, str, bool]] = Counter()
    articles = tomllib.loads(CASES.read_text(encoding="utf-8"))["article"]
    for article in articles:
        text = article["text"].strip()
        reading = read(text)
        index = ArticleIndex(text, language=reading.language, sentences=reading.sentences)
        for kind in ("true", "false"):
            for sentence in article[kind]:
                found = index.check(sentence, language=reading.language).unsupported
                count[article["genre"], kind, bool(found)] += 1
                if options.show and bool(found) == (kind == "true"):
                    print(f"[{article['genre']}: {kind}] {sentence} {[(f.text, f.reason) for f in found]}")
    print(f"{'':18}{'true, flagged':>16}{'error, found':>16}")
    genres = [article["genre"] for article in articles]
    for genre in [*genres, "all"]:
        chosen = genres if genre == "all" else [genre]
        true, false = (
            [sum(count[g, kind, flagged] for g in chosen) for flagged in (True, False)]
            for kind in ("true", "false")
        )
        print(f"{genre:18}{true[0]:>10} of {sum(true):>2}{false[0]:>10} of {sum(false):>2}")


if __name__ == "__main__":
    main()
