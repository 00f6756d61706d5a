"""Abort an upload that its owner no longer wants."""

from __future__ import annotations

from darkroom.assets import store as assets_store
from darkroom.assets.model import AssetStatus
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.usecases.uploads.count_storage import deletion_writes


def abort_upload(app: App, *, account_id: str, asset_id: str) -> None:
    """Delete the asset and free its storage at once; content that has arrived is removed later.

    One transaction decides against a concurrent complete. The stream or the sweeper then removes
    the content and aborts a multipart upload in the storage. Content that arrives even later
    belongs to no asset, and is removed with the tombstone.

    Raises:
        NotFound; Conflict UPLOAD_CLOSED: the upload is no longer open.
    """
    operation = app.ids.token()
    tried = False

    def attempt() -> None:
        nonlocal tried
        asset = assets_store.find_asset(account_id, asset_id)
        if asset is None:
            if tried:
                # Our own deletion, whose response was lost.
                return
            raise NotFound("no such upload")
        if asset.status is not AssetStatus.UPLOADING:
            raise Conflict("the upload is finished", code="UPLOAD_CLOSED")
        tried = True
        commit(deletion_writes(asset, now=app.clock.now(), operation=operation))

    retry_on_conflict(app.jitter, attempt)
