"""Trying again when somebody else was faster: read afresh, decide afresh, commit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import ConcurrentUpdate, Unavailable
from darkroom.kernel.limits import (
    COMMIT_BACKOFF_BASE_SECONDS,
    COMMIT_BACKOFF_LIMIT_SECONDS,
    RACE_ATTEMPTS_LIMIT,
)

T = TypeVar("T")


def until_won(app: App, attempt: Callable[[], T]) -> T:
    """Run ``attempt`` until it does not lose its race, a bounded number of times.

    Raises:
        Unavailable: it lost every time; nothing has changed and repeating is safe.
    """
    for number in range(RACE_ATTEMPTS_LIMIT):
        try:
            return attempt()
        except ConcurrentUpdate as error:
            lost = error
            ceiling = min(COMMIT_BACKOFF_LIMIT_SECONDS, COMMIT_BACKOFF_BASE_SECONDS * 2**number)
            time.sleep(app.jitter.uniform(0, ceiling))
    raise Unavailable("too many concurrent changes") from lost
