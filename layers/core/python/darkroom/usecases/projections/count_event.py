"""Count an event in the analytics: exactly once, however often and in whatever order it comes.

The mark at the event, the counters and the marks of its job and account change in one transaction.
"""

from __future__ import annotations

from datetime import timedelta

from darkroom.analytics import store as analytics_store
from darkroom.analytics.model import Counts, Fact, counts_of
from darkroom.bootstrap.composition import App
from darkroom.db import Write, commit
from darkroom.db.retry import retry_on_conflict
from darkroom.events import store as events_store
from darkroom.events.store import Event
from darkroom.kernel.errors import AlreadyHappened


def fact_of(event: Event) -> Fact:
    return Fact(
        event_id=event.unique_id,
        name=event.name,
        day=f"{event.created_at:%Y-%m-%d}",
        account_id=event.account_id,
        job_id=event.job_id,
        props=event.props,
    )


def count_event(app: App, event: Event, *, is_projected: bool) -> bool:
    """Add the event to the counters; whether it was new to them.

    ``is_projected``: the same transaction records that no projection is due any more.
    """
    counts = counts_of(fact_of(event))
    is_new = bool(counts) and retry_on_conflict(
        app.jitter, lambda: _count(app, event, counts, is_projected=is_projected)
    )
    if is_projected and not is_new:
        _try(events_store.projected_write(event))
    return is_new


def _count(app: App, event: Event, counts: Counts, *, is_projected: bool) -> bool:
    epoch = analytics_store.find_epoch()
    return count_in_epoch(app, event, counts, epoch=epoch, is_projected=is_projected)


def count_in_epoch(
    app: App, event: Event, counts: Counts, *, epoch: int, is_projected: bool = False
) -> bool:
    """Add the event to the counters of one epoch.

    Raises:
        ConcurrentUpdate: another event of the same unit was counted at the same time; try again.
    """
    new = analytics_store.find_first_times(counts.first_times, epoch=epoch)
    expires_at = event.created_at + timedelta(days=app.settings.event_retention_days)
    added = [*counts.always, *(first_time.count for first_time in new)]
    return _try(
        events_store.counted_write(event, epoch=epoch, is_projected=is_projected),
        *analytics_store.count_writes(added, epoch=epoch, spread=event.unique_id),
        *(
            analytics_store.mark_write(first_time, epoch=epoch, expires_at=expires_at)
            for first_time in new
        ),
    )


def _try(*writes: Write) -> bool:
    try:
        commit(writes)
    except AlreadyHappened:
        return False
    return True
