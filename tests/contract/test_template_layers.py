"""The layers contain exactly the locked versions, which are the tested ones."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from local.settings import ROOT

PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def pins(path: Path) -> dict[str, str]:
    return dict(PIN.findall(path.read_text().lower()))


def locked_versions() -> dict[str, str]:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {package["name"]: package.get("version", "") for package in lock["package"]}


@pytest.mark.parametrize(
    ("layer", "groups"),
    [
        ("deps", ["--no-default-groups"]),
        ("payments", ["--only-group", "payments"]),
        ("tokens", ["--only-group", "tokens"]),
    ],
)
def test_a_layer_is_the_lock_s_export(layer: str, groups: list[str]) -> None:
    # The same as `make requirements`.
    exported = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("uv")), "export", "--frozen", "--quiet"),
            *("--no-emit-project", "--no-header", "--no-annotate", *groups),
            *("--offline", "--no-cache"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert (ROOT / f"layers/{layer}/requirements.txt").read_text() == exported


@pytest.mark.parametrize("layer", ["media", "speech", "vision"])
def test_a_heavy_layer_s_pins_are_the_lock_s(layer: str) -> None:
    heavy = pins(ROOT / f"layers/{layer}/requirements.txt")
    locked = locked_versions()

    assert heavy
    assert heavy == {name: locked[name] for name in heavy}


def test_layers_have_no_development_dependencies() -> None:
    layers = ("deps", "media", "speech", "vision")
    shipped = {name for layer in layers for name in pins(ROOT / f"layers/{layer}/requirements.txt")}

    assert not {"pytest", "moto", "ministack", "aws-sam-cli", "mypy", "ruff"} & shipped
