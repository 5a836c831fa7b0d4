from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from bench.mock_llm import MockLLM, Reply
from bench.slack_api import TOKEN, SlackWorkspace
from service.cli import cli
from service.doctor import Finding, examine, local, outside
from service.prompts import default_folder
from service.settings import Settings
from tests.conftest import running


@pytest.fixture
def env(mock_llm: MockLLM, tmp_path: Path) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": mock_llm.base_url,
        "OPENAI_API_KEY": "hunter2",
        "STANDFIRST_CACHE_URL": f"sqlite:///{tmp_path}/cache.sqlite3",
        "STANDFIRST_PORT": "0",
    }


LOCAL = {
    "prompts": local.check_parts,
    "models": local.check_models,
    "access": local.check_access,
    "port": local.check_port,
}
OUTSIDE = {
    "cache": outside.check_cache,
    "ledger": outside.check_ledger,
    "batches": outside.check_jobs,
    "slack": outside.check_slack,
    "model": outside.check_model,
    "fallback 1": outside.check_model,
    "traces": outside.check_collector,
}


async def find(env: Mapping[str, str], part: str) -> Finding:
    """The worst that is found of a part, by its check alone."""
    order = ("wrong", "doubtful", "well")
    settings = Settings.from_env(env)
    if part in LOCAL:
        found = list(LOCAL[part](settings))
    else:
        found = [finding async for finding in OUTSIDE[part](settings)]
    found = [finding for finding in found if finding.part == part]
    return min(found, key=lambda finding: order.index(finding.status))


async def test_configuration_that_works_is_found_well(env: dict[str, str]) -> None:
    found = [finding async for finding in examine(env)]
    assert {f.part: f.status for f in found if f.status == "wrong"} == {}
    parts = {f.part for f in found}
    assert parts >= {"settings", "prompts", "parts", "tokenizer", "access", "port", "disk", "cache", "model"}


async def test_wrong_setting_ends_the_examination(env: dict[str, str]) -> None:
    found = [finding async for finding in examine(env | {"STANDFIRST_PROT": "1"})]
    assert [(f.part, f.status) for f in found] == [("settings", "wrong")]
    assert "STANDFIRST_PORT" in found[0].found


async def test_changed_prompt_is_wrong(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    shutil.copytree(str(default_folder()), folder)
    prompt = folder / "article" / "v1.md"
    prompt.write_text(prompt.read_text("utf-8") + "More.", "utf-8")
    assert (await find(env | {"STANDFIRST_PROMPTS_DIR": str(folder)}, "prompts")).status == "wrong"


async def test_model_of_unknown_price_is_doubtful(env: dict[str, str]) -> None:
    found = await find(env | {"STANDFIRST_MODEL": "nobody-knows"}, "models")
    assert (found.status, "nobody-knows" in found.found) == ("doubtful", True)


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(kind="status", status=401), "API key"),
        (Reply(kind="status", status=404), "base URL"),
        (Reply(kind="status", status=429), "throttled"),
        (Reply(kind="reset"), "firewalls"),
    ],
)
async def test_model_that_does_not_answer_is_wrong_with_a_remedy(
    env: dict[str, str], mock_llm: MockLLM, reply: Reply, word: str
) -> None:
    mock_llm.configure(always=reply)
    found = await find(env, "model")
    assert found.status == "wrong"
    assert word in found.remedy
    assert "hunter2" not in found.found


async def test_server_that_counts_no_tokens_is_doubtful(env: dict[str, str], mock_llm: MockLLM) -> None:
    mock_llm.configure(usage=False)
    assert (await find(env, "model")).status == "doubtful"


async def test_fallback_servers_are_asked_too(env: dict[str, str], mock_llm: MockLLM) -> None:
    nobody = mock_llm.base_url.rpartition(":")[0] + ":1/v1"
    fallbacks = json.dumps([{"model": "m2", "base_url": nobody}])
    assert (await find(env | {"STANDFIRST_FALLBACKS": fallbacks}, "fallback 1")).status == "wrong"
    assert (await find(env, "model")).status == "well"


async def test_nobody_is_asked_offline(env: dict[str, str], mock_llm: MockLLM) -> None:
    parts = {finding.part async for finding in examine(env, offline=True)}
    assert "cache" in parts
    assert "model" not in parts
    assert mock_llm.stats.calls == 0


async def test_redis_that_is_away_is_wrong_and_one_that_answers_is_not(
    env: dict[str, str], redis_url: str
) -> None:
    away = await find(env | {"STANDFIRST_CACHE_URL": "redis://:hunter2@127.0.0.1:1/0"}, "cache")
    assert away.status == "wrong"
    assert "hunter2" not in away.found
    assert (await find(env | {"STANDFIRST_CACHE_URL": redis_url}, "cache")).status != "wrong"


async def test_ledger_that_is_away_is_wrong(env: dict[str, str], redis_url: str) -> None:
    away = await find(env | {"STANDFIRST_LEDGER_URL": "redis://:hunter2@127.0.0.1:1/0"}, "ledger")
    assert away.status == "wrong"
    assert "hunter2" not in away.found
    for settings in ({}, {"STANDFIRST_LEDGER_URL": redis_url}, {"STANDFIRST_CACHE_URL": redis_url}):
        assert (await find(env | settings, "ledger")).status == "well"


async def test_database_of_batches_is_opened_where_one_is_named(env: dict[str, str], tmp_path: Path) -> None:
    file = env | {"STANDFIRST_JOBS_URL": f"sqlite:///{tmp_path}/jobs.sqlite3"}
    assert (await find(file, "batches")).status == "well"
    away = await find(env | {"STANDFIRST_JOBS_URL": "postgresql://a:hunter2@127.0.0.1:1/b"}, "batches")
    assert away.status == "wrong"
    assert "hunter2" not in away.found


async def test_token_that_slack_does_not_know_is_wrong(env: dict[str, str]) -> None:
    with SlackWorkspace() as slack:
        named = env | {"STANDFIRST_SLACK_API_URL": slack.api_url, "STANDFIRST_SLACK_SIGNING_SECRET": "s"}
        assert (await find(named | {"STANDFIRST_SLACK_BOT_TOKEN": TOKEN}, "slack")).status == "well"
        wrong = await find(named | {"STANDFIRST_SLACK_BOT_TOKEN": "xoxb-hunter2"}, "slack")
    assert wrong.status == "wrong"
    assert "hunter2" not in wrong.found


async def test_file_that_cannot_be_written_is_wrong(env: dict[str, str]) -> None:
    broken = env | {"STANDFIRST_CACHE_URL": "sqlite:////dev/null/cache.sqlite3"}
    assert (await find(broken, "cache")).status == "wrong"


async def test_port_that_another_program_has_is_wrong(env: dict[str, str], mock_llm: MockLLM) -> None:
    with running(Settings(model="extractive", cache_url="memory://")) as service:
        port = str(service.base_url.port)
        assert (await find(env | {"STANDFIRST_PORT": port}, "port")).status == "well"
    port = str(httpx.URL(mock_llm.base_url).port)
    found = await find(env | {"STANDFIRST_PORT": port}, "port")
    assert found.status == "wrong"


async def test_open_service_without_keys_is_wrong(env: dict[str, str], tmp_path: Path) -> None:
    everywhere = env | {"STANDFIRST_HOST": "0.0.0.0"}  # noqa: S104 - nothing listens
    assert (await find(everywhere, "access")).status == "wrong"
    assert (await find(everywhere | {"STANDFIRST_INSECURE": "yes"}, "access")).status == "doubtful"
    keys = everywhere | {"STANDFIRST_KEYS_FILE": str(tmp_path / "keys.json")}
    assert (await find(keys, "access")).status == "wrong"
    made = CliRunner().invoke(cli, ["keys", "create", "cms"], env=keys)
    assert made.exit_code == 0
    assert (await find(keys, "access")).status == "well"
    CliRunner().invoke(cli, ["keys", "revoke", "cms"], env=keys)
    assert (await find(keys, "access")).status == "wrong"


async def test_collector_that_is_away_is_doubtful(env: dict[str, str]) -> None:
    found = await find(env | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "traces")
    assert found.status == "doubtful"


def test_command_tells_all_and_ends_with_a_code(env: dict[str, str], mock_llm: MockLLM) -> None:
    well = CliRunner().invoke(cli, ["doctor", "--json"], env=env)
    assert (well.exit_code, json.loads(well.stdout)["well"]) == (0, True)
    mock_llm.configure(always=Reply(kind="status", status=401))
    wrong = CliRunner().invoke(cli, ["doctor"], env=env)
    assert wrong.exit_code == 1
    assert "→ check the API key" in wrong.output
