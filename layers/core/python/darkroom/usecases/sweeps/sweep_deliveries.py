"""Sweep deliveries: send the messages of attempts that are due, also those that were lost.

The sweep is safe to repeat and to stop at any point: it sends first, and a second message for the
same attempt has no effect.
"""

from __future__ import annotations

import functools
from collections import Counter
from contextlib import suppress
from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.endpoints import items, store
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import DELIVERY_CHECK_AGAIN_SECONDS, SWEEP_ITEMS_LIMIT
from darkroom.usecases.projections.project_delivery import send_attempt
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items


def sweep_deliveries(app: App, on_error: OnError) -> Counter[str]:
    """Handle due deliveries; returns the number of deliveries by outcome."""
    done: Counter[str] = Counter()
    handle = functools.partial(_handle, app)
    for shard in items.due_shards():
        found = store.list_due(shard, app.clock.now(), limit=SWEEP_ITEMS_LIMIT)
        done += sweep_items(app, found, handle=handle, on_error=on_error)
    return done


def _handle(app: App, account_id: str, sort_key: str) -> str:
    delivery = store.find_delivery(account_id, *items.ids_of_delivery(sort_key))
    if delivery is None:
        return "gone"
    now = app.clock.now()
    if delivery.next_check_at is None or delivery.next_check_at > now:
        # The index is eventually consistent.
        return "unchanged"
    send_attempt(app, delivery, is_due=True)
    later = now + timedelta(seconds=DELIVERY_CHECK_AGAIN_SECONDS)
    with suppress(ConcurrentUpdate):
        commit([store.recheck_write(delivery, later)])
    return "sent"
