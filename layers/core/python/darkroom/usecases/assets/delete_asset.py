"""Delete an asset at once; the stream or the sweeper removes its files later."""

from __future__ import annotations

from dataclasses import replace

from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, DamagedAsset
from darkroom.assets.reference_store import is_reference_photo
from darkroom.bootstrap.composition import App
from darkroom.db import commit, commit_one
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.kernel.object_keys import (
    MEDIA_PIPELINE,
    PIPELINES,
    clean_prefix,
    owner_tag,
    quarantine_key,
)
from darkroom.usecases.projections.index_asset import index_asset
from darkroom.usecases.uploads.count_storage import deletion_writes


def delete_asset(app: App, *, account_id: str, asset_id: str) -> None:
    """Delete the asset in any state, also if its item is damaged; repeating while its files are
    being removed changes nothing.

    Finished jobs keep their outputs. A job that still needs the file fails and is refunded.

    Raises:
        NotFound; Conflict ASSET_IN_USE: an active reference photo uses it.
    """
    operation = app.ids.token()

    def attempt() -> None:
        asset = assets_store.find_asset_to_delete(account_id, asset_id)
        if asset is None:
            if assets_store.has_tombstone(account_id, asset_id):
                return
            raise NotFound("no such asset")
        if _is_in_use(asset):
            raise Conflict("a reference photo is made of it", code="ASSET_IN_USE")
        if isinstance(asset, DamagedAsset) and asset.is_owner_tag_lost:
            tag = owner_tag(app.signing_secret.value, account_id)
            asset = replace(asset, owner_tag=tag)
        commit(deletion_writes(asset, now=app.clock.now(), operation=operation))

    retry_on_conflict(app.jitter, attempt)


def _is_in_use(asset: Asset | DamagedAsset) -> bool:
    if isinstance(asset, DamagedAsset):
        # Its number of photos is not kept up to date.
        return is_reference_photo(asset.account_id, asset.asset_id)
    return asset.references > 0


def erase_asset(
    app: App, account_id: str, asset_id: str, *, owner: str, upload_id: str | None = None
) -> None:
    """Remove every file and list entry of a deleted asset; safe to repeat.

    A check that is still running finds no asset at its end and removes the files that it wrote.
    """
    for pipeline in PIPELINES:
        if upload_id is not None and pipeline == MEDIA_PIPELINE:
            app.storage.abort_parts(quarantine_key(pipeline, owner, asset_id), upload_id)
        app.storage.delete(quarantine_key(pipeline, owner, asset_id))
    app.storage.delete_all(clean_prefix(owner, asset_id))
    index_asset(account_id, asset_id)


def erase_finally(app: App, account_id: str, asset_id: str) -> None:
    """Erase once more, then remove the tombstone unless a job's projection could come late."""
    tombstone = assets_store.find_tombstone(account_id, asset_id)
    if tombstone is None:
        return
    erase_asset(app, account_id, asset_id, owner=tombstone.owner, upload_id=tombstone.upload_id)
    if tombstone.made_from is not None:
        # The projection of its job may come at any time: the tombstone keeps it from returning.
        commit_one(assets_store.rest_write(account_id, asset_id))
    else:
        commit_one(assets_store.forget_tombstone_write(account_id, asset_id))
