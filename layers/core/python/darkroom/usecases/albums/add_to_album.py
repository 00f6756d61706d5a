"""Add outputs to an album: for its owner, or as a projection of a job that names the album."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from darkroom.albums import model, store
from darkroom.albums.model import Album, Entry, Picture
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Output
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.kernel.ids import is_id, job_of_output
from darkroom.kernel.limits import ALBUM_CHUNK_LIMIT, ALBUM_OUTPUTS_LIMIT


def add_outputs_to_album(
    app: App,
    account_id: str,
    album_id: str,
    *,
    outputs: Sequence[Output],
    group: str | None = None,
) -> int:
    """Add a job's outputs, as a projection of the job: each output once in the album's life.

    An output that the owner removed stays removed. Nothing is added to a deleted or full album.
    Returns how many outputs were added.
    """
    pictures = [_picture(output) for output in outputs]
    try:
        store.get_album(account_id, album_id)
        return _add(app, account_id, album_id, pictures=pictures, group=group, revive=False)
    except (NotFound, Conflict):
        return 0


def put_into_album(
    app: App, *, account_id: str, album_id: str, output_ids: Sequence[str], group: str | None
) -> Album:
    """Add the account's outputs in the order given; entries that exist already do not change.

    Raises:
        NotFound: the album does not exist, or an output is missing or another account's.
        Conflict: ALBUM_FULL. Outputs are added in chunks: repeating adds the missing ones.
    """
    store.get_album(account_id, album_id)
    pictures = _find_pictures(account_id, list(dict.fromkeys(output_ids)))
    _add(app, account_id, album_id, pictures=pictures, group=group, revive=True)
    return store.get_album(account_id, album_id)


def _add(
    app: App,
    account_id: str,
    album_id: str,
    *,
    pictures: Sequence[Picture],
    group: str | None,
    revive: bool,
) -> int:
    added = 0
    for start in range(0, len(pictures), ALBUM_CHUNK_LIMIT):
        chunk = pictures[start : start + ALBUM_CHUNK_LIMIT]
        operation = app.ids.token()

        def attempt(chunk: Sequence[Picture] = chunk, operation: str = operation) -> int:
            album = store.get_album(account_id, album_id)
            known = store.find_entries(account_id, album_id, [p.output_id for p in chunk])
            new = [p for p in chunk if _is_new(p, known, revive)]
            if not new:
                return 0
            if album.output_count + len(new) > ALBUM_OUTPUTS_LIMIT:
                raise Conflict("the album is full", code="ALBUM_FULL")
            after, entries = model.add_pictures(album, new, group, app.clock.now())
            writes = [store.save_write(album, after, operation=operation)]
            for entry in entries:
                mark = known.get(entry.picture.output_id)
                writes.append(
                    store.add_entry_write(entry, operation=operation)
                    if mark is None
                    else store.save_entry_write(
                        mark, replace(entry, version=mark.version), operation=operation
                    )
                )
            commit(writes)
            return len(new)

        added += retry_on_conflict(app.jitter, attempt)
    return added


def _is_new(picture: Picture, known: Mapping[str, Entry | None], revive: bool) -> bool:
    """Whether to add the picture. A damaged entry keeps its place and is not replaced."""
    if picture.output_id not in known:
        return True
    entry = known[picture.output_id]
    return revive and entry is not None and entry.is_removed


def _find_pictures(account_id: str, output_ids: Sequence[str]) -> list[Picture]:
    """Raises:
    NotFound: an output is missing or another account's.
    """
    if not all(is_id(output_id, store.OUTPUT_PREFIX) for output_id in output_ids):
        raise NotFound("no such output")
    found: dict[str, Picture] = {}
    for job_id in dict.fromkeys(job_of_output(output_id) for output_id in output_ids):
        family = jobs_store.find_family(job_id)
        if family is not None and family.job.account_id == account_id:
            found.update({output.output_id: _picture(output) for output in family.outputs})
    if not found.keys() >= set(output_ids):
        raise NotFound("no such output")
    return [found[output_id] for output_id in output_ids]


def _picture(output: Output) -> Picture:
    return Picture(
        output_id=output.output_id,
        job_id=job_of_output(output.output_id),
        key=output.key,
        type=output.type,
        mime_type=output.mime_type,
        storage_key=output.storage_key,
        size_bytes=output.size_bytes,
        width=output.width,
        height=output.height,
        duration_ms=output.duration_ms,
        style=output.style,
        role=output.role,
        language=output.language,
        has_thumbnail=output.has_thumbnail,
    )
