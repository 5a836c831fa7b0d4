import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tokens import ENCODING_NAMES, PIECE_LENGTH, count_tokens, find_pieces, fits, get_encoding


@pytest.mark.parametrize("name", sorted(ENCODING_NAMES))
def test_every_named_encoding_loads(name: str) -> None:
    encoding = get_encoding(name)
    assert encoding.name == name
    assert encoding.decode(encoding.encode_ordinary("Ferry, größer, 渡し船")) == "Ferry, größer, 渡し船"


@pytest.mark.parametrize("name", ["p50k_base", "gpt2", "", "../o200k_base"])
def test_encoding_without_ranks_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="o200k_base"):
        get_encoding(name)


OFFLINE_LOAD = """
import os, socket
def refuse(*args, **kwargs):
    raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refuse
import service.tokens
before = dict(os.environ)
assert service.tokens.count_tokens("Hello world", service.tokens.get_encoding()) == 2
assert dict(os.environ) == before
"""


def test_loading_needs_no_network_and_leaves_the_environment_alone(tmp_path: Path) -> None:
    environment = {**os.environ, "TIKTOKEN_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", OFFLINE_LOAD], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []


def test_special_token_text_is_ordinary_text() -> None:
    encoding = get_encoding()
    assert count_tokens("<|endoftext|>", encoding) == len(
        encoding.encode("<|endoftext|>", disallowed_special=())
    )
    assert count_tokens("<|endoftext|>", encoding) > 1


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc00\ud800"])
def test_lone_surrogates_are_counted(text: str) -> None:
    assert count_tokens(text, get_encoding()) >= 1


def test_empty_text_has_no_tokens() -> None:
    assert count_tokens("", get_encoding()) == 0


@pytest.mark.parametrize("name", sorted(ENCODING_NAMES))
@pytest.mark.parametrize(
    "unit",
    [
        "The ferry sails at noon. ",
        "Line.\n",
        "a\n\n",
        "x  y\n",
        "./\n",
        "1234 ",
        "渡し船。\n",
        "é ",
        "'s a",
        "?!\n/ b",
    ],
)
def test_pieces_count_as_the_whole(name: str, unit: str) -> None:
    encoding = get_encoding(name)
    text = unit * (5 * PIECE_LENGTH // len(unit))
    assert count_tokens(text, encoding) == len(encoding.encode_ordinary(text))


@pytest.mark.parametrize("unit", ["a", "^", " ", "\n", "1", "漢", "😀", "\u0301", "\ud800"])
def test_a_run_of_one_character_is_counted_within_a_few_tokens_a_piece(unit: str) -> None:
    encoding = get_encoding()
    text = unit * 400_000
    pieces = len(list(find_pieces(text)))
    whole = len(encoding.encode_ordinary(text))
    assert abs(count_tokens(text, encoding) - whole) <= 3 * pieces


def test_a_million_spaces_are_counted() -> None:
    assert count_tokens(" " * 1_100_000, get_encoding()) > 1_000


@given(
    st.text(st.sampled_from("ab. \n\r/é漢1'\t\u3000\x1c"), min_size=1).map(lambda t: t * (200_000 // len(t)))
)
def test_pieces_cover_any_text_and_are_bounded(text: str) -> None:
    end = 0
    for start, stop in find_pieces(text):
        assert start == end
        assert 0 < stop - start <= 2 * PIECE_LENGTH
        end = stop
    assert end == len(text)


def test_threads_share_one_encoding() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len({id(encoding) for encoding in pool.map(get_encoding, ["cl100k_base"] * 16)}) == 1


@pytest.mark.parametrize("text", ["", "a b c", "The ferry sails in spring. " * 40, "🦊" * 30, "字" * 100])
def test_text_fits_its_own_number_of_tokens_and_no_fewer(text: str) -> None:
    encoding = get_encoding()
    tokens = count_tokens(text, encoding)
    assert fits(text, tokens, encoding)
    assert not fits(text, tokens - 1, encoding)


def test_text_that_surely_fits_is_not_encoded() -> None:
    class Encoder:
        def encode_ordinary(self, _: str) -> list[int]:
            raise AssertionError

    assert fits("🦊" * 10, 40, Encoder())  # type: ignore[arg-type]
