"""The registry of stored data has a line for each table of the template."""

from __future__ import annotations

from darkroom.usecases.accounts.erasure.registry import BOOKS, FILES, LINES, USER
from tests.support.tables import table_definitions


def test_every_table_is_erased_and_exported_or_says_why_not() -> None:
    lines = {line.table: line for line in LINES}

    assert sorted(lines) == sorted([*table_definitions(), FILES, USER])
    for line in LINES:
        assert line.erase or line.why_not_erased, f"{line.table}: is it erased?"
        if line.table != FILES:
            assert line.export or line.why_not_exported, f"{line.table}: is it exported?"


def test_books_are_moved_after_everything_else_is_erased() -> None:
    tables = [line.table for line in LINES if line.erase is not None]

    assert set(tables[-len(BOOKS) :]) == BOOKS
    assert tables.index("wallets") < tables.index("ledger")
