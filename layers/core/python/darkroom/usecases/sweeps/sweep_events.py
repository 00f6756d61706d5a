"""Sweep events: run the projections of events whose stream record was lost."""

from __future__ import annotations

import functools
from collections import Counter

from darkroom.bootstrap.composition import App
from darkroom.events import store as events_store
from darkroom.kernel.limits import EVENTS_PER_SWEEP_LIMIT
from darkroom.usecases.projections.project_event import project_event
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items


def sweep_events(app: App, on_error: OnError) -> Counter[str]:
    """Project overdue events; returns the number of events by outcome."""
    done: Counter[str] = Counter()
    handle = functools.partial(_handle, app)
    for shard in events_store.due_shards():
        found = events_store.list_due(shard, app.clock.now(), limit=EVENTS_PER_SWEEP_LIMIT)
        done += sweep_items(app, found, handle=handle, on_error=on_error)
    return done


def _handle(app: App, entity_id: str, event_id: str) -> str:
    event = events_store.find_event(entity_id, event_id)
    if event is None:
        return "gone"
    project_event(app, event)
    return "projected"
