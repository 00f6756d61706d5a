"""Run the Node tools that ``make`` installs; say what is missing when they are not there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "typescript"
TOOLS = ROOT / "node_modules" / ".bin"
LIMIT_SECONDS = 240


def run_node_tool(name: str, *arguments: str | Path, cwd: Path = CLIENT) -> str:
    """Run a tool of ``node_modules``; a failure shows what it printed. Returns its output."""
    tool = TOOLS / name
    if not tool.exists():
        pytest.fail(f"{name} is missing: run `npm ci --ignore-scripts` (Node 20.19 or newer)")
    done = subprocess.run(
        [str(tool), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{name}\n{done.stdout}\n{done.stderr}"
    return done.stdout
