"""Expiry: grants that are past their time leave their wallets, a bounded number at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from darkroom.bootstrap.composition import App
from darkroom.credits import model, store
from darkroom.credits.model import Grant, Hold, Wallet
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.limits import EXPIRIES_PER_TRANSACTION_LIMIT, SWEEP_WALLETS_LISTED_LIMIT
from darkroom.usecases.sweeps.sweep_items import ERROR, OnError, sweep_items


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
        after = expire_due_first(app, wallet, app.clock.now())
        return after.version - wallet.version

    return retry_on_conflict(app.jitter, attempt)


def expire_due_first(app: App, wallet: Wallet, now: datetime) -> Wallet:
    """The wallet without due grants. Every use case calls this before it changes a wallet.

    They expire in transactions of their own, a bounded number in each, so that no other
    transaction grows with them; nearly always there are none, and this costs nothing. Stopping
    in between is harmless: each transaction is whole, and the next change goes on.

    Raises:
        ConcurrentUpdate: the wallet has moved on; read it again.
    """
    while due := model.due_grants(wallet, now)[:EXPIRIES_PER_TRANSACTION_LIMIT]:
        happened = _expired_before(wallet.account_id, due)
        change = model.expire_due(wallet, now, happened=happened)
        commit(store.change_writes(change, before=wallet, operation=app.ids.token()))
        wallet = change.wallet
    return wallet


def find_expired(account_id: str, hold: Hold, wallet: Wallet) -> set[str]:
    """Grants that a hold was cut from and that have expired on the ledger.

    Another machine's clock may have expired them a moment before they are due by ours.
    """
    live = {grant.grant_id for grant in wallet.grants}
    ids = {
        piece.grant_id
        for piece in hold.slices
        if piece.expires_at is not None and piece.grant_id not in live
    }
    if not ids:
        return set()
    happened = store.find_happened(account_id, [f"expire#{grant_id}" for grant_id in ids])
    return {cause.removeprefix("expire#") for cause in happened}


def _expired_before(account_id: str, due: Sequence[Grant]) -> set[str]:
    """Causes of expiry that the ledger has although their grants are still in the wallet."""
    known: set[str] = set()
    series = [iter(model.expiry_causes(grant.grant_id)) for grant in due]
    while series:
        causes = {next(causes): causes for causes in series}
        happened = store.find_happened(account_id, causes)
        known |= happened
        series = [causes[cause] for cause in sorted(happened)]
    return known
