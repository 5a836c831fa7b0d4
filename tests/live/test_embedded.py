"""The whole way with the embedded LLM: no key, no server, one command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.live
SEED = Path(__file__).parents[2] / "seeds" / "19-two-sentence-brief.txt"


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def test_article_is_summarized_with_no_settings_and_nothing_stays_behind(tmp_path: Path) -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("STANDFIRST_", "OPENAI_"))}
    settings = {"STANDFIRST_PORT": "0", "STANDFIRST_CACHE_URL": f"sqlite:///{tmp_path}/cache.sqlite3"}
    command = [sys.executable, "-c", "from service.cli import main; main()", "serve"]
    with subprocess.Popen(command, env=inherited | settings, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next((line for line in process.stderr if "http://" in line), "")
            address = "http://" + line.partition("http://")[2].split()[0]
            with httpx.Client(base_url=address, timeout=100, trust_env=False) as client:
                early = client.get("/readyz")
                assert early.status_code == 200 or early.json()["status"] == "starting"
                text = SEED.read_bytes().decode()
                answer = client.post("/v1/summaries", json={"text": text})  # waits until the model is loaded
                assert client.get("/readyz").status_code == 200
            summary = answer.json()
            assert (answer.status_code, summary["degraded"]) == (200, False), summary["warnings"]
            assert summary["sentences"]
            assert all(text[q["start"] : q["end"]] == q["text"] for q in summary["key_quotes"])
            assert summary["usage"]["cost_usd"] == 0.0
            children = children_of(process.pid)
            assert children
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
            assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
        finally:
            process.kill()
