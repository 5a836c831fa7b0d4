"""What a stranger gets: the wheel, the pins, the image's inputs, and no trace of where it was made."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(
    r"^([a-z0-9-]+)==([^ ;\\]+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
PINNED_FROM = {
    "run": PROJECT["project"]["dependencies"],
    "extras": [
        requirement
        for extra, requirements in PROJECT["project"]["optional-dependencies"].items()
        if extra != "local"
        for requirement in requirements
    ],
    **{group: PROJECT["dependency-groups"][group] for group in ("build", "dev", "local", "lock")},
}


def build_wheel(tree: Path, folder: Path) -> Path:
    """Build the wheel of `tree` into `folder`, as pip would, with the build tools of this environment."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def files_below(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [path.relative_to(folder).as_posix() for path in paths]


def read_pins(name: str) -> dict[str, str]:
    return {m[1]: m[2] for m in PIN.finditer((ROOT / "requirements" / f"{name}.txt").read_text())}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_every_file_of_the_package_and_all_prompts(wheel: Path) -> None:
    expected = {f"service/{name}" for name in files_below(ROOT / "service")}
    expected |= {f"service/_prompts/{name}" for name in files_below(ROOT / "prompts")}

    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert packed == expected
    assert {"service/py.typed", "service/_prompts/article/v1.md"} <= packed


def test_wheel_offers_the_command_and_its_license(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        files = {
            name.split(".dist-info/")[1]: archive.read(name)
            for name in archive.namelist()
            if ".dist-info/" in name
        }

    assert b"standfirst = service.cli:main" in files["entry_points.txt"]
    assert files["licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_unpacked_wheel_finds_its_own_prompts(wheel: Path, tmp_path: Path) -> None:
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "import service.prompts as p; print(p.__file__, p.PromptLibrary.load().get('article').name)"

    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )

    assert result.stdout.split() == [str(tmp_path / "service" / "prompts.py"), "article"]


@pytest.mark.parametrize("name", sorted(PINNED_FROM))
def test_every_requirement_is_pinned_within_its_range_and_hashed(name: str) -> None:
    pins = read_pins(name)

    for requirement in map(Requirement, PINNED_FROM[name]):
        assert requirement.specifier.contains(pins[requirement.name.lower()]), requirement


@pytest.mark.parametrize("name", sorted(PINNED_FROM))
def test_requirements_hold_nothing_but_pins_with_hashes(name: str) -> None:
    rest = PIN.sub("", (ROOT / "requirements" / f"{name}.txt").read_text())

    assert [line for line in rest.splitlines() if not line.startswith("    #")] == []


def test_requirements_files_agree_on_every_version() -> None:
    merged: dict[str, str] = {}

    for name in PINNED_FROM:
        for package, version in read_pins(name).items():
            assert merged.setdefault(package, version) == version, f"{package} in {name}.txt"


def test_extra_and_group_ask_for_the_same_engine() -> None:
    assert set(PROJECT["project"]["optional-dependencies"]["local"]) < set(PINNED_FROM["local"])


def test_image_gets_all_that_its_wheel_is_made_of(wheel: Path, tmp_path: Path) -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    admitted = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    context = tmp_path / "context"
    context.mkdir()
    for name in " ".join(copied).split():
        assert name.rstrip("/") in admitted
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, context / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, context / name)

    rebuilt = build_wheel(context, tmp_path / "dist")

    assert rebuilt.read_bytes() == wheel.read_bytes()


def test_image_installs_only_requirements_that_exist() -> None:
    named = re.findall(r"requirements/(\w+)\.txt", (ROOT / "Dockerfile").read_text())

    assert {"build", "run", "local", "extras"} == set(named) <= set(PINNED_FROM)


def test_no_tracked_file_names_a_registry_or_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    # In parts, so that this file passes too.
    hosts = ["py" + "pi.org", "python" + "hosted", "registry." + "npmjs", "deb." + "debian"]
    traces = [*hosts, *(f"/{folder}/" for folder in ("work", "root")), str(ROOT)]

    found = [
        f"{name}: {trace}"
        for name in listed.stdout.split("\0")
        if (ROOT / name).is_file()
        for trace in traces
        if trace.encode() in (ROOT / name).read_bytes()
    ]

    assert found == []


def test_ci_script_can_be_executed() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_service_starts_without_what_it_may_never_need() -> None:
    heavy = "openai aiohttp dbos sqlalchemy trafilatura lxml slack_bolt opentelemetry redis pyarrow"
    code = "import sys, service.app; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    told = subprocess.run([sys.executable, "-c", code, *heavy.split()], check=True, capture_output=True)
    assert told.stdout.split() == []
