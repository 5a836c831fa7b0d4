"""The threat table of docs/security.md names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTIES = {"caller", "network", "provider", "article", "dependency", "operator"}


def rows() -> list[list[str]]:
    table = (ROOT / "docs/security.md").read_text("utf-8").partition("## Threats\n")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def existing_tests() -> set[str]:
    found = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(node.name)
    return found


def test_every_threat_is_held_by_tests_that_exist() -> None:
    known = existing_tests()
    for party, threat, defence, held_by in rows():
        names = re.findall(r"`(test_\w+)`", held_by)
        assert party in PARTIES
        assert defence
        assert names, threat
        assert not set(names) - known, threat


def test_every_party_is_thought_of() -> None:
    assert {party for party, *_ in rows()} == PARTIES
