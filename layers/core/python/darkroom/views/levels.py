"""How much of each limit of its plan an account uses, as the API shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, get_args

from pydantic import WithJsonSchema

from darkroom.plans.model import LIMIT_NAMES, Level, LevelName
from darkroom.views.base import ResponseBody, Words, described

Amount = Annotated[int | float, WithJsonSchema({"type": "number", "minimum": 0})]
"""A number that is shown without a fraction if it has none."""
LimitName = Annotated[
    str,
    Words("LimitName", lambda: LIMIT_NAMES),
    described("What is limited.", "storageBytes"),
]


class LimitLevel(ResponseBody):
    name: LimitName
    used: Annotated[Amount, described("What is used now.", 820_000_000)]
    limit: Annotated[
        Amount | None,
        described("The most that the plan allows; null if it sets no limit.", 1_000_000_000),
    ]
    percent: Annotated[
        Amount,
        described(
            "How much of the limit is used, rounded down; 0 without a limit. It can be above 100 "
            "after a change to a smaller plan.",
            82,
        ),
    ]
    level: Annotated[
        str,
        Words("LevelName", lambda: get_args(LevelName)),
        described("`warning` from 80 percent on, `exceeded` from 100 percent on.", "warning"),
    ]


def limit_levels(levels: Iterable[Level]) -> list[LimitLevel]:
    return [
        LimitLevel(
            name=level.name,
            used=plain(level.used),
            limit=None if level.limit is None else plain(level.limit),
            percent=plain(level.percent),
            level=level.level,
        )
        for level in levels
    ]


def plain(number: float) -> int | float:
    """The number without a fraction if it has none, else to six digits."""
    return int(number) if number == int(number) else round(number, 6)
