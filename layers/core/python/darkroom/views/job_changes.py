"""Live updates: each change of an account's jobs, once.

A client receives changes in responses of limited size, and sends the last event id with its next
request. The server keeps no state about clients, so the id holds all that is needed to miss no
change and repeat none. Changes are ordered by when they were decided, but the index may show them
late and out of order. So an id says up to which key the client has all changes, and which changes
of the last minute it has received: a change that appears late is not among them and is still sent.

The id cannot be simpler. One number would lose the changes that appear late, or repeat those of
the last minute. ``floor`` is not always a minute before ``at``: it rises when more changes are
received in a minute than an id can hold, and it never falls, because the client has everything
below it. Ids are ascending integers for clients that compare them, so ``at`` stands first and in
decimal. The rest are distances from it in base 36, because the id travels in a header and in a
query string: a hundred of them take half as many characters as the keys themselves would.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.bootstrap.composition import App
from darkroom.jobs import store as jobs_store
from darkroom.jobs.reading import JobChange
from darkroom.jobs.states import FINAL_JOB
from darkroom.kernel.clock import to_iso
from darkroom.kernel.limits import (
    CHANGES_PER_MILLISECOND,
    JOB_LIMIT_SECONDS,
    QUEUED_LIMIT_SECONDS,
    STREAM_EVENTS_LIMIT,
    STREAM_ID_LIMIT_CHARS,
    STREAM_KNOWN_LIMIT,
    STREAM_LATE_SECONDS,
    STREAM_READ_LIMIT,
)
from darkroom.views.base import JobId, ResponseBody, Timestamp, described
from darkroom.views.jobs import JobProgress, job_progress
from darkroom.views.words import JobState

# The sweeper ends jobs that are unfinished for longer.
UNFINISHED_SECONDS = JOB_LIMIT_SECONDS + QUEUED_LIMIT_SECONDS
AHEAD_SECONDS = 3600
_LATE = STREAM_LATE_SECONDS * 1000 * CHANGES_PER_MILLISECOND
_ID = re.compile(r"(?P<at>[0-9]{1,17})(?P<known>:[0-9a-z]{1,12}(\.[0-9a-z]{1,12})*)?")
_MARKS = 36**3
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class Position:
    """What a client has received, in change keys (``jobs.items.change_key``)."""

    at: int
    """The largest id that it has received."""
    floor: int
    """It has received every change up to this key."""
    known: tuple[int, ...] = ()
    """Marks of the received changes between ``floor`` and ``at``, in order. Change keys would not
    suffice: two jobs may have the same key."""

    def __str__(self) -> str:
        """``at``, or ``at:`` and the distances from it to ``floor`` and ``known``, in base 36."""
        if self.floor == self.at:
            return str(self.at)
        distances = [self.at - self.floor, *(_last_mark(self.at) - mark for mark in self.known)]
        return f"{self.at}:" + ".".join(map(_base36, distances))


@dataclass(frozen=True, kw_only=True)
class Changes:
    """One response: events by ascending id, and the position after them."""

    events: tuple[tuple[int, JobChange], ...]
    position: Position


class JobEvent(ResponseBody):
    """The data of one server-sent event, `job`."""

    job_id: JobId
    status: JobState
    progress: JobProgress = described("How far the job is.")
    updated_at: Timestamp = described("When the job changed.")


def read_position(text: str | None, now: datetime) -> Position | None:
    """The position of an event id; None if the id is malformed or lies in the future."""
    if text is None or len(text) > STREAM_ID_LIMIT_CHARS:
        return None
    found = _ID.fullmatch(text)
    if found is None:
        return None
    at = int(found["at"])
    if at > _key_of(now + timedelta(seconds=AHEAD_SECONDS)):
        return None
    if found["known"] is None:
        return Position(at=at, floor=at)
    behind, *distances = (int(part, 36) for part in found["known"][1:].split("."))
    known = tuple(_last_mark(at) - distance for distance in distances[:STREAM_KNOWN_LIMIT])
    return Position(at=at, floor=at - behind, known=known)


def changes_since(app: App, account_id: str, position: Position | None) -> Changes:
    """The next changes after a position, at most ``STREAM_EVENTS_LIMIT``; without a position the
    unfinished jobs."""
    if position is None:
        return _unfinished(account_id, app.clock.now())
    return _after(account_id, position)


def job_event(change: JobChange) -> JobEvent:
    return JobEvent(
        job_id=change.job_id,
        status=change.status.value,
        progress=job_progress(change.progress),
        updated_at=to_iso(change.updated_at),
    )


def _unfinished(account_id: str, now: datetime) -> Changes:
    since = _key_of(now - timedelta(seconds=UNFINISHED_SECONDS))
    seen = jobs_store.list_last_changes(account_id, since, limit=STREAM_READ_LIMIT)
    unfinished = [change for change in seen if change.status not in FINAL_JOB]
    # The clock of another machine may be slightly ahead.
    at = max([_key_of(now), *(change.changed_at for change in seen)])
    return Changes(
        events=_numbered(unfinished, after=0),
        position=_position(at, at - _LATE, seen),
    )


def _after(account_id: str, position: Position) -> Changes:
    limit = STREAM_EVENTS_LIMIT + len(position.known)
    found = jobs_store.list_changes(account_id, position.floor, limit=limit)
    known = frozenset(position.known)
    events = _numbered(
        [change for change in found if _mark(change) not in known], after=position.at
    )
    if not events:
        return Changes(events=(), position=position)
    return Changes(events=events, position=_position(events[-1][0], position.floor, found))


def _numbered(changes: Sequence[JobChange], *, after: int) -> tuple[tuple[int, JobChange], ...]:
    """Ascending ids: the change's own key, or the next free number if it appeared late."""
    events: list[tuple[int, JobChange]] = []
    for change in changes:
        after = max(change.changed_at, after + 1)
        events.append((after, change))
    return tuple(events)


def _position(at: int, floor: int, seen: Sequence[JobChange]) -> Position:
    """The position after these changes, with as many marks of the last minute as an id may hold."""
    floor = max(floor, at - _LATE)
    recent = [change for change in seen if change.changed_at > floor]
    if len(recent) > STREAM_KNOWN_LIMIT:
        floor = recent[-STREAM_KNOWN_LIMIT - 1].changed_at
        recent = recent[-STREAM_KNOWN_LIMIT:]
    return Position(at=at, floor=floor, known=tuple(map(_mark, recent)))


def _mark(change: JobChange) -> int:
    """A change key with a few bits of its job's hash."""
    digest = hashlib.sha256(change.job_id.encode()).digest()
    # Not the bytes that the change key uses, or the same jobs would collide in both.
    return change.changed_at * _MARKS + int.from_bytes(digest[8:12], "big") % _MARKS


def _last_mark(key: int) -> int:
    return key * _MARKS + _MARKS - 1


def _key_of(moment: datetime) -> int:
    """The last change key of a millisecond."""
    return round(moment.timestamp() * 1000) * CHANGES_PER_MILLISECOND + CHANGES_PER_MILLISECOND - 1


def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
