"""THIRD_PARTY_NOTICES.md names every third-party part that ships.

Packages and versions come from the layers' requirements and the lock, licenses from the installed
packages, assets from the files of the repository.
"""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[2]
NOTICES = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
LAYERS = ("deps", "tokens", "payments", "media", "vision", "speech")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
ROW = re.compile(r"^\| ([a-z0-9._-]+)(?: \(dependency\))? \| (\d\S*) \| (.+) \|$", re.MULTILINE)
LAMBDA = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "sys_platform": "linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
# A package's metadata → words of which its row has at least one.
FAMILIES = (
    (r"mit-0", ("MIT-0",)),
    (r"mit-cmu", ("MIT-CMU",)),
    (r"mpl|mozilla", ("MPL-2.0",)),
    (r"apache", ("Apache-2.0",)),
    (r"psf", ("PSF-2.0",)),
    (r"bsd", ("BSD-2-Clause", "BSD-3-Clause")),
    (r"\bmit\b", ("MIT",)),
)
NOT_STATED = {"espeakng-loader"}
CODE_SUFFIXES = {
    ".py",
    ".mjs",
    ".ts",
    ".html",
    ".json",
    ".md",
    ".txt",
    ".yaml",
    ".yml",
    ".toml",
    ".csv",
    ".lock",
    ".pyc",
}


def is_code(path: Path) -> bool:
    return path.suffix in CODE_SUFFIXES or path.name == "Makefile"


SHIPPED_FOLDERS = ("layers", "functions", "catalog", "local", "docs", "events", "tests")


def pins(layer: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / f"layers/{layer}/requirements.txt").read_text().lower()))


def locked_packages() -> dict[str, dict[str, Any]]:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {package["name"]: package for package in lock["package"]}


def with_dependencies(names: dict[str, str]) -> dict[str, str]:
    """Every package that the build installs into a layer, by the lock, with its version."""
    locked = locked_packages()
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = locked[name]["version"]
        waiting += [
            dependency["name"]
            for dependency in locked[name].get("dependencies", ())
            if "marker" not in dependency or Marker(dependency["marker"]).evaluate(LAMBDA)
        ]
    return found


def section(layer: str) -> str:
    return NOTICES.split(f"\n## Layer `{layer}`\n")[1].split("\n## ")[0]


def licenses_shown(layer: str) -> dict[str, tuple[str, str]]:
    return {name: (version, license) for name, version, license in ROW.findall(section(layer))}


def stated_license(package: str) -> str:
    """The license of the installed package, from its most exact field."""
    about: Any = metadata.metadata(package)
    classifiers = [c for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    return about.get("License-Expression") or " ".join([about.get("License") or "", *classifiers])


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_s_packages_are_listed_with_their_versions(layer: str) -> None:
    shown = {name: version for name, (version, _) in licenses_shown(layer).items()}

    assert shown == with_dependencies(pins(layer))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_package_is_listed_with_the_license_that_it_states(layer: str) -> None:
    wrong = [
        f"{package}: says {stated!r}, listed as {license!r}"
        for package, (_, license) in licenses_shown(layer).items()
        if package not in NOT_STATED
        and (stated := stated_license(package).lower())
        and not any(
            re.search(pattern, stated) and any(word in license for word in words)
            for pattern, words in FAMILIES
        )
    ]

    assert wrong == []


@pytest.mark.parametrize("package", ["av", "pillow", "pillow-heif", "numpy"])
def test_every_library_inside_a_wheel_is_listed(package: str) -> None:
    about = metadata.distribution(package)
    folder = f"{package.replace('-', '_')}.libs/"
    libraries = {
        Path(str(file)).name.split("-")[0].split(".")[0].rstrip("0123456789_")
        for file in about.files or ()
        if str(file).startswith(folder)
    }
    part = NOTICES.split(f"\n### `{package}` ")[1].split("\n### ")[0].lower()

    assert libraries, "the wheel has no .libs folder: is this Linux?"
    missing = {
        name
        for name in libraries
        if name.lower() not in part and name.lower().removeprefix("lib") not in part
    }
    assert missing == set()


def test_every_asset_that_is_not_code_is_listed() -> None:
    assets = [
        path.relative_to(ROOT)
        for folder in SHIPPED_FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not is_code(path)
    ]

    assert assets
    assert [str(path) for path in assets if path.name not in NOTICES] == []


def test_the_functions_of_each_layer_are_those_of_the_template() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    functions: dict[str, set[str]] = {layer: set() for layer in ("core", *LAYERS)}
    for uri, layers in re.findall(
        r"CodeUri: functions/(\w+)/\n(?:.*\n){0,3}?\s+Layers: \[(.*)\]", template
    ):
        for layer in re.findall(r"!Ref (\w+)Layer", layers):
            functions[layer.lower()].add(uri)
    everything = functions["core"]
    terms = NOTICES.split("\n## Which layer")[1].split("\n## ")[0]
    shown = {
        layer: everything if names == "all" else set(re.findall(r"`(\w+)`", names))
        for layer, names in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", terms, re.MULTILINE)
    }

    assert everything
    assert shown == functions


def test_the_readme_leads_to_the_terms_of_every_layer() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert "(LICENSE)" in readme
    assert "(THIRD_PARTY_NOTICES.md" in readme
