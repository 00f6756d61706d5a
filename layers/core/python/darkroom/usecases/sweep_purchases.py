"""The sweeper's look at purchases: what follows from them is derived once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import SWEEP_PAGE_LIMIT
from darkroom.payments import store
from darkroom.usecases.project_purchase import project_purchase


def sweep_purchases(app: App, on_error: Callable[[str, Exception], None]) -> Counter[str]:
    """Project purchases that are due again, and let them go."""
    done: Counter[str] = Counter()
    for account_id, purchase_id in store.list_due(app.clock.now(), limit=SWEEP_PAGE_LIMIT):
        try:
            done[_project(app, account_id, purchase_id)] += 1
        except Exception as error:
            on_error(purchase_id, error)
            done["error"] += 1
    return done


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
