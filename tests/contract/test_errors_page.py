"""docs/errors.md lists every code that a client can get, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from darkroom.api.messages import MESSAGES
from darkroom.api.openapi.errors import ERRORS
from darkroom.jobs.failures import SENTENCES as FAILURES
from darkroom.kernel.problems import SENTENCES as FIELD_PROBLEMS
from darkroom.uploads.failures import UploadFailure, UploadNote

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
RECEIPT_NOTES = {"NO_SPEECH"}


def listed() -> set[str]:
    return set(re.findall(r"`([A-Z][A-Z_]+)`", PAGE.read_text(encoding="utf-8")))


def test_every_code_is_listed() -> None:
    assert {*MESSAGES, *FAILURES, *FIELD_PROBLEMS} - listed() == set()


def test_every_listed_code_exists() -> None:
    files = {str(code) for code in (*UploadFailure, *UploadNote)}

    unknown = listed() - set(MESSAGES) - set(FAILURES) - set(FIELD_PROBLEMS) - files

    assert unknown == RECEIPT_NOTES


def test_the_table_is_that_of_the_openapi_document() -> None:
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d", line)
    ]

    assert rows == [f"| {error.status} | `{error.code}` | {error.when} |" for error in ERRORS]
