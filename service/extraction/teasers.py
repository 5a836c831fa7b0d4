"""Cards that lead to other articles, which stand around the one that a page is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_LONGEST: Final = 400  # characters of a card
_FEWEST: Final = 3  # cards; one alone may be an article whose headline is its own link


def remove_teasers(tree: HtmlElement, own_url: str | None) -> None:
    """Take out of `tree` its cards: short `article`s whose one heading is a link to somewhere else.

    Posts of a live blog link to their places in the page at `own_url`, and stay. A page of nothing but cards,
    such as a newspaper's front page, is left without an article, which it has none of.
    """
    own = _path(own_url or "")
    cards = [element for element in tree.iter("article") if _is_card(element, own)]
    if len(cards) >= _FEWEST:
        for card in cards:
            card.drop_tree()


def _is_card(element: HtmlElement, own: str) -> bool:
    headings = element.xpath(".//*[self::h2 or self::h3 or self::h4 or self::h5]")
    if len(headings) != 1 or len(element.text_content()) > _LONGEST:
        return False
    links = headings[0].xpath("ancestor::a/@href | .//a/@href")
    return any(not link.startswith(("#", "?")) and _path(link) != own for link in map(str, links))


def _path(url: str) -> str:
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""
