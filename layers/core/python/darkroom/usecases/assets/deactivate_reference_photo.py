"""Deactivate a reference photo: no new portraits are made from it, and nothing is removed."""

from __future__ import annotations

from dataclasses import replace

from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, ReferencePhoto
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import Unreadable


def deactivate_reference_photo(
    app: App, *, account_id: str, reference_photo_id: str
) -> ReferencePhoto:
    """Set the photo inactive and return it. Repeating changes nothing; unfinished jobs keep it.

    Raises:
        NotFound.
    """
    operation = app.ids.token()

    def attempt() -> ReferencePhoto:
        photo = reference_store.get_reference_photo(account_id, reference_photo_id)
        if not photo.is_active:
            return photo
        inactive = replace(photo, is_active=False)
        writes = [reference_store.save_write(photo, inactive, operation=operation)]
        asset = _find_readable(account_id, photo.asset_id)
        if asset is not None:
            counted = replace(asset, references=max(0, asset.references - 1))
            writes.append(assets_store.save_write(asset, counted, operation=operation))
        commit(writes)
        return inactive

    return retry_on_conflict(app.jitter, attempt)


def _find_readable(account_id: str, asset_id: str) -> Asset | None:
    """The asset; None also if it is damaged, as its deletion does not read the number of photos."""
    try:
        return assets_store.find_asset(account_id, asset_id)
    except Unreadable:
        return None
