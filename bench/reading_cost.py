"""What reading hostile text costs: CPU time of quotations, speakers, sentences and facts, and how it grows.

    python -m bench.reading_cost [--seeds N] [--long]

Each text repeats a unit: marks that never close, marks that all close, names and verbs of saying without end,
dashes, half-finished dates and numbers. Then N texts repeat pieces drawn at random. Growth is the cost of a
text four times as long, 4 where it is linear; 900,000 characters (`--long`) are 200,000 tokens. Exits with 1
where it is over 8.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from service.grounding import ArticleIndex
from service.reading import read

_UNITS = {
    "opening marks": "“a ",
    "closing marks": "a” ",
    "straight marks": '"a" ',
    "marks alone": '"',
    "single marks": "'a ",
    "nested marks": "“a ‘b “c ",
    "apostrophes": "dogs' ",
    "two apostrophes": "''a'' ",
    "guillemets": "«a »b« ",
    "low marks": "„a ",
    "CJK brackets": "「あ『い",
    "quoted paragraphs": '"We began small.\n\n',
    "quoted lines": '"We began\n',
    "pull quotes": '"We go.\nAna Ruiz, Mayor Of Brill"\n\n',
    "said": "said ",
    "names": "Ana Ruiz ",
    "names said": '"a," Ana Ruiz said, ',
    "said that": 'said that "a b c d" and ',
    "according": '"a," according to a report by ',
    "pronouns": '"It opens," he said. ',
    "roles": 'The mayor said "no". ',
    "appositions": "Ana Ruiz, the mayor, ",
    "titles": "Sen. Gov. Dr. ",
    "dialogue": "— Que no, dijo que — ",
    "dialogue paragraphs": "— Que no sé —dijo— que.\n",
    "dashes": "— ",
    "years in brackets": '"a" (2015) ',
    "brackets": '"a" (',
    "weekdays": "Monday night on ",
    "half dates": "Oct. 14, ",
    "fractions": "half a quarter of a ",
    "hedges": "more than about ",
    "percentages": "40 percent of Ruiz and ",
    "durations": "four years and six months, ",
    "rates": "$9 a month a year ",
    "posts": "campaign manager Ana Ruiz ",
    "owners": "Ana Ruiz's long search's ",
    "one sentence": "the mayor said of Ana Ruiz that 9 people ",
    "colons": "Ana: ",
    "line ends": "a\n",
    "spaces": " \n\t ",
    "bracketed words": "[q1] [p1] ",
    "zero-width": "a\u200b ",
    "right to left": "قال «ب» ",
}
_PIECES = (
    *"\"“”„«»‘’'—–-(),.;:!?$%\n 「」",
    *("Ana ", "Ruiz ", "said ", "the mayor ", "he ", "40 ", "percent ", "May ", "of ", "that ", "and "),
    *("half a million ", "’s ", "Monday ", "\n\n", "日本", "a", "A.", "U.S. "),
)
_CHARACTERS, _LONG = 100_000, 900_000
_TOO_STEEP, _HARMLESS_S = 8.0, 0.2


def cpu_s(text: str) -> float:
    """CPU seconds of reading `text` and checking two sentences against it, one of them as hostile."""
    start = time.process_time()
    reading = read(text)
    index = ArticleIndex(text, sentences=reading.sentences)
    index.check(text[:5_000])
    index.check("More than half a million people met campaign manager Ana Ruiz in Brill on Monday night.")
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12, help="how many texts of random pieces")
    parser.add_argument("--long", action="store_true", help=f"texts of {_LONG:,} characters; takes minutes")
    options = parser.parse_args()
    longest = _LONG if options.long else _CHARACTERS
    shortest = longest // 4
    units = dict(_UNITS)
    for seed in range(options.seeds):
        rng = random.Random(seed)
        units[f"random {seed}"] = "".join(rng.choices(_PIECES, k=rng.randint(2, 40)))
    steep = []
    print(f"{'':20}{shortest:>12,}{longest:>12,} characters")
    for name, unit in units.items():
        short, long = (cpu_s(unit * (size // len(unit))) for size in (shortest, longest))
        growth = long / max(short, 0.001)
        print(f"{name:20}{short:>10.2f} s{long:>10.2f} s   x {growth:.1f}", flush=True)
        if growth > _TOO_STEEP and long > _HARMLESS_S:
            steep.append(name)
    if steep:
        sys.exit(f"grows too fast: {', '.join(steep)}")


if __name__ == "__main__":
    main()
