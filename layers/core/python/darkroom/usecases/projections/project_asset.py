"""Project an asset: write its events and list entries, and request a check if it needs one.

All of it derives from the asset's current state, and each event is written once. So a record may
be delivered twice or late, and the sweeper makes up for a lost one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from darkroom.assets.lists.facets import entries_of
from darkroom.assets.model import Asset, AssetStatus, wants_faces
from darkroom.bootstrap.composition import App
from darkroom.db import Write, commit
from darkroom.events.store import Event, record_write
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Conflict
from darkroom.kernel.object_keys import pipeline_of, quarantine_key
from darkroom.usecases.accounts.announce_levels import announce_levels
from darkroom.usecases.projections.index_asset import index_asset
from darkroom.usecases.projections.index_job import index_file, is_called_otherwise


def ask_for_check(app: App, asset: Asset) -> None:
    """Send the worker of this kind a message to check the asset; a second one has no effect."""
    pipeline = pipeline_of(asset.kind)
    message = {"accountId": asset.account_id, "assetId": asset.asset_id, "lane": pipeline}
    app.ingest_queues[pipeline].send(message)


def project_asset(app: App, asset: Asset, *, before: Asset | None = None) -> int:
    """Write what ``asset`` implies and ``before`` did not; returns how many events were new."""
    was_requested = (
        before is not None and before.face_counts_requested >= asset.face_counts_requested
    )
    if wants_faces(asset) and not was_requested:
        ask_for_check(app, asset)
    if asset.status is AssetStatus.FAILED and asset.upload_id is not None:
        key = quarantine_key(pipeline_of(asset.kind), asset.owner, asset.asset_id)
        if before is None or not before.is_final:
            app.storage.abort_parts(key, asset.upload_id)
    if before is None or entries_of(before) != entries_of(asset):
        index_asset(asset.account_id, asset.asset_id)
    if before is not None and is_called_otherwise(asset, before=before):
        index_file(asset.account_id, asset.asset_id)
    known = {event.event_id for event in asset_events(before)} if before else set()
    writes = [
        record_write(event, retention_days=app.settings.event_retention_days)
        for event in asset_events(asset)
        if event.event_id not in known
    ]
    facts = sum(_once(write) for write in writes)
    announce_levels(app, asset.account_id)
    return facts


def asset_events(asset: Asset) -> Iterator[Event]:
    """Every event that the asset's state implies, oldest first."""
    if asset.is_ai_generated:
        made = {"kind": asset.kind, "mimeType": asset.mime_type, "sizeBytes": asset.size_bytes}
        yield _event(asset, "ASSET_GENERATED", asset.created_at, made | {"of": asset.made_from})
        return
    declared = {
        "kind": asset.kind,
        "mimeType": asset.declared_mime_type,
        "sizeBytes": asset.declared_size_bytes,
    }
    yield _event(asset, "ASSET_UPLOAD_STARTED", asset.created_at, declared)
    if asset.finished_at is None:
        return
    latency = {"latencySec": round((asset.finished_at - asset.created_at).total_seconds(), 3)}
    if asset.status is AssetStatus.UPLOADED:
        found = {"kind": asset.kind, "mimeType": asset.mime_type, "sizeBytes": asset.size_bytes}
        yield _event(asset, "ASSET_UPLOAD_SUCCEEDED", asset.finished_at, found | latency)
    if asset.status is AssetStatus.FAILED:
        reason = {"kind": asset.kind, "errorCode": asset.error_code}
        yield _event(asset, "ASSET_UPLOAD_FAILED", asset.finished_at, reason | latency)


def _event(asset: Asset, name: str, at: datetime, props: dict[str, Any]) -> Event:
    return Event(
        event_id=f"{to_iso(at)}#{name}",
        name=name,
        entity_type="asset",
        entity_id=asset.asset_id,
        account_id=asset.account_id,
        created_at=at,
        props=props,
    )


def _once(write: Write) -> bool:
    try:
        commit([write])
    except Conflict:
        return False
    return True
