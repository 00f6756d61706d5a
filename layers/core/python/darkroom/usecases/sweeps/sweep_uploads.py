"""Sweep uploads: expire unfinished ones, and make up for lost storage events.

Each asset is handled separately. The sweep is safe to repeat and to stop at any point: an asset
leaves the ``due`` index only by the write that handles it.
"""

from __future__ import annotations

import functools
from collections import Counter
from contextlib import suppress
from datetime import datetime

from darkroom.assets import model
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, NotFound
from darkroom.kernel.limits import CHECKS_LIMIT, SWEEP_ITEMS_LIMIT
from darkroom.uploads.failures import UploadFailure, message_of
from darkroom.usecases.assets.delete_asset import delete_asset, erase_finally
from darkroom.usecases.projections.project_asset import ask_for_check, project_asset
from darkroom.usecases.sweeps.retention import retention_of
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items
from darkroom.usecases.uploads.complete_upload import join_upload
from darkroom.usecases.uploads.count_storage import counted_writes
from darkroom.usecases.uploads.create_upload import key_of


def sweep_uploads(app: App, on_error: OnError) -> Counter[str]:
    """Handle due assets; returns the number of assets by outcome."""
    found = assets_store.list_due(app.clock.now(), limit=SWEEP_ITEMS_LIMIT)
    return sweep_items(app, found, handle=functools.partial(_handle, app), on_error=on_error)


def _handle(app: App, account_id: str, asset_id: str) -> str:
    if asset_id.startswith(assets_store.TOMBSTONE):
        erase_finally(app, account_id, asset_id.removeprefix(assets_store.TOMBSTONE))
        return "erased"
    asset = assets_store.find_asset(account_id, asset_id)
    if asset is None:
        return "gone"
    now = app.clock.now()
    if asset.next_check_at is None or asset.next_check_at > now:
        # The index is eventually consistent.
        return "unchanged"
    try:
        return _handle_due(app, asset, now)
    except ConcurrentUpdate:
        # The other writer has also scheduled the next check.
        return "raced"


def _handle_due(app: App, asset: Asset, now: datetime) -> str:
    if asset.is_final:
        # This also sends a lost request to count faces again.
        project_asset(app, asset)
        return _settle(app, asset)
    if asset.status is AssetStatus.UPLOADING:
        # If the check finishes between these two steps, the save fails on the version.
        if not _has_arrived(app, asset):
            return _fail(app, asset, UploadFailure.UPLOAD_EXPIRED, now)
        return _ask(app, asset, model.await_check(asset, now))
    if asset.checks >= CHECKS_LIMIT:
        return _fail(app, asset, UploadFailure.CORRUPT_FILE, now)
    return _ask(app, asset, model.ask_again(asset, now))


def _settle(app: App, asset: Asset) -> str:
    """End the checks of a file whose projections were derived again, unless it is kept for a
    limited time only."""
    kept = retention_of(app, asset.account_id, since=asset.created_at)
    if kept.is_over:
        # A file that a reference photo is made of stays as long as that.
        with suppress(Conflict, NotFound):
            delete_asset(app, account_id=asset.account_id, asset_id=asset.asset_id)
            return "outlived"
    _save(app, asset, model.settle(asset, check_at=kept.check_at))
    return "projected"


def _has_arrived(app: App, asset: Asset) -> bool:
    """Whether the file has arrived. A multipart upload with all its parts, whose client never
    completed it, is completed now; the parts of any other are removed with the failed asset."""
    try:
        if join_upload(app, asset):
            return True
    except ConcurrentUpdate:
        raise
    except Conflict:
        return False
    return app.storage.find(key_of(asset)) is not None


def _ask(app: App, asset: Asset, waiting: Asset) -> str:
    """Send the message for the check, then store that it was sent. If this stops in between, the
    next sweep sends it again; a second message has no effect."""
    ask_for_check(app, asset)
    _save(app, asset, waiting)
    return "check_asked"


def _fail(app: App, asset: Asset, failure: UploadFailure, now: datetime) -> str:
    message = message_of(failure)
    _save(app, asset, model.refuse(asset, code=failure.value, message=message, now=now))
    return "expired" if failure is UploadFailure.UPLOAD_EXPIRED else "given_up"


def _save(app: App, before: Asset, after: Asset) -> None:
    commit(counted_writes(before, after, operation=app.ids.token()))
