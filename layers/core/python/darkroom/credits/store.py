"""Storage of wallets and the ledger: items, reads, and the writes of a change."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from darkroom.credits.model import Change, Entry, EntryType, Grant, Hold, Merge, Wallet
from darkroom.db import snapshot
from darkroom.db.damage import DAMAGE, read_all, read_item, report_unreadable
from darkroom.db.due import Due
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import RawItem, Write, put, update
from darkroom.kernel.clock import from_iso, to_epoch_seconds, to_iso
from darkroom.kernel.errors import (
    AlreadyHappened,
    ConcurrentUpdate,
    DarkroomError,
    NotFound,
    WalletDamaged,
)
from darkroom.kernel.ids import is_key_text
from darkroom.kernel.limits import DUE_PAGE_LIMIT, TRANSACTION_ITEMS_LIMIT
from darkroom.kernel.shapes import checked

EXPIRY_SHARD = "s0"
_MOVED_ON = ConcurrentUpdate("the wallet has moved on")


class Expiring(GlobalSecondaryIndex[Any]):
    """Wallets with grants that will expire, by the earliest expiry. Sparse."""

    class Meta:
        index_name = "expiring"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True, attr_name="dueShard")
    next_expiry_at = NumberAttribute(range_key=True, attr_name="nextExpiryAt")


class WalletItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    balance = NumberAttribute()
    held = NumberAttribute()
    version = NumberAttribute()
    debt = NumberAttribute(null=True)
    frozen = UnicodeAttribute(null=True)
    """The reason why the account is frozen; absent if it is not."""
    accepted = UnicodeAttribute(null=True)
    """Digest of the breaches for which the audit froze the wallet; unfreezing it accepts them."""
    next_expiry_at = NumberAttribute(null=True, attr_name="nextExpiryAt")
    """Unix seconds at which the next grant expires; the wallet is then found by ``expiring``."""
    due_shard = UnicodeAttribute(null=True, attr_name="dueShard")
    expiring = Expiring()
    grants = UnicodeAttribute(default="[]")
    """JSON: at most 50 live grants, short names, because the hot path rewrites them."""


class ByVersion(GlobalSecondaryIndex[Any]):
    """An account's entries in the order of their versions."""

    class Meta:
        index_name = "byVersion"
        projection = AllProjection()

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    version = NumberAttribute(range_key=True)


class LedgerItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    schema_version = NumberAttribute(default=2, attr_name="sv")
    """Since version 2, an entry records merges and the expiry of its grant, and added credits pay
    an open debt first. For older entries, the auditor cannot know this."""

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    cause = UnicodeAttribute(range_key=True)
    type = UnicodeAttribute()
    amount = NumberAttribute()
    held_change = NumberAttribute(attr_name="heldChange")
    balance_after = NumberAttribute(attr_name="balanceAfter")
    held_after = NumberAttribute(attr_name="heldAfter")
    version = NumberAttribute()
    reference_type = UnicodeAttribute(attr_name="referenceType")
    reference_id = UnicodeAttribute(attr_name="referenceId")
    description = UnicodeAttribute()
    created_at = UnicodeAttribute(attr_name="createdAt")
    moves = UnicodeAttribute(null=True)
    """JSON: grant id → change."""
    merges = UnicodeAttribute(null=True)
    """JSON: [from, into, credits] of each merge."""
    expires_at = UnicodeAttribute(null=True, attr_name="expiresAt")
    debt_change = NumberAttribute(null=True, attr_name="debtChange")
    debt_after = NumberAttribute(null=True, attr_name="debtAfter")
    by_version = ByVersion()


def find_wallet(account_id: str) -> Wallet | None:
    if not is_key_text(account_id):
        return None
    try:
        return to_wallet(WalletItem.get(account_id, consistent_read=True))
    except Model.DoesNotExist:
        return None


def find_entry(account_id: str, cause: str) -> Entry | None:
    """The entry of a cause. Raises: Unreadable; a missing number must not count as another."""
    try:
        item = LedgerItem.get(account_id, cause, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, _to_entry)


def find_happened(account_id: str, causes: Collection[str]) -> set[str]:
    """Those of the causes that are in the ledger, read consistently."""
    wanted = sorted(causes)
    found: set[str] = set()
    # A cause is never removed, so the parts need not be read at one time.
    for start in range(0, len(wanted), TRANSACTION_ITEMS_LIMIT):
        part = wanted[start : start + TRANSACTION_ITEMS_LIMIT]
        items = snapshot([(LedgerItem, account_id, cause) for cause in part])
        found |= {cause for cause, item in zip(part, items, strict=True) if item is not None}
    return found


def list_entries(
    account_id: str, *, limit: int, before_version: int | None = None, type_: str | None = None
) -> tuple[list[Entry], int | None]:
    """Entries newest first, and the version before which the next page starts, None at the end.

    A damaged entry is left out here, and reported by the auditor.
    """
    condition = None if before_version is None else LedgerItem.version < before_version
    found = LedgerItem.by_version.query(
        account_id,
        range_key_condition=condition,
        filter_condition=None if type_ is None else LedgerItem.type == type_,
        scan_index_forward=False,
        page_size=None if type_ else limit + 1,
    )
    items = list(itertools.islice(found, limit + 1))
    position = int(items[limit - 1].version) if len(items) > limit else None
    return read_all(items[:limit], _to_entry), position


def all_entries(account_id: str) -> list[Entry]:
    """All entries from the base table, read consistently, in version order. For audits."""
    items = LedgerItem.query(account_id, consistent_read=True)
    return sorted((_to_entry(item) for item in items), key=lambda entry: entry.version)


def list_ledger_accounts() -> Iterator[str]:
    """Accounts that have entries, once each, whether or not they have a wallet. For audits."""
    last: str | None = None
    for item in LedgerItem.scan(attributes_to_get=["accountId", "cause"]):
        # A scan goes partition by partition, so an account's entries come together.
        if item.account_id != last:
            last = item.account_id
            yield last


def change_writes(change: Change, *, before: Wallet | None, operation: str) -> list[Write]:
    """The writes of a change: its entries, each possible once, and the wallet by its version.

    The entries come first, so that a cause that already happened is distinguished from a wallet
    that merely changed.
    """
    writes = [_entry_write(entry, operation) for entry in change.entries]
    writes.append(_wallet_write(change.wallet, before, operation))
    return writes


def _entry_write(entry: Entry, operation: str) -> Write:
    item = LedgerItem(
        account_id=entry.account_id,
        cause=entry.cause,
        type=entry.type.value,
        amount=entry.amount,
        held_change=entry.held_change,
        balance_after=entry.balance_after,
        held_after=entry.held_after,
        version=entry.version,
        reference_type=entry.reference_type,
        reference_id=entry.reference_id,
        description=entry.description,
        created_at=to_iso(entry.created_at),
        moves=json.dumps(dict(entry.moves), separators=(",", ":")) if entry.moves else None,
        merges=_merges_to_json(entry.merges),
        expires_at=to_iso(entry.expires_at) if entry.expires_at is not None else None,
        debt_change=entry.debt_change or None,
        debt_after=entry.debt_after or None,
        operation=operation,
    )

    refused: DarkroomError = AlreadyHappened(f"{entry.cause} has already happened")
    if entry.type is EntryType.EXPIRE:
        # Any change of a wallet expires its due grants first. That another one did it means
        # only that ours was computed from an older wallet.
        refused = ConcurrentUpdate("the grant expired meanwhile")
    # There must be no entry with this cause: a cause happens once, forever.
    return put(item, condition=LedgerItem.cause.does_not_exist(), refused=refused)


def _wallet_write(wallet: Wallet, before: Wallet | None, operation: str) -> Write:
    item = _wallet_item(wallet, operation)
    if before is None:
        return put(item, condition=WalletItem.account_id.does_not_exist(), refused=_MOVED_ON)
    # The version says that the wallet is the one we computed from; the balance clause repeats
    # law L2 at the store itself, so that no bug upstream can overdraw. Freezing does not change
    # the version, so the last clause keeps a change that began earlier from unfreezing the wallet.
    condition = (
        (WalletItem.version == before.version)
        & (WalletItem.balance >= max(0, before.balance - wallet.balance))
        & _is_as_frozen_as(before)
    )
    return put(item, condition=condition, refused=_MOVED_ON)


def _wallet_item(wallet: Wallet, operation: str) -> WalletItem:
    expiry = _next_expiry(wallet)
    return WalletItem(
        wallet.account_id,
        balance=wallet.balance,
        held=wallet.held,
        version=wallet.version,
        debt=wallet.debt or None,
        frozen=wallet.frozen,
        accepted=wallet.accepted,
        next_expiry_at=expiry,
        due_shard=EXPIRY_SHARD if expiry is not None else None,
        grants=json.dumps([grant_to_dict(g) for g in wallet.grants], separators=(",", ":")),
        operation=operation,
    )


def _is_as_frozen_as(before: Wallet) -> Condition:
    if before.frozen is None:
        return WalletItem.frozen.does_not_exist()
    return WalletItem.frozen == before.frozen


def freeze_write(
    account_id: str, *, reason: str, operation: str, found: str | None = None
) -> Write:
    """Freeze the account for this reason; ``found`` is the digest of the audit's breaches."""
    actions: list[Action] = [WalletItem.frozen.set(reason)]
    if found is not None:
        actions.append(WalletItem.accepted.set(found))
    return _freezing_write(account_id, actions, operation)


def unfreeze_write(account_id: str, *, operation: str) -> Write:
    """Unfreeze the account. The breaches for which the audit froze it are accepted then."""
    return _freezing_write(account_id, [WalletItem.frozen.remove()], operation)


def forget_accepted_write(account_id: str, *, accepted: str, operation: str) -> Write:
    """Accept no breaches any more, unless the account was frozen for others meanwhile."""
    return update(
        WalletItem(account_id),
        [WalletItem.accepted.remove()],
        condition=WalletItem.frozen.does_not_exist() & (WalletItem.accepted == accepted),
        refused=_MOVED_ON,
        operation=operation,
    )


def _freezing_write(account_id: str, actions: Sequence[Action], operation: str) -> Write:
    return update(
        WalletItem(account_id),
        actions,
        condition=WalletItem.account_id.exists(),
        refused=NotFound("no such account"),
        operation=operation,
    )


def rebuild_write(wallet: Wallet, *, before: RawItem | None, operation: str) -> Write:
    """Replace the stored wallet, if it did not change since it was read, by the rebuilt one."""
    item = _wallet_item(wallet, operation)
    if before is None:
        return put(item, condition=WalletItem.account_id.does_not_exist(), refused=_MOVED_ON)
    # A damaged wallet may have no readable version; every change of it stamps its operation.
    stamp = before.get("op", {}).get("S")
    condition = WalletItem.account_id.exists()
    if stamp is None:
        condition &= WalletItem.operation.does_not_exist()
    else:
        condition &= WalletItem.operation == stamp
    # Several changes of one request have one stamp.
    if "N" in (version := before.get("version", {})):
        condition &= WalletItem.version == float(version["N"])
    return put(item, condition=condition, refused=_MOVED_ON)


def accepted_breaches(raw: RawItem | None) -> str | None:
    """The digest of what an operator accepted; None if nothing."""
    return (raw or {}).get("accepted", {}).get("S")


def frozen_reason(raw: RawItem | None) -> str | None:
    """Why a stored wallet is frozen, even if the rest of it cannot be read."""
    return (raw or {}).get("frozen", {}).get("S")


def _next_expiry(wallet: Wallet) -> int | None:
    moments = [grant.expires_at for grant in wallet.grants if grant.expires_at is not None]
    return to_epoch_seconds(min(moments)) if moments else None


def list_expiring(until: datetime, *, limit: int) -> list[Due]:
    """Wallets with a grant that is due by ``until``, the longest overdue first."""
    found = WalletItem.expiring.query(
        EXPIRY_SHARD,
        range_key_condition=WalletItem.next_expiry_at <= to_epoch_seconds(until),
        limit=limit,
        page_size=min(limit, DUE_PAGE_LIMIT),
    )
    return [Due(item=item) for item in found]


def list_accounts(*, after: str | None, limit: int) -> list[str]:
    """Accounts that have a wallet, in the table's order, a page at a time. For audits."""
    start = None if after is None else {"accountId": {"S": after}}
    return [
        item.account_id
        for item in WalletItem.scan(limit=limit, page_size=limit, last_evaluated_key=start)
    ]


def to_wallet(item: WalletItem) -> Wallet:
    """The stored wallet.

    Raises:
        WalletDamaged: the code is ACCOUNT_FROZEN. Nothing may be spent from it until an
            operator has rebuilt it from its ledger.
    """
    try:
        if item.unreadable:
            raise ValueError("another type than declared")
        return _to_wallet(item)
    except DAMAGE as error:
        report_unreadable(item.account_id, "wallet", item.unreadable or ("wallet",))
        raise WalletDamaged("the wallet is damaged") from error


def _to_wallet(item: WalletItem) -> Wallet:
    return Wallet(
        account_id=item.account_id,
        balance=_whole(item.balance),
        held=_whole(item.held),
        version=_whole(item.version),
        grants=tuple(grant_from_dict(grant) for grant in json.loads(item.grants)),
        debt=_whole(item.debt or 0),
        frozen=item.frozen,
        accepted=item.accepted,
    )


def _to_entry(item: LedgerItem) -> Entry:
    entry = Entry(
        account_id=item.account_id,
        cause=item.cause,
        type=EntryType(item.type),
        amount=_whole(item.amount),
        held_change=_whole(item.held_change),
        balance_after=_whole(item.balance_after),
        held_after=_whole(item.held_after),
        version=_whole(item.version),
        reference_type=item.reference_type,
        reference_id=item.reference_id,
        description=item.description,
        created_at=from_iso(item.created_at),
        moves=json.loads(item.moves or "{}"),
        merges=tuple(Merge(*merge) for merge in json.loads(item.merges or "[]")),
        expires_at=None if item.expires_at is None else from_iso(item.expires_at),
        debt_change=_whole(item.debt_change or 0),
        debt_after=_whole(item.debt_after or 0),
    )
    return checked(entry)


def _merges_to_json(merges: tuple[Merge, ...]) -> str | None:
    if not merges:
        return None
    rows = [[merge.from_id, merge.into_id, merge.credits] for merge in merges]
    return json.dumps(rows, separators=(",", ":"))


def _whole(number: float) -> int:
    """Credits are integers; a stored fraction is damage and must never be cut off silently."""
    whole = int(number)
    if whole != number:
        raise ValueError(f"{number} is no whole number of credits")
    return whole


def grant_to_dict(grant: Grant) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "i": grant.grant_id,
        "s": grant.source,
        "r": grant.remaining,
        "p": grant.priority,
        "c": to_iso(grant.created_at),
    }
    if grant.expires_at is not None:
        shape["e"] = to_iso(grant.expires_at)
    if grant.merged:
        shape["m"] = dict(grant.merged)
    return shape


def grant_from_dict(shape: Mapping[str, Any]) -> Grant:
    return Grant(
        grant_id=shape["i"],
        source=shape["s"],
        remaining=shape["r"],
        priority=shape["p"],
        created_at=from_iso(shape["c"]),
        expires_at=from_iso(shape["e"]) if "e" in shape else None,
        merged=shape.get("m", {}),
    )


def hold_to_json(hold: Hold) -> str:
    return json.dumps([grant_to_dict(piece) for piece in hold.slices], separators=(",", ":"))


def hold_from_json(text: str | None) -> Hold:
    return Hold(tuple(grant_from_dict(piece) for piece in json.loads(text or "[]")))
