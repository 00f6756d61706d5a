"""The registry of stored data: how each table, the files and the user are erased and exported.

Every table of the template has a line here (``tests/contract/test_erasure_registry.py``). A table
that holds nothing of an account says why. Lines are in the order in which they are erased: what
others are found by comes later, and the books come last.

A table whose items are under the account's id takes one line::

    Line(table="limits", erase=partition(LimitItem), export=records(LimitItem))
"""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.albums.items import AlbumItem
from darkroom.assets.store import AssetItem
from darkroom.bootstrap.composition import App
from darkroom.credits.store import LedgerItem, WalletItem
from darkroom.endpoints.items import EndpointItem
from darkroom.events import store as events_store
from darkroom.events.store import EventItem
from darkroom.kernel.limits import ERASURE_BATCH
from darkroom.limits.store import CounterItem
from darkroom.payments.store import PurchaseItem
from darkroom.payments.subscription_store import SubscriptionItem
from darkroom.plans.storage_store import StorageItem
from darkroom.plans.store import AccountItem
from darkroom.signup.store import returning_key
from darkroom.templates.store import AssignmentItem, account_subject
from darkroom.usecases.accounts.erasure.erase_files import (
    erase_asset_lists,
    erase_files,
    erase_of_assets,
    leave_owner,
)
from darkroom.usecases.accounts.erasure.erase_jobs import erase_jobs
from darkroom.usecases.accounts.erasure.erase_user import erase_user
from darkroom.usecases.accounts.erasure.export_parts import (
    Export,
    files_of_assets,
    files_of_jobs,
    jobs,
    records,
    user,
)
from darkroom.usecases.accounts.erasure.move_books import (
    move_entries,
    move_purchases,
    move_wallet,
)
from darkroom.usecases.accounts.erasure.steps import (
    Left,
    Step,
    Subject,
    account_key,
    in_turn,
    items_of,
    partition,
)
from darkroom.usecases.plans.stop_subscriptions import stop_subscriptions

FILES, USER = "files", "user"
"""The lines that are about no table."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """How one table is erased and exported."""

    table: str
    """As the settings name it: ``AssetListsTable`` is ``assetlists``."""
    erase: Step | None = None
    export: tuple[Export, ...] = ()
    """Its records."""
    files: Export | None = None
    """What its records are about, if that are files."""
    why_not_erased: str = ""
    """Why nothing has to be erased; or what stays, and why."""
    why_not_exported: str = ""


def _erase_events(_app: App, subject: Subject) -> Left:
    found = events_store.erase_of_account(subject.account_id, limit=ERASURE_BATCH)
    return Left.MORE if found else Left.NOTHING


def _stop_subscriptions(app: App, subject: Subject) -> Left:
    return Left.BUSY if stop_subscriptions(app, subject.account_id) else Left.NOTHING


def _assignments(_app: App, account_id: str) -> str:
    return account_subject(account_id)


def _returning(_app: App, account_id: str) -> str:
    return returning_key(account_id)


LINES: tuple[Line, ...] = (
    # First, so that nothing is announced any more.
    Line(table="endpoints", erase=partition(EndpointItem), export=(records(EndpointItem),)),
    Line(
        table="events",
        erase=_erase_events,
        export=(records(EventItem, index_name="byAccount"),),
    ),
    Line(
        table="jobs",
        erase=erase_jobs,
        export=(jobs,),
        files=files_of_jobs,
        why_not_erased="a tombstone under the pseudonym stays: it refuses late writes, and proves "
        "the entries of the ledger",
    ),
    Line(
        table="assets",
        erase=items_of(AssetItem, first=erase_of_assets),
        export=(records(AssetItem),),
        files=files_of_assets,
    ),
    Line(
        table="assetlists",
        erase=erase_asset_lists,
        why_not_exported="derived from the assets",
    ),
    Line(table="albums", erase=partition(AlbumItem), export=(records(AlbumItem),)),
    Line(
        table="templates",
        erase=partition(AssignmentItem, _assignments),
        export=(records(AssignmentItem, _assignments),),
    ),
    Line(table=FILES, erase=erase_files),
    Line(table="limits", erase=partition(CounterItem), export=(records(CounterItem),)),
    # Before the plan, which ends with its subscription.
    Line(
        table="subscriptions",
        erase=in_turn(_stop_subscriptions, partition(SubscriptionItem)),
        export=(records(SubscriptionItem),),
    ),
    Line(table="accounts", erase=partition(AccountItem), export=(records(AccountItem),)),
    Line(
        table="usage",
        erase=in_turn(leave_owner, partition(StorageItem, account_key, _returning)),
        why_not_erased="late uploads belong to the pseudonym, as the owner of their keys",
        export=(records(StorageItem),),
    ),
    Line(
        table="costs",
        why_not_erased="erased with the jobs: the records name the pseudonym, and show what "
        "providers cost",
        why_not_exported="what providers charged the operator",
    ),
    Line(
        table="analytics",
        why_not_erased="counts of all accounts together; accounts are in it only as digests",
        why_not_exported="what all accounts together did",
    ),
    Line(
        table="idempotency",
        why_not_erased="found only by a hash of account, route and key; expires within a day",
        why_not_exported="responses that the account has had",
    ),
    Line(
        table="webhooks",
        why_not_erased="names no account, only payments; expires after 120 days",
        why_not_exported="what payment gateways sent to the operator",
    ),
    Line(
        table="providers",
        why_not_erased="names no account",
        why_not_exported="names no account",
    ),
    Line(
        table="erasures",
        why_not_erased="the list of erasures itself: it names the account only for 120 days",
        why_not_exported="there is none before an erasure",
    ),
    Line(
        table="wallets",
        erase=move_wallet,
        export=(records(WalletItem),),
        why_not_erased="stays under the pseudonym: the books have to be kept",
    ),
    Line(
        table="ledger",
        erase=move_entries,
        export=(records(LedgerItem),),
        why_not_erased="stays under the pseudonym: the books have to be kept",
    ),
    Line(
        table="purchases",
        erase=move_purchases,
        export=(records(PurchaseItem),),
        why_not_erased="stays under the pseudonym: the books have to be kept",
    ),
    Line(table=USER, erase=erase_user, export=(user,)),
)
BOOKS = frozenset({"wallets", "ledger", "purchases", USER})
"""Erased only after everything else: a running job still settles its credits."""
