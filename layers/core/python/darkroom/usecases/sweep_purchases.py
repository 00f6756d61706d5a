"""The sweeper's look at purchases: what follows from them is derived once more."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import replace

from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import SWEEP_ITEMS_LIMIT
from darkroom.payments import store
from darkroom.usecases.project_purchase import project_purchase
from darkroom.usecases.sweep_items import OnError, sweep_items


def sweep_purchases(app: App, on_error: OnError) -> Counter[str]:
    """Project purchases that are due again, and let them go."""
    found = store.list_due(app.clock.now(), limit=SWEEP_ITEMS_LIMIT)
    return sweep_items(app, found, functools.partial(_project, app), on_error)


def _project(app: App, account_id: str, purchase_id: str) -> str:
    found = store.find_purchase(account_id, purchase_id)
    if found is None:
        return "gone"
    purchase, creation = found
    project_purchase(app, purchase)
    after = replace(purchase, next_check_at=None)
    try:
        commit([store.save_write(purchase, after, app.ids.token(), creation=creation)])
    except ConcurrentUpdate:
        return "moved_on"
    return "projected"
