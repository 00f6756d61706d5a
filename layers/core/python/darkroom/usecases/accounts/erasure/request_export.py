"""Request an export of an account, and follow it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from darkroom.adapters.storage import SignedLink
from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.exports import store
from darkroom.exports.store import AlreadyRequested
from darkroom.kernel.errors import AlreadyHappened, NotFound
from darkroom.usecases.accounts.erasure.export_object import (
    MIME_TYPE,
    forget_failure,
    has_failed,
    key_of,
)

ExportStatus = Literal["building", "ready", "failed"]


@dataclass(frozen=True, kw_only=True)
class FollowedExport:
    export_id: str
    status: ExportStatus
    link: SignedLink | None = None


def request_export(app: App, account_id: str) -> str:
    """Let the worker make the account's export; returns its id.

    Within a day it is the same one; if that has failed, it is tried again. The request is stored
    before its message is sent; who asks for an export whose message was lost sends it again.
    """
    export_id = app.ids.new("exp")
    try:
        commit_one(store.request_write(account_id, export_id=export_id, now=app.clock.now()))
    except AlreadyRequested as earlier:
        key = key_of(app, account_id, earlier.export_id)
        if has_failed(app, key):
            forget_failure(app, key)
            _send(app, account_id, earlier.export_id)
        return earlier.export_id
    _send(app, account_id, export_id)
    return export_id


def follow_export(app: App, account_id: str, export_id: str) -> FollowedExport:
    """The state of the export, with a link when it is ready.

    Raises:
        NotFound: unknown, another account's, or expired.
    """
    export = store.find_export(account_id, now=app.clock.now())
    if export is None or export.export_id != export_id:
        raise NotFound("no such export")
    key = key_of(app, account_id, export_id)
    if app.storage.find(key) is not None:
        name = f"darkroom-{export.requested_at.date().isoformat()}.zip"
        link = app.storage.download_link(key, file_name=name, mime_type=MIME_TYPE)
        return FollowedExport(export_id=export_id, status="ready", link=link)
    if has_failed(app, key):
        return FollowedExport(export_id=export_id, status="failed")
    with suppress(AlreadyHappened):
        commit_one(store.send_again_write(export, now=app.clock.now()))
        _send(app, account_id, export_id)
    return FollowedExport(export_id=export_id, status="building")


def _send(app: App, account_id: str, export_id: str) -> None:
    app.archive_queue.send({"exportOf": account_id, "exportId": export_id})
