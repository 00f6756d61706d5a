"""Read the books of one account from its raw items. Pure.

Every item is read separately, without its damaged attributes. Each damaged attribute is a breach
of L8 that names the item: an attribute of another type than the item class declares, a missing
attribute, malformed JSON, or a value that the auditor knows to be wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from darkroom.albums.items import (
    AlbumItem,
    EntryItem,
    album_from_item,
    album_of_tombstone,
    entry_from_item,
)
from darkroom.albums.items import TombstoneItem as AlbumTombstoneItem
from darkroom.assets.reference_store import ReferencePhotoItem, to_reference_photo
from darkroom.assets.store import AssetItem, to_asset, to_tombstone
from darkroom.assets.store import TombstoneItem as AssetTombstoneItem
from darkroom.credits.audit import reading
from darkroom.credits.audit.facts import (
    Books,
    Breach,
    EntryFacts,
    JobFacts,
    PurchaseFacts,
    WalletFacts,
)
from darkroom.credits.audit.fields import read_moment
from darkroom.credits.store import LedgerItem, WalletItem
from darkroom.db.damage import DAMAGE
from darkroom.db.items import BaseItem, SalvagedItem
from darkroom.db.writes import RawItem
from darkroom.endpoints.items import EndpointItem, endpoint_from_item
from darkroom.exports.store import ExportItem, to_export
from darkroom.jobs.items import (
    INHERITED_PREFIX,
    INPUTS_KEY,
    JOB_KEY,
    TASK_PREFIX,
    InheritedItem,
    InputsItem,
    JobItem,
    TaskItem,
)
from darkroom.payments.store import PurchaseItem
from darkroom.payments.subscription_store import SubscriptionItem, to_subscription
from darkroom.plans.storage_store import StorageItem, stored_of
from darkroom.plans.store import AccountItem, to_account
from darkroom.uploads.session_store import SessionItem, to_session
from darkroom.usage.store import MonthItem, UsageRecordItem, to_month, to_record

OTHER_CLASSES: Mapping[type[SalvagedItem], Callable[[Any], object]] = {
    AccountItem: to_account,
    SubscriptionItem: to_subscription,
    StorageItem: stored_of,
    MonthItem: to_month,
    UsageRecordItem: to_record,
    SessionItem: to_session,
    ExportItem: to_export,
    AssetItem: to_asset,
    AssetTombstoneItem: to_tombstone,
    ReferencePhotoItem: to_reference_photo,
    AlbumItem: album_from_item,
    AlbumTombstoneItem: album_of_tombstone,
    EntryItem: entry_from_item,
    EndpointItem: endpoint_from_item,
}
"""Classes of an account's items that no other law is about → the product's readers."""

JSON_ATTRIBUTES = frozenset(
    {
        "chain", "costs", "decisions", "failure", "grants", "hold", "inputs", "merges", "moves",
        "output", "outputs", "plan", "price", "progress", "receipt", "regen", "reversals", "run",
        "sources",
    }
)  # fmt: skip
PLAIN_TEXTS = frozenset({(AccountItem, "plan"), (SubscriptionItem, "plan")})
"""Attributes that are the name of a plan, and not the JSON of a task's."""
TIME_ATTRIBUTES = frozenset(
    {
        "createdAt", "deletedAt", "expiresAt", "finishedAt", "leaseUntil", "notBefore", "queuedAt",
        "startedAt", "updatedAt",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RawAccount:
    """The stored items of one account, as DynamoDB returns them."""

    account_id: str
    wallet: RawItem | None
    entries: Sequence[RawItem] = ()
    purchases: Sequence[RawItem] = ()
    collections: Mapping[str, Sequence[RawItem]] = field(default_factory=dict)
    """Job id → all items of its collection; empty if the job does not exist."""
    others: Sequence[tuple[type[SalvagedItem], RawItem]] = ()
    """Items that no credits depend on, each with its class: plan, counters, files and albums."""


def read_books(raw: RawAccount) -> tuple[Books, list[Breach]]:
    """The readable part of the books, and a breach of L8 for each damaged item."""
    reader = _Reader(raw.account_id)
    wallet = reader.wallet(raw.wallet)
    entries = [entry for item in raw.entries if (entry := reader.entry(item)) is not None]
    purchases = [found for item in raw.purchases if (found := reader.purchase(item)) is not None]
    for item_class, item in raw.others:
        reader.other(item_class, item)
    jobs = [job for items in raw.collections.values() if (job := reader.job(items)) is not None]
    books = Books(
        account_id=raw.account_id,
        wallet=wallet,
        entries=sorted(entries, key=lambda entry: (entry.version, entry.cause)),
        jobs={job.job_id: job for job in jobs},
        purchases={purchase.purchase_id: purchase for purchase in purchases},
        unread=frozenset(reader.unread),
    )
    return books, reader.breaches


class _Reader:
    """Reads items one by one, and collects their breaches."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self.unread: set[str] = set()
        self.breaches: list[Breach] = []

    def wallet(self, raw: RawItem | None) -> WalletFacts | None:
        if raw is None:
            return None
        facts, problems = reading.read_wallet(raw)
        self._report("the wallet", WalletItem, raw, problems)
        return facts

    def entry(self, raw: RawItem) -> EntryFacts | None:
        facts, problems = reading.read_entry(raw)
        cause = _key(raw, "cause")
        self._report(f"entry {cause}", LedgerItem, raw, problems, entry_id=cause)
        if facts is None:
            self.unread.add(cause)
        return facts

    def purchase(self, raw: RawItem) -> PurchaseFacts | None:
        facts, problems = reading.read_purchase(raw)
        purchase_id = _key(raw, "purchaseId")
        self._report(f"purchase {purchase_id}", PurchaseItem, raw, problems)
        if facts is None:
            self.unread.add(purchase_id)
        return facts

    def other(self, item_class: type[SalvagedItem], raw: RawItem) -> None:
        """Check an item that no other law is about, with the product's own reader."""
        name = " ".join(str(key) for key in _keys(item_class, raw))
        problems = list(problems_of_shape(item_class, raw))
        if not problems and not _can_read(item_class, raw):
            problems = ["an attribute has a wrong value"]
        self._report(f"{item_class.__name__} {name}", item_class, raw, problems)

    def job(self, items: Iterable[RawItem]) -> JobFacts | None:
        by_key = {_key(item, "sk"): item for item in items}
        raw = by_key.get(JOB_KEY)
        if raw is None:
            return None
        facts, problems = reading.read_job(raw)
        job_id = _key(raw, "pk")
        self._report(f"job {job_id}", JobItem, raw, problems)
        if INPUTS_KEY in by_key:
            self._report(f"inputs of {job_id}", InputsItem, by_key[INPUTS_KEY], ())
        if facts is None:
            self.unread.add(job_id)
        if facts is not None and facts.is_written_off:
            # The damage is on record, and the job was ended for it: nothing is left to repair.
            return replace(facts, made=None, inherited=None)
        tasks = [item for key, item in by_key.items() if key.startswith(TASK_PREFIX)]
        copies = [item for key, item in by_key.items() if key.startswith(INHERITED_PREFIX)]
        made = self._outputs(job_id, TaskItem, tasks, reading.keys_of_task)
        inherited = self._outputs(job_id, InheritedItem, copies, reading.keys_of_inherited)
        return None if facts is None else replace(facts, made=made, inherited=inherited)

    def _outputs(
        self,
        job_id: str,
        item_class: type[BaseItem],
        items: Iterable[RawItem],
        keys_of: Callable[[RawItem], tuple[list[str] | None, list[str]]],
    ) -> Mapping[str, int] | None:
        """Key → number of outputs; None if an item that may hold outputs cannot be read."""
        found: Counter[str] = Counter()
        is_known = True
        for raw in items:
            keys, problems = keys_of(raw)
            self._report(f"{_key(raw, 'sk')} of {job_id}", item_class, raw, problems)
            found.update(keys or ())
            is_known = is_known and keys is not None
        return found if is_known else None

    def _report(
        self,
        name: str,
        item_class: type[BaseItem],
        raw: RawItem,
        problems: Iterable[str],
        *,
        entry_id: str | None = None,
    ) -> None:
        found = sorted({*problems, *problems_of_shape(item_class, raw)})
        if found:
            self.breaches.append(
                Breach(
                    law="L8",
                    account_id=self._account_id,
                    message=f"{name} cannot be read: {', '.join(found)}",
                    entry_id=entry_id,
                )
            )


def problems_of_shape(item_class: type[BaseItem], raw: RawItem) -> Iterator[str]:
    """The differences between an item and the declaration of its class."""
    for attribute in item_class.get_attributes().values():
        name = attribute.attr_name
        held = raw.get(name)
        if held is None:
            if not attribute.null and attribute.default is None and name not in LEAVES_WITH_ITS_JOB:
                yield f"{name} is missing"
        elif attribute.attr_type not in held:
            yield f"{name} has the wrong type"
        elif (
            name in JSON_ATTRIBUTES
            and (item_class, name) not in PLAIN_TEXTS
            and not _is_json(held["S"])
        ):
            yield f"{name} is not JSON"
        elif name in TIME_ATTRIBUTES and "S" in held and read_moment(held["S"]) is None:
            yield f"{name} is not a time"


LEAVES_WITH_ITS_JOB = frozenset({"listKey"})
"""Absent in a deleted job, which is in no list."""


def _can_read(item_class: type[SalvagedItem], raw: RawItem) -> bool:
    try:
        OTHER_CLASSES[item_class](item_class.from_raw_data(dict(raw)))
    except DAMAGE:
        return False
    return True


def _keys(item_class: type[BaseItem], raw: RawItem) -> Iterator[str]:
    attributes = item_class.get_attributes().values()
    keys = [one for one in attributes if one.is_hash_key or one.is_range_key]
    return (_key(raw, one.attr_name) for one in sorted(keys, key=lambda one: one.is_range_key))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _key(raw: RawItem, name: str) -> str:
    """A key attribute. Keys are always strings: DynamoDB refuses anything else."""
    return str(raw[name]["S"])
