"""Law L9: the counters of an account are the sums over its files. Pure.

It is checked on the raw items that the auditor has read. Damaged items are breaches of L8; then
the sums are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from darkroom.assets.store import AssetItem
from darkroom.credits.audit.facts import Breach
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import RawItem
from darkroom.plans.storage_store import StorageItem
from darkroom.usage.store import UsageRecordItem

_TAKEN = {
    AssetItem: (("countedBytes",), ("countedUploads",)),
    UsageRecordItem: (("outputBytes", "archiveBytes"), ()),
}
_COUNTED = (("usedBytes", "bytes"), ("openUploads", "uploads"))


def storage_breaches(
    account_id: str, others: Sequence[tuple[type[SalvagedItem], RawItem]]
) -> Iterator[Breach]:
    """The breaches of L9 in the items that an account owns beside its books."""
    sums, counters = [0, 0], [0, 0]
    try:
        for item_class, raw in others:
            for place, names in enumerate(_TAKEN.get(item_class, ())):
                sums[place] += sum(_number(raw, name) for name in names)
            if item_class is StorageItem:
                counters = [_number(raw, name) for name, _ in _COUNTED]
    except (KeyError, TypeError, ValueError):
        return
    for actual, counted, (_, what) in zip(sums, counters, _COUNTED, strict=True):
        if actual != counted:
            message = f"{counted} {what} are counted, its files take {actual}"
            yield Breach(law="L9", account_id=account_id, message=message)


def _number(raw: RawItem, name: str) -> int:
    return int(raw[name]["N"]) if name in raw else 0
