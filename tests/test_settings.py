from __future__ import annotations

import contextlib

import pytest

from service.errors import SettingError
from service.settings import Settings, variable_of


def test_nothing_need_be_set() -> None:
    settings = Settings.from_env({"PATH": "/bin", "STANDFIRST_PORT": " "})
    assert settings == Settings()
    assert settings.uses_embedded_llm
    assert settings.resolved_cache_url().startswith("sqlite:///")


def test_variables_are_read_as_what_they_are() -> None:
    settings = Settings.from_env(
        {"STANDFIRST_PORT": "9000", "STANDFIRST_MODELS": "a, b,", "STANDFIRST_DEADLINE_S": "1.5"}
    )
    assert (settings.port, settings.models, settings.deadline_s) == (9000, ("a", "b"), 1.5)


def test_cache_is_where_it_is_said_to_be() -> None:
    assert Settings.from_env({"STANDFIRST_CACHE_URL": "memory://"}).resolved_cache_url() == "memory://"


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_either_openai_variable_turns_the_embedded_llm_off(variable: str) -> None:
    assert not Settings.from_env({variable: "http://llm.example"}).uses_embedded_llm


def test_key_is_never_shown() -> None:
    settings = Settings.from_env({"OPENAI_API_KEY": "sk-hush"})
    assert settings.openai_api_key == "sk-hush"
    assert "hush" not in repr(settings)


def test_wrong_url_is_not_shown_since_it_may_hold_a_password() -> None:
    with pytest.raises(SettingError) as failure:
        Settings.from_env({"OPENAI_BASE_URL": "user:hush@llm.example"})
    assert "hush" not in str(failure.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OPENAI_BASE_URL", "llm.example"),
        ("STANDFIRST_FALLBACKS", '[{"model": "m", "base_url": "llm.example"}]'),
    ],
)
def test_wrong_url_is_told_how_urls_start(variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=r"must start with http:// or https://$"):
        Settings.from_env({variable: value})


def test_misspelt_variable_is_named_beside_the_right_one() -> None:
    with pytest.raises(SettingError, match=r"STANDFIRST_MODLE: .* did you mean STANDFIRST_MODEL"):
        Settings.from_env({"STANDFIRST_MODLE": "a"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STANDFIRST_PORT", "70000"),
        ("STANDFIRST_DEADLINE_S", "0"),
        ("STANDFIRST_LLM_ATTEMPTS", "many"),
        ("STANDFIRST_MODELS_FILE", "/nowhere/models.toml"),
        ("STANDFIRST_PROMPTS_DIR", "/nowhere"),
        ("OPENAI_BASE_URL", "llm.example"),
    ],
)
def test_value_that_cannot_be_used_is_an_error_of_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingError) as failure:
        Settings.from_env({variable: value})
    assert failure.value.variable == variable
    assert len(str(failure.value).splitlines()) == 1


def test_choices_are_told() -> None:
    with pytest.raises(SettingError, match="choose strict, flag, off"):
        Settings.from_env({"STANDFIRST_POLICY": "lax"})


def test_every_setting_is_read_from_its_variable() -> None:
    """Msgspec looks at a type when it is first used: one that it cannot use would stop the start."""
    for field in Settings.__struct_fields__:
        variable = variable_of(field)
        with contextlib.suppress(SettingError):
            Settings.from_env({variable: "1"})


@pytest.mark.parametrize(("value", "spent"), [("2.5", 2.5), ("20", 20.0)])
def test_daily_budget_is_read(value: str, spent: float) -> None:
    assert Settings.from_env({"STANDFIRST_DAILY_BUDGET_USD": value}).daily_budget_usd == spent


@pytest.mark.parametrize(("value", "insecure"), [("yes", True), ("NO", False), ("true", True), ("0", False)])
def test_insecure_is_yes_or_no(value: str, *, insecure: bool) -> None:
    assert Settings.from_env({"STANDFIRST_INSECURE": value}).insecure is insecure


@pytest.mark.parametrize("origins", ["https://cms.example/", "cms.example", "https://a.example, b.example"])
def test_origin_that_is_none_is_refused(origins: str) -> None:
    with pytest.raises(SettingError, match="without a path"):
        Settings.from_env({"STANDFIRST_CORS_ORIGINS": origins})
