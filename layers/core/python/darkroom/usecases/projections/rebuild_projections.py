"""Count the log again, page by page, into a new epoch of the analytics.

Readers see the epoch before until all of the log is counted. Then they see the new one, and a
second pass counts the events that were counted in the epoch before while the first pass ran. Every
page may be repeated, and a rebuild that was stopped goes on with the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from darkroom.analytics import store as analytics_store
from darkroom.analytics.model import counts_of
from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.db.retry import retry_on_conflict
from darkroom.events import store as events_store
from darkroom.events.store import Event
from darkroom.kernel.limits import REBUILD_PAGE_LIMIT
from darkroom.usecases.projections.count_event import count_in_epoch, fact_of

_COUNTING, _CATCHING_UP = 1, 2


@dataclass(frozen=True, kw_only=True)
class Step:
    """One page of a rebuild."""

    counted: int
    """Events that were new to the epoch."""
    position: Any
    """Where the next page starts; None at the end."""


def rebuild_projections(app: App, position: Any = None) -> Step:
    """Count one page of the log, from a position that an earlier page returned."""
    if position is None:
        position = [analytics_store.find_epoch() + 1, _COUNTING, None]
    epoch, phase, start = position
    page, following = events_store.scan_page(start, limit=REBUILD_PAGE_LIMIT)
    counted = sum(
        _count(app, event, epoch=epoch)
        for event, counted_in in page
        if counted_in is None or counted_in < epoch
    )
    if following is not None:
        return Step(counted=counted, position=[epoch, phase, following])
    if phase == _COUNTING:
        commit_one(analytics_store.epoch_write(epoch))
        return Step(counted=counted, position=[epoch, _CATCHING_UP, None])
    return Step(counted=counted, position=None)


def _count(app: App, event: Event, *, epoch: int) -> bool:
    counts = counts_of(fact_of(event))
    return bool(counts) and retry_on_conflict(
        app.jitter, lambda: count_in_epoch(app, event, counts, epoch=epoch)
    )
