"""The text of PDF documents."""

from __future__ import annotations

import io
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from service.errors import NoArticleError, PageTooLargeError, PageTypeError
from service.extraction.markup import as_line, clean
from service.models import Source

if TYPE_CHECKING:
    from pypdf import PdfReader

_MOST_PAGES: Final = 100
_MOST_CHARACTERS: Final = 5_000_000
# A word cut at the end of a line. Other line breaks stay: what reads the text knows hard-wrapped lines.
_CUT_WORD = re.compile(r"(?<=[a-zà-öø-ÿ])-\n(?=[a-zà-öø-ÿ])")


def extract_pdf(data: bytes, url: str | None = None) -> Source:
    """The text of a PDF, page after page, and what it says of itself.

    Raises:
        PageTypeError: it is no PDF, it is encrypted, or this installation reads none.
        PageTooLargeError: it has too many pages or too much text.
        NoArticleError: it has no text, as where its pages are pictures.
    """
    try:
        import pypdf  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise PageTypeError(
            "this installation reads no PDF", remedy="install standfirst[pdf], or send the text as `text`"
        ) from exc
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise PageTypeError("the PDF is protected by a password")
        if len(reader.pages) > _MOST_PAGES:
            raise PageTooLargeError(f"the PDF has over {_MOST_PAGES} pages")
        text = _join(reader)
        about = reader.metadata
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as exc:
        raise PageTypeError("the PDF is broken") from exc
    if not text.strip():
        raise NoArticleError("the PDF has no text; its pages may be pictures")
    return Source(
        text=text,
        title=as_line(about.title if about else None),
        author=as_line(about.author if about else None),
        published=_date(about.creation_date if about else None),
        url=url,
        media_type="application/pdf",
    )


def _join(reader: PdfReader) -> str:
    pages: list[str] = []
    length = 0
    for page in reader.pages:
        text = clean(page.extract_text())
        length += len(text)
        if length > _MOST_CHARACTERS:
            raise PageTooLargeError(f"the PDF has over {_MOST_CHARACTERS} characters")
        pages.append(text)
    return _CUT_WORD.sub("", "\n".join(filter(None, pages)))


def _date(moment: datetime | None) -> str | None:
    return None if moment is None else moment.date().isoformat()
