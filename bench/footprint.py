"""What the service takes: time to start, memory, calls after an edit, the event loop.

python -m bench footprint
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import msgspec

from bench.harness import ROUNDS, Json, Mock, Process, Row, Worker, bare_litestar, mock_llm, service, show
from bench.mock_drafts import write_draft
from bench.news import make_article, make_paragraphs
from bench.recording import LONG_CHARACTERS, LONG_MODEL, record, settings_for
from service.assembly import Assembly
from service.llm import ChatReply, ChatRequest
from service.planning import Article, Options

LARGEST = 5_000_000  # bytes, as STANDFIRST_MAX_ARTICLE_BYTES is shipped
EDITS = 20


def starts(mock: Mock, rounds: int) -> None:
    """Seconds from the command to the first 200 of /readyz, and the memory it has then."""
    ways: dict[str, Callable[[], AbstractContextManager[Process]]] = {
        "standfirst": lambda: service(mock.url, model="mock"),
        "bare Litestar": bare_litestar,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    sizes: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, start in ways.items():
            begun = time.perf_counter()
            with start() as process:
                taken = time.perf_counter() - begun
                time.sleep(3)  # until the model's client is loaded too
                if number:  # the first start may compile bytecode
                    times[name].append(taken)
                    sizes[name].append(process.resident_mib)
    ours, bare = times["standfirst"], times["bare Litestar"]
    show([Row("seconds until ready", statistics.median(ours), 2.5)])
    show([Row("    bare Litestar", statistics.median(bare))])
    show(
        [
            Row(
                "resident memory idle, without the embedded model, MiB",
                statistics.median(sizes["standfirst"]),
                175,
            )
        ]
    )
    show([Row("    bare Litestar", statistics.median(sizes["bare Litestar"]))])


def growth(mock: Mock, load: Worker, folder: Path, results: int) -> None:
    """MiB that many distinct results add, a tenth of them by the model and the others by code alone."""
    with service(mock.url, model="mock") as server:
        before = server.resident_mib
        rng = random.Random(1)
        by_code = results * 9 // 10
        seconds = 0.0
        for first in range(0, results, 5_000):
            bodies = [
                {"text": f"Report {n}. {_brief(rng)}", "model": "extractive" if n < by_code else "mock"}
                for n in range(first, min(first + 5_000, results))
            ]
            seconds += _post(load, server, _write(folder, bodies), in_flight=16)["seconds"]
        note = f"from {before:.0f} to {server.resident_mib:.0f} MiB, {results / seconds:.0f} results a second"
        show(
            [
                Row(
                    f"growth after {results:,} distinct results, MiB",
                    server.resident_mib - before,
                    50,
                    note=note,
                )
            ]
        )


class TellTaleLLM:
    """Answers with a sentence that only this prompt gets, as a real model's notes change with their chunk."""

    def __init__(self) -> None:
        self.calls = 0

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        self.calls += 1
        prompt = request.messages[-1].content
        draft = json.loads(write_draft(prompt, request.output_schema and request.output_schema.schema))
        draft["sentences"][0]["text"] += f" Note {hashlib.sha256(prompt.encode()).hexdigest()}."
        return ChatReply(text=json.dumps(draft), finish_reason="stop", model=request.model, usage=None)

    async def aclose(self) -> None:
        """See `LLM.aclose`."""


async def edits(folder: Path) -> None:
    """LLM calls for an article of ten chunks after one of its paragraphs was rewritten, worst of some."""
    articles = await record(folder, "long", count=EDITS, characters=LONG_CHARACTERS, chunks=10)
    llm = TellTaleLLM()
    settings = msgspec.structs.replace(settings_for("http://127.0.0.1/", folder), policy="flag")
    calls = []
    async with Assembly(settings, llm) as assembly:
        for seed, article in enumerate(articles.recorded):
            rng = random.Random(seed)
            await assembly.summarizer.summarize(Article(text=article.text), Options(model=LONG_MODEL))
            paragraphs = article.text.split("\n\n")
            paragraphs[rng.randrange(1, len(paragraphs))] = next(make_paragraphs(rng))
            llm.calls = 0
            await assembly.summarizer.summarize(
                Article(text="\n\n".join(paragraphs)), Options(model=LONG_MODEL)
            )
            calls.append(llm.calls)
    note = "; ".join(f"{n} calls in {calls.count(n)} edits" for n in sorted(set(calls)))
    show(
        [
            Row(
                f"LLM calls after an edit of a 10-chunk article, most in {EDITS} edits",
                max(calls),
                3,
                note=note,
            )
        ]
    )


def held_loop(mock: Mock, load: Worker, folder: Path) -> None:
    """The longest time that one article kept the event loop from its next step, in ms."""
    longest = 0.0
    mock.configure()
    with service(mock.url, "bench.heartbeat:main", model="mock", max_article_bytes=LARGEST) as server:
        _beat(server)
        time.sleep(3)
        idle = _beat(server)
        notes = []
        for name, whole in shapes():
            text = whole.encode()[:LARGEST].decode(errors="ignore")
            begun = time.perf_counter()
            _post(load, server, _write(folder, [{"text": text}]))
            beat = _beat(server)
            held, own = beat["held_s"] * 1000, beat["own_s"] * 1000
            longest = max(longest, held)
            taken = time.perf_counter() - begun
            notes.append(Row(f"    {name} ({taken:.1f} s)", held, note=f"of which its own work {own:.1f}"))
    note = f"idle: {idle['held_s'] * 1000:.1f}"
    show([Row("longest time that the event loop was held, ms", longest, 20, note=note), *notes])


def shapes() -> Iterator[tuple[str, str]]:
    """Articles of ordinary size and of the largest, friendly and hostile."""
    news = make_article(5, LARGEST)
    yield "news, 1,000 tokens", make_article(1, 4_700)
    yield "news, 100,000 tokens", make_article(2, 470_000)
    yield "news, 5 MB", news
    yield "one paragraph, 5 MB", news.replace("\n\n", " ")
    yield "no space, 5 MB", ("a" * 99 + ".") * (LARGEST // 100)
    yield "all quotation marks, 5 MB", "“a” " * (LARGEST // 8)
    yield "all names and numbers, 5 MB", "Ana Roth 12. " * (LARGEST // 13)
    yield "all line feeds, 5 MB", "a\n\n" * (LARGEST // 3)
    yield "all emoji, 5 MB", "🦊" * (LARGEST // 4)


def _brief(rng: random.Random) -> str:
    return " ".join(next(make_paragraphs(rng)).split(". ")[:2])


def _write(folder: Path, bodies: list[Json]) -> Path:
    path = folder / "bodies.json"
    path.write_bytes(msgspec.json.encode(bodies))
    return path


def _post(load: Worker, server: Process, bodies: Path, in_flight: int = 1) -> Json:
    job = {"url": server.url, "path": "/v1/summaries", "bodies": str(bodies), "in_flight": in_flight}
    answer = load.ask(job)
    assert set(answer["statuses"]) == {"200"}, answer
    return answer


def _beat(server: Process) -> Json:
    with urllib.request.urlopen(f"{server.url}/heartbeat", timeout=60) as answer:  # noqa: S310 - our own
        beat: Json = msgspec.json.decode(answer.read())
        return beat


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--results", type=int, default=100_000)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="standfirst-bench-")))
        mock = stack.enter_context(mock_llm())
        load = stack.enter_context(Worker("bench.load"))
        starts(mock, options.rounds)
        asyncio.run(edits(folder))
        held_loop(mock, load, folder)
        growth(mock, load, folder, options.results)


if __name__ == "__main__":
    main()
