"""The article in a web page, and what the page says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from service.errors import NoArticleError
from service.extraction.markup import as_line, find_blocks
from service.models import LANGUAGE_PATTERN, Source

if TYPE_CHECKING:
    from lxml.html import HtmlElement


def extract_html(html: str, url: str | None = None) -> Source:
    """The article in a web page, with blank lines between its paragraphs, and what the page says of it.

    Raises:
        PageError: NoArticleError, PaywallError or ConsentWallError, which tell why there is none.
    """
    from trafilatura import bare_extraction  # noqa: PLC0415 - takes 0.1 s and 15 MiB
    from trafilatura.utils import load_html  # noqa: PLC0415

    field = "html" if url is None else "url"
    tree = load_html(html)
    if tree is None:
        raise NoArticleError("this is not a web page", field=field)
    language = _language(tree)
    found = bare_extraction(
        tree,
        url=url,
        include_comments=False,
        with_metadata=True,
        date_extraction_params={"original_date": True, "extensive_search": False},
    )
    paragraphs = list(find_blocks(found.body)) if found is not None and not isinstance(found, dict) else []
    if found is None or isinstance(found, dict) or not paragraphs:
        raise NoArticleError("no article was found in the page", field=field)
    title = as_line(found.title)
    if title and paragraphs[0].casefold() == title.casefold() and len(paragraphs) > 1:
        del paragraphs[0]
    return Source(
        text="\n\n".join(paragraphs),
        title=title,
        author=as_line(found.author),
        published=as_line(found.date),
        language=language,
        site=as_line(found.sitename),
        url=url,
        canonical_url=as_line(found.url),
    )


def _language(tree: HtmlElement) -> str | None:
    for said in (*tree.xpath("/html/@lang"), *tree.xpath("//meta[@property='og:locale']/@content")):
        tag = str(said).strip().replace("_", "-")
        if re.fullmatch(LANGUAGE_PATTERN, tag) and len(tag) <= 35:
            return tag
    return None
