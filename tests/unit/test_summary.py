"""A test run prints a summary at its end."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from tests.support.summary import Summary


def report(
    nodeid: str,
    when: Literal["call", "setup", "teardown"],
    outcome: Literal["passed", "failed"] = "passed",
    **figures: Any,
) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid,
        ("", None, ""),
        {},
        outcome,
        None,
        when,
        duration=30.0,
        user_properties=list(figures.items()),
    )


def test_each_file_shows_its_tests_minutes_and_figures_with_totals() -> None:
    summary = Summary()
    for found in (
        report("a.py::test_1", "call"),
        report("a.py::test_1", "teardown", crash_points=3, note="not a number"),
        report("a.py::test_2", "call", "failed"),
        report("a.py::test_2", "teardown", crash_points=4),
        report("b.py::test_1", "setup", "failed"),
        report("b.py::test_1", "teardown"),
    ):
        summary.pytest_runtest_logreport(found)

    assert summary.lines() == [
        "  2.0 min  a.py: 1 passed, 1 failed, 7 crash points",
        "  1.0 min  b.py: 0 passed, 1 failed",
        "  3.0 min  all: 1 passed, 2 failed, 7 crash points",
    ]
    assert summary.figure_lines() == ["7 crash points"]
