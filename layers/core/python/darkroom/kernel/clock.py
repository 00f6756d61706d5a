"""The injected clock. No other module of the product reads the system time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time, aware, in UTC."""


class SystemClock:
    """The system clock, truncated to milliseconds, the precision of stored times."""

    def now(self) -> datetime:
        moment = datetime.now(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class ShiftedClock:
    """A clock with a fixed offset. A test hook runs the sweeper at a later time with it."""

    def __init__(self, clock: Clock, offset: timedelta) -> None:
        self._clock = clock
        self._offset = offset

    def now(self) -> datetime:
        return self._clock.now() + self._offset


def to_iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds; the texts sort in the order of the times."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def from_iso(text: str) -> datetime:
    """The inverse of ``to_iso``; a time without a zone counts as UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def to_epoch_seconds(moment: datetime) -> int:
    return int(moment.timestamp())
