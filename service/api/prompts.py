"""Prompts: the templates that requests may name."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency

from service.api.access import ANY_KEY
from service.assembly import Assembly
from service.prompts import PromptInfo


@get("/v1/prompts", opt=ANY_KEY, tags=["prompts"], summary="List the prompts")
async def list_prompts(assembly: NamedDependency[Assembly]) -> tuple[PromptInfo, ...]:
    """The prompt templates with their versions, labels and digests."""
    return assembly.prompts.list()
