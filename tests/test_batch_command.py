"""`standfirst batch` with the real service below it and a model over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.mock_llm import MockLLM, Reply

Start = Callable[..., "subprocess.Popen[bytes]"]
STANDFIRST = str(Path(sys.executable).with_name("standfirst"))


@pytest.fixture
def start(mock_llm: MockLLM, tmp_path: Path) -> Start:
    """Starts the command in `tmp_path`, where its caches and databases are too."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("STANDFIRST_")}
    env |= {
        "OPENAI_BASE_URL": mock_llm.base_url,
        "STANDFIRST_CACHE_URL": f"sqlite:///{tmp_path}/cache.sqlite3",
        "STANDFIRST_MODEL": "gpt-6-luna",
        "STANDFIRST_BATCH_CONCURRENCY": "2",
        "STANDFIRST_STOP_S": "1",
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [STANDFIRST, "batch", *arguments],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return begin


def end(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """The exit code and what stood on standard error."""
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors.decode()


def archive(path: Path, count: int) -> Path:
    lines = [
        json.dumps({"text": f"The pier of Holm opened after {n + 3} years of work."}) for n in range(count)
    ]
    path.write_text("\n".join(lines), "utf-8")
    return path


def results(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_folder_of_texts_becomes_a_table_and_leaves_nothing_else(start: Start, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("The pier of Holm opened on Monday.", "utf-8")
    (tmp_path / "in/b.txt").write_bytes(b"\xff")
    code, errors = end(start("in", "-o", "out.csv"))
    assert code == 1
    assert "2: b.txt: the file is not UTF-8 at byte 0" in errors
    assert "1 done (0 cached), 0 failed, 1 not readable" in errors
    header, *rows = (tmp_path / "out.csv").read_text("utf-8").splitlines()
    assert header.startswith("line,custom_id,status,summary")
    assert [row.split(",")[:3] for row in rows] == [["1", "a.txt", "done"], ["2", "", "invalid"]]
    assert not list((tmp_path / "data/standfirst/batches").iterdir())


def test_interrupted_run_goes_on_and_pays_nothing_twice(
    start: Start, mock_llm: MockLLM, tmp_path: Path
) -> None:
    archive(tmp_path / "in.jsonl", 12)
    mock_llm.script(*[Reply()] * 4)
    mock_llm.configure(always=Reply(kind="hang"))
    process = start("in.jsonl", "-o", "out.jsonl")
    mock_llm.wait_until(lambda stats: stats.calls == 6)  # four are answered, two hang
    process.send_signal(signal.SIGINT)
    code, _ = end(process)
    assert code == 130
    assert not (tmp_path / "out.jsonl").exists()
    mock_llm.configure(always=Reply())

    code, errors = end(start("in.jsonl", "-o", "out.jsonl"))

    assert (code, errors.count("12 done")) == (0, 1)
    assert [r["line"] for r in results(tmp_path / "out.jsonl")] == list(range(1, 13))
    assert mock_llm.stats.calls == 14


def test_budget_stops_the_run_and_a_higher_one_goes_on(
    start: Start, mock_llm: MockLLM, tmp_path: Path
) -> None:
    archive(tmp_path / "in.jsonl", 4)
    code, errors = end(start("in.jsonl", "-o", "out.jsonl", "--max-cost-usd", "0.0000001"))
    assert code == 3
    assert (
        "the budget is used up before line 1; the same command with a higher --max-cost-usd goes on" in errors
    )
    assert mock_llm.stats.calls == 0

    code, _ = end(start("in.jsonl", "-o", "out.jsonl", "--max-cost-usd", "9"))

    assert (code, len(results(tmp_path / "out.jsonl")), mock_llm.stats.calls) == (0, 4, 4)


def test_dry_run_estimates_and_asks_nobody(start: Start, mock_llm: MockLLM, tmp_path: Path) -> None:
    archive(tmp_path / "in.jsonl", 3)
    process = start("in.jsonl", "--dry-run")
    output, _ = process.communicate(timeout=60)
    found = json.loads(output)
    assert (process.returncode, found["articles"], mock_llm.stats.calls) == (0, 3, 0)
    assert found["cost_usd"] > 0
