"""Articles of an archive, read one by one from JSONL, CSV, Parquet or a folder, in an order that repeats."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, Literal, NamedTuple

import msgspec

from service.errors import RequestError
from service.models import SummaryRequest

Value = str | int | float | bool | None

ID: Final = "custom_id"
_COLUMNS: Final = frozenset((ID, *SummaryRequest.__struct_fields__)) - {"metadata"}
_TEXTS: Final = {".txt": "text", ".md": "text", ".html": "html", ".htm": "html"}
DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
_WHOLE_NUMBERS: Final = frozenset({"max_quotes"})


class ArchiveError(RequestError):
    """An archive cannot be read as what its name says it is."""


class Entry(NamedTuple):
    """One article of an archive as a line of JSON, or the problem in its place.

    `number` is that of its line, row or file; `place` says the same to people, such as `line 7`.
    """

    number: int
    place: str
    line: bytes
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """What a table's columns mean: `renamed` maps names of columns to fields of a request.

    What is no field is an error, goes into `metadata`, or is left out.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    unknown: Literal["refuse", "keep", "skip"] = "refuse"

    @property
    def plain(self) -> bool:
        """Whether columns are fields as they are."""
        return not self.renamed and self.unknown == "refuse"


def read_archive(path: Path, columns: Columns, *, max_article_bytes: int) -> Iterator[Entry]:
    """The entries of the archive at `path`, told apart by its ending; `-` is JSONL on standard input.

    One entry is held in memory at a time.

    Args:
        path: a file .jsonl, .ndjson, .csv, .tsv or .parquet, or a folder of .txt, .md and .html files.
        columns: what the columns of a table mean.
        max_article_bytes: an entry that must be over this is a problem, and is not read to its end.

    Raises:
        ArchiveError: the archive is of no kind that is read here, or its table has other columns.
        OSError: it cannot be opened.
    """
    if path == Path("-"):
        return _read_lines(open(0, "rb", closefd=False), columns, max_article_bytes)
    if path.is_dir():
        return _read_folder(path, max_article_bytes)
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        return _read_lines(path.open("rb"), columns, max_article_bytes)
    if ending in DELIMITERS:
        return _read_csv(path, columns, DELIMITERS[ending], max_article_bytes)
    if ending == ".parquet":
        return _read_parquet(path, columns)
    raise ArchiveError(
        f"{path.name}: an archive with this ending cannot be read",
        remedy="give .jsonl, .csv, .tsv or .parquet, a folder of .txt, .md and .html files, or `-`",
    )


def _read_lines(file: BinaryIO, columns: Columns, max_article_bytes: int) -> Iterator[Entry]:
    # JSON may escape a character: up to three times the bytes that it has in UTF-8.
    longest = 3 * max_article_bytes + 100_000
    number = 0
    with file:
        while line := file.readline(longest + 1):
            number += 1
            if len(line) > longest:
                while line and not line.endswith(b"\n"):
                    line = file.readline(longest)
                yield Entry(number, f"line {number}", b"", f"the line is over {longest} bytes")
            elif line.strip(b" \t\r\n\xef\xbb\xbf"):
                line = line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
                yield Entry(number, f"line {number}", line if columns.plain else _renamed(line, columns))


def _renamed(line: bytes, columns: Columns) -> bytes:
    """A line of JSON with its fields called as `columns` say; one that is no object, as it is."""
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return line
    if not isinstance(row, dict):
        return line
    own = row.pop("metadata", None)
    cells = {_field(name, columns): value for name, value in row.items()}
    if columns.unknown == "refuse":  # whoever reads the line says which fields it does not know
        cells = {f if f.name else _Field(f.column, f.column): value for f, value in cells.items()}
    return _request(cells, own if isinstance(own, dict) else {})


def _read_folder(folder: Path, max_article_bytes: int) -> Iterator[Entry]:
    number = 0
    for path in sorted(_files_below(folder)):
        kind = _TEXTS.get(path.suffix.lower())
        if kind is None:
            continue
        number += 1
        place = path.relative_to(folder).as_posix()
        if path.stat().st_size > max_article_bytes:
            yield Entry(number, place, b"", f"the file is over {max_article_bytes} bytes")
            continue
        try:
            text = path.read_text("utf-8-sig")
        except UnicodeDecodeError as exc:
            yield Entry(number, place, b"", f"the file is not UTF-8 at byte {exc.start}")
        else:
            yield Entry(number, place, msgspec.json.encode({ID: place, kind: text}))
    if not number:
        raise ArchiveError(
            f"{folder}: there is no article in this folder", remedy="give it .txt, .md or .html files"
        )


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _read_csv(path: Path, columns: Columns, delimiter: str, max_article_bytes: int) -> Iterator[Entry]:
    csv.field_size_limit(max_article_bytes)
    # Broken bytes come through as lone surrogates, so that they cost one row and not the file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.reader(_without_nul(file), delimiter=delimiter, strict=True)
        fields = _fields(path, [name.strip() for name in next(rows, [])], columns)
        while True:
            number = rows.line_num + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                yield Entry(number, f"line {number}", b"", f"the row cannot be read: {exc}")
                continue
            if row:
                yield _csv_entry(number, row, fields)


def _without_nul(file: Iterable[str]) -> Iterator[str]:
    """Lines in which NUL, at which the csv module gives up, is a character that no article may have."""
    return (line.replace("\0", "\ud800") for line in file)


def _csv_entry(number: int, row: Sequence[str], fields: Sequence[_Field]) -> Entry:
    place = f"line {number}"
    if len(row) != len(fields):
        return Entry(number, place, b"", f"the row has {len(row)} cells where the header has {len(fields)}")
    cells = {}
    for f, cell in zip(fields, row, strict=True):
        try:
            cell.encode()
        except UnicodeEncodeError:
            return Entry(number, place, b"", f"the column {f.column} is not text in UTF-8")
        if cell:
            cells[f] = int(cell) if f.name in _WHOLE_NUMBERS and cell.strip().isdecimal() else cell
    return Entry(number, place, _request(cells))


def _read_parquet(path: Path, columns: Columns) -> Iterator[Entry]:
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415 - an extra
        from pyarrow import ArrowInvalid  # noqa: PLC0415
    except ImportError as exc:
        raise ArchiveError(
            "Parquet needs the extra `parquet`", remedy="pip install 'standfirst[parquet]'"
        ) from exc
    try:
        table = pq.ParquetFile(path)
    except ArrowInvalid as exc:
        raise ArchiveError(f"{path.name}: this is no Parquet file", remedy="check the file") from exc
    with table:
        fields = _fields(path, table.schema_arrow.names, columns)
        number = 0
        for batch in table.iter_batches(batch_size=64):
            for row in batch.to_pylist():
                number += 1
                cells = {f: row[f.column] for f in fields if row[f.column] is not None}
                yield Entry(number, f"row {number}", _request(cells))


class _Field(NamedTuple):
    """A column of a table and the field of a request that it fills; `name` is empty for what is left out."""

    column: str
    name: str
    kept: bool = False


def _fields(path: Path, header: Sequence[str], columns: Columns) -> list[_Field]:
    if not header:
        raise ArchiveError(f"{path.name}: the file is empty", remedy="its first line names the columns")
    missing = columns.renamed.keys() - set(header)
    if missing:
        raise ArchiveError(f"{path.name}: there is no column {_listed(missing)}", remedy=_has(header))
    fields = [_field(column, columns) for column in header]
    strange = [f.column for f in fields if not f.name]
    if strange and columns.unknown == "refuse":
        raise ArchiveError(
            f"{path.name}: no field of a request is called {_listed(strange)}",
            remedy="name what they hold (--column text=COLUMN), keep them as metadata (--keep-columns) or "
            "leave them out (--skip-columns)",
        )
    names = [f.name for f in fields if f.name and not f.kept]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ArchiveError(f"{path.name}: two columns are {_listed(twice)}", remedy="rename one of them")
    if not {"text", "html", "url"} & set(names):
        raise ArchiveError(
            f"{path.name}: no column holds the articles",
            remedy=f"call one text, or say which: --column text=COLUMN; {_has(header)}",
        )
    return fields


def _field(column: str, columns: Columns) -> _Field:
    name = columns.renamed.get(column, column)
    if name in _COLUMNS:
        return _Field(column, name)
    return _Field(column, column, kept=True) if columns.unknown == "keep" else _Field(column, "")


def _request(cells: Mapping[_Field, object], metadata: Mapping[str, object] = MappingProxyType({})) -> bytes:
    request = {f.name: value for f, value in cells.items() if f.name and not f.kept}
    kept = dict(metadata) | {f.name: _plain(value) for f, value in cells.items() if f.kept}
    if kept:
        request["metadata"] = kept
    return msgspec.json.encode(request, enc_hook=str)


def _plain(value: object) -> Value:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))


def _has(header: Sequence[str]) -> str:
    return f"its columns are {', '.join(map(repr, header))}"
