"""Policies of rate limits, windows in which things are counted, and what a job counts for. Pure.

Windows are fixed: a minute begins at second 0. Their keys contain their beginning, so a new window
begins with a new item, and nothing has to be reset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from darkroom.kernel.limits import (
    GENERATIONS_LIMIT,
    PORTRAITS_LIMIT,
    PORTRAITS_WINDOW_SECONDS,
    QUOTED_JOBS_LIMIT,
    REQUESTS_LIMIT,
    STREAM_CONNECTIONS_LIMIT,
    STREAM_TICKET_SECONDS,
)

MINUTE, HOUR, DAY, MONTH = "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d", "%Y-%m"
OPEN = "open"
"""The counter of what exists at the moment, which has no window."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """At most ``limit`` in each window of ``seconds``."""

    name: str
    limit: int
    seconds: int

    def times(self, factor: int) -> Policy:
        return replace(self, limit=self.limit * factor)

    def window_of(self, now: datetime) -> datetime:
        """When the current window began."""
        seconds = int(now.timestamp())
        return datetime.fromtimestamp(seconds - seconds % self.seconds, UTC)

    def seconds_left(self, now: datetime) -> int:
        """Until the next window begins; at least 1."""
        return self.seconds - int(now.timestamp()) % self.seconds


REQUESTS = Policy(name="requests", limit=REQUESTS_LIMIT, seconds=60)
"""Requests that may write: every POST, PATCH and DELETE."""
GENERATION = Policy(name="generation", limit=GENERATIONS_LIMIT, seconds=60)
"""Requests that queued a job; a request for many jobs counts once."""
PORTRAITS = Policy(name="portraits", limit=PORTRAITS_LIMIT, seconds=PORTRAITS_WINDOW_SECONDS)
"""Those of them that queued portraits."""
QUOTES = Policy(name="quotes", limit=QUOTED_JOBS_LIMIT, seconds=60)
"""Jobs of which the price was quoted: one request may quote a hundred."""
STREAM = Policy(name="stream", limit=STREAM_CONNECTIONS_LIMIT, seconds=STREAM_TICKET_SECONDS)
"""Connections with one ticket."""


def window_key(kind: str, form: str, now: datetime) -> str:
    """The key of the counter for the window that ``now`` is in: ``day#2026-11-30``."""
    return f"{kind}#{now.astimezone(UTC):{form}}"


def month_of(now: datetime) -> str:
    return f"{now.astimezone(UTC):{MONTH}}"


def rate_key(policy: Policy, now: datetime) -> str:
    return window_key(policy.name, MINUTE, policy.window_of(now))


# What a job counts for, as its item stores it: a draft is one of the drafts, a queued job has an
# amount in its month's provider cost.

DRAFT = "draft"


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """What a queued job reserves of the provider cost of a month."""

    month: str
    nanos: int
    """Billionths of a US dollar."""

    def to_text(self) -> str:
        return f"{self.month}#{self.nanos}"


def reserved_of(counted: str | None) -> Reserved | None:
    """The reservation of a job; None for a draft, and for one that was queued uncounted."""
    month, _, nanos = (counted or "").partition("#")
    return Reserved(month=month, nanos=int(nanos)) if nanos.isdecimal() else None
