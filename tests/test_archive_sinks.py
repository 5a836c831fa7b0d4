"""Results of a batch become JSONL, tables or texts, whole or not at all."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from service.archives.sinks import writing
from service.archives.sources import ArchiveError


def result(line: int, custom_id: str | None, summary: str = "The pier opened.") -> bytes:
    made = {
        "id": "5f",
        "summary": summary,
        "sentences": [
            {
                "text": "It cost 3 million.",
                "support": "unsupported",
                "evidence": [],
                "unsupported": [
                    {"text": "3 million", "start": 8, "end": 17, "kind": "number", "reason": "not_in_article"}
                ],
            }
        ],
        "key_quotes": [
            {
                "text": "It was “worth it”,\nevery bit",
                "start": 4,
                "end": 31,
                "kind": "quotation",
                "speaker": {"name": "Ada Bell", "start": 40, "end": 48},
                "attribution": "agreed",
                "other_speaker": None,
            }
        ],
        "degraded": False,
        "language": "en",
        "model": "m",
        "usage": {"llm_calls": 1, "cost_usd": 0.25},
    }
    return (
        json.dumps({"line": line, "custom_id": custom_id, "status": "done", "summary": made}).encode() + b"\n"
    )


FAILED = json.dumps(
    {"line": 2, "custom_id": "b", "status": "failed", "error": {"code": "llm-refusal", "message": "declined"}}
).encode() + b"\n"  # fmt: skip
QUOTES = '"It was “worth it”,\\nevery bit" — Ada Bell'


def test_jsonl_is_what_came_and_stands_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with writing(path) as write:
        write(result(1, "a"))
        write(FAILED)
        assert not path.exists()
    assert path.read_bytes() == result(1, "a") + FAILED
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_results_leave_an_earlier_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"earlier\n")
    interrupted = writing(path)
    interrupted.__enter__()(FAILED)
    interrupted.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert path.read_bytes() == b"earlier\n"


def test_csv_has_a_row_for_each_result_and_no_formula(tmp_path: Path) -> None:
    with writing(tmp_path / "out.csv") as write:
        write(result(1, "a", '=HYPERLINK("x")') + FAILED)
    with (tmp_path / "out.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["summary"] == '\'=HYPERLINK("x")'
    assert (first["custom_id"], first["key_quotes"], first["unsupported"]) == ("a", QUOTES, "3 million")
    assert (second["status"], second["error"]) == ("failed", "llm-refusal: declined")


def test_parquet_keeps_types(tmp_path: Path) -> None:
    with writing(tmp_path / "out.parquet") as write:
        write(result(1, "a") + FAILED)
    first, second = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (first["line"], first["degraded"], first["cost_usd"]) == (1, False, 0.25)
    assert (second["line"], second["summary"], second["error"]) == (2, None, "llm-refusal: declined")


def test_folder_gets_a_text_for_each_summary_and_a_list_of_the_rest(tmp_path: Path) -> None:
    with writing(tmp_path / "out") as write:
        write(result(1, "city/a.txt") + FAILED + result(3, "c.html"))
    expected = f"The pier opened.\n\n{QUOTES}\n\nNot borne out by the article: 3 million\n"
    assert (tmp_path / "out/city/a.txt").read_text("utf-8") == expected
    assert (tmp_path / "out/c.html.txt").exists()
    assert (tmp_path / "out/errors.jsonl").read_bytes() == FAILED


@pytest.mark.parametrize("custom_id", ["../../a", "/etc/a", "", None, ".."])
def test_no_custom_id_leads_out_of_the_folder(tmp_path: Path, custom_id: str | None) -> None:
    with writing(tmp_path / "in/out") as write:
        write(result(7, custom_id))
    names = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert names == {"in/out/0000007.txt", "in/out/errors.jsonl"}


def test_unknown_ending_says_what_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"out\.docx"):
        writing(tmp_path / "out.docx")


def test_standard_output_gets_jsonl(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with writing(Path("-")) as write:
        write(FAILED)
    assert capfdbinary.readouterr().out == FAILED
