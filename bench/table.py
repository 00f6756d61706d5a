"""Rows of the one table: how they are printed and how they are saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEADINGS = ("section", "what", "ours", "peer", "ratio", "unit", "how")
GAP = "  "


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, with the peer's where there is one."""

    section: str
    what: str
    ours: float
    unit: str
    peer: float | None = None
    ratio: float | None = None
    """Ours divided by the peer's: from pairs of runs where they alternate, else of the two."""
    how: str = ""

    @property
    def shown_ratio(self) -> float | None:
        if self.ratio is not None or not self.peer:
            return self.ratio
        return self.ours / self.peer


def render(rows: Sequence[Row]) -> str:
    """The table as aligned plain text: words to the left, figures to the right."""
    lines = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = []
    for line in lines:
        cells = [
            cell.rjust(width) if column in (2, 3, 4) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append(GAP.join(cells).rstrip())
    text.insert(1, GAP.join("-" * width for width in widths))
    return "\n".join(text)


def save(rows: Sequence[Row], path: Path) -> None:
    shapes = [{**asdict(row), "ratio": row.shown_ratio} for row in rows]
    path.write_text(json.dumps(shapes, indent=2) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    ratio = row.shown_ratio
    return (
        row.section,
        row.what,
        _number(row.ours),
        "" if row.peer is None else _number(row.peer),
        "" if ratio is None else f"{ratio:.2f}",
        row.unit,
        row.how,
    )


def _number(value: float) -> str:
    """Counts as they are, measurements to three figures or so."""
    if value == int(value):
        return str(int(value))
    return (
        f"{value:.2f}"
        if abs(value) < 10
        else f"{value:.1f}"
        if abs(value) < 100
        else f"{value:.0f}"
    )
