"""Create upload sessions: assets that await their content, and the links to send it to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, begin_upload
from darkroom.bootstrap.composition import App
from darkroom.db import Write, commit, commit_one
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.command import Command
from darkroom.kernel.errors import ConcurrentUpdate, Conflict, Forbidden
from darkroom.kernel.limits import (
    TRANSACTION_ITEMS_LIMIT,
    UPLOAD_FILES_LIMIT,
    UPLOAD_URL_SECONDS,
)
from darkroom.kernel.object_keys import MEDIA_PIPELINE, owner_tag, pipeline_of, quarantine_key
from darkroom.plans import model as plans
from darkroom.plans.storage_store import find_stored, take_write
from darkroom.plans.store import find_plan
from darkroom.uploads.owner_store import find_owner, owner_write
from darkroom.uploads.parts import first_page, is_cut, part_count, part_length, part_size_of
from darkroom.uploads.policy import NewFile
from darkroom.uploads.session_store import find_session, session_write
from darkroom.usecases.limits.limit_uploads import check_ingest, sessions_write
from darkroom.usecases.uploads.count_storage import deletion_writes

SINGLE_PART = 1
"""A file that is sent with a single PUT counts as part 1."""
_ASSETS_A_TRANSACTION = TRANSACTION_ITEMS_LIMIT - 3
"""Two writes are the account's counters, and one stores the request."""


@dataclass(frozen=True, kw_only=True)
class PartLink:
    part_number: int
    url: str


@dataclass(frozen=True, kw_only=True)
class UploadSession:
    asset: Asset
    links: tuple[PartLink, ...]
    expires_at: datetime
    """When the links expire; they can be signed again while the asset awaits its content."""

    @property
    def storage_key(self) -> str:
        return key_of(self.asset)

    @property
    def part_size_bytes(self) -> int:
        return self.asset.part_size_bytes or self.asset.declared_size_bytes

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the link is signed for, and the client must send. Parts have no type."""
        if self.asset.upload_id is not None:
            return {}
        return {"Content-Type": self.asset.declared_mime_type}


def create_upload(app: App, command: Command, files: Sequence[NewFile]) -> list[UploadSession]:
    """Open a session per file, all or none, in the order given.

    Asset ids are made from the time, because assets are listed by id, newest first; so they
    cannot derive from an Idempotency-Key. For a request with a key, the same transaction stores
    its asset ids, and a repeat gets links for the same assets. Sessions of a request without a key
    whose response is lost expire, and their storage is freed.

    The multipart uploads in the storage are started first, and their ids are stored with the
    assets, so that every stored asset can be sent. If this stops in between, empty multipart
    uploads are left; they cost nothing, and the bucket's lifecycle rule ends them.

    Raises:
        TooLarge: a file exceeds the limit of its kind in the account's plan.
        PlanLimit: too many open uploads, or in this hour; not enough storage left; or too many
            minutes of recordings on this day.
        Conflict UPLOAD_CLOSED: this is a repeat, and one of its files was deleted since.
    """
    assert 0 < len(files) <= UPLOAD_FILES_LIMIT
    if command.key is not None:
        known = find_session(command.account_id, command.operation, now=app.clock.now())
        if known is not None:
            return _open_again(app, command.account_id, known)
    plan = find_plan(command.account_id)
    for file in files:
        plans.admit_size(plan, kind=file.kind, size_bytes=file.size_bytes, at=file.at)
    if any(is_cut(file.size_bytes) for file in files):
        _refuse_early(command.account_id, plan, files)
    if any(pipeline_of(file.kind) == MEDIA_PIPELINE for file in files):
        check_ingest(command.account_id, plan=plan, now=app.clock.now())
    now, tag = app.clock.now(), _owner_tag(app, command.account_id)
    # Sorted, so that files of one request keep their order.
    asset_ids = sorted(app.ids.new(assets_store.ASSET_PREFIX) for _ in files)
    assets = [
        _begin(app, command.account_id, tag=tag, asset_id=asset_id, file=file, now=now)
        for asset_id, file in zip(asset_ids, files, strict=True)
    ]
    _open_all(app, command, plan, assets)
    return _sessions(app, assets)


def open_session(app: App, asset: Asset, part_numbers: Iterable[int]) -> UploadSession:
    """Links for an asset that awaits its content: for exactly this key, type, part and length."""
    links = (
        PartLink(part_number=number, url=_part_url(app, asset, number)) for number in part_numbers
    )
    return UploadSession(
        asset=asset,
        links=tuple(links),
        expires_at=app.clock.now() + timedelta(seconds=UPLOAD_URL_SECONDS),
    )


def _owner_tag(app: App, account_id: str) -> str:
    """The account's tag in object keys; storing it lets storage events lead to the account."""
    tag = owner_tag(app.signing_secret.value, account_id)
    if find_owner(tag) != account_id:
        with suppress(Conflict):
            commit_one(owner_write(tag, account_id=account_id))
    return tag


def key_of(asset: Asset) -> str:
    return quarantine_key(pipeline_of(asset.kind), asset.owner, asset.asset_id)


def parts_of(asset: Asset) -> int:
    """The number of the asset's parts."""
    if asset.upload_id is None or asset.part_size_bytes is None:
        return 1
    return part_count(asset.declared_size_bytes, asset.part_size_bytes)


def _begin(
    app: App, account_id: str, *, tag: str, asset_id: str, file: NewFile, now: datetime
) -> Asset:
    upload_id = part_size_bytes = None
    if is_cut(file.size_bytes):
        key = quarantine_key(pipeline_of(file.kind), tag, asset_id)
        upload_id = app.storage.begin_parts(key, mime_type=file.mime_type)
        part_size_bytes = part_size_of(file.size_bytes)
    return begin_upload(
        account_id=account_id,
        asset_id=asset_id,
        filename=file.filename,
        kind=file.kind,
        mime_type=file.mime_type,
        size_bytes=file.size_bytes,
        now=now,
        owner_tag=tag,
        upload_id=upload_id,
        part_size_bytes=part_size_bytes,
    )


def _sessions(app: App, assets: Sequence[Asset]) -> list[UploadSession]:
    return [open_session(app, asset, _first_page(asset, len(assets))) for asset in assets]


def _open_again(app: App, account_id: str, asset_ids: Sequence[str]) -> list[UploadSession]:
    assets = assets_store.find_assets(account_id, asset_ids)
    if len(assets) < len(asset_ids):
        raise Conflict("a file of this request was deleted", code="UPLOAD_CLOSED")
    return _sessions(app, [assets[asset_id] for asset_id in asset_ids])


def _refuse_early(account_id: str, plan: str, files: Sequence[NewFile]) -> None:
    """Check the limits before anything is started in the storage; the transaction checks again."""
    stored, limits = find_stored(account_id), plans.limits_of(plan)
    wanted_bytes = sum(file.size_bytes for file in files)
    if stored.open_uploads + len(files) > limits.concurrent_uploads:
        raise plans.uploads_limit(plan, open_uploads=stored.open_uploads, more=len(files))
    if stored.used_bytes + wanted_bytes > limits.storage_bytes:
        raise plans.storage_limit(plan, used_bytes=stored.used_bytes, more_bytes=wanted_bytes)


def _open_all(app: App, command: Command, plan: str, assets: Sequence[Asset]) -> None:
    """Write the assets and update the account's counters.

    A hundred files are too many for one transaction. The first transaction requires space for all
    of them. If a concurrent request takes that space before the last one, the opened assets are
    deleted again. The request is stored with the last transaction, so a repeat after a crash in
    between opens all of them again.
    """
    opened: list[Asset] = []
    for batch in _batches(assets):
        waiting = assets[len(opened) :]
        take = take_write(
            command.account_id,
            plan=plan,
            used_bytes=sum(asset.declared_size_bytes for asset in batch),
            uploads=len(batch),
            needed_bytes=sum(asset.declared_size_bytes for asset in waiting),
            needed_uploads=len(waiting),
        )
        hour = sessions_write(
            command.account_id, len(batch), plan=plan, needed=len(waiting), now=app.clock.now()
        )
        creations = [
            assets_store.create_write(asset, operation=command.operation) for asset in batch
        ]
        is_last = len(waiting) == len(batch)
        try:
            commit([take, hour, *creations, *(_noted(app, command, assets) if is_last else [])])
        except (Forbidden, ConcurrentUpdate):
            for asset in opened:
                _give_up(app, asset)
            raise
        opened += batch


def _noted(app: App, command: Command, assets: Sequence[Asset]) -> list[Write]:
    if command.key is None:
        return []
    note = session_write(
        command.account_id,
        command.operation,
        asset_ids=[asset.asset_id for asset in assets],
        now=app.clock.now(),
        operation=app.ids.token(),
    )
    return [note]


def _batches(assets: Sequence[Asset]) -> Iterator[Sequence[Asset]]:
    for start in range(0, len(assets), _ASSETS_A_TRANSACTION):
        yield assets[start : start + _ASSETS_A_TRANSACTION]


def _give_up(app: App, asset: Asset) -> None:
    operation = app.ids.token()

    def attempt() -> None:
        current = assets_store.find_asset(asset.account_id, asset.asset_id)
        if current is not None:
            commit(deletion_writes(current, now=app.clock.now(), operation=operation))

    retry_on_conflict(app.jitter, attempt)


def _first_page(asset: Asset, files: int) -> range:
    if asset.part_size_bytes is None:
        return range(SINGLE_PART, SINGLE_PART + 1)
    return first_page(asset.declared_size_bytes, asset.part_size_bytes, files=files)


def _part_url(app: App, asset: Asset, part_number: int) -> str:
    key, size_bytes = key_of(asset), asset.declared_size_bytes
    if asset.upload_id is None or asset.part_size_bytes is None:
        return app.storage.upload_url(
            key, mime_type=asset.declared_mime_type, size_bytes=size_bytes
        )
    length_bytes = part_length(size_bytes, asset.part_size_bytes, part_number)
    return app.storage.part_url(key, asset.upload_id, part_number, size_bytes=length_bytes)
