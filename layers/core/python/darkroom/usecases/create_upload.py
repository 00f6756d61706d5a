"""Open upload sessions: assets that wait for their content, and the links to send it to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from darkroom.adapters.storage import lane_of, quarantine_key
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, begin_upload
from darkroom.bootstrap import App
from darkroom.db import commit
from darkroom.kernel.limits import UPLOAD_FILES_LIMIT
from darkroom.uploads.policy import NewFile
from darkroom.usecases.requests import Command

SINGLE_PART = 1
"""A file that is sent with one PUT is its own part 1."""


@dataclass(frozen=True, kw_only=True)
class PartLink:
    part_number: int
    url: str


@dataclass(frozen=True, kw_only=True)
class UploadSession:
    asset: Asset
    links: tuple[PartLink, ...]
    part_size_bytes: int
    expires_at: datetime

    @property
    def storage_key(self) -> str:
        asset = self.asset
        return quarantine_key(lane_of(asset.kind), asset.account_id, asset.asset_id)

    @property
    def headers(self) -> dict[str, str]:
        """What the client must send along; the link is signed for it."""
        return {"Content-Type": self.asset.declared_mime_type}


def create_upload(app: App, call: Command, files: Sequence[NewFile]) -> list[UploadSession]:
    """Open a session per file, all or none, in the order given.

    Asset ids are made from the time, because assets are listed by id, newest first; so a
    repeated Idempotency-Key meets its sessions in the stored answer. Should that be lost with a
    crash, the sessions nobody knows of expire: nothing was charged for them.
    """
    assert 0 < len(files) <= UPLOAD_FILES_LIMIT
    now = app.clock.now()
    # Sorted, so that files which arrive together keep their order among themselves.
    asset_ids = sorted(app.ids.new(assets_store.ASSET_PREFIX) for _ in files)
    assets = [
        begin_upload(
            account_id=call.account_id,
            asset_id=asset_id,
            filename=file.filename,
            kind=file.kind,
            mime_type=file.mime_type,
            size_bytes=file.size_bytes,
            now=now,
        )
        for asset_id, file in zip(asset_ids, files, strict=True)
    ]
    commit([assets_store.create_write(asset, call.operation) for asset in assets])
    return [open_session(app, asset) for asset in assets]


def open_session(app: App, asset: Asset) -> UploadSession:
    """Links for an asset that waits for its content: exactly this key, type and length."""
    assert asset.expires_at is not None
    url = app.storage.upload_url(
        quarantine_key(lane_of(asset.kind), asset.account_id, asset.asset_id),
        mime_type=asset.declared_mime_type,
        size_bytes=asset.declared_size_bytes,
    )
    return UploadSession(
        asset=asset,
        links=(PartLink(part_number=SINGLE_PART, url=url),),
        part_size_bytes=asset.declared_size_bytes,
        expires_at=asset.expires_at,
    )
