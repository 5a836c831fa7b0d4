"""From bytes to text, with the charsets of the web."""

from __future__ import annotations

import codecs
import re
from typing import Final

# By Python's names. It has other codecs that are no charsets of the web: they read escapes or host names.
_CHARSETS: Final = {
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "iso8859-1", "iso8859-2", "iso8859-15", "koi8-r"),
    *(f"cp{number}" for number in range(1250, 1259)),
    *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "gb18030", "gbk", "gb2312", "big5", "euc_kr"),
}
# Pages of any of these are valid in ASCII or UTF-8 too, and yet mean something else.
_NOT_LIKE_ASCII: Final = {"utf-16", "utf-16-le", "utf-16-be", "iso2022_jp"}
# What browsers read where pages say ASCII or Latin-1 (WHATWG Encoding Standard).
_WIDER: Final = {"ascii": "cp1252", "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_META = re.compile(rb"<meta[^>]{0,500}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_META_WITHIN = 4096  # bytes; the HTML standard looks for it in the first 1024


def codec_of(charset: str) -> str:
    """Python's name of `charset`, of that which skips a byte-order mark for UTF-8; raises LookupError."""
    name = codecs.lookup(charset).name
    if name not in _CHARSETS:
        raise LookupError
    return "utf-8-sig" if name == "utf-8" else name


def decode_page(data: bytes, charset: str | None = None) -> str:
    """The text of a page from the web, whose header names `charset`; what cannot be read becomes U+FFFD.

    A byte-order mark decides, then whether the page is valid UTF-8, then the header, then the page's own
    word, then what its bytes look like: many servers name a charset that their pages are not in.
    """
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return data.decode(codec, "replace")
    meta = _META.search(data[:_META_WITHIN])
    named = [_codec_or_none(label) for label in (charset, meta and meta[1].decode("ascii", "replace"))]
    first = next((codec for codec in named if codec is not None), None)
    if named[0] in _NOT_LIKE_ASCII or first == "iso2022_jp":
        return data.decode(first or "utf-8", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(first or _guess(data), "replace")


def _codec_or_none(label: str | None) -> str | None:
    try:
        codec = codec_of(label or "")
    except LookupError:
        return None
    return _WIDER.get(codec, codec)


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes  # noqa: PLC0415 - few pages need it

    best = from_bytes(data[:_META_WITHIN] + data[-_META_WITHIN:]).best()
    return _codec_or_none(best.encoding if best else None) or "cp1252"
