"""The least that Litestar does for a request: what an application costs is measured against it."""

from __future__ import annotations

from litestar import Litestar, get, post
from litestar.status_codes import HTTP_200_OK
from msgspec import Struct


class Article(Struct):
    """The body of a request, and of its answer."""

    text: str
    title: str = ""


@post("/v1/summaries", status_code=HTTP_200_OK)
async def echo(data: Article) -> Article:
    """What came in."""
    return data


@get("/healthz")
async def healthz() -> str:
    """Answers as long as the process does."""
    return "ok"


app = Litestar([echo, healthz], openapi_config=None, logging_config=None)
