"""What a page holds and no reader sees: no part of the article, and a place to hide words for models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_NEVER_SHOWN: Final = (
    *("noscript", "script", "style", "template"),
    *("amp-ad", "amp-analytics", "amp-consent", "amp-embed", "amp-lightbox", "amp-sidebar", "amp-sticky-ad"),
)
# Whatever scripts do later, this is hidden when the page is read.
_HIDES = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|content-visibility\s*:\s*hidden"
    r"|font-size\s*:\s*0(?:\.0*)?(?![.\d])|(?:left|right|top|text-indent)\s*:\s*-\d{3}|clip\s*:\s*rect\(\s*[01]",
    re.IGNORECASE,
)
# This is how pages fade in what they show, too.
_MAY_HIDE = re.compile(r"opacity\s*:\s*0?(?:\.0+)?(?![.\d])", re.IGNORECASE)
_HIDING_CLASSES: Final = frozenset(
    (
        *("a11y-hidden", "d-none", "hidden", "hide", "invisible", "is-hidden", "offscreen", "sr-only"),
        *("screen-reader-only", "screen-reader-text", "u-hidden", "visually-hidden", "visuallyhidden"),
    )
)
# `hidden md:block` and `d-none d-md-block` are hidden on narrow screens only.
_SHOWN_ELSEWHERE = re.compile(
    r"(?:^|\s)(?:\w+:|d-\w+-)(?:block|contents|flex|grid|inline\S*|table\S*)(?:\s|$)"
)
_RULE = re.compile(r"([^{}]{1,500})\{([^{}]{1,2000})\}")
_SIMPLE_SELECTOR = re.compile(r"[.#][\w-]{1,100}")
_MOST_RULES: Final = 20_000


def remove_hidden(tree: HtmlElement) -> None:
    """Take out of `tree` what its markup and its own style sheets hide.

    Where that is not certain, because scripts may show it, an element with most of the page's text stays.
    """
    rules = _hiding_rules(tree)
    _drop(tree, list(tree.iter(*_NEVER_SHOWN)))
    certain, uncertain = [], []
    for element in tree.iter("*"):
        if element.tag in ("html", "body", "head"):
            continue  # hidden as a whole until scripts have run
        style = element.get("style") or ""
        if (
            "hidden" in element.attrib
            or _HIDES.search(style)
            or (element.tag == "dialog" and "open" not in element.attrib)
        ):
            certain.append(element)
        elif _MAY_HIDE.search(style) or _hidden_by_name(element, rules):
            uncertain.append(element)
    _drop(tree, certain)
    most = len(tree.text_content()) / 2
    _drop(tree, [element for element in uncertain if len(element.text_content()) < most])


def _drop(tree: HtmlElement, elements: list[HtmlElement]) -> None:
    for element in elements:
        if element is not tree and element.getparent() is not None:
            element.drop_tree()


def _hidden_by_name(element: HtmlElement, rules: set[str]) -> bool:
    names = (element.get("class") or "").split()
    if not _HIDING_CLASSES.isdisjoint(names) and not _SHOWN_ELSEWHERE.search(element.get("class")):
        return True
    return any(f".{name}" in rules for name in names) or f"#{element.get('id')}" in rules


def _hiding_rules(tree: HtmlElement) -> set[str]:
    """The selectors of one class or id that the page's style sheets hide, whatever the screen."""
    rules: set[str] = set()
    for sheet in tree.iter("style"):
        text = re.sub(r"/\*.*?\*/", "", sheet.text or "", flags=re.DOTALL)
        for count, (selectors, body) in enumerate(_RULE.findall(_outside_media(text))):
            if count > _MOST_RULES:
                break
            if _HIDES.search(body):
                rules.update(
                    s for part in selectors.split(",") if _SIMPLE_SELECTOR.fullmatch(s := part.strip())
                )
    return rules


def _outside_media(css: str) -> str:
    """Style rules that hold on every screen: those outside of blocks such as `@media`."""
    kept: list[str] = []
    depth = start = skipped = 0
    for place in re.finditer(r"[{}]", css):
        if place[0] == "{":
            depth += 1
            if depth == 1 and "@" in css[start : place.start()]:
                skipped = depth
        elif depth:
            depth -= 1
            if depth == 0:
                if not skipped:
                    kept.append(css[start : place.end()])
                start, skipped = place.end(), 0
    return "".join(kept)
