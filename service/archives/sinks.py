"""Results of a batch, written as JSONL, as a table, or as a folder of texts."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final, TypeAlias

import msgspec
from msgspec import Struct

from service.archives.sources import DELIMITERS, ArchiveError

Write: TypeAlias = Callable[[bytes], None]
Cell: TypeAlias = str | int | float | bool | None
Row: TypeAlias = dict[str, Cell]

_ROWS: Final = 1_000  # of a table that are held in memory, and stand in one group of a Parquet file
_COLUMNS: Final = {
    "line": int,
    "custom_id": str,
    "status": str,
    "summary": str,
    "key_quotes": str,
    "unsupported": str,
    "degraded": bool,
    "language": str,
    "model": str,
    "id": str,
    "cost_usd": float,
    "error": str,
}
# A spreadsheet takes what begins so for a formula, and the words come from strangers.
_FORMULA: Final = tuple("=+-@\t\r")


class _Finding(Struct):
    start: int
    end: int


class _Sentence(Struct):
    text: str
    unsupported: list[_Finding]


class _Name(Struct):
    name: str


class _Quote(Struct):
    text: str
    speaker: _Name | None


class _Cost(Struct):
    cost_usd: float | None


class _Summary(Struct):
    id: str
    summary: str
    sentences: list[_Sentence]
    key_quotes: list[_Quote]
    degraded: bool
    language: str
    model: str
    usage: _Cost


class _Error(Struct):
    code: str
    message: str


class _Result(Struct):
    line: int
    status: str
    custom_id: str | None = None
    summary: _Summary | None = None
    error: _Error | None = None


_decode = msgspec.json.Decoder(_Result).decode


def writing(path: Path) -> AbstractContextManager[Write]:
    """Takes lines of results, some at a time, and has them at `path` when its block ends without an error.

    Until then a file stands beside it as `….partial`. A folder gets one text an article, as they come, named
    after its `custom_id`; what has no summary is listed in its `errors.jsonl`.

    Args:
        path: .jsonl, .ndjson, .csv, .tsv or .parquet, a folder (without an ending), or `-` for JSONL on
            standard output.

    Raises:
        ArchiveError: results cannot be written with this ending.
    """
    ending = path.suffix.lower()
    if path == Path("-"):
        return _to_stdout()
    if path.is_dir() or not ending:
        return _to_folder(path)
    if ending in (".jsonl", ".ndjson"):
        return _to_lines(path)
    if ending in DELIMITERS:
        return _to_csv(path, DELIMITERS[ending])
    if ending == ".parquet":
        return _to_parquet(path)
    raise ArchiveError(
        f"{path.name}: results cannot be written with this ending",
        remedy="name a .jsonl, .csv, .tsv or .parquet file, or a folder",
    )


@contextmanager
def _to_stdout() -> Iterator[Write]:
    def write(lines: bytes) -> None:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()

    yield write


@contextmanager
def _to_lines(path: Path) -> Iterator[Write]:
    with _partial(path) as temporary, temporary.open("wb") as file:
        yield lambda lines: _write_all(file, lines)


@contextmanager
def _to_csv(path: Path, delimiter: str) -> Iterator[Write]:
    with _partial(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(_COLUMNS), delimiter=delimiter)
        table.writeheader()

        def write(lines: bytes) -> None:
            for row in map(_row, _results(lines)):
                table.writerow({name: _inert(value) for name, value in row.items()})
            file.flush()

        yield write


@contextmanager
def _to_parquet(path: Path) -> Iterator[Write]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as exc:
        raise ArchiveError(
            "Parquet needs the extra `parquet`", remedy="pip install 'standfirst[parquet]'"
        ) from exc
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in _COLUMNS.items()])
    rows: list[Row] = []
    with _partial(path) as temporary, pq.ParquetWriter(temporary, schema) as table:

        def flush() -> None:
            table.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        def write(lines: bytes) -> None:
            rows.extend(map(_row, _results(lines)))
            if len(rows) >= _ROWS:
                flush()

        yield write
        flush()


@contextmanager
def _to_folder(folder: Path) -> Iterator[Write]:
    folder.mkdir(parents=True, exist_ok=True)
    with _partial(folder / "errors.jsonl") as temporary, temporary.open("wb") as errors:

        def write(lines: bytes) -> None:
            for line in lines.splitlines():
                result = _decode(line)
                if result.summary is None:
                    _write_all(errors, line + b"\n")
                else:
                    _write_text(_place(folder, result), _text(result.summary))

        yield write


def _write_all(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.flush()


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f"{path.name}.partial")
    yield temporary
    temporary.replace(path)


def _results(lines: bytes) -> Iterator[_Result]:
    return map(_decode, lines.splitlines())


def _row(result: _Result) -> Row:
    row: Row = dict.fromkeys(_COLUMNS)
    row |= {"line": result.line, "custom_id": result.custom_id, "status": result.status}
    if result.error is not None:
        row["error"] = f"{result.error.code}: {result.error.message}"
    if (summary := result.summary) is not None:
        found = [s.text[f.start : f.end] for s in summary.sentences for f in s.unsupported]
        row |= {
            "summary": summary.summary,
            "key_quotes": _quotes(summary.key_quotes),
            "unsupported": "; ".join(found),
            "degraded": summary.degraded,
            "language": summary.language,
            "model": summary.model,
            "id": summary.id,
            "cost_usd": summary.usage.cost_usd,
        }
    return row


def _quotes(quotes: Sequence[_Quote]) -> str:
    """Quotes one a line; as JSON strings they stay exact, whatever marks and lines they hold."""
    return "\n".join(
        json.dumps(q.text, ensure_ascii=False) + (f" — {q.speaker.name}" if q.speaker else "") for q in quotes
    )


def _inert(value: Cell) -> Cell:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _text(summary: _Summary) -> str:
    flagged = [s.text[f.start : f.end] for s in summary.sentences for f in s.unsupported]
    parts = [summary.summary, _quotes(summary.key_quotes)]
    parts.append(f"Not borne out by the article: {'; '.join(flagged)}" if flagged else "")
    parts.append("Made without the model, of the article's own sentences." if summary.degraded else "")
    return "\n\n".join(part for part in parts if part) + "\n"


def _place(folder: Path, result: _Result) -> Path:
    """The file of a result, which never leaves the folder."""
    name = PurePosixPath(result.custom_id or "")
    inside = not name.is_absolute() and ".." not in name.parts and "\0" not in str(name) and name.name
    if not inside:
        return folder / f"{result.line:07}.txt"
    return folder / (name if name.suffix == ".txt" else name.with_name(f"{name.name}.txt"))


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[-200:]}.partial")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)
