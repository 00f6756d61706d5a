"""Audit: read one account's books, or everybody's, and check the laws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from darkroom.bootstrap import App
from darkroom.credits import audit, store
from darkroom.credits.audit import Books, Breach, JobFacts, PurchaseFacts
from darkroom.credits.model import Entry, EntryType, Wallet
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import JobFamily
from darkroom.jobs.states import JobStatus
from darkroom.kernel.limits import AUDIT_TRIES_LIMIT, PAGE_LIMIT, SWEEP_PAGE_LIMIT
from darkroom.payments import store as payments_store
from darkroom.payments.store import PurchaseStatus


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    accounts_checked: int
    entries_checked: int
    breaches: tuple[Breach, ...]


def audit_accounts(app: App, account_id: str | None = None) -> AuditReport:
    """Check one account, or all that have a wallet."""
    accounts: Iterable[str] = _all_accounts() if account_id is None else (account_id,)
    # Books that cannot even be read are a breach of their own, and must not hide the others.
    checked = entries = 0
    breaches: list[Breach] = []
    for account in accounts:
        try:
            found, count = _audit_account(account)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            damage = f"the books cannot be read: {error}"
            found, count = [Breach(law="L1", account_id=account, message=damage)], 0
        checked += 1
        entries += count
        breaches += found
    return AuditReport(accounts_checked=checked, entries_checked=entries, breaches=tuple(breaches))


def _audit_account(account_id: str) -> tuple[list[Breach], int]:
    """The account's breaches. Books that changed while they were read are read again."""
    breaches: list[Breach] = []
    books = _read_books(account_id)
    for _ in range(AUDIT_TRIES_LIMIT):
        breaches = audit.audit(books)
        again = _read_books(account_id) if breaches else books
        if again == books:
            break
        books = again
    return breaches, len(books.entries)


def _read_books(account_id: str) -> Books:
    """Entries after the wallet was read are left out: they belong to a later state of it."""
    wallet = store.find_wallet(account_id)
    entries = store.all_entries(account_id)
    latest = wallet.version if wallet else 0
    if _moved_on(account_id, wallet):
        entries = [entry for entry in entries if entry.version <= latest]
    return Books(
        account_id=account_id,
        wallet=wallet,
        entries=entries,
        jobs=dict(_jobs(account_id, entries)),
        purchases={
            purchase.purchase_id: PurchaseFacts(
                credits=purchase.credits,
                is_settled=purchase.status is PurchaseStatus.SETTLED,
                reversals=purchase.reversals,
            )
            for purchase in payments_store.all_purchases(account_id)
        },
    )


def _moved_on(account_id: str, wallet: Wallet | None) -> bool:
    now = store.find_wallet(account_id)
    return (now.version if now else 0) != (wallet.version if wallet else 0)


def _jobs(account_id: str, entries: list[Entry]) -> Iterator[tuple[str, JobFacts]]:
    """The jobs that entries refer to, and those that the account lists."""
    types = (EntryType.DEDUCT, EntryType.SETTLE, EntryType.REFUND)
    job_ids = {entry.reference_id for entry in entries if entry.type in types}
    position: str | None = None
    while True:
        page, position = jobs_store.list_jobs(account_id, limit=PAGE_LIMIT, before=position)
        job_ids |= {job.job_id for job in page}
        if position is None:
            break
    for job_id in sorted(job_ids):
        family = jobs_store.find_family(job_id)
        if family is not None:
            yield job_id, _facts(family)
        elif (deleted := jobs_store.find_deleted(job_id)) is not None:
            # Its outputs are gone by its owner's wish; what it held must still add up.
            yield job_id, replace(_facts(JobFamily(job=deleted)), has_succeeded=False)


def _facts(family: JobFamily) -> JobFacts:
    job = family.job
    return JobFacts(
        account_id=job.account_id,
        is_draft=job.status is JobStatus.DRAFT or job.queued_at is None,
        is_final=job.is_final,
        has_succeeded=job.status is JobStatus.SUCCEEDED,
        reserved=job.reserved,
        held=store.hold_from_json(job.hold).credits,
        used=job.receipt.used if job.receipt else None,
        refunded=job.receipt.refunded if job.receipt else None,
        promised=job.promised,
        made=Counter(output.key for output in family.outputs),
    )


def _all_accounts() -> Iterator[str]:
    """Whoever has a wallet, then whoever has entries without one."""
    seen: set[str] = set()
    for account_id in chain(_accounts_with_wallets(), store.list_ledger_accounts()):
        if account_id not in seen:
            seen.add(account_id)
            yield account_id


def _accounts_with_wallets() -> Iterator[str]:
    after: str | None = None
    while True:
        page = store.list_accounts(after=after, limit=SWEEP_PAGE_LIMIT)
        yield from page
        if len(page) < SWEEP_PAGE_LIMIT:
            return
        after = page[-1]
