"""A circuit breaker: a provider that keeps failing is left alone for a while. Pure.

Five failures in a row open it, for half a minute at first and twice as long each time that the
first call afterwards fails too, at most ten minutes. A success closes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FAILURES_LIMIT = 5
OPEN_SECONDS = 30
OPEN_LIMIT_SECONDS = 600
OUT_OF_QUOTA_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Health:
    """How a provider has been doing lately, as all functions know it."""

    failures: int = 0
    """In a row."""
    openings: int = 0
    open_until: datetime | None = None
    """Nobody is to ask it before."""

    @property
    def is_well(self) -> bool:
        return self == WELL

    def is_open(self, now: datetime) -> bool:
        return self.open_until is not None and now < self.open_until


WELL = Health()


def after_failure(health: Health, now: datetime) -> Health:
    """It did not answer, or not as it should."""
    failures = health.failures + 1
    if failures < FAILURES_LIMIT:
        return Health(failures=failures, openings=health.openings)
    if health.is_open(now):
        # Asked before it opened; that says nothing new.
        return health
    seconds = min(OPEN_LIMIT_SECONDS, OPEN_SECONDS * 2**health.openings)
    return Health(
        failures=failures,
        openings=health.openings + 1,
        open_until=now + timedelta(seconds=seconds),
    )


def out_of_quota(health: Health, now: datetime) -> Health:
    """It said that it will do nothing more for us; somebody has to pay first."""
    return Health(
        failures=max(health.failures, FAILURES_LIMIT),
        openings=health.openings,
        open_until=now + timedelta(seconds=OUT_OF_QUOTA_SECONDS),
    )
