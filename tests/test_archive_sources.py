"""Archives: JSONL, CSV, Parquet and folders become one line of JSON an article, and bad ones say where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.archives.sources import ArchiveError, Columns, read_archive

MOST = 1_000


def read(path: Path, columns: Columns | None = None) -> list[Any]:
    """The entries of an archive: a request, or a pair of place and problem."""
    entries = read_archive(path, columns or Columns(), max_article_bytes=MOST)
    return [(e.place, e.problem) if e.problem else msgspec.json.decode(e.line) for e in entries]


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_jsonl_passes_lines_through_without_blank_ones(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '\ufeff{"text": "One."}\r\n\n{"text": "Two."}')
    entries = list(read_archive(path, Columns(), max_article_bytes=MOST))
    assert [(e.number, e.line) for e in entries] == [(1, b'{"text": "One."}'), (3, b'{"text": "Two."}')]


def test_fields_of_jsonl_are_renamed_and_kept_like_columns(tmp_path: Path) -> None:
    lines = b'{"body": "One.", "desk": "City", "metadata": {"a": 1}}\n[]\n{"body": \xff}\n'
    path = written(tmp_path / "a.jsonl", lines)

    def raw(columns: Columns) -> list[bytes]:
        return [e.line for e in read_archive(path, columns, max_article_bytes=MOST)]

    kept, *rest = raw(Columns({"body": "text"}, "keep"))
    assert msgspec.json.decode(kept) == {"text": "One.", "metadata": {"a": 1, "desk": "City"}}
    assert rest == [b"[]", b'{"body": \xff}']
    skipped = raw(Columns({"body": "text"}, "skip"))[0]
    assert msgspec.json.decode(skipped) == {"text": "One.", "metadata": {"a": 1}}
    left = raw(Columns({"body": "text"}))[0]
    assert msgspec.json.decode(left) == {"text": "One.", "desk": "City", "metadata": {"a": 1}}


def test_overlong_line_is_a_problem_of_its_own_line(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"text": "' + b"x" * 500_000 + b'"}\n{"text": "Two."}\n')
    assert read(path) == [("line 1", "the line is over 103000 bytes"), {"text": "Two."}]


def test_csv_columns_are_fields_of_a_request(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv",
        'custom_id,text,max_quotes,style\r\n7,"First line,\nsecond ""line"".",2,bullets\r\n8,Short.,,\r\n',
    )
    assert read(path) == [
        {"custom_id": "7", "text": 'First line,\nsecond "line".', "max_quotes": 2, "style": "bullets"},
        {"custom_id": "8", "text": "Short."},
    ]


def test_tab_separated_columns_can_be_renamed_and_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", "body\tdesk\nText.\tCity\n")
    assert read(path, Columns({"body": "text"}, "keep")) == [{"text": "Text.", "metadata": {"desk": "City"}}]
    assert read(path, Columns({"body": "text"}, "skip")) == [{"text": "Text."}]


@pytest.mark.parametrize(
    ("content", "columns", "says"),
    [
        ("", Columns(), "the file is empty"),
        ("text,desk\nA.,City\n", Columns(), "no field of a request is called 'desk'"),
        ("body\nA.\n", Columns(unknown="skip"), "no column holds the articles"),
        ("text,body\nA.,B.\n", Columns({"body": "text"}), "two columns are 'text'"),
        ("text\nA.\n", Columns({"body": "text"}), "there is no column 'body'"),
    ],
)
def test_table_with_other_columns_says_what_to_do(
    tmp_path: Path, content: str, columns: Columns, says: str
) -> None:
    with pytest.raises(ArchiveError, match=says) as caught:
        read(written(tmp_path / "a.csv", content), columns)
    assert caught.value.remedy


def test_bad_row_costs_that_row_alone(tmp_path: Path) -> None:
    rows = (
        b"text,title\nGood.,One\nonly one cell\nbroken \xff,Two\nzero \x00,Three\n"
        + b"x" * 1_500
        + b",Four\n"
    )
    assert read(written(tmp_path / "a.csv", rows + b"Good too.,Five\n")) == [
        {"text": "Good.", "title": "One"},
        ("line 3", "the row has 1 cells where the header has 2"),
        ("line 4", "the column text is not text in UTF-8"),
        ("line 5", "the column text is not text in UTF-8"),
        ("line 6", "the row cannot be read: field larger than field limit (1000)"),
        {"text": "Good too.", "title": "Five"},
    ]


def test_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    written(tmp_path / "b/two.html", "<p>Two</p>")
    written(tmp_path / "a/one.txt", "\ufeffOne ☕")
    written(tmp_path / "a/three.txt", b"\xff\xfe")
    written(tmp_path / "four.md", "x" * 2_000)
    written(tmp_path / ".hidden/five.txt", "Five")
    written(tmp_path / "photo.jpg", b"\xff\xd8")
    assert read(tmp_path) == [
        {"custom_id": "a/one.txt", "text": "One ☕"},
        ("a/three.txt", "the file is not UTF-8 at byte 0"),
        {"custom_id": "b/two.html", "html": "<p>Two</p>"},
        ("four.md", "the file is over 1000 bytes"),
    ]


def test_folder_without_articles_says_what_it_wants(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no article"):
        read(tmp_path)


def test_parquet_rows_are_requests(tmp_path: Path) -> None:
    table = pa.table({"text": ["One.", None], "max_quotes": [3, None], "year": [1999, 2001]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", Columns(unknown="keep")) == [
        {"text": "One.", "max_quotes": 3, "metadata": {"year": 1999}},
        {"metadata": {"year": 2001}},
    ]


def test_file_that_only_says_it_is_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no Parquet file"):
        read(written(tmp_path / "a.parquet", "text\n"))


def test_unknown_ending_says_what_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"a\.docx"):
        read(written(tmp_path / "a.docx", "x"))
