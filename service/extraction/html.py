"""The article in a web page, and what the page says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from service.errors import NoArticleError
from service.extraction.hidden import remove_hidden
from service.extraction.markup import as_line, find_blocks
from service.extraction.teasers import remove_teasers
from service.extraction.walls import check_walls, read_claims
from service.models import LANGUAGE_PATTERN, Source

if TYPE_CHECKING:
    from lxml.html import HtmlElement

# A line that leads to another article.
_POINTER = re.compile(
    r"(?:read (?:more|also|next|the full story)|also read|see also|related|more on this|lesen sie auch"
    r"|mehr zum thema|(?:à )?lire aussi|leia (?:também|mais)|lea también|leggi anche|lees ook|läs också"
    r"|les også): .{1,150}$",
    re.IGNORECASE,
)
_PAGE = re.compile(r"<(?:!doctype|html|body)\b", re.IGNORECASE)


def extract_html(html: str, url: str | None = None) -> Source:
    """The article in a web page, with blank lines between its paragraphs, and what the page says of it.

    The text is what a reader sees: nothing hidden, and no text from the page's data for machines.

    Raises:
        PageError: NoArticleError, PaywallError or ConsentWallError, which tell why there is none.
    """
    from trafilatura import bare_extraction  # noqa: PLC0415 - takes 0.1 s and 15 MiB
    from trafilatura.metadata import extract_metadata  # noqa: PLC0415
    from trafilatura.utils import load_html  # noqa: PLC0415

    field = "html" if url is None else "url"
    tree = load_html(html if _PAGE.search(html) else f"<html><body>{html}</body></html>")
    if tree is None:
        raise NoArticleError("this is not a web page", field=field)
    language, claims = _language(tree), read_claims(tree)
    about = extract_metadata(tree, url, {"original_date": True, "extensive_search": False})
    remove_hidden(tree)
    remove_teasers(tree, url or about.url)
    _write_quotation_marks(tree)
    page = tree.text_content()
    found = bare_extraction(tree, url=url, include_comments=False)
    title = as_line(claims.headline or about.title)
    paragraphs = list(find_blocks(found.body)) if found is not None and not isinstance(found, dict) else []
    paragraphs = [p for p in paragraphs if not _POINTER.match(p)]
    if title and len(paragraphs) > 1 and paragraphs[0].casefold() == title.casefold():
        del paragraphs[0]
    text = "\n\n".join(paragraphs)
    check_walls(text, page, claims, field)
    return Source(
        text=text,
        title=title,
        author=as_line(about.author or claims.author),
        published=as_line(about.date),
        language=language,
        site=as_line(about.sitename),
        url=url,
        canonical_url=as_line(about.url),
    )


def _write_quotation_marks(tree: HtmlElement) -> None:
    """Put the marks that browsers draw around a `<q>` into the text."""
    from lxml.etree import strip_tags  # noqa: PLC0415

    for element in list(tree.iter("q")):
        inner = sum(1 for _ in element.iterancestors("q")) % 2
        opening, closing = "‘’" if inner else "“”"
        element.text = opening + (element.text or "")
        last = element[-1] if len(element) else None
        if last is None:
            element.text += closing
        else:
            last.tail = (last.tail or "") + closing
    strip_tags(tree, "q")


def _language(tree: HtmlElement) -> str | None:
    for said in (*tree.xpath("/html/@lang"), *tree.xpath("//meta[@property='og:locale']/@content")):
        tag = str(said).strip().replace("_", "-")
        if re.fullmatch(LANGUAGE_PATTERN, tag) and len(tag) <= 35:
            return tag
    return None
