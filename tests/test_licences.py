from __future__ import annotations

import re

import pytest

from deploy import sbom

LISTED = dict(
    re.findall(r"^\| ([a-z0-9-]+) \| (.+?) \| \w+\.txt \|$", sbom.PAGE.read_text("utf-8"), re.MULTILINE)
)


def test_every_pinned_package_is_listed_with_its_licence() -> None:
    assert sorted(LISTED) == sorted(sbom.pins()), "run `make sbom`"
    assert {package: sbom.licence_of(package) for package in sbom.pins()} == LISTED


@pytest.mark.parametrize("package", sorted(sbom.pins()))
def test_licence_is_allowed(package: str) -> None:
    assert sbom.is_allowed(sbom.licence_of(package)), sbom.licence_of(package)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-2.0-only OR MPL-1.1", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-only", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_expressions_are_read_as_they_are_meant(expression: str, *, allowed: bool) -> None:
    assert sbom.is_allowed(expression) is allowed


def test_bill_of_materials_holds_every_pin_with_hashes_and_licence() -> None:
    components = sbom.bill(validate=False)["components"]
    assert isinstance(components, list)
    assert {c["name"]: c["version"] for c in components} == {p: v for p, (v, _) in sbom.pins().items()}
    for component in components:
        assert component["licenses"][0]["expression"]
        assert any(reference.get("hashes") for reference in component["externalReferences"])
