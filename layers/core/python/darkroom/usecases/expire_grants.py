"""Expiry: grants that are past their time leave their wallets, one transaction a wallet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from darkroom.bootstrap import App
from darkroom.credits import model, store
from darkroom.db import commit
from darkroom.kernel.limits import SWEEP_ITEMS_LIMIT, SWEEP_PAGE_LIMIT
from darkroom.usecases.racing import until_won


def sweep_grants(app: App, on_error: Callable[[str, Exception], None]) -> Counter[str]:
    """Expire what is due, a page of wallets at a time; safe to repeat and to stop anywhere."""
    done: Counter[str] = Counter()
    handled = 0
    while handled < SWEEP_ITEMS_LIMIT:
        accounts = store.list_expiring(app.clock.now(), limit=SWEEP_PAGE_LIMIT)
        before = handled
        for account_id in accounts:
            try:
                done["expired"] += expire_grants(app, account_id)
                handled += 1
            except Exception as error:
                on_error(account_id, error)
                done["error"] += 1
        if len(accounts) < SWEEP_PAGE_LIMIT or handled == before:
            break
    return done


def expire_grants(app: App, account_id: str) -> int:
    """Expire the account's due grants; returns how many there were.

    Raises:
        Unavailable: other writers were faster every time; they expire them as well.
    """

    def attempt() -> int:
        wallet = store.find_wallet(account_id)
        if wallet is None:
            return 0
        change = model.expire_due(wallet, app.clock.now())
        if change.entries:
            commit(store.change_writes(change, before=wallet, operation=app.ids.token()))
        return len(change.entries)

    return until_won(app, attempt)
