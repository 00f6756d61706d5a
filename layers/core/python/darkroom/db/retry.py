"""Optimistic concurrency: after a lost race, read again, decide again and commit again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from darkroom.kernel.backoff import Jitter, jittered_backoff_seconds
from darkroom.kernel.errors import ConcurrentUpdate, Unavailable
from darkroom.kernel.limits import (
    COMMIT_BACKOFF_BASE_SECONDS,
    COMMIT_BACKOFF_LIMIT_SECONDS,
    CONFLICT_ATTEMPTS_LIMIT,
)

T = TypeVar("T")


def retry_on_conflict(jitter: Jitter, attempt: Callable[[], T]) -> T:
    """Call ``attempt`` until it does not raise ``ConcurrentUpdate``, a bounded number of times.

    Raises:
        Unavailable: every attempt lost its race; nothing has changed and repeating is safe.
    """
    for number in range(1, CONFLICT_ATTEMPTS_LIMIT + 1):
        try:
            return attempt()
        except ConcurrentUpdate as error:
            lost = error
            time.sleep(commit_backoff_seconds(jitter, number))
    raise Unavailable("too many concurrent changes") from lost


def commit_backoff_seconds(jitter: Jitter, failures: int) -> float:
    """How long to wait before a transaction is tried again."""
    return jittered_backoff_seconds(
        jitter,
        failures,
        base_seconds=COMMIT_BACKOFF_BASE_SECONDS,
        limit_seconds=COMMIT_BACKOFF_LIMIT_SECONDS,
    )
