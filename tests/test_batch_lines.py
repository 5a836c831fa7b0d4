"""Streams of bytes as lines of a batch."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from service.batches import RawLine, split_lines


async def pieces(content: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    at = 0
    for size in [*sizes, len(content)]:
        yield content[at : at + size]
        at += size


async def split(content: bytes, sizes: list[int] | None = None, longest: int = 100) -> list[RawLine]:
    return [line async for some in split_lines(pieces(content, sizes or []), longest) for line in some]


@given(st.binary(max_size=200), st.lists(st.integers(0, 30)))
async def test_lines_do_not_depend_on_how_the_stream_is_cut(content: bytes, sizes: list[int]) -> None:
    assert await split(content, sizes, longest=20) == await split(content, longest=20)


async def test_blank_lines_count_and_are_left_out() -> None:
    assert await split(b"\xef\xbb\xbfa\r\n\n \nb\n") == [RawLine(1, b"a"), RawLine(4, b"b")]


async def test_the_last_line_needs_no_end() -> None:
    assert await split(b"a\nb") == [RawLine(1, b"a"), RawLine(2, b"b")]


async def test_a_line_over_the_limit_is_passed_over_in_whatever_pieces_it_comes() -> None:
    for sizes in ([], [1] * 30, [9, 9]):
        found = await split(b"aa\n" + b"b" * 11 + b"\ncc\n" + b"d" * 11, sizes, longest=10)
        assert found == [RawLine(1, b"aa"), RawLine(2, None), RawLine(3, b"cc"), RawLine(4, None)]


async def test_of_a_line_over_the_limit_no_more_than_that_is_held() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20_000):
            yield b"x" * 10_000

    assert [line async for some in split_lines(endless(), 50_000) for line in some] == [RawLine(1, None)]
