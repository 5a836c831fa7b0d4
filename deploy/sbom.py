"""What the service is made of: a CycloneDX bill of materials, and the list of licences in docs/licences.md.

`make sbom` runs it in the environment of the checks. Licences are those that the installed packages state in
their metadata, as SPDX expressions.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "licences.md"
BILL: Final = ROOT / "dist" / "sbom.json"
FILES: Final = ("run", "extras", "local")

# All may be used in, and shipped with, a program under Apache-2.0. Those of the second line ask that changes
# of their own files be given away; we change none, and import them as they are.
ALLOWED: Final = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "MIT", "MIT-0", "PSF-2.0"}
)
WEAK_COPYLEFT: Final = frozenset({"MPL-2.0", "MPL-1.1", "LGPL-3.0-only"})

_PIN = re.compile(r"^([a-z0-9-]+)==([^ ;\\]+)(?: ; ([^\\]+))?", re.MULTILINE)
_NOT_HERE: Final = "sys_platform == 'emscripten'"
# What older metadata says in other words.
_SPELLED: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
# For other systems and Pythons only, so that they may not be installed where this runs.
_ELSEWHERE: Final = {"async-timeout": "Apache-2.0", "colorama": "BSD-3-Clause"}


def pins() -> dict[str, tuple[str, str]]:
    """Each pinned package: its version, and the first file that pins it."""
    found: dict[str, tuple[str, str]] = {}
    for name in FILES:
        text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
        for package, version, marker in _PIN.findall(text):
            if _NOT_HERE not in marker:
                found.setdefault(package, (version, name))
    return found


def licence_of(package: str) -> str:
    """The SPDX expression of an installed package's licence."""
    try:
        metadata = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return _ELSEWHERE[package]
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = [
        c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or [] if c.startswith("License")
    ]
    [text, *_] = metadata.get_all("License") or [""]
    named = [c for c in classifiers if c != "OSI Approved"] or [text.partition("\n")[0].strip()]
    return " OR ".join(_SPELLED.get(name, name) for name in named)


def is_allowed(expression: str) -> bool:
    """Whether every part that has to be kept to is allowed, one of those that may be chosen being enough."""
    known = ALLOWED | WEAK_COPYLEFT
    every = expression.replace("(", "").replace(")", "").split(" AND ")
    return all(any(choice.strip() in known for choice in part.split(" OR ")) for part in every)


def page() -> str:
    """The list of licences, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Licences of dependencies"
    yield "Written by `make sbom` from the metadata of the pinned packages. The service itself is Apache-2.0."
    yield ""
    yield "| package | licence | pinned in |"
    yield "|---|---|---|"
    for package, (_, name) in sorted(pins().items()):
        yield f"| {package} | {licence_of(package)} | {name}.txt |"


def bill(*, validate: bool = True) -> dict[str, object]:
    """The bill of materials: the pins with their hashes, as CycloneDX wants it, and their licences.

    To validate it against CycloneDX's schema takes 20 seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder) / "requirements.txt"
        blocks: dict[str, str] = {}
        for name in FILES:
            text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
            for block in re.split(r"\n(?=[a-z0-9-]+==)", text):
                blocks.setdefault(block.partition("==")[0], block)
        merged.write_text("\n".join(blocks[package] for package in pins()) + "\n", "utf-8")
        command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(merged)]
        check = "--validate" if validate else "--no-validate"
        options = [
            check,
            "--pyproject",
            str(ROOT / "pyproject.toml"),
            "--output-reproducible",
            "--of",
            "JSON",
        ]
        made = subprocess.run([*command, *options], check=True, capture_output=True, text=True)  # noqa: S603
    found: dict[str, object] = json.loads(made.stdout)
    components = found["components"]
    assert isinstance(components, list)  # noqa: S101 - CycloneDX says so
    for component in components:
        component["licenses"] = [{"expression": licence_of(component["name"])}]
    return found


def main() -> None:
    """Write both files."""
    PAGE.write_text(page(), "utf-8")
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(json.dumps(bill(), indent=1) + "\n", "utf-8")
    refused = [package for package in pins() if not is_allowed(licence_of(package))]
    if refused:
        sys.exit(f"sbom: not allowed: {', '.join(refused)}")


if __name__ == "__main__":
    main()
