"""Count the storage of an account in the same transaction that changes an asset.

An asset stores what is counted for it, and is written only if it did not change since it was
read. So check, abort, expiry and deletion free exactly that, once, in any order.
"""

from __future__ import annotations

from datetime import datetime

from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, DamagedAsset
from darkroom.db import Write
from darkroom.plans.storage_store import count_write


def counted_writes(before: Asset, after: Asset, *, operation: str) -> list[Write]:
    """The writes of the changed asset, and of the difference in the counters."""
    save = assets_store.save_write(before, after, operation=operation, counted=True)
    return [
        save,
        *_count_writes(
            before.account_id,
            used_bytes=after.counted_bytes - before.counted_bytes,
            uploads=after.counted_uploads - before.counted_uploads,
        ),
    ]


def deletion_writes(asset: Asset | DamagedAsset, *, now: datetime, operation: str) -> list[Write]:
    """The writes that delete the asset and free its storage; its files are removed later."""
    return [
        *assets_store.tombstone_writes(asset, now=now, operation=operation),
        *_count_writes(
            asset.account_id, used_bytes=-asset.counted_bytes, uploads=-asset.counted_uploads
        ),
    ]


def _count_writes(account_id: str, *, used_bytes: int, uploads: int) -> list[Write]:
    if used_bytes == 0 and uploads == 0:
        return []
    return [count_write(account_id, used_bytes=used_bytes, uploads=uploads)]
