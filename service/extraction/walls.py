"""What stands in place of an article: a paywall, a question about consent, a check for robots, nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.errors import ConsentWallError, NoArticleError, PaywallError

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_FEWEST_LETTERS: Final = 40
# Letters below which a page may be a wall: about 250 words. Longer texts are taken for the article, whatever
# else the page says.
_STUB_LETTERS: Final = 1_250
_LETTERS_PER_WORD: Final = 5
_WHOLE: Final = 0.6  # of the words that the page says the article has
_LONGEST_DATA: Final = 500_000

_PAY = re.compile(
    r"(?:subscribe|sign up|log in|register|become a member)(?: now)? to (?:continue|keep|unlock|finish)"
    r"|subscribe(?: now)? to read (?:the|this|more|full|on)|create (?:a free|an) account to (?:continue|read)"
    r"|(?:article|story|content) is (?:only |exclusively )?(?:available |exclusive |reserved )?(?:for|to) "
    r"(?:our |paying )?(?:subscribers|members)|subscriber[- ]only (?:content|article|story)"
    r"|you(?:'|’)ve (?:read|reached) (?:all )?your"
    r"|(?:artikel|inhalt|text) ist (?:nur |exklusiv )?(?:für|mit) \S{0,20}abo|abonnieren und weiterlesen"
    r"|weiterlesen mit|réservée? (?:aux|à nos) abonnés|abonnez-vous pour (?:lire|continuer)"
    r"|il vous reste \d+ ?% de cet article|(?:exclusivo|solo|sólo) para (?:suscriptores|assinantes)"
    r"|suscríbete para (?:seguir|continuar|leer)|assine para (?:continuar|ler)|riservat[oa] agli abbonati"
    r"|abbonati per (?:continuare|leggere)|(?:alleen|exclusief) voor abonnees"
    r"|(?:endast|bare|kun) for? (?:prenumeranter|abonnenter)",
    re.IGNORECASE,
)
_CONSENT = re.compile(
    r"cookie|consent|privacy|our partners|personal data|legitimate interest|einwillig|datenschutz|zustimm"
    r"|consentement|confidentialité|données|consentimiento|privacidad|consenso|toestemming|samtyck",
    re.IGNORECASE,
)
_ASKS_CONSENT = re.compile(
    r"(?:accept|reject|allow|agree to) all|accept (?:and|&) (?:continue|close)"
    r"|we (?:and|&) our (?:\d+ )?partners"
    r"|manage (?:my |your )?(?:options|preferences|cookies|settings|choices)|before you continue"
    r"|we (?:value|care about) your privacy|your privacy choices"
    r"|alle(?:s)? (?:akzeptieren|annehmen|ablehnen|accepteren)|zustimmen und weiter|tout (?:accepter|refuser)"
    r"|continuer sans accepter|aceptar (?:todo|todas|y continuar)|accetta (?:tutti|tutto|e continua)"
    r"|aceitar tod[oa]s|godkänn alla|godta alle|accepter alle",
    re.IGNORECASE,
)
_CHECK = re.compile(
    r"just a moment\.\.\.|checking (?:if the site|your browser)|verif(?:y|ying) (?:that )?you are human"
    r"|are you a robot|captcha|unusual (?:traffic|activity)|(?:enable|turn on|activate) javascript"
    r"|javascript (?:is )?(?:required|disabled)|access denied|request (?:was )?blocked",
    re.IGNORECASE,
)


class Claims(NamedTuple):
    """What a page's data for machines says of its article, such as whether it must be paid for."""

    locked: bool = False
    words: int | None = None
    headline: str | None = None
    author: str | None = None


def read_claims(tree: HtmlElement) -> Claims:
    """What the page says in schema.org's words, and whether it is in Facebook's locked tier."""
    claims = Claims()
    for script in tree.xpath("//script[@type='application/ld+json']"):
        try:
            data = json.loads((script.text or "")[:_LONGEST_DATA])
        except (ValueError, RecursionError):
            continue
        for node in _nodes(data):
            count, headline = str(node.get("wordCount")), node.get("headline")
            claims = Claims(
                locked=claims.locked or str(node.get("isAccessibleForFree")).lower() == "false",
                words=int(count) if count.isdecimal() and len(count) < 9 else claims.words,
                headline=claims.headline or (headline if isinstance(headline, str) else None),
                author=claims.author or _names(node.get("author")),
            )
    tiers = tree.xpath("//meta[@property='article:content_tier' or @name='article:content_tier']/@content")
    return claims._replace(locked=claims.locked or "locked" in (str(tier).lower() for tier in tiers))


def check_walls(text: str, page: str, claims: Claims, field: str) -> None:
    """Make sure that `text`, what was extracted from a page that shows `page`, is an article.

    Raises:
        PaywallError, ConsentWallError, NoArticleError: it is not, or only its beginning.
    """
    letters = sum(map(str.isalpha, text))
    if letters < _STUB_LETTERS:
        if _is_consent_wall(text, page, letters):
            raise ConsentWallError(
                "the page asks for consent to cookies in place of the article", field=field
            )
        if claims.locked or _PAY.search(page):
            raise PaywallError("only the beginning of the article can be read without paying", field=field)
        if letters < _STUB_LETTERS / 2 and _CHECK.search(page):
            raise NoArticleError(
                "the page's server asks for a browser, or whether we are a robot", field=field
            )
    elif claims.locked and claims.words and letters < claims.words * _LETTERS_PER_WORD * _WHOLE:
        raise PaywallError("only a part of the article can be read without paying", field=field)
    if letters < _FEWEST_LETTERS:
        raise NoArticleError("no article was found in the page", field=field)


def _is_consent_wall(text: str, page: str, letters: int) -> bool:
    if not _ASKS_CONSENT.search(page):
        return False
    if letters < _FEWEST_LETTERS:
        return True
    paragraphs = [p for p in text.split("\n\n") if p]
    about = sum(1 for p in paragraphs if _CONSENT.search(p))
    return about * 2 >= len(paragraphs)


def _names(authors: object) -> str | None:
    people = authors if isinstance(authors, list) else [authors]
    names = [person.get("name") for person in people if isinstance(person, dict)]
    return "; ".join(name for name in names if isinstance(name, str)) or None


def _nodes(data: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON of strangers
    """The objects of a JSON-LD document that may describe its article: not those inside of others."""
    for node in data if isinstance(data, list) else [data]:
        if isinstance(node, dict):
            yield node
            graph = node.get("@graph")
            if isinstance(graph, list):
                yield from (inner for inner in graph if isinstance(inner, dict))
