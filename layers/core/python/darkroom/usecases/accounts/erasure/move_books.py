"""Move the books of an erased account under its pseudonym: the wallet, the ledger, purchases.

Nothing in them changes but the name of the account. The wallet moves first, in one transaction:
from then on nothing can be spent, added or opened under the account's id, because every movement of
credits needs the wallet. Then the entries and the purchases follow in batches. The auditor passes
over an account while it moves, and proves the books under the pseudonym as those of any account.
"""

from __future__ import annotations

from collections.abc import Iterable

from darkroom.bootstrap.composition import App
from darkroom.credits.store import LedgerItem, WalletItem
from darkroom.db import commit
from darkroom.db.raw import delete_raw, find_raw, move_writes, page_raw, put_raw
from darkroom.db.writes import RawItem
from darkroom.events import store as events_store
from darkroom.kernel.errors import AlreadyHappened
from darkroom.kernel.limits import ERASURE_BATCH
from darkroom.payments.store import PurchaseItem
from darkroom.usecases.accounts.erasure.erase_jobs import disown_job
from darkroom.usecases.accounts.erasure.steps import Left, Subject

_HAS_MOVED = AlreadyHappened("it has moved")
_OF_JOBS = frozenset({"deduct", "settle", "refund"})


def move_wallet(_app: App, subject: Subject) -> Left:
    wallet = find_raw(WalletItem, subject.account_id)
    if wallet is None:
        return Left.NOTHING
    moved = _renamed(wallet, subject)
    try:
        commit(move_writes(WalletItem, wallet, moved, version="version", refused=_HAS_MOVED))
    except AlreadyHappened:
        # It returned with a backup; the books have gone on under the pseudonym.
        delete_raw(WalletItem, [wallet])
    return Left.MORE


def move_entries(_app: App, subject: Subject) -> Left:
    """Move a batch of entries. The copies are written first, so an entry is never missing."""
    entries = page_raw(LedgerItem, subject.account_id, limit=ERASURE_BATCH)
    if not entries:
        return Left.NOTHING
    for job_id in _jobs_of(entries):
        disown_job(subject, job_id)
    put_raw(LedgerItem, [_renamed(entry, subject) for entry in entries])
    delete_raw(LedgerItem, entries)
    return Left.MORE


def move_purchases(_app: App, subject: Subject) -> Left:
    """Move a batch of purchases, each in one transaction: its payment may change it meanwhile."""
    purchases = page_raw(PurchaseItem, subject.account_id, limit=ERASURE_BATCH)
    for purchase in purchases:
        try:
            moved = _renamed(purchase, subject)
            commit(
                move_writes(PurchaseItem, purchase, moved, version="version", refused=_HAS_MOVED)
            )
        except AlreadyHappened:
            delete_raw(PurchaseItem, [purchase])
        events_store.erase_events(purchase["purchaseId"]["S"])
    return Left.MORE if purchases else Left.NOTHING


def _renamed(item: RawItem, subject: Subject) -> dict[str, dict[str, object]]:
    """The item with the pseudonym wherever it names the account."""
    named = {"S": subject.account_id}
    return {
        name: {"S": subject.pseudonym} if value == named else dict(value)
        for name, value in item.items()
    }


def _jobs_of(entries: Iterable[RawItem]) -> set[str]:
    causes = (entry["cause"]["S"].partition("#") for entry in entries)
    return {job_id for kind, _, job_id in causes if kind in _OF_JOBS and job_id}
