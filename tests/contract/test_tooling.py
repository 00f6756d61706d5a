"""The tools of a commit and of continuous integration are those of ``make``."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_pre_commit_runs_the_same_ruff_as_make() -> None:
    hooks = {
        repo["repo"].rsplit("/", 1)[1]: repo for repo in load(".pre-commit-config.yaml")["repos"]
    }

    revision = hooks["ruff-pre-commit"]["rev"].removeprefix("v")

    assert f"ruff=={revision}" in PROJECT["dependency-groups"]["dev"]


def test_ci_runs_the_developers_command_on_every_supported_python() -> None:
    jobs = load(".github/workflows/ci.yml")["jobs"]
    versions = jobs["test"]["strategy"]["matrix"]["python"]

    assert f">={versions[0]}," in PROJECT["project"]["requires-python"]
    assert f"Runtime: python{versions[-1]}" in (ROOT / "template.yaml").read_text(encoding="utf-8")
    assert ".ci/run" in [step.get("run") for step in jobs["test"]["steps"]]


def test_actions_are_pinned_to_at_least_a_major_version() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)

    assert used
    assert [
        action for action in used if not re.search(r"@(v\d+(\.\d+)*|[0-9a-f]{40})$", action)
    ] == []
