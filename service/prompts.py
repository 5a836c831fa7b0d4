"""Versioned prompt templates: load, validate, pin, render.

`prompts/<name>/v<N>.md` is YAML front matter between `---` lines, then the messages. A message starts at a
line that is only `<|system|>`, `<|user|>` or `<|assistant|>` and runs to the next such line:

    ---
    name: article
    version: 1
    description: What the prompt is for.
    inputs:
      article: The text to work on.
    output_schema: {type: object, properties: {summary: {type: string}}}
    sampling: {temperature: 0.2, max_output_tokens: 600}
    ---
    <|system|>
    You edit news.
    <|user|>
    {{ article }}

Each message is a Jinja2 template of its own, split off before anything is rendered. So an input is data: it
is never read as a template, and no text in it can start another message. Blank lines at a message's ends are
dropped, a line that holds only a `{% tag %}` leaves nothing, and everything else is kept as written.

`lock.toml` holds the digest of every published version and `labels.toml` the versions that names point to:

    [versions]                         [article]
    "article@1" = "sha256:…"           stable = 1

A published version never changes: to change a prompt, add `v<N+1>.md`, lock it, and move the label.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import msgspec
from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Meta, Struct

from service.errors import PromptChangedError, PromptError, UnknownPromptError
from service.models import Message, PromptReference, Role

_NAME = r"^[a-z][a-z0-9_-]*$"
_VERSION_FILE = re.compile(r"v([1-9][0-9]{0,8})\.md")
_ROLE_LINE = re.compile(r"^<\|(\w*)\|>[ \t]*$", re.MULTILINE)
_ROLES = ("system", "user", "assistant")
_LOCK = "lock.toml"
_LABELS = "labels.toml"
_LOCK_HEAD = "# Written by `standfirst prompts lock`. A published version never changes.\n[versions]\n"

_S = TypeVar("_S")
_Labels = dict[str, dict[Annotated[str, Meta(pattern=_NAME)], int]]


class Sampling(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the model should sample; None leaves the choice to the provider."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    seed: int | None = None


class PromptInfo(Struct, frozen=True, kw_only=True):
    """A prompt as `GET /v1/prompts` lists it; description, inputs and digest are of its stable version."""

    name: str
    versions: tuple[int, ...]
    labels: dict[str, int]
    description: str
    inputs: dict[str, str]
    digest: str


class _FrontMatter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern=_NAME)]
    version: Annotated[int, Meta(ge=1)]
    description: Annotated[str, Meta(min_length=1)]
    inputs: dict[str, str]
    # A JSON Schema has no static type, and it goes to the provider as it is.
    output_schema: dict[str, Any] | None = None
    sampling: Sampling = Sampling()


class _Lock(Struct, forbid_unknown_fields=True):
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One version of a prompt, compiled. `digest` is that of its file, `source` the file's text."""

    name: str
    version: int
    digest: str
    description: str
    inputs: Mapping[str, str]
    output_schema: dict[str, Any] | None
    sampling: Sampling
    source: str
    _messages: tuple[tuple[Role, Template], ...]

    @property
    def reference(self) -> PromptReference:
        """How a result names the prompt that made it."""
        return PromptReference(name=self.name, version=self.version, digest=self.digest)

    def render(self, /, **inputs: object) -> tuple[Message, ...]:
        """The messages, with `inputs` filled in.

        Raises:
            PromptError: an input is missing or unknown, or the template fails on its value.
        """
        if inputs.keys() != self.inputs.keys():
            odd = ", ".join(sorted(inputs.keys() ^ self.inputs.keys()))
            raise PromptError(f"prompt {self.name}@{self.version}: missing or unknown inputs: {odd}")
        try:
            return tuple(Message(role=role, content=body.render(inputs)) for role, body in self._messages)
        except (TemplateError, TypeError, ValueError) as exc:
            # Only the kind of error: its text may quote an input, which may be the article.
            kind = type(exc).__name__
            raise PromptError(f"prompt {self.name}@{self.version} cannot be rendered ({kind})") from exc


class PromptLibrary:
    """All versions of all prompts, by name, `name@version` and `name@label`."""

    def __init__(
        self, prompts: Mapping[tuple[str, int], Prompt], labels: Mapping[str, Mapping[str, int]]
    ) -> None:
        self._versions: dict[str, list[int]] = {}
        self._labels = labels
        self._by_reference: dict[str, Prompt] = {}
        for (name, version), prompt in sorted(prompts.items(), key=lambda item: item[0]):
            self._versions.setdefault(name, []).append(version)
            self._by_reference[f"{name}@{version}"] = prompt
        for name in labels.keys() | self._versions.keys():
            for label, version in {"stable": 0, **labels.get(name, {})}.items():
                target = prompts.get((name, version))
                if target is None:
                    raise PromptError(f"{_LABELS}: [{name}] {label} must name one of its published versions")
                self._by_reference[f"{name}@{label}"] = target
            self._by_reference[name] = self._by_reference[f"{name}@stable"]

    @classmethod
    def load(cls, folder: Traversable | None = None) -> PromptLibrary:
        """Read and check every prompt in `folder`, by default those that ship with the package.

        Raises:
            PromptChangedError: a published file differs from its digest in the lock file.
            PromptError: a file is malformed, not locked, or missing.
        """
        folder = default_folder() if folder is None else folder
        sources = _read_sources(folder)
        locked = _read_lock(folder)
        _check_lock(sources, locked)
        for reference in sources.keys() - locked.keys():
            raise PromptError(
                f"{_path(reference)} is not in {_LOCK}; publish it with `standfirst prompts lock`"
            )
        return cls({r: _parse(r, data) for r, data in sources.items()}, _read_toml(folder, _LABELS, _Labels))

    def get(self, reference: str) -> Prompt:
        """The prompt called `name` (its stable version), `name@version` or `name@label`.

        Raises:
            UnknownPromptError: there is none; the remedy lists those that exist.
        """
        try:
            return self._by_reference[reference]
        except KeyError:
            raise UnknownPromptError(
                "there is no such prompt",
                field="prompt",
                remedy=f"use one of: {', '.join(sorted(self._by_reference))}",
            ) from None

    def list(self) -> tuple[PromptInfo, ...]:
        """Every prompt, by name."""
        return tuple(
            PromptInfo(
                name=name,
                versions=tuple(versions),
                labels=dict(self._labels[name]),
                description=stable.description,
                inputs=dict(stable.inputs),
                digest=stable.digest,
            )
            for name, versions in self._versions.items()
            for stable in (self._by_reference[name],)
        )


def default_folder() -> Traversable:
    """The prompts inside an installed package, or those beside the package in a checkout."""
    packaged = files("service") / "_prompts"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "prompts"


def lock(folder: Path) -> list[str]:
    """Publish the versions in `folder` that are not in its lock file yet, and return them as `name@version`.

    Raises:
        PromptChangedError: a published file was changed; its digest is never replaced.
        PromptError: a file is malformed, or a published one is missing.
    """
    sources = _read_sources(folder)
    locked = _read_lock(folder) if (folder / _LOCK).exists() else {}
    _check_lock(sources, locked)
    new = sorted(sources.keys() - locked.keys())
    digests = locked | {reference: _parse(reference, sources[reference]).digest for reference in new}
    lines = (f'"{name}@{version}" = "{digest}"\n' for (name, version), digest in sorted(digests.items()))
    (folder / _LOCK).write_text(_LOCK_HEAD + "".join(lines), encoding="utf-8", newline="\n")
    return [f"{name}@{version}" for name, version in new]


def fence(text: str, label: str = "article") -> tuple[str, str]:
    """An opening and a closing delimiter for `text` that `text` cannot contain.

    The same text always gets the same delimiters, so that a provider's prompt cache can reuse the request.
    """
    # A text that quotes its own digest gets a longer one; extending it keeps the search finite.
    token = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    length = 8
    while token[:length] in text:
        length += 4
        if length > len(token):
            token += hashlib.sha256(token.encode()).hexdigest()
    return f"<{label}-{token[:length]}>", f"</{label}-{token[:length]}>"


_Reference = tuple[str, int]


def _path(reference: _Reference) -> str:
    return f"{reference[0]}/v{reference[1]}.md"


def _read_sources(folder: Traversable) -> dict[_Reference, bytes]:
    """The files of all versions, with the line ends that git may have changed folded back."""
    found: dict[_Reference, bytes] = {}
    if not folder.is_dir():
        raise PromptError(f"there is no folder of prompts at {folder}")
    for prompt in (entry for entry in folder.iterdir() if entry.is_dir()):
        for file in (entry for entry in prompt.iterdir() if entry.name.endswith(".md")):
            match = _VERSION_FILE.fullmatch(file.name)
            if match is None:
                raise PromptError(f"{prompt.name}/{file.name}: a prompt's file is called v<N>.md")
            found[prompt.name, int(match[1])] = file.read_bytes().replace(b"\r\n", b"\n")
    return found


def _read_toml(folder: Traversable, name: str, kind: type[_S]) -> _S:
    try:
        return msgspec.toml.decode((folder / name).read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise PromptError(f"{name} cannot be read: {exc}") from exc


def _read_lock(folder: Traversable) -> dict[_Reference, str]:
    locked: dict[_Reference, str] = {}
    for reference, digest in _read_toml(folder, _LOCK, _Lock).versions.items():
        name, _, version = reference.partition("@")
        if not (version.isascii() and version.isdigit()):
            raise PromptError(f"{_LOCK}: {reference!r} is not of the form name@version")
        locked[name, int(version)] = digest
    return locked


def _check_lock(sources: Mapping[_Reference, bytes], locked: Mapping[_Reference, str]) -> None:
    for reference, digest in locked.items():
        if reference not in sources:
            raise PromptError(f"{_path(reference)} is published in {_LOCK} but missing; restore it")
        if _digest(sources[reference]) != digest:
            name, version = reference
            raise PromptChangedError(
                f"{_path(reference)} was published and has changed since; restore it, "
                f"and publish the change as {name}/v{version + 1}.md"
            )


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _parse(reference: _Reference, data: bytes) -> Prompt:
    try:
        source = data.decode()
        front, body = _split(source)
        if (front.name, front.version) != reference:
            raise PromptError(f"front matter says {front.name} version {front.version}")  # noqa: TRY301
        messages = _compile(body, front.inputs.keys())
    except (PromptError, msgspec.DecodeError, UnicodeDecodeError, TemplateError) as exc:
        raise PromptError(f"{_path(reference)}: {exc}") from exc
    return Prompt(
        name=front.name,
        version=front.version,
        digest=_digest(data),
        description=front.description,
        inputs=front.inputs,
        output_schema=front.output_schema,
        sampling=front.sampling,
        source=source,
        _messages=messages,
    )


def _split(source: str) -> tuple[_FrontMatter, str]:
    head, end, body = source.removeprefix("---\n").partition("\n---\n")
    if not source.startswith("---\n") or not end:
        raise PromptError("front matter must stand between two lines of ---")
    return msgspec.yaml.decode(head, type=_FrontMatter), body


def _compile(body: str, inputs: Set[str]) -> tuple[tuple[Role, Template], ...]:
    before, *parts = _ROLE_LINE.split(body)
    if before.strip() or not parts:
        raise PromptError("the messages must start with a line such as <|system|>")
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()  # a prompt depends on its inputs alone
    messages: list[tuple[Role, Template]] = []
    used: set[str] = set()
    for role, text in zip(parts[::2], parts[1::2], strict=True):
        if role not in _ROLES:
            raise PromptError(f"<|{role}|> is not one of {', '.join(_ROLES)}")
        if not text.strip():
            raise PromptError(f"the {role} message is empty")
        tree = environment.parse(text.strip("\n"))
        if any(meta.find_referenced_templates(tree)):
            raise PromptError("a prompt cannot include other templates")
        used |= meta.find_undeclared_variables(tree)
        messages.append((cast("Role", role), environment.from_string(tree)))
    if used != inputs:
        raise PromptError(f"declared inputs and used ones differ in: {', '.join(sorted(used ^ inputs))}")
    return tuple(messages)
