"""What is known of models: context windows, prices, how to count their tokens, what they can do."""

from __future__ import annotations

import difflib
import importlib.resources
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self, TypeAlias

import msgspec
from msgspec import Meta, Struct

from service.errors import SettingError

StructuredOutput: TypeAlias = Literal["json_schema", "json_object", "none"]
Sampling: TypeAlias = str | int | float | bool

_Tokens: TypeAlias = Annotated[int, Meta(ge=1)]
_Factor: TypeAlias = Annotated[float, Meta(ge=1)]
_Price: TypeAlias = Annotated[float, Meta(ge=0)]

_VARIABLE = "STANDFIRST_MODELS_FILE"
# How providers mark a version of a model that is otherwise the same, and costs the same.
_VERSION = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")


class TokenCounts(Protocol):
    """Counts of one call, or the sum of several; the cached tokens are part of the input tokens."""

    @property
    def input_tokens(self) -> int: ...  # noqa: D102 - the class says it

    @property
    def cached_input_tokens(self) -> int: ...  # noqa: D102

    @property
    def output_tokens(self) -> int: ...  # noqa: D102


class _Facts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file; the defaults are cautious guesses for a model that nobody described."""

    context_window: _Tokens = 8192
    max_output_tokens: _Tokens = 2048
    encoding: Literal["o200k_base", "o200k_harmony", "cl100k_base"] = "o200k_base"
    token_factor: _Factor = 1.4
    token_factor_other: _Factor = 4.0
    input_usd: _Price | None = None
    cached_input_usd: _Price | None = None
    output_usd: _Price | None = None
    structured_output: StructuredOutput | None = None
    extra: dict[str, Sampling] = {}
    prompt_suffix: str = ""


class ModelInfo(_Facts, frozen=True, kw_only=True):
    """Facts about a model.

    `context_window` and `max_output_tokens` are in the model's own tokens; tokens counted by `encoding`
    times `token_factor` bound them for English text, times `token_factor_other` for other languages.
    Prices are in USD for a million tokens. `extra` goes into each request. `prompt_suffix`
    is that of the prompts that suit the model, such as `-small`. `known` is False where all
    of this is a cautious guess.
    """

    name: str
    known: bool


class Catalogue:
    """Models by name."""

    def __init__(self, facts: Mapping[str, _Facts]) -> None:
        self._facts = dict(facts)

    @classmethod
    def load(cls, override: Path | None = None) -> Self:
        """The built-in catalogue, with the keys of the file `override` in place of its own.

        Raises:
            SettingError: the file cannot be read, or has a key or value that cannot be used.
        """
        builtin = importlib.resources.files("service").joinpath("data/models.toml").read_text("utf-8")
        tables = _parse(builtin, "models.toml")
        if override is not None:
            try:
                own = _parse(override.read_text("utf-8"), str(override))
            except (OSError, UnicodeDecodeError) as exc:
                raise SettingError(_VARIABLE, f"cannot read {override}") from exc
            tables |= {name: tables.get(name, {}) | table for name, table in own.items()}
        return cls({name: msgspec.convert(table, _Facts) for name, table in tables.items()})

    def find(self, model: str) -> ModelInfo:
        """What is known of `model`: by its name, without the date of its version, without its provider."""
        name = model
        while True:
            for candidate in (name, _VERSION.sub("", name)):
                if candidate in self._facts:
                    return _info(model, self._facts[candidate], known=True)
            if "/" not in name:
                return _info(model, _Facts(), known=False)
            name = name.partition("/")[2]


def cost_usd(info: ModelInfo, usage: TokenCounts) -> float | None:
    """What `usage` costs; None where a price that it needs is not known."""
    cached = usage.cached_input_tokens
    cached_price = info.input_usd if info.cached_input_usd is None else info.cached_input_usd
    if info.input_usd is None or info.output_usd is None or cached_price is None:
        return None
    fresh = (usage.input_tokens - cached) * info.input_usd
    return (fresh + cached * cached_price + usage.output_tokens * info.output_usd) / 1_000_000


def _info(model: str, facts: _Facts, *, known: bool) -> ModelInfo:
    return ModelInfo(name=model, known=known, **msgspec.structs.asdict(facts))


def _parse(text: str, source: str) -> dict[str, dict[str, object]]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise SettingError(_VARIABLE, f"{source} is not TOML: {exc}") from exc
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise SettingError(_VARIABLE, f"{source}: {name!r} stands outside of a model's table")
        for key in table.keys() - set(_Facts.__struct_fields__):
            near = difflib.get_close_matches(key, _Facts.__struct_fields__, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SettingError(_VARIABLE, f"{source}: model {name!r} has the unknown key {key!r}{hint}")
        try:
            msgspec.convert(table, _Facts)
        except msgspec.ValidationError as exc:
            raise SettingError(_VARIABLE, f"{source}: model {name!r}: {exc}") from exc
    return tables
