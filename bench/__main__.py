"""``python -m bench``: run the chosen sections and print one table."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT / "layers" / "core" / "python", ROOT):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from bench.table import Row, render, save  # noqa: E402  (the path comes first)

SECTIONS = ("confirm", "throughput", "init", "film", "studio", "growth", "fairness", "crash")
# The crash section tries every point at which a process can die, growth stores 100 000 jobs, and
# fairness a thousand pictures, which takes minutes.
DEFAULT = ("confirm", "throughput", "init", "film")


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    # Checked here: argparse does not accept an empty list of choices.
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"unknown section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    wanted = tuple(options.sections) or DEFAULT
    if options.crash:
        wanted = (*wanted, "crash")
    if options.all:
        wanted = SECTIONS
    started = time.monotonic()
    rows: list[Row] = []
    for name in SECTIONS:
        if name in wanted:
            # Imported when needed: each section loads what it measures.
            rows += importlib.import_module(f"bench.{name}").run(_say)
    print(render(rows))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"\nPython {platform.python_version()}, {os.cpu_count()} cores, load {load}, "
        f"{time.monotonic() - started:.0f} s. ratio = ours / peer."
    )
    if options.json is not None:
        save(rows, options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"any of {SECTIONS}")
    parser.add_argument("--all", action="store_true", help="every section, with crash")
    parser.add_argument("--crash", action="store_true", help="also the crash section")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures as well")
    return parser


def _say(text: str) -> None:
    """Progress goes beside the table, never into it."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
