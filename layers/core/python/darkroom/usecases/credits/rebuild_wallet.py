"""Rebuild a damaged or restored wallet from its ledger.

The ledger is the source of truth: its entries are immutable. The wallet is their sum, for speed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from darkroom.bootstrap.composition import App
from darkroom.credits import store
from darkroom.credits.audit import replay as replaying
from darkroom.credits.audit.facts import Books, GrantFacts
from darkroom.credits.model import Grant, GrantSource, Wallet
from darkroom.credits.store import WalletItem
from darkroom.db import commit
from darkroom.db.raw import find_raw
from darkroom.db.retry import retry_on_conflict
from darkroom.jobs import store as jobs_store
from darkroom.jobs import tombstone_store
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.usecases.credits.audit_accounts import read_account
from darkroom.usecases.credits.read_books import read_books
from darkroom.usecases.credits.settle_hold import settle_writes


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    wallet: Wallet
    settled_jobs: tuple[str, ...]
    """Jobs that had ended without settling, because the wallet lacked their holds."""


def rebuild_wallet(app: App, account_id: str) -> Rebuilt:
    """Write the wallet that the entries add up to, and settle the holds of ended jobs.

    A frozen account stays frozen. Safe to repeat.

    Raises:
        NotFound: the account has no ledger.
        Conflict: LEDGER_UNSOUND; the entries do not add up, or some cannot be read.
        Unavailable: every attempt lost its race.
    """
    wallet = retry_on_conflict(app.jitter, lambda: _rebuild(app, account_id))
    books, _ = read_books(read_account(account_id))
    settled = [job_id for job_id in _open_holds(books) if _settle(app, account_id, job_id)]
    return Rebuilt(wallet=store.find_wallet(account_id) or wallet, settled_jobs=tuple(settled))


def _rebuild(app: App, account_id: str) -> Wallet:
    before = find_raw(WalletItem, account_id)
    raw = read_account(account_id)
    if not raw.entries:
        raise NotFound("no such account")
    books, _ = read_books(raw)
    if len(books.entries) < len(raw.entries):
        raise Conflict("some entries cannot be read", code="LEDGER_UNSOUND")
    # What an operator accepted was a difference of the wallet that is replaced here.
    wallet = replace(_derived(books), frozen=store.frozen_reason(before))
    commit([store.rebuild_write(wallet, before=before, operation=app.ids.token())])
    return wallet


def _derived(books: Books) -> Wallet:
    """The wallet that the entries add up to.

    Raises:
        Conflict: LEDGER_UNSOUND.
    """
    replay = replaying.Replay(books.jobs)
    for entry in books.entries:
        for _ in replay.apply(entry):
            pass  # The auditor reports the problems of single entries.
    grants = tuple(_grant(grant, books) for grant in replay.live.values())
    versions = [entry.version for entry in books.entries]
    wallet = Wallet(
        account_id=books.account_id,
        balance=sum(entry.amount for entry in books.entries),
        held=sum(entry.held_change for entry in books.entries),
        debt=sum(entry.debt_change for entry in books.entries),
        version=max(len(versions), *versions),
        grants=tuple(sorted(grants, key=Grant.spending_order)),
    )
    remaining = [grant.remaining for grant in grants]
    is_sound = sum(remaining) == wallet.balance and min(remaining, default=1) > 0
    if not is_sound or min(wallet.balance, wallet.held, wallet.debt) < 0:
        raise Conflict("the entries do not make a wallet", code="LEDGER_UNSOUND")
    return wallet


def _grant(found: replaying.Grant, books: Books) -> Grant:
    moments = [entry.created_at for entry in books.entries if entry.created_at is not None]
    created_at = found.created_at or min(moments, default=None)
    if created_at is None:
        raise Conflict("no entry says when", code="LEDGER_UNSOUND")
    expires_at, merged = found.expires_at, found.merged
    if not found.is_expiry_known or merged is None:
        # Entries of the previous version do not contain it; the damaged wallet may.
        stored = _stored_grant(found.grant_id, books)
        if stored is None:
            raise Conflict("no entry says when a grant expires", code="LEDGER_UNSOUND")
        expires_at = expires_at if found.is_expiry_known else stored.expires_at
        merged = stored.merged if merged is None else merged
    return Grant(
        grant_id=found.grant_id,
        # The replay only repeats what entries and holds say.
        source=cast(GrantSource, found.source),
        remaining=found.remaining,
        priority=found.priority,
        created_at=created_at,
        expires_at=expires_at,
        merged=merged,
    )


def _stored_grant(grant_id: str, books: Books) -> GrantFacts | None:
    grants = (books.wallet.grants if books.wallet else None) or ()
    return next((grant for grant in grants if grant.grant_id == grant_id), None)


def _open_holds(books: Books) -> list[str]:
    """Jobs whose holds were neither spent nor returned."""
    causes = {entry.cause for entry in books.entries}
    deducted = [entry.reference_id for entry in books.entries if entry.type == "DEDUCT"]
    return [job for job in deducted if not {f"settle#{job}", f"refund#{job}"} & causes]


def _settle(app: App, account_id: str, job_id: str) -> bool:
    """Settle the hold of an ended job by its receipt; False while the job is unfinished."""

    def attempt() -> bool:
        job = jobs_store.find_job(job_id) or tombstone_store.find_deleted(job_id)
        wallet = store.find_wallet(account_id)
        if job is None or wallet is None or not job.is_final or job.receipt is None:
            return False
        hold = store.hold_from_json(job.hold)
        if not hold.credits or wallet.held < hold.credits:
            return False
        commit(
            settle_writes(
                app,
                wallet,
                hold=hold,
                used=job.receipt.used,
                job_id=job_id,
                operation=app.ids.token(),
            )
        )
        return True

    return retry_on_conflict(app.jitter, attempt)
