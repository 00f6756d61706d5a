"""The typed client: its types follow the API's document, its rules hold, and it stays small."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.node import CLIENT, ROOT, run_node_tool

SIZE_LIMIT_BYTES = 15_000
"""Of the whole client with openapi-fetch, minified and gzipped."""
CASES = CLIENT / "test" / "types"
CASES_AT_LEAST = 30
GUIDE = ROOT / "docs" / "frontend.md"
PAGE = ROOT / "docs" / "examples" / "frontend"
LINES_OF_THE_PAGE = 90
BLOCK = re.compile(r"<!-- (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


def test_the_schema_is_what_the_document_gives(tmp_path: Path) -> None:
    """After a change of docs/openapi.json: ``make client``."""
    generated, committed = tmp_path / "schema.d.ts", CLIENT / "src" / "schema.d.ts"
    script = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))["scripts"]["schema"]
    tool, *arguments, target = script.split()
    assert CLIENT / target == committed

    run_node_tool(tool, *arguments, generated)

    assert generated.read_text(encoding="utf-8") == committed.read_text(encoding="utf-8")


def test_the_client_its_tests_and_its_examples_compile() -> None:
    """Strictly. A line under ``@ts-expect-error`` that compiles is an error too."""
    run_node_tool("tsc", "-p", "tsconfig.json")


@pytest.mark.parametrize("name", ["inputs", "jobs", "rest"])
def test_right_and_wrong_usages_are_many(name: str) -> None:
    wrong = (CASES / f"{name}.wrong.ts").read_text(encoding="utf-8")
    right = (CASES / f"{name}.right.ts").read_text(encoding="utf-8")

    assert len(re.findall(r"@ts-expect-error", wrong)) >= CASES_AT_LEAST
    assert len(re.findall(r"^(?:void|(?:export )?const) ", right, re.MULTILINE)) >= CASES_AT_LEAST


def test_the_unit_tests_pass() -> None:
    run_node_tool("vitest", "run", "--reporter=dot")


def test_the_client_is_small(tmp_path: Path) -> None:
    bundle = tmp_path / "client.js"

    run_node_tool(
        "esbuild", "src/index.ts", "--bundle", "--minify", "--format=esm", f"--outfile={bundle}"
    )

    assert len(gzip.compress(bundle.read_bytes())) <= SIZE_LIMIT_BYTES


def test_each_block_of_the_guide_is_a_file_that_is_compiled_and_played() -> None:
    shown = dict(BLOCK.findall(GUIDE.read_text(encoding="utf-8")))

    files = {path: (ROOT / path).read_text(encoding="utf-8") for path in shown}
    assert shown == files
    written = {path.relative_to(ROOT).as_posix() for path in PAGE.glob("src/*.ts")}
    assert written - set(shown) == {"docs/examples/frontend/src/uppy.ts"}
    code = [text for path, text in files.items() if path.endswith(".ts")]
    assert sum(len(text.splitlines()) for text in code) <= LINES_OF_THE_PAGE


@pytest.mark.slow
def test_the_package_installs_into_an_empty_project(tmp_path: Path) -> None:
    """Its tarball holds what a project needs and nothing else; types and code load by its name."""
    source = shutil.copytree(
        CLIENT, tmp_path / "source", ignore=shutil.ignore_patterns("node_modules", "dist", "build")
    )
    (source / "node_modules").symlink_to(ROOT / "node_modules")
    (source / "tsconfig.json").write_text((CLIENT / "tsconfig.json").read_text(encoding="utf-8"))
    npm("run", "build", cwd=source)
    npm("pack", "--ignore-scripts", "--pack-destination", str(tmp_path), cwd=source)
    [tarball] = tmp_path.glob("*.tgz")
    project = tmp_path / "project"
    project.mkdir()
    (project / "package.json").write_text('{"type": "module"}')
    npm("install", "--no-audit", "--no-fund", "--prefer-offline", str(tarball), cwd=project)
    script = 'import { createDarkroom } from "@darkroom/client"; console.log(typeof createDarkroom)'
    (project / "index.mjs").write_text(script)
    (project / "typed.mts").write_text(
        'import { createDarkroom } from "@darkroom/client";\n'
        'const dr = createDarkroom({ baseUrl: "" });\n'
        "// @ts-expect-error: no such path\n"
        'void dr.GET("/api/nothing");\n'
        'void dr.GET("/api/jobs");\n'
    )

    printed = subprocess.run(["node", "index.mjs"], cwd=project, capture_output=True, text=True)
    types = ("--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "typed.mts")
    run_node_tool("tsc", *types, cwd=project)

    assert printed.stdout == "function\n", printed.stderr
    files = {path.name for path in (project / "node_modules" / "@darkroom" / "client").iterdir()}
    assert files == {"package.json", "README.md", "dist"}


def npm(*arguments: str, cwd: Path) -> None:
    environment = {**os.environ, "npm_config_update_notifier": "false"}
    done = subprocess.run(
        ["npm", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
