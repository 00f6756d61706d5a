"""Settle a hold in the same transaction that ends its job."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.credits import model
from darkroom.credits import store as credits_store
from darkroom.credits.model import Hold, Wallet
from darkroom.db import Write
from darkroom.usecases.credits.expire_grants import expire_due_first, find_expired


def settle_writes(
    app: App, wallet: Wallet, *, hold: Hold, used: int, job_id: str, operation: str
) -> list[Write]:
    """The writes that spend ``used`` credits of a hold and return the rest to the wallet.

    Raises:
        ConcurrentUpdate: the wallet has changed; read it again.
    """
    now = app.clock.now()
    wallet = expire_due_first(app, wallet, now=now)
    expired = find_expired(wallet.account_id, hold=hold, wallet=wallet)
    change = model.settle(wallet, hold, used=used, job_id=job_id, now=now, expired=expired)
    return credits_store.change_writes(change, before=wallet, operation=operation)
