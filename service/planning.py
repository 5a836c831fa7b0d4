"""What a request comes to: an article and options made a job, with every option resolved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from service.cache import cache_key
from service.catalogue import Catalogue, ModelInfo
from service.errors import UnknownModelError, UnknownPromptError
from service.llm import LLM
from service.mapreduce import INPUTS, Prompts
from service.models import Policy, Source, Style
from service.pipeline import Job
from service.prompts import PromptLibrary
from service.reading import digest_of
from service.settings import Settings
from service.tokens import count_tokens, get_encoding

EXTRACTIVE: Final = "extractive"
# Raised with every change of code that changes results, so that results of older code are misses.
PIPELINE_VERSION: Final = 7

_LONG_ARTICLE = 100_000  # characters from which hashing would hold the event loop for a millisecond


class Article(Struct, frozen=True, kw_only=True):
    """An article as submitted; `source` is the page or document that `text` was extracted from, if any.

    `page` is the store's key of a page that was fetched; `id` is the caller's own, to remove it by.
    """

    text: str
    title: str = ""
    id: str | None = None
    page: str | None = None
    source: Source | None = None


class Options(Struct, frozen=True, kw_only=True):
    """How to summarize; None means what suits the service, the model or the article."""

    style: Style = "brief"
    max_quotes: int = 5
    language: str | None = None
    prompt: str | None = None
    model: str | None = None
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Models:
    """The models that a request may name, the default first; `extractive` asks none.

    `llm` answers for all of them, told apart by the request's `model`. `source` names the server or the file
    that they come from: a model of the same name elsewhere is another one.
    """

    names: tuple[str, ...]
    llm: LLM
    catalogue: Catalogue
    source: str


class Planner:
    """Resolves what requests leave open.

    Args:
        models: Who may be asked.
        prompts: The prompt templates.
        settings: What holds where a request does not say.
    """

    def __init__(self, models: Models, prompts: PromptLibrary, settings: Settings) -> None:
        self._models = models
        self._library = prompts
        self._settings = settings

    async def plan(self, article: Article, options: Options) -> Job:
        """The article with every option resolved, and the id that equal requests have.

        Raises:
            UnknownModelError, UnknownPromptError: the options name something that is not there.
        """
        info = self._known(options.model)
        model = info.name
        prompts = self._prompts(options.prompt, info.prompt_suffix)
        policy = options.policy or self._settings.policy
        if len(article.text) > _LONG_ARTICLE:
            digest = await asyncio.to_thread(digest_of, article.text)
        else:
            digest = digest_of(article.text)
        used = None if model == EXTRACTIVE else prompts
        key = cache_key(
            "summary",
            pipeline=PIPELINE_VERSION,
            article=digest,
            title=article.title,
            style=options.style,
            max_quotes=options.max_quotes,
            language=options.language,
            policy=policy,
            model=model,
            source=None if used is None else self._models.source,
            prompts=None if used is None else used.digests(),
            catalogue=None if used is None else msgspec.to_builtins(info),
            max_chunks=self._settings.max_chunks,
        )
        return Job(
            id=key,
            digest=digest,
            text=article.text,
            title=article.title,
            style=options.style,
            max_quotes=options.max_quotes,
            language=options.language,
            model=model,
            policy=policy,
            prompts=used,
            page=article.page,
        )

    def _known(self, model: str | None) -> ModelInfo:
        name = model or self._models.names[0]
        if name not in self._models.names:
            raise UnknownModelError(
                "there is no such model here",
                field="model",
                remedy=f"use one of: {', '.join(self._models.names)}",
            )
        return self._models.catalogue.find(name)

    def _prompts(self, name: str | None, suffix: str) -> Prompts:
        """The prompts to use: the named one, and those that go with it.

        A small model is asked with the small kin of a prompt, unless the request names a version.
        """
        get = self._library.get
        asked = get(name or "article")
        if asked.inputs.keys() - INPUTS or "style" not in asked.inputs or "notes" in asked.inputs:
            raise UnknownPromptError(
                f"the prompt {asked.name!r} does not summarize articles",
                field="prompt",
                remedy="use `article`",
            )
        article = get(f"article{suffix}") if name in (None, "article") else asked
        return Prompts(
            article=article,
            chunk=get(f"chunk{suffix}"),
            combine=get(f"combine{suffix}"),
            # A model too small to follow corrections is not asked for them.
            repair=None if suffix else get("repair"),
        )

    def check(self, options: Options) -> None:
        """Make sure that there is what `options` name; raises UnknownModelError or UnknownPromptError."""
        self._prompts(options.prompt, self._known(options.model).prompt_suffix)

    def model_info(self, model: str | None) -> ModelInfo | None:
        """What is known of the model that a request for `model` asks; None if it asks none."""
        name = model or self._models.names[0]
        return None if name == EXTRACTIVE else self._models.catalogue.find(name)

    def prompt_tokens(self) -> int:
        """About how many tokens of a prompt go with each article."""
        return count_tokens(self._library.get("article").source, get_encoding("o200k_base"))
