"""Import pictures that a job generated from text as assets of its account, one by one."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, made_picture
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.jobs.model import Output, Task
from darkroom.jobs.states import TaskStatus
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, NotFound
from darkroom.kernel.ids import derived_id_at
from darkroom.kernel.limits import MADE_NAME_LIMIT_CHARS
from darkroom.kernel.object_keys import clean_key
from darkroom.plans.storage_store import count_write
from darkroom.usecases.assets.delete_asset import erase_asset

_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
_NOT_IN_NAMES = str.maketrans(dict.fromkeys('/\\:*?"<>|', " "))


def import_generated_images(app: App, tasks: Sequence[Task]) -> int:
    """Create assets for the pictures of succeeded tasks whose recipe asks for it; returns how many
    were new.

    This is a projection: it may run twice or late, and the sweeper repeats it for the whole job.
    The asset then belongs to the account: it stays when the job is deleted, and does not come back
    after it was deleted itself.
    """
    return sum(
        _keep(app, _asset_of(task, output), output)
        for task in tasks
        if task.status is TaskStatus.SUCCEEDED and task.params.get("becomes") == "asset"
        # A damaged task may have lost its user prompt or the time when it ended.
        if isinstance(task.params.get("wish"), str) and task.finished_at is not None
        for output in task.outputs
        if output.mime_type in _SUFFIXES
    )


def _keep(app: App, asset: Asset, output: Output) -> bool:
    account_id, asset_id = asset.account_id, asset.asset_id
    if assets_store.is_stored(account_id, asset_id):
        return False
    if assets_store.has_tombstone(account_id, asset_id):
        return False
    assert asset.clean_key is not None
    try:
        # Copy before the asset is created: an asset that exists must have its file.
        app.storage.copy(output.storage_key, asset.clean_key)
        if output.thumbnail_key is not None and asset.thumbnail_key is not None:
            app.storage.copy(output.thumbnail_key, asset.thumbnail_key)
    except NotFound:
        # The job was deleted and erased, and its pictures were imported at that time.
        return False
    try:
        commit(
            [
                assets_store.create_write(asset, operation=app.ids.token()),
                assets_store.no_tombstone_write(account_id, asset_id),
                count_write(account_id, used_bytes=asset.counted_bytes, uploads=0),
            ]
        )
    except ConcurrentUpdate:
        return False
    except Conflict:
        # The asset was deleted after the check above, and its erasure missed this copy.
        erase_asset(app, account_id, asset_id, owner=asset.owner)
        return False
    return True


def _asset_of(task: Task, output: Output) -> Asset:
    """The asset of an output; equal for every call."""
    assert task.finished_at is not None
    asset_id = derived_id_at(assets_store.ASSET_PREFIX, task.finished_at, output.output_id)
    suffix = _SUFFIXES[output.mime_type]
    return made_picture(
        account_id=task.account_id,
        asset_id=asset_id,
        made_from=output.output_id,
        prompt=task.params["wish"],
        filename=_name(task) + suffix,
        mime_type=output.mime_type,
        size_bytes=output.size_bytes,
        width=output.width,
        height=output.height,
        clean_key=clean_key(task.owner, asset_id, "image" + suffix),
        thumbnail_key=clean_key(
            task.owner, asset_id, "thumbnail.jpg" if output.has_thumbnail else "image" + suffix
        ),
        owner_tag=task.owner_tag,
        at=task.finished_at,
    )


def _name(task: Task) -> str:
    """The first words of the user prompt, and the picture's number."""
    words = task.params["wish"].translate(_NOT_IN_NAMES).split()
    name = ""
    for word in words:
        if len(name) + len(word) >= MADE_NAME_LIMIT_CHARS:
            break
        name = f"{name} {word}".strip()
    number = task.key.rpartition("_")[2]
    return f"{name or words[0][:MADE_NAME_LIMIT_CHARS]} {number}" if words else number
