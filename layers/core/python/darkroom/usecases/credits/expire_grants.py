"""Expire grants: those that are due leave their wallets, a bounded number at a time."""

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
    """Expire due grants, a wallet at a time; safe to repeat and to stop at any point.

    A wallet that fails is not rescheduled: the time by which it is listed is part of its books.
    It is skipped instead, so a sweep lists many more wallets than it handles.
    """
    expired = 0

    def handle(account_id: str) -> str:
        nonlocal expired
        expired += expire_grants(app, account_id)
        return "wallet"

    found = store.list_expiring(app.clock.now(), limit=SWEEP_WALLETS_LISTED_LIMIT)
    done = sweep_items(app, found, handle=handle, on_error=on_error, put_off=None)
    return +Counter(expired=expired, error=done[ERROR])


def expire_grants(app: App, account_id: str) -> int:
    """Expire the account's due grants; returns how many there were.

    Raises:
        Unavailable: every attempt lost its race; the other writers expire the grants as well.
    """

    def attempt() -> int:
        wallet = store.find_wallet(account_id)
        if wallet is None:
            return 0
        after = expire_due_first(app, wallet, now=app.clock.now())
        return after.version - wallet.version

    return retry_on_conflict(app.jitter, attempt)


def expire_due_first(app: App, wallet: Wallet, *, now: datetime) -> Wallet:
    """The wallet without due grants. Every use case calls this before it changes a wallet.

    They expire in separate transactions, a bounded number in each, so that no other transaction
    grows with them. There are rarely any, and then this costs nothing. It may stop between two
    transactions: the next change of the wallet continues.

    Raises:
        ConcurrentUpdate: the wallet has changed; read it again.
    """
    while due := model.due_grants(wallet, now)[:EXPIRIES_PER_TRANSACTION_LIMIT]:
        happened = _expired_before(wallet.account_id, due)
        change = model.expire_due(wallet, now, happened=happened)
        commit(store.change_writes(change, before=wallet, operation=app.ids.token()))
        wallet = change.wallet
    return wallet


def find_expired(account_id: str, *, hold: Hold, wallet: Wallet) -> set[str]:
    """Grants of a hold that have expired according to the ledger.

    A process whose clock is ahead may have expired them before they are due by our clock.
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
    """Causes of expiry in the ledger whose grants are still in the wallet."""
    known: set[str] = set()
    series = [iter(model.expiry_causes(grant.grant_id)) for grant in due]
    while series:
        causes = {next(causes): causes for causes in series}
        happened = store.find_happened(account_id, causes)
        known |= happened
        series = [causes[cause] for cause in sorted(happened)]
    return known
