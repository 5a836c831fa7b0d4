"""Articles for the load benchmarks, and the very calls that Standfirst makes for each of them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

from bench.harness import Json
from bench.mock_llm import MockLLM
from bench.news import make_article
from service.assembly import Assembly
from service.planning import Article, Options
from service.run import CachePolicy
from service.settings import Settings

REPLY_S = 0.5
REPLY = {"first_token_s": 0.2, "per_token_s": 0.005, "reply_tokens": 60}
"""How the mock answers: 0.2 s to the first token, then 60 tokens."""

CHARACTERS_PER_TOKEN = 4.7  # of these articles
SHORT_CHARACTERS = int(1_000 * CHARACTERS_PER_TOKEN)
LONG_CHARACTERS = int(8_600 * CHARACTERS_PER_TOKEN)
LONG_MODEL = "narrow"
# A window that makes chunks of at most about 1,000 tokens; every other setting is as shipped.
MODELS_FILE = f"[{LONG_MODEL}]\ncontext_window = 7_600\n"

_Calls: TypeAlias = list[list[Json]]


class Recorded(Struct):
    """An article and its calls: those that go out together, then those that need their answers."""

    text: str
    calls: _Calls


class Articles(Struct):
    """The same articles as requests to the service, and for what it is compared with."""

    recorded: list[Recorded]
    bodies: Path
    calls: Path

    @property
    def llm_calls(self) -> int:
        """Calls for all articles."""
        return sum(len(together) for one in self.recorded for together in one.calls)


def settings_for(mock_url: str, folder: Path) -> Settings:
    """Settings as for the measured service, for its library in this process."""
    models = folder / "models.toml"
    models.write_text(MODELS_FILE)
    return Settings(
        openai_base_url=mock_url,
        model="mock",
        models=(LONG_MODEL,),
        models_file=str(models),
        cache_url="memory://",
        policy="strict",
    )


async def record(folder: Path, name: str, *, count: int, characters: int, chunks: int) -> Articles:
    """The first `count` articles of that length that make so many chunks, written to files in `folder`."""
    model = LONG_MODEL if chunks > 1 else "mock"
    wanted = chunks + 1 if chunks > 1 else 1
    found: list[Recorded] = []
    with MockLLM() as mock:
        async with Assembly(settings_for(mock.base_url, folder)) as assembly:
            for seed in itertools.count(1):
                mock.requests.clear()
                article = Article(text=make_article(seed, characters))
                await assembly.summarizer.summarize(article, Options(model=model), CachePolicy(reads=False))
                calls = list(mock.requests)
                if len(calls) == wanted:
                    together = [calls[:-1], calls[-1:]] if chunks > 1 else [calls]
                    found.append(Recorded(article.text, together))
                if len(found) == count:
                    break
                if seed >= 20 * count:
                    raise RuntimeError(
                        f"{len(found)} of {seed} articles took {wanted} calls, the last {len(calls)}"
                    )
    bodies, calls_file = folder / f"{name}-bodies.json", folder / f"{name}-calls.json"
    bodies.write_bytes(msgspec.json.encode([{"text": one.text, "model": model} for one in found]))
    calls_file.write_bytes(msgspec.json.encode(found))
    return Articles(found, bodies, calls_file)
