from __future__ import annotations

from pathlib import Path

import pytest

from service.catalogue import Catalogue, cost_usd
from service.errors import SettingError
from service.llm import TokenUsage

USAGE = TokenUsage(input_tokens=1_000_000, cached_input_tokens=400_000, output_tokens=100_000)


def write(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_built_in_model_can_be_used() -> None:
    catalogue = Catalogue.load()
    for name in ("gpt-6-luna", "gpt-5-mini", "gpt-4.1", "gpt-4o-mini", "smollm2-135m-instruct"):
        info = catalogue.find(name)
        assert info.known
        assert 0 < info.max_output_tokens <= info.context_window
        assert 1 <= info.token_factor <= info.token_factor_other


@pytest.mark.parametrize(
    "name",
    [
        "gpt-5-mini-2025-08-07",
        "openai/gpt-5-mini",
        "openrouter/openai/gpt-5-mini-2025-08-07",
        "gpt-5-mini-latest",
    ],
)
def test_dated_and_prefixed_names_stand_for_the_model(name: str) -> None:
    info = Catalogue.load().find(name)
    assert (info.name, info.output_usd) == (name, 2.0)


@pytest.mark.parametrize(
    "name", ["gpt-5-pro", "gpt-5-mini-large", "gpt-4o-audio-preview", "nobody/s-model", ""]
)
def test_similar_name_is_another_model(name: str) -> None:
    assert not Catalogue.load().find(name).known


def test_unknown_model_has_cautious_limits_and_no_price() -> None:
    info = Catalogue.load().find("brand-new")
    assert info.context_window == 8192
    assert info.token_factor > 1
    assert cost_usd(info, USAGE) is None


def test_cached_input_costs_its_own_price() -> None:
    cost = cost_usd(Catalogue.load().find("gpt-5-mini"), USAGE)
    assert cost == pytest.approx(0.6 * 0.25 + 0.4 * 0.025 + 0.1 * 2.00)


def test_embedded_model_costs_nothing() -> None:
    assert cost_usd(Catalogue.load().find("smollm2-135m-instruct"), USAGE) == 0.0


def test_own_file_overrides_single_keys(tmp_path: Path) -> None:
    catalogue = Catalogue.load(write(tmp_path, "[gpt-5-mini]\ninput_usd = 9.0\n"))
    info = catalogue.find("gpt-5-mini")
    assert (info.input_usd, info.output_usd) == (9.0, 2.0)


def test_own_file_adds_models(tmp_path: Path) -> None:
    catalogue = Catalogue.load(
        write(tmp_path, "['our/model:7b']\ncontext_window = 32768\nextra = { top_k = 5 }\n")
    )
    info = catalogue.find("our/model:7b")
    assert (info.known, info.context_window, info.extra) == (True, 32768, {"top_k": 5})


def test_cached_input_without_a_price_of_its_own_costs_like_other_input(tmp_path: Path) -> None:
    catalogue = Catalogue.load(write(tmp_path, "[ours]\ninput_usd = 1.0\noutput_usd = 2.0\n"))
    assert cost_usd(catalogue.find("ours"), USAGE) == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[m]\ncontxt_window = 5\n", "contxt_window.*context_window"),
        ("[m]\ncontext_window = 'big'\n", "context_window"),
        ("[m]\ncontext_window = 0\n", "context_window"),
        ("[m]\ninput_usd = -1.0\n", "input_usd"),
        ("[m]\nencoding = 'klingon'\n", "encoding"),
        ("[m]\nstructured_output = 'xml'\n", "structured_output"),
        ("context_window = 5\n", "context_window"),
        ("[m\n", "TOML"),
    ],
)
def test_mistake_in_own_file_names_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingError, match=named) as caught:
        Catalogue.load(write(tmp_path, text))
    assert "own.toml" in str(caught.value)
    assert caught.value.variable == "STANDFIRST_MODELS_FILE"


def test_own_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot read"):
        Catalogue.load(tmp_path / "none.toml")
