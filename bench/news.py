"""Made-up news articles of any length, the same for the same seed: places, people, figures, quotations."""

from __future__ import annotations

import random
from collections.abc import Iterator

_FIRST = [
    "Marta",
    "Ivo",
    "Lena",
    "Tomas",
    "Ines",
    "Piet",
    "Oona",
    "Karel",
    "Sanna",
    "Bruno",
    "Greta",
    "Vesna",
]
_LAST = [
    "Ilves",
    "Roth",
    "Kovar",
    "Amsel",
    "Dorval",
    "Petrik",
    "Osei",
    "Varga",
    "Haldane",
    "Tansley",
    "Farrow",
]
_PLACES = ["Harborview", "Norwick", "Eastmere", "Averne", "Sorrel", "Castleby", "Dunholm", "Greyford"]
_BODIES = [
    "the city council",
    "the port authority",
    "the regional court",
    "the teachers' union",
    "the water board",
    "the transport ministry",
    "the county hospital",
    "the planning office",
]
_JOBS = ["mayor", "spokeswoman", "chief engineer", "auditor", "headteacher", "harbour master", "economist"]
_THINGS = [
    "a new bridge over the estuary",
    "the repair of the old water main",
    "longer opening hours for libraries",
    "a cheaper ticket for night trains",
    "the sale of two empty barracks",
    "a flood wall along the eastern bank",
    "a shelter for forty families",
    "the switch to electric ferries",
]
_REASONS = [
    "after a winter in which repairs were put off three times",
    "although residents of the upper town had warned of the noise",
    "because the old contract ends before the summer season begins",
    "while two neighbouring districts are still waiting for an answer",
    "since the first survey had missed half of the damaged pillars",
]
_SAYINGS = [
    "We have counted every hour of this work, and we will not count it twice",
    "Nobody was asked whether the road could wait another year",
    "People want to know who pays, and they want to know it before the vote",
    "I would rather explain a delay than a collapse",
    "The figures were on the table in spring and nobody opened the folder",
    "It is a small step, but it is the first one that anybody has taken",
]
_MONTHS = ["January", "March", "April", "May", "June", "July", "September", "October", "November"]


def make_paragraphs(rng: random.Random) -> Iterator[str]:
    """Paragraphs of two to four sentences, every third with a quotation and its speaker."""
    number = 0
    while True:
        number += 1
        person, place = f"{rng.choice(_FIRST)} {rng.choice(_LAST)}", rng.choice(_PLACES)
        sentences = [_sentence(rng, place) for _ in range(rng.randint(2, 4))]
        if number % 3 == 0:
            sentences[-1] = f"“{rng.choice(_SAYINGS)},” said {person}, {rng.choice(_JOBS)} of {place}."
        yield " ".join(sentences)


def make_article(seed: int, characters: int) -> str:
    """An article of about that many characters, in whole paragraphs; English has about 4.5 to a token."""
    rng = random.Random(seed)
    parts = [f"{rng.choice(_PLACES)} case {seed}: {rng.choice(_BODIES)} decides on {rng.choice(_THINGS)}"]
    size = len(parts[0])
    for paragraph in make_paragraphs(rng):
        parts.append(paragraph)
        size += len(paragraph) + 2
        if size >= characters:
            break
    return "\n\n".join(parts)


def _sentence(rng: random.Random, place: str) -> str:
    body, thing, reason = rng.choice(_BODIES), rng.choice(_THINGS), rng.choice(_REASONS)
    day = f"{rng.randint(1, 28)} {rng.choice(_MONTHS)} {rng.randint(1998, 2024)}"
    letters, asked = f"{rng.randint(100, 9_000):,}", rng.randint(20, 900)
    return rng.choice(
        (
            f"In {place}, {body} voted {rng.randint(6, 12)} to {rng.randint(1, 5)} on {day} for {thing}.",
            f"The plan costs {rng.randint(2, 90)} million euros and covers {thing}, {reason}.",
            f"{body.capitalize()} of {place} received {letters} letters about {thing} {reason}.",
            f"Of {asked} households asked on {day}, {rng.randint(51, 89)} percent wanted {thing}.",
        )
    )
