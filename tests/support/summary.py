"""The summary of a test run: tests and minutes of each file, and the figures that tests record.

A test records a figure with ``record_property("crash_points", 120)``; the figures of a file are
added up. It also works when files run in parallel, because figures travel with the reports.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

LONGEST_FILES = 30


@dataclass
class FileFacts:
    passed: int = 0
    failed: int = 0
    seconds: float = 0.0
    figures: Counter[str] = field(default_factory=Counter)


class Summary:
    """A plugin that adds up the reports of a run."""

    def __init__(self) -> None:
        self.files: dict[str, FileFacts] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        facts = self.files.setdefault(report.nodeid.partition("::")[0], FileFacts())
        facts.seconds += report.duration
        facts.failed += report.failed
        facts.passed += report.when == "call" and report.passed
        if report.when == "teardown":  # The last one carries what all of them recorded.
            facts.figures.update(
                {name: value for name, value in report.user_properties if isinstance(value, int)}
            )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        is_long = terminalreporter.config.option.markexpr == "slow"
        for line in self.lines() if is_long else self.figure_lines():
            terminalreporter.write_line(line)

    def lines(self) -> list[str]:
        """One line for each file, the longest first, and the sum."""
        by_length = sorted(self.files.items(), key=lambda item: -item[1].seconds)
        rows = [_line(name, facts) for name, facts in by_length[:LONGEST_FILES]]
        return [*rows, _line("all", self.total())]

    def figure_lines(self) -> list[str]:
        figures = _words(self.total().figures)
        return [figures] if figures else []

    def total(self) -> FileFacts:
        total = FileFacts()
        for facts in self.files.values():
            total.passed += facts.passed
            total.failed += facts.failed
            total.seconds += facts.seconds
            total.figures.update(facts.figures)
        return total


def _line(name: str, facts: FileFacts) -> str:
    found = f"{facts.passed} passed, {facts.failed} failed"
    figures = _words(facts.figures)
    return f"{facts.seconds / 60:5.1f} min  {name}: {found}{', ' if figures else ''}{figures}"


def _words(figures: Counter[str]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in figures.items())
