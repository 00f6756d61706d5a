"""Audit one account, or all accounts: read their items and check the laws of the credits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from darkroom.albums.items import AlbumItem, class_of_key
from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.bootstrap.composition import App
from darkroom.credits import audit, pricing
from darkroom.credits.audit.facts import Breach, Law
from darkroom.credits.store import LedgerItem, WalletItem
from darkroom.db.items import SalvagedItem
from darkroom.db.raw import find_raw, query_raw, scan_raw
from darkroom.db.writes import RawItem
from darkroom.endpoints.items import ENDPOINT, EndpointItem
from darkroom.erasures import store as erasures_store
from darkroom.exports.store import EXPORT, ExportItem
from darkroom.jobs.items import JOB_KEY, JobItem
from darkroom.kernel.errors import Unreadable
from darkroom.kernel.limits import AUDIT_TRIES_LIMIT
from darkroom.kernel.pseudonyms import ANONYMOUS, pseudonym_of
from darkroom.payments.store import PurchaseItem
from darkroom.payments.subscription_store import SubscriptionItem
from darkroom.plans.storage_store import STORAGE, StorageItem
from darkroom.plans.store import AccountItem
from darkroom.uploads.session_store import SessionItem
from darkroom.usage.store import MONTH_PREFIX, RECORD_PREFIX, MonthItem, UsageRecordItem
from darkroom.usecases.accounts.audit_storage import storage_breaches
from darkroom.usecases.credits.read_books import RawAccount, read_books

JOB_CAUSES = frozenset({"deduct", "settle", "refund"})
JOB_INDEX = "byAccount"
BREACHES_PER_LAW_LIMIT = 100
"""For one account."""


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    accounts_checked: int
    entries_checked: int
    breaches: tuple[Breach, ...]


@dataclass(frozen=True, kw_only=True)
class AccountAudit:
    account_id: str
    """Empty for items that name no account."""
    entries_checked: int
    breaches: tuple[Breach, ...]


def audit_accounts(app: App, account_id: str | None = None) -> AuditReport:
    """Check one account, or all accounts with items that the laws apply to."""
    audits = list(iter_audits(app, account_id))
    return AuditReport(
        accounts_checked=sum(1 for audited in audits if audited.account_id),
        entries_checked=sum(audited.entries_checked for audited in audits),
        breaches=tuple(breach for audited in audits for breach in audited.breaches),
    )


def iter_audits(app: App, account_id: str | None = None) -> Iterator[AccountAudit]:
    """Audit account by account, so that results are usable before the whole audit ends."""
    unowned: list[Breach] = []
    accounts: Iterable[str] = _all_accounts(unowned) if account_id is None else [account_id]
    packs = {pack.name: pack.credits for pack in pricing.packs()}
    for account in accounts:
        try:
            found, count = _audit_account(app, account, packs)
        # An error in one account must not keep the others from being audited.
        except Exception as error:  # noqa: BLE001
            message = f"the account cannot be audited: {type(error).__name__}"
            found, count = [Breach(law="L8", account_id=account, message=message)], 0
        if found and _is_moving(app, account):
            continue
        yield AccountAudit(account_id=account, entries_checked=count, breaches=tuple(found))
    if unowned:
        yield AccountAudit(account_id="", entries_checked=0, breaches=tuple(unowned))


def _is_moving(app: App, account_id: str) -> bool:
    """Whether the account's books are being moved to its pseudonym, where they are audited when
    all of them have arrived."""
    try:
        erasure = erasures_store.find_erasure(pseudonym_of(app.signing_secret.value, account_id))
    except Unreadable:
        return False
    return erasure is not None and erasure.erased_at is None


def _audit_account(app: App, account_id: str, packs: Mapping[str, int]) -> tuple[list[Breach], int]:
    """The account's breaches. Items that changed while they were read are read again.

    If they change every time, the read may be inconsistent: its breaches are reported, but do not
    put the account's credits in doubt.
    """
    breaches: list[Breach] = []
    raw = read_account(account_id)
    for _ in range(AUDIT_TRIES_LIMIT):
        books, unreadable = read_books(raw)
        # With test hooks, the sweeper can run with another time.
        found = audit.audit(books, packs, app.clock.now(), check_dates=not app.settings.test_hooks)
        breaches = [*unreadable, *found, *storage_breaches(account_id, raw.others)]
        again = read_account(account_id) if breaches else raw
        if again == raw:
            return _bounded(breaches), len(raw.entries)
        raw = again
    unconfirmed = [replace(breach, is_money_in_doubt=False) for breach in breaches]
    return _bounded(unconfirmed), len(raw.entries)


def _bounded(breaches: Sequence[Breach]) -> list[Breach]:
    """The first breaches of each law: a broken history can have thousands."""
    kept: list[Breach] = []
    counts: Counter[Law] = Counter()
    for breach in breaches:
        counts[breach.law] += 1
        if counts[breach.law] <= BREACHES_PER_LAW_LIMIT:
            kept.append(breach)
    for law, count in counts.items():
        if count > BREACHES_PER_LAW_LIMIT:
            message = f"{count - BREACHES_PER_LAW_LIMIT} more breaches of this law"
            kept.append(Breach(law=law, account_id=breaches[0].account_id, message=message))
    return kept


# Reading


def read_account(account_id: str) -> RawAccount:
    """Read one account. Entries newer than the wallet that was read are left out."""
    wallet = find_raw(WalletItem, account_id)
    entries = list(query_raw(LedgerItem, account_id))
    if find_raw(WalletItem, account_id) != wallet:
        latest = _version(wallet or {})
        entries = [entry for entry in entries if _version(entry) <= latest]
    return RawAccount(
        account_id=account_id,
        wallet=wallet,
        entries=entries,
        purchases=list(query_raw(PurchaseItem, account_id)),
        collections={
            job_id: list(query_raw(JobItem, job_id)) for job_id in _job_ids(account_id, entries)
        },
        others=list(_other_items(account_id)),
    )


def _other_items(account_id: str) -> Iterator[tuple[type[SalvagedItem], RawItem]]:
    """Everything else that the account owns, each item with its class."""
    plan = find_raw(AccountItem, account_id)
    if plan is not None:
        yield AccountItem, plan
    for raw in query_raw(StorageItem, account_id):
        yield _class_of_counter(raw["counter"]["S"]), raw
    for raw in query_raw(SubscriptionItem, account_id):
        yield SubscriptionItem, raw
    for raw in query_raw(assets_store.AssetItem, account_id):
        yield _class_of_asset(raw["assetId"]["S"]), raw
    for raw in query_raw(AlbumItem, account_id):
        yield class_of_key(raw["sk"]["S"]), raw
    is_endpoint = EndpointItem.sort_key.startswith(ENDPOINT)
    for raw in query_raw(EndpointItem, account_id, where=is_endpoint):
        yield EndpointItem, raw


def _class_of_counter(sort_key: str) -> type[SalvagedItem]:
    if sort_key == STORAGE:
        return StorageItem
    if sort_key == EXPORT:
        return ExportItem
    if sort_key.startswith(RECORD_PREFIX):
        return UsageRecordItem
    return MonthItem if sort_key.startswith(MONTH_PREFIX) else SessionItem


def _class_of_asset(sort_key: str) -> type[SalvagedItem]:
    if sort_key.startswith(assets_store.TOMBSTONE):
        return assets_store.TombstoneItem
    is_photo = sort_key.startswith(f"{reference_store.REFERENCE_PREFIX}_")
    return reference_store.ReferencePhotoItem if is_photo else assets_store.AssetItem


def _version(raw: RawItem) -> float:
    """The entry's version; an entry whose version cannot be read is kept."""
    try:
        return float(raw["version"]["N"])
    except (KeyError, TypeError, ValueError):
        return 0


def _job_ids(account_id: str, entries: Sequence[RawItem]) -> list[str]:
    """The jobs that caused entries, and the jobs in the account's list."""
    causes = (entry["cause"]["S"].partition("#") for entry in entries)
    job_ids = {job_id for kind, _, job_id in causes if kind in JOB_CAUSES and job_id}
    listed = query_raw(JobItem, account_id, index_name=JOB_INDEX)
    return sorted(job_ids | {raw["pk"]["S"] for raw in listed if raw["sk"]["S"] == JOB_KEY})


# Listing


def _all_accounts(breaches: list[Breach]) -> Iterator[str]:
    """Every account with a wallet, an entry, a purchase, a file, an album or a job.

    A job that names no account cannot be audited with one: it is a breach of its own.
    """
    seen: set[str] = set()
    for raw in _owned_items():
        account_id = raw.get("accountId", {}).get("S")
        if account_id is None:
            message = f"job {raw['pk']['S']} cannot be read: accountId is missing"
            breaches.append(Breach(law="L8", account_id="", message=message))
        elif account_id not in seen and account_id != ANONYMOUS:
            seen.add(account_id)
            yield account_id


def _owned_items() -> Iterator[RawItem]:
    yield from scan_raw(WalletItem, ["accountId"])
    yield from scan_raw(LedgerItem, ["accountId"])
    yield from scan_raw(PurchaseItem, ["accountId"])
    yield from scan_raw(assets_store.AssetItem, ["accountId"])
    yield from scan_raw(AlbumItem, ["accountId"])
    yield from scan_raw(JobItem, ["pk", "accountId"], where=JobItem.sk == JOB_KEY)
