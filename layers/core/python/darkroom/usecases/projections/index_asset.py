"""Index an asset: write its entries in the lists by state, kind, name, length, word and tag."""

from __future__ import annotations

from darkroom.assets import store as assets_store
from darkroom.assets.lists import store as list_store
from darkroom.assets.lists.facets import entries_of
from darkroom.kernel.errors import Unreadable


def index_asset(account_id: str, asset_id: str) -> int:
    """Make the asset's entries correct; returns how many changed.

    This is a projection. It reads the asset again, so that an old stream record never restores
    old entries; a deleted asset has none.
    """
    try:
        asset = assets_store.find_asset(account_id, asset_id)
    except Unreadable:
        # It keeps its entries: lists skip it until its item is repaired.
        return 0
    wanted = set() if asset is None else entries_of(asset)
    return list_store.replace_entries(account_id, asset_id, wanted)
