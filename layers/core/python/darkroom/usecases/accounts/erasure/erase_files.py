"""Erase an account's files: whatever is under its prefixes, known to a table or not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from darkroom.assets import store as assets_store
from darkroom.assets.lists import store as asset_lists
from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.db.writes import RawItem
from darkroom.events import store as events_store
from darkroom.kernel.errors import AlreadyHappened
from darkroom.kernel.limits import ERASURE_BATCH
from darkroom.kernel.object_keys import is_owner_tag, owner_prefixes
from darkroom.uploads.owner_store import find_owner, owner_write
from darkroom.usecases.accounts.erasure.steps import Left, Subject, current_tag
from darkroom.usecases.assets.delete_asset import erase_asset


def erase_files(app: App, subject: Subject) -> Left:
    """Abort uploads in progress, and delete up to a thousand objects with all their versions.

    Keys of the first version of the product name the account itself.
    """
    found = 0
    for owner in (current_tag(app, subject.account_id), subject.account_id):
        for prefix in owner_prefixes(owner):
            found += app.storage.abort_uploads(prefix) + app.storage.delete_versions(prefix)
            if found:
                return Left.MORE
    return Left.NOTHING


def erase_of_assets(app: App, subject: Subject, items: Sequence[RawItem]) -> None:
    """Before assets are deleted: erase their events, and files under an earlier owner's tag."""
    tag = current_tag(app, subject.account_id)
    for item in items:
        asset_id = item["assetId"]["S"].removeprefix(assets_store.TOMBSTONE)
        owner = item.get("ownerTag", {}).get("S", "")
        if is_owner_tag(owner) and owner != tag:
            upload_id = item.get("uploadId", {}).get("S")
            erase_asset(app, subject.account_id, asset_id, owner=owner, upload_id=upload_id)
        events_store.erase_events(asset_id)


def erase_asset_lists(_app: App, subject: Subject) -> Left:
    """Remove a batch of assets from all their lists."""
    known = asset_lists.list_known(subject.account_id, limit=ERASURE_BATCH)
    for asset_id in known:
        asset_lists.replace_entries(subject.account_id, asset_id, set())
    return Left.MORE if known else Left.NOTHING


def leave_owner(app: App, subject: Subject) -> Left:
    """Let the account's tag in object keys belong to the pseudonym: an upload that arrives late has
    an owner without files, and is discarded."""
    tag = current_tag(app, subject.account_id)
    if find_owner(tag) in (None, subject.pseudonym):
        return Left.NOTHING
    with suppress(AlreadyHappened):
        commit_one(owner_write(tag, account_id=subject.pseudonym))
    return Left.MORE
