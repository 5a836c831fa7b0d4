"""Articles as the command line names them: a file, standard input, or a link."""

from __future__ import annotations

from pathlib import PurePath
from typing import BinaryIO

import click

from service.errors import InvalidArticleError
from service.extraction import decode_page
from service.fetching import HTML_TYPES, PDF_TYPE, TEXT_TYPE
from service.intake import Intake
from service.models import ArticleInput
from service.planning import Article
from service.run import DEFAULT_CACHE_POLICY, CachePolicy

_TYPES = {".html": HTML_TYPES[0], ".htm": HTML_TYPES[0], ".xhtml": HTML_TYPES[1], ".pdf": PDF_TYPE}


class Source:
    """What an argument named: the URL of a page, or the bytes of a document and their type."""

    def __init__(self, url: str | None = None, data: bytes = b"", media_type: str = TEXT_TYPE) -> None:
        self.url = url
        self._data = data
        self._media_type = media_type

    @property
    def is_text(self) -> bool:
        """Whether it is plain text, which nothing has to be extracted from."""
        return self.url is None and self._media_type == TEXT_TYPE

    def as_input(self) -> ArticleInput:
        """What to hand in.

        Raises:
            InvalidArticleError: it is plain text that is not UTF-8, or empty.
        """
        if self.url is not None:
            return ArticleInput(url=self.url)
        if self._media_type in HTML_TYPES:
            return ArticleInput(html=decode_page(self._data))
        try:
            return ArticleInput(text=self._data.decode("utf-8-sig"))
        except UnicodeDecodeError as exc:
            raise InvalidArticleError(
                f"the article is not UTF-8 at byte {exc.start}", remedy="convert it, for example with iconv"
            ) from exc

    async def read(self, intake: Intake, cache: CachePolicy = DEFAULT_CACHE_POLICY) -> Article:
        """The article; raises what `Intake.read` does."""
        if self._media_type == PDF_TYPE:
            return await intake.open(self._data, PDF_TYPE)
        return await intake.read(self.as_input(), cache)


class SourceType(click.ParamType[Source]):
    """An argument that is a URL, a file, or `-` for standard input."""

    name = "source"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Source:
        """Read the file; a page is fetched later."""
        if value.lower().startswith(("http://", "https://")):
            return Source(url=value)
        file: BinaryIO = click.File("rb").convert(value, param, ctx)  # type: ignore[assignment]  # it is
        data = file.read()
        return Source(data=data, media_type=_TYPES.get(PurePath(value).suffix.lower()) or _sniff(data))


def _sniff(data: bytes) -> str:
    """What a document is by its first bytes, as of one that comes through a pipe."""
    head = data[:1024].lstrip().lower()
    if head.startswith(b"%pdf-"):
        return PDF_TYPE
    return HTML_TYPES[0] if head.startswith((b"<!doctype html", b"<html")) else TEXT_TYPE
