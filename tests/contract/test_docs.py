"""What a test can check of the documents: links have targets and named files exist."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from darkroom.api.messages import MESSAGES

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ROOT / "layers" / "core" / "python" / "darkroom"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").rglob("*.md")]
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
SPAN = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*(?:\.(?:py|json|yaml|yml|toml|md|txt)|/)")
INDEX = re.compile(r"^\| \[(\d{4})\]\((\d{4}-[\w-]+\.md)\) \| (.+) \|$", re.MULTILINE)
NOT_HERE = {
    *("uploads.json", "jobs.csv", "frontend.json", ".darkroom/main/frontend.json"),
    "catalog/templates/postcard/",
    "left-out.json",
}
"""Files that a user's command or a request makes, and the example of docs/recipes.md."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in LINK.findall(text) if "://" not in link]

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = {span for span in SPAN.findall(text) if FILE.fullmatch(span)} - NOT_HERE

    assert sorted(file for file in named if not exists(file, near=document.parent)) == []


def exists(file: str, *, near: Path) -> bool:
    """Whether a path exists under one of the usual roots, or a bare name is that of a file."""
    if "/" not in file:
        return file in file_names()
    return any((root / file).exists() for root in (ROOT, PRODUCT, ROOT / "docs", near))


@cache
def file_names() -> frozenset[str]:
    folders = ("bench", "catalog", "docs", "functions", "layers", "local", "tests")
    return frozenset(
        path.name
        for root in (ROOT.glob("*"), *((ROOT / folder).rglob("*") for folder in folders))
        for path in root
    )


def test_every_error_code_is_documented() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")

    assert sorted(code for code in MESSAGES if f"`{code}`" not in text) == []


def test_the_version_has_a_dated_release_below_an_unreleased_section() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    headings = re.findall(
        r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", headings[1])


def test_every_decision_is_in_the_index_under_its_own_title() -> None:
    folder = ROOT / "docs" / "decisions"
    indexed = INDEX.findall((folder / "README.md").read_text(encoding="utf-8"))
    titles = {
        path.name: path.read_text(encoding="utf-8")
        .splitlines()[0]
        .removeprefix(f"# {path.name[:4]} ")
        for path in folder.glob("[0-9]*.md")
    }

    assert {file: title for _, file, title in indexed} == titles
    assert [number for number, file, _ in indexed] == sorted(file[:4] for _, file, _ in indexed)
