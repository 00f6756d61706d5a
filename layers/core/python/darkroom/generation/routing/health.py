"""A circuit breaker: a provider that keeps failing gets no calls for a while. Pure.

Five failures in a row open the circuit for half a minute, and twice as long each time the first
call afterwards fails too, at most ten minutes. A success closes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.kernel.backoff import backoff_seconds

FAILURES_LIMIT = 5
OPEN_SECONDS = 30
OPEN_LIMIT_SECONDS = 600
OUT_OF_QUOTA_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Health:
    """A provider's recent health, shared by all functions."""

    failures: int = 0
    """In a row."""
    openings: int = 0
    open_until: datetime | None = None
    """No call is made before this time."""

    @property
    def is_healthy(self) -> bool:
        return self == HEALTHY

    def is_circuit_open(self, now: datetime) -> bool:
        return self.open_until is not None and now < self.open_until


HEALTHY = Health()


def after_failure(health: Health, now: datetime) -> Health:
    """The health after a call that failed or returned garbage."""
    failures = health.failures + 1
    if failures < FAILURES_LIMIT:
        return Health(failures=failures, openings=health.openings)
    if health.is_circuit_open(now):
        # A call that started earlier than the circuit opened adds nothing.
        return health
    seconds = backoff_seconds(
        health.openings + 1, base_seconds=OPEN_SECONDS, limit_seconds=OPEN_LIMIT_SECONDS
    )
    return Health(
        failures=failures,
        openings=health.openings + 1,
        open_until=now + timedelta(seconds=seconds),
    )


def out_of_quota(health: Health, now: datetime) -> Health:
    """The health after a response that the account's quota is spent; the operator must pay."""
    return Health(
        failures=max(health.failures, FAILURES_LIMIT),
        openings=health.openings,
        open_until=now + timedelta(seconds=OUT_OF_QUOTA_SECONDS),
    )
