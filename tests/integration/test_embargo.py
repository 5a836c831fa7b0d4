"""`Cache-Control: no-store`: the real service, at its most talkative, leaves no word of an article behind.

Everything is searched for the word: files, Redis, lines of the log, metrics and errors. The same search finds
it where an article may be kept, so that the search itself is known to work.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis

from bench.mock_llm import MockLLM, Reply

WORD = "Zephyrinequolt"
ARTICLE = (
    f"{WORD} said on Friday that 14,000 people in {WORD} had left after the flood, in a letter."
    f"\n\n“We will rebuild {WORD} by Sunday,” said Tora {WORD}, who heads Lumo. “Nobody was hurt in it.”"
)
EMBARGO = {"Cache-Control": "no-store"}


class Service:
    """`standfirst serve` in a process of its own, whose files all lie in one folder."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port: int = listener.getsockname()[1]
        (folder / "tmp").mkdir()
        self.folder = folder
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from service.cli import main; main()", "serve"],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                **{name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")},
                "TMPDIR": str(folder / "tmp"),
                "STANDFIRST_PORT": str(port),
                "STANDFIRST_LOG_LEVEL": "debug",
                **environment,
            },
            stdout=self._log,
            stderr=self._log,
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop it as an operator does, so that it writes what it has to write."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()
        self.client.close()

    def files_with(self, word: str) -> list[str]:
        """Files below the folder whose name or content has the word, in any case."""
        needle = word.lower().encode()
        return [
            str(file.relative_to(self.folder))
            for file in self.folder.rglob("*")
            if needle in str(file).lower().encode()
            or (file.is_file() and needle in file.read_bytes().lower())
        ]

    def _wait_until_ready(self) -> None:
        while self._process.poll() is None:
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.02)  # another process gives no sign
        raise AssertionError((self.folder / "log").read_text())


def redis_with(word: str, url: str) -> list[bytes]:
    """What Redis holds of any type with the word, in keys and in values."""
    needle, found = word.lower().encode(), []
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter():
            value = client.dump(key) or b""
            read = {
                b"string": client.get,
                b"hash": client.hgetall,
                b"zset": lambda name: client.zrange(name, 0, -1),
            }.get(client.type(key))
            held = b"" if read is None else repr(read(key)).encode()
            found += [key for text in (key, value, held) if needle in text.lower()]
    return found


@pytest.fixture(params=["sqlite", "redis"])
def service(request: pytest.FixtureRequest, tmp_path: Path, mock_llm: MockLLM) -> Iterator[Service]:
    environment = {"OPENAI_BASE_URL": mock_llm.base_url, "OPENAI_API_KEY": "sk-none"}
    environment["STANDFIRST_LLM_ATTEMPTS"] = "1"
    if request.param == "redis":
        environment["STANDFIRST_CACHE_URL"] = request.getfixturevalue("redis_url")
    folder = tmp_path / "service"
    folder.mkdir()
    running = Service(folder, environment)
    yield running
    running.stop()


@pytest.fixture
def kept(service: Service, request: pytest.FixtureRequest) -> Callable[[], list[object]]:
    """Whatever the service left behind that has the word."""
    in_redis = "redis" in request.node.callspec.id

    def search() -> list[object]:
        found: list[object] = list(service.files_with(WORD))
        return found + (list(redis_with(WORD, request.getfixturevalue("redis_url"))) if in_redis else [])

    return search


def page() -> str:
    return f"<html><title>{WORD} floods</title><body><article><p>{ARTICLE}</p></article></body></html>"


def ask_for_everything(service: Service, mock_llm: MockLLM) -> None:
    """Summaries that work, that fail, that stream, and requests that cannot be used; all under embargo."""
    client = service.client
    body = {"text": ARTICLE, "title": f"{WORD} floods", "article_id": f"{WORD}-1", "metadata": {WORD: WORD}}
    assert WORD in client.post("/v1/summaries", json=body, headers=EMBARGO).text
    assert WORD in client.post("/v1/summaries", json={"html": page()}, headers=EMBARGO).text
    assert WORD in client.post("/v1/quotes", json={"text": ARTICLE}, headers=EMBARGO).text
    stream = client.post("/v1/summaries", json=body, headers=EMBARGO | {"Accept": "text/event-stream"})
    assert WORD in stream.text
    for reply in (
        Reply(kind="status", status=400, message=f"bad prompt: {ARTICLE}"),
        Reply(kind="not_json"),
        Reply(kind="reset"),
    ):
        mock_llm.configure(always=reply)
        assert client.post("/v1/summaries", json=body, headers=EMBARGO).status_code == 200
    mock_llm.configure(always=Reply())
    for wrong in (
        {"text": ARTICLE, WORD: 1},
        {"text": ARTICLE, "style": WORD},
        {"text": ARTICLE, "model": WORD},
        {"text": ARTICLE, "prompt": WORD},
        {"text": f"{ARTICLE}\x00"},
    ):
        refused = client.post("/v1/summaries", json=wrong, headers=EMBARGO)
        assert refused.status_code == 422
        assert WORD not in refused.text or WORD in wrong
    assert client.post("/v1/summaries", content=json.dumps(body)[:-1], headers=EMBARGO).status_code == 400


def test_embargoed_article_leaves_no_word_behind(
    service: Service, mock_llm: MockLLM, kept: Callable[[], list[object]]
) -> None:
    ask_for_everything(service, mock_llm)
    assert WORD.lower() not in service.client.get("/metrics").text.lower()
    assert WORD.lower() not in service.client.get("/v1/usage").text.lower()
    assert WORD.lower() not in service.client.get("/readyz").text.lower()
    assert kept() == []
    body = {"text": ARTICLE, "article_id": f"{WORD}-1"}
    assert service.client.post("/v1/summaries", json=body).status_code == 200
    assert kept()
    assert service.client.delete("/v1/summaries", params={"article_id": f"{WORD}-1"}).json() == {"removed": 1}
    service.stop()
    assert kept() == []
