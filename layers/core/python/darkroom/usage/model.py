"""Amounts of use, and the months that they belong to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime

MINUTE_MS = 60_000
NANOS = 1_000_000_000
ENDINGS = ("succeeded", "partial", "failed", "canceled")
"""How a job may have ended."""


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What one job used, or many together; whole numbers, so that sums are exact in any order."""

    jobs: int = 0
    """Jobs that ended after they had been queued."""
    failed: int = 0
    """Those of them that failed."""
    outputs: int = 0
    """Promised outputs that were made."""
    processing_ms: int = 0
    """Media that were made or read."""
    translation_ms: int = 0
    """Media that were translated, once for each language."""
    credits: int = 0
    """Credits that receipts say were used."""
    cost_nanos: int = 0
    """Paid to providers, in billionths of a US dollar."""

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(**{n: getattr(self, n) + getattr(other, n) for n in AMOUNTS})

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(**{n: getattr(self, n) - getattr(other, n) for n in AMOUNTS})

    @property
    def failure_rate(self) -> float:
        """Failed jobs of all, from 0 to 1; 0 if there are none."""
        return self.failed / self.jobs if self.jobs else 0.0


AMOUNTS: tuple[str, ...] = tuple(field.name for field in fields(Amounts))


@dataclass(frozen=True, kw_only=True)
class UsageRecord:
    """What one job used."""

    account_id: str
    job_id: str
    ended_at: datetime
    recipe: str
    status: str
    asset_id: str | None
    """The first file that it was made from."""
    amounts: Amounts
    output_bytes: int = 0
    """What its outputs take of the account's storage; 0 after it was deleted."""
    archive_bytes: int = 0
    """What its zip takes."""
    version: int = 0
    """0 while the record is not stored."""

    @property
    def stored_bytes(self) -> int:
        return self.output_bytes + self.archive_bytes


def sum_of(amounts: Iterable[Amounts]) -> Amounts:
    return sum(amounts, Amounts())


def month_of(moment: datetime) -> str:
    """The month of a moment in UTC, as ``2026-11``."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def start_of_month(month: str) -> datetime:
    """Raises: ValueError: not the text of a month."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    if month_of(start) != month:
        raise ValueError("not a month")
    return start


def minutes(duration_ms: int) -> float:
    """Minutes, to two digits."""
    return round(duration_ms / MINUTE_MS, 2)


def usd(cost_nanos: int) -> float:
    """US dollars, to a millionth."""
    return round(cost_nanos / NANOS, 6)
