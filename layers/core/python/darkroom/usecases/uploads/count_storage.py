"""Count: what an asset takes of its account's storage moves with it, in the same transaction.

An asset carries what is counted for it, and is written only as it was read; so whoever ends it
gives back exactly that, once, whichever of check, abort, expiry and deletion comes first.
"""

from __future__ import annotations

from datetime import datetime

from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset
from darkroom.db import Write
from darkroom.plans.storage_store import count_write


def counted_writes(before: Asset, after: Asset, operation: str) -> list[Write]:
    """The asset as it will be, and what it then takes more or less."""
    save = assets_store.save_write(before, after, operation, counted=True)
    return [
        save,
        *_count_writes(
            before.account_id,
            used_bytes=after.counted_bytes - before.counted_bytes,
            uploads=after.counted_uploads - before.counted_uploads,
        ),
    ]


def buried_writes(asset: Asset, now: datetime, operation: str) -> list[Write]:
    """The asset is gone, and all that it took is free; its files follow."""
    return [
        *assets_store.tombstone_writes(asset, now, operation),
        *_count_writes(
            asset.account_id, used_bytes=-asset.counted_bytes, uploads=-asset.counted_uploads
        ),
    ]


def _count_writes(account_id: str, *, used_bytes: int, uploads: int) -> list[Write]:
    if used_bytes == 0 and uploads == 0:
        return []
    return [count_write(account_id, used_bytes=used_bytes, uploads=uploads)]
