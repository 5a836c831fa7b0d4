"""The command `standfirst`."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from bench.mock_llm import MockLLM
from bench.page_server import PageServer
from service.cli import main

PROMPTS = Path(__file__).parent.parent / "prompts"
ARTICLE = (
    "The lighthouse at Cape Hallow went dark on Sunday for the first time in 140 years.\n\n"
    "“We heard of it from a fishing boat,” said keeper Edda Moor.\n"
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which no model is asked, and whose data folder is the test's own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("STANDFIRST_", "OPENAI_"))}
    return inherited | {
        "STANDFIRST_MODEL": "extractive",
        "STANDFIRST_CACHE_URL": f"sqlite:///{tmp_path}/cache.sqlite3",
        "STANDFIRST_PORT": "0",
    }


@pytest.fixture
def article(tmp_path: Path) -> Path:
    path = tmp_path / "article.txt"
    path.write_text(ARTICLE, encoding="utf-8")
    return path


class Result(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


Run = Callable[..., Result]


@pytest.fixture
def run(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Runs the command within this process, which saves the seconds of a start."""

    def made(*arguments: str | Path, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(os, "environ", environment)
        monkeypatch.setattr(sys, "argv", ["standfirst", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            main()
        return Result(int(end.value.code or 0), *capfdbinary.readouterr())

    return made


def one_line(result: Result) -> str:
    """The only line that a command which failed has written."""
    assert result.stdout == b""
    (line,) = result.stderr.decode().splitlines()
    return line


def test_summary_of_a_file_is_json_where_no_terminal_reads(run: Run, article: Path) -> None:
    result = run("summarize", article)
    summary = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (0, b"")
    assert summary["key_quotes"][0]["speaker"]["name"] == "Edda Moor"


def test_summary_of_standard_input_takes_options(run: Run) -> None:
    options = ["--json", "--style", "bullets", "--max-quotes", "0"]
    result = run("summarize", "-", *options, stdin=ARTICLE.encode())
    summary = json.loads(result.stdout)
    assert (summary["style"], summary["key_quotes"]) == ("bullets", [])


def test_summary_by_a_model_is_kept_for_the_next_command(
    run: Run, environment: dict[str, str], article: Path, mock_llm: MockLLM
) -> None:
    environment |= {"STANDFIRST_MODEL": "gpt-4o-mini", "OPENAI_BASE_URL": mock_llm.base_url}
    first = run("summarize", article)
    assert run("summarize", article).stdout == first.stdout
    assert mock_llm.stats.calls == 1
    run("summarize", "--no-cache", article)
    assert mock_llm.stats.calls == 2


def test_quotes_are_listed_with_their_offsets(run: Run, article: Path) -> None:
    (quote,) = json.loads(run("quotes", article).stdout)["quotes"]
    assert ARTICLE[quote["start"] : quote["end"]] == quote["text"] == "We heard of it from a fishing boat,"


def test_prompts_are_listed_with_their_labels(run: Run) -> None:
    lines = run("prompts", "list").stdout.decode().splitlines()
    assert "article\tversions 1\tstable=1\t" in "".join(lines)
    assert len(lines) == len(list(PROMPTS.glob("*/v1.md")))


def test_prompt_is_shown_as_its_file(run: Run) -> None:
    assert run("prompts", "show", "article@1").stdout == (PROMPTS / "article/v1.md").read_bytes()


def test_prompt_is_rendered_with_its_inputs(run: Run, article: Path) -> None:
    inputs = [f"text=@{article}", "open=<a>", "close=</a>", "style=brief", "language=English"]
    flags = [part for item in inputs for part in ("--input", item)]
    rendered = run("prompts", "render", "article-small", *flags).stdout.decode()
    assert rendered.startswith(f"<|user|>\n<a>\n{ARTICLE}")


def test_prompt_without_its_inputs_is_not_rendered(run: Run) -> None:
    result = run("prompts", "render", "article")
    assert result.returncode == 1
    assert "missing or unknown inputs" in one_line(result)


def test_input_without_a_value_is_a_wrong_use(run: Run) -> None:
    result = run("prompts", "render", "article", "-i", "style")
    assert result.returncode == 2
    assert b"NAME=VALUE" in result.stderr


def test_new_prompt_version_is_published_once(run: Run, environment: dict[str, str], tmp_path: Path) -> None:
    folder = shutil.copytree(PROMPTS, tmp_path / "prompts")
    version = (folder / "article/v1.md").read_text(encoding="utf-8").replace("version: 1", "version: 2", 1)
    (folder / "article/v2.md").write_text(version, encoding="utf-8")
    environment["STANDFIRST_PROMPTS_DIR"] = str(folder)
    assert run("prompts", "lock").stdout == b"published: article@2\n"
    assert run("prompts", "lock").stdout == b"nothing new to publish\n"


def test_changed_prompt_stops_the_start(
    run: Run, environment: dict[str, str], tmp_path: Path, article: Path
) -> None:
    folder = shutil.copytree(PROMPTS, tmp_path / "prompts")
    with (folder / "article/v1.md").open("a", encoding="utf-8") as file:
        file.write("\nBe brief.\n")
    environment["STANDFIRST_PROMPTS_DIR"] = str(folder)
    result = run("summarize", article)
    assert result.returncode == 1
    assert "article/v1.md" in one_line(result)


@pytest.mark.parametrize("command", [["serve"], ["summarize", "-"], ["quotes", "-"], ["prompts", "list"]])
def test_wrong_setting_stops_every_command_in_one_line(
    run: Run, environment: dict[str, str], command: list[str]
) -> None:
    environment["STANDFIRST_PORT"] = "http"
    result = run(*command, stdin=ARTICLE.encode())
    assert result.returncode == 2
    assert "STANDFIRST_PORT" in one_line(result)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STANDFIRST_CACHE_URL", "ftp://cache"),
        ("STANDFIRST_MODELS_FILE", "/nowhere/models.toml"),
        ("STANDFIRST_MODLE", "gpt-4o"),
        ("OPENAI_BASE_URL", "localhost"),
    ],
)
def test_setting_that_cannot_be_used_is_named(
    run: Run, environment: dict[str, str], article: Path, variable: str, value: str
) -> None:
    environment[variable] = value
    result = run("summarize", article)
    assert result.returncode == 2
    assert one_line(result).startswith(f"standfirst: {variable}: ")


@pytest.mark.parametrize("content", [b"The caf\xe9 closed.", b"", b" \n", b"\x7fELF\x00\x00"])
@pytest.mark.parametrize("command", ["summarize", "quotes"])
def test_file_that_is_no_article_is_told_of_in_one_line(run: Run, command: str, content: bytes) -> None:
    result = run(command, "-", stdin=content)
    assert result.returncode == 2
    assert one_line(result).startswith("standfirst: the article ")


@pytest.mark.parametrize(
    "options", [["--language", "good english"], ["--model", "gpt-9"], ["--prompt", "sonnet"]]
)
def test_option_that_cannot_be_used_is_told_of(run: Run, article: Path, options: list[str]) -> None:
    result = run("summarize", article, *options)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"Traceback" not in result.stderr


def test_title_that_is_not_text_is_told_of(run: Run, article: Path) -> None:
    result = run("summarize", article, "--title", "A \udcff")
    assert result.returncode == 2
    assert one_line(result).startswith("standfirst: the title ")


def test_missing_file_is_a_wrong_use(run: Run, tmp_path: Path) -> None:
    result = run("summarize", tmp_path / "missing.txt")
    assert result.returncode == 2
    assert b"missing.txt" in result.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::", "localhost", "no such host"])  # noqa: S104
def test_health_of_a_service_that_is_not_there_is_bad(
    run: Run, environment: dict[str, str], host: str
) -> None:
    environment |= {"STANDFIRST_PORT": "1", "STANDFIRST_HOST": host}
    result = run("healthcheck")
    assert result.returncode == 1
    assert b"no answer from port 1" in result.stderr


@pytest.fixture
def serving(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`standfirst serve` on a free port, and its address, read from what it logs."""
    command = [sys.executable, "-c", "from service.cli import main; main()", "serve"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next((line for line in process.stderr if "http://" in line), "")
        yield process, "http://" + line.partition("http://")[2].split()[0]
        process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_service_starts_answers_and_stops(
    serving: tuple[subprocess.Popen[str], str], number: signal.Signals, code: int
) -> None:
    process, address = serving
    answer = httpx.post(f"{address}/v1/summaries", json={"text": ARTICLE}, trust_env=False)
    assert (answer.status_code, answer.json()["model"]) == (200, "extractive")
    process.send_signal(number)
    assert process.wait(30) == code


@pytest.fixture
def cache_broken(environment: dict[str, str]) -> None:
    """A service that has something to warn of when it is first asked."""
    environment["STANDFIRST_CACHE_URL"] = "sqlite:////dev/null/cache.sqlite3"


@pytest.mark.usefixtures("cache_broken")
def test_warning_is_logged_with_its_time_level_and_place(serving: tuple[subprocess.Popen[str], str]) -> None:
    process, address = serving
    httpx.post(f"{address}/v1/summaries", json={"text": ARTICLE}, trust_env=False)
    process.terminate()
    assert process.stderr is not None
    assert re.search(
        r"^\d{4}-\d\d-\d\dT\S+Z \[warning *\] .*\[service\.cache\.sqlite\]",
        process.stderr.read(),
        re.MULTILINE,
    )


@pytest.fixture
def waiting(environment: dict[str, str], mock_llm: MockLLM) -> None:
    """A service that would wait for its model longer than it may take to stop."""
    mock_llm.configure(first_token_s=60)
    environment |= {"STANDFIRST_MODEL": "gpt-4o-mini", "OPENAI_BASE_URL": mock_llm.base_url}
    environment["STANDFIRST_STOP_S"] = "1"


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_request_that_the_stop_cuts_off_may_be_sent_again(
    serving: tuple[subprocess.Popen[str], str], mock_llm: MockLLM, number: signal.Signals
) -> None:
    process, address = serving
    with ThreadPoolExecutor() as pool:
        answering = pool.submit(
            httpx.post, f"{address}/v1/summaries", json={"text": ARTICLE}, trust_env=False, timeout=30
        )
        mock_llm.wait_until(lambda stats: stats.in_flight == 1)
        process.send_signal(number)
        answer = answering.result()
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:standfirst:problem:stopping")
    assert answer.headers["Retry-After"]
    process.wait(30)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def test_health_of_a_service_that_answers_is_good(
    run: Run, environment: dict[str, str], extractive: httpx.Client
) -> None:
    environment["STANDFIRST_PORT"] = str(extractive.base_url.port)
    assert run("healthcheck").returncode == 0
    container = [sys.executable, "-m", "service.health"]
    assert subprocess.run(container, env=environment, check=False).returncode == 0


def test_container_is_told_what_is_wrong(environment: dict[str, str]) -> None:
    environment["STANDFIRST_PORT"] = "1"
    container = [sys.executable, "-m", "service.health"]
    result = subprocess.run(container, env=environment, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (1, "no answer from port 1: ConnectionRefusedError\n")


@pytest.fixture
def pages(environment: dict[str, str]) -> Iterator[PageServer]:
    """A web server that the command may ask."""
    with PageServer() as server:
        environment["STANDFIRST_WEB_PORTS"] = str(server.port)
        environment["STANDFIRST_WEB_PRIVATE_NETWORKS"] = "127.0.0.1/32"
        yield server


@pytest.mark.parametrize("command", ["summarize", "quotes"])
def test_page_is_read_from_a_file_a_pipe_or_a_link(run: Run, pages: PageServer, command: str) -> None:
    page = Path(__file__).parent / "pages" / "broadsheet.html"
    url = pages.add("/lifeboat", page.read_bytes())
    results = [run(command, page), run(command, "-", stdin=page.read_bytes()), run(command, url)]
    assert [result.returncode for result in results] == [0, 0, 0]
    sources = [json.loads(result.stdout)["source"] for result in results]
    assert {source["title"] for source in sources} == {"Tarnmouth council votes to keep its lifeboat"}
    assert len({source["text"] for source in sources}) == 1
    assert [source.get("url") for source in sources] == [None, None, url]


def test_link_that_gives_no_article_is_one_line(run: Run, pages: PageServer) -> None:
    result = run("quotes", pages.add("/gone", status=404))
    assert result.returncode == 2
    assert "no such page (404)" in one_line(result)
