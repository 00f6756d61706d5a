"""Exponential backoff for all retries: a ceiling that doubles up to a limit, with full jitter.

Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
"""

from __future__ import annotations

from typing import Final, Protocol

DOUBLINGS_LIMIT: Final = 30
"""Keeps the exponent small; every limit is reached earlier."""


class Jitter(Protocol):
    def uniform(self, a: float, b: float, /) -> float:
        """A random number between ``a`` and ``b``."""


def backoff_seconds(failures: int, *, base_seconds: float, limit_seconds: float) -> float:
    """The longest wait after this many failures in a row: ``base_seconds`` after the first, doubled
    with each further failure, at most ``limit_seconds``."""
    doublings = min(max(failures - 1, 0), DOUBLINGS_LIMIT)
    return min(limit_seconds, base_seconds * 2**doublings)


def jittered_backoff_seconds(
    jitter: Jitter, failures: int, *, base_seconds: float, limit_seconds: float
) -> float:
    """A random wait between zero and ``backoff_seconds``."""
    ceiling = backoff_seconds(failures, base_seconds=base_seconds, limit_seconds=limit_seconds)
    return jitter.uniform(0, ceiling)
