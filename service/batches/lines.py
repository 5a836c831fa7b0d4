"""Lines of a batch: cut out of a stream of bytes with flat memory, and read as requests."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from service.articles import check_text, check_title
from service.batches.models import BatchLine, LineError
from service.errors import RequestError
from service.planning import Options

_BLOCK_LINES = 500
_BLOCK_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"
_LONGEST_MESSAGE = 300
_FIELDS = frozenset(BatchLine.__struct_fields__)


class RawLine(NamedTuple):
    """A line that is not blank, its number from 1; `content` is None where it was too long.

    `problem` is what whoever read it found wrong, instead of that.
    """

    number: int
    content: bytes | None
    problem: str | None = None


class Digest(Protocol):
    """A digest that bytes are added to, such as `hashlib.sha256()`."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""


class Accepted(NamedTuple):
    """A line that is a request, and that request with the batch's own options filled in."""

    number: int
    request: BatchLine


class Reader(NamedTuple):
    """How lines are read: what holds where they do not say, and what is asked of them."""

    defaults: Mapping[str, str | int]
    ignore_unknown: bool
    longest_line: int
    max_article_bytes: int
    check: Callable[[Options], object]

    def read(self, lines: Iterable[RawLine]) -> list[Accepted | LineError]:
        """Read lines as requests; what is wrong with one is said in its place, without its text."""
        return [self._read(line) for line in lines]

    def _read(self, line: RawLine) -> Accepted | LineError:
        if line.content is None:
            problem = line.problem or f"the line is over {self.longest_line} bytes"
            return LineError(line=line.number, message=problem[:_LONGEST_MESSAGE])
        fields: object = None
        try:
            fields = msgspec.json.decode(line.content)
            return Accepted(line.number, self._request(fields))
        except RequestError as exc:
            remedy = f"; {exc.remedy}" if exc.remedy else ""
            return self._error(line, fields, f"{exc}{remedy}", exc.field)
        except UnicodeDecodeError:
            return self._error(line, fields, "the line is not UTF-8")
        except msgspec.ValidationError as exc:
            return self._error(line, fields, str(exc).replace("`", ""))
        except msgspec.DecodeError as exc:
            text = "the line is not UTF-8" if _is_not_utf8(line.content) else f"the line is not JSON: {exc}"
            return self._error(line, fields, text)

    def _request(self, fields: object) -> BatchLine:
        if not isinstance(fields, dict):
            raise RequestError("the line is no object", remedy='send {"text": "…"}')
        unknown = fields.keys() - _FIELDS
        if unknown and not self.ignore_unknown:
            names = ", ".join(sorted(name[:40] for name in unknown)[:5])
            raise RequestError(
                f"there is no field {names}",
                remedy=f"remove it, or send the batch with ignore_unknown=true; fields: {', '.join(_FIELDS)}",
            )
        known = {name: value for name, value in fields.items() if name not in unknown}
        request = msgspec.convert({**self.defaults, **known}, BatchLine)
        if request.text is not None:
            check_text(request.text, self.max_article_bytes)
        check_title(request.title or "")
        self.check(options_of(request))
        return request

    def _error(self, line: RawLine, fields: object, message: str, field: str | None = None) -> LineError:
        custom_id = fields.get("custom_id") if isinstance(fields, dict) else None
        return LineError(
            line=line.number,
            message=message[:_LONGEST_MESSAGE],
            field=field,
            custom_id=custom_id[:200] if isinstance(custom_id, str) else None,
        )


def options_of(request: BatchLine) -> Options:
    """How the request wants its article summarized."""
    return Options(
        style=request.style,
        max_quotes=request.max_quotes,
        language=request.language,
        prompt=request.prompt,
        model=request.model,
        policy=request.policy,
    )


def _is_not_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return True
    return False


async def split_lines(chunks: AsyncIterable[bytes], longest: int) -> AsyncIterator[list[RawLine]]:
    """Cut a stream into lines; of one that is longer than `longest` bytes, no more is ever held."""
    number, rest, too_long = 0, bytearray(), False
    async for chunk in chunks:
        found: list[RawLine] = []
        *ended, tail = chunk.split(b"\n")
        for piece in ended:
            number += 1
            if too_long or len(rest) + len(piece) > longest:
                found.append(RawLine(number, None))
            elif content := _clean(bytes(rest) + piece, number):
                found.append(RawLine(number, content))
            rest.clear()
            too_long = False
        too_long = too_long or len(rest) + len(tail) > longest
        if too_long:
            rest.clear()
        else:
            rest += tail
        if found:
            yield found
    if too_long:
        yield [RawLine(number + 1, None)]
    elif content := _clean(bytes(rest), number + 1):
        yield [RawLine(number + 1, content)]


def _clean(content: bytes, number: int) -> bytes:
    return (content.removeprefix(_BOM) if number == 1 else content).strip()


async def grouped(lines: AsyncIterable[Sequence[RawLine]]) -> AsyncIterator[list[RawLine]]:
    """`lines` in groups that suit a transaction."""
    group: list[RawLine] = []
    size = 0
    async for some in lines:
        for line in some:
            group.append(line)
            size += len(line.content or b"")
            if len(group) >= _BLOCK_LINES or size >= _BLOCK_BYTES:
                yield group
                group, size = [], 0
    if group:
        yield group


async def hashed(lines: AsyncIterable[Sequence[RawLine]], digest: Digest) -> AsyncIterator[Sequence[RawLine]]:
    """`lines`, added up in `digest` as they pass."""
    async for some in lines:
        for line in some:
            digest.update(b"%d " % line.number)
            digest.update(line.content or b"")
        yield some
