"""Expiry: grants that are past their time leave their wallets, one transaction a wallet."""

from __future__ import annotations

from collections import Counter

from darkroom.bootstrap import App
from darkroom.credits import model, store
from darkroom.db import commit
from darkroom.kernel.limits import SWEEP_WALLETS_LISTED_LIMIT
from darkroom.usecases.racing import until_won
from darkroom.usecases.sweep_items import ERROR, OnError, sweep_items


def sweep_grants(app: App, on_error: OnError) -> Counter[str]:
    """Expire what is due, a wallet at a time; safe to repeat and to stop anywhere.

    A wallet that fails is not put off: the moment it is listed by is part of the books. It is
    passed over instead, so many more are listed than are done in one sweep.
    """
    expired = 0

    def handle(account_id: str) -> str:
        nonlocal expired
        expired += expire_grants(app, account_id)
        return "wallet"

    found = store.list_expiring(app.clock.now(), limit=SWEEP_WALLETS_LISTED_LIMIT)
    done = sweep_items(app, found, handle, on_error, put_off=None)
    return +Counter(expired=expired, error=done[ERROR])


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
