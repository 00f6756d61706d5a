"""Shares: public links to a job's outputs. Only the digest of a link's secret is stored.

A token contains the job's id and 128 random bits, so its item is found without an index. Shares are
stored outside of the job's collection and are removed with the job. A revoked share stays as a
marker, so that a repeat of the request that created it does not restore it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime

from pynamodb.models import Model

from darkroom.db.damage import report_unreadable
from darkroom.db.due import due_fields
from darkroom.db.writes import Write, put, update
from darkroom.jobs.items import (
    SHARE_PREFIX,
    SIDE_SUFFIX,
    CollectionItem,
    ShareItem,
    due_shard,
    side_key,
)
from darkroom.jobs.reading import LONG_AGO, Attributes, Read
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import ConcurrentUpdate, KeyReused
from darkroom.kernel.ids import id_from_bytes, id_to_bytes
from darkroom.kernel.limits import SHARE_SECRET_BYTES

_ID_BYTES = 16
_GONE = ConcurrentUpdate("the share is gone")


@dataclass(frozen=True, kw_only=True)
class Share:
    job_id: str
    digest: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def to_token(job_id: str, secret: bytes) -> str:
    return base64.urlsafe_b64encode(id_to_bytes(job_id) + secret).decode().rstrip("=")


def from_token(token: str) -> tuple[str, bytes] | None:
    """The job's id and the secret; None for a malformed token."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _ID_BYTES + SHARE_SECRET_BYTES:
        return None
    job_id, secret = id_from_bytes("job", raw[:_ID_BYTES]), raw[_ID_BYTES:]
    # Accept only the canonical spelling: base 64 has spare bits at its end.
    return (job_id, secret) if to_token(job_id, secret) == token else None


def digest_of(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def find_share(job_id: str, secret: bytes) -> Share | None:
    """The share with this secret; None also for an unreadable share, which counts as closed.

    It is found by its digest, so no comparison reveals by its time how close a guess is.
    """
    read = find_stored(side_key(job_id), SHARE_PREFIX + digest_of(secret))
    return None if read is None or read.unreadable else read.value


def find_stored(key: str, sort_key: str) -> Read[Share] | None:
    """The share under this key of the table."""
    try:
        return read_share(ShareItem.get(key, sort_key, consistent_read=True))
    except Model.DoesNotExist:
        return None


def list_shares(job_id: str) -> list[Share]:
    """All of the job's shares, also closed ones, and the readable part of damaged ones."""
    items = ShareItem.query(
        side_key(job_id), ShareItem.sk.startswith(SHARE_PREFIX), consistent_read=True
    )
    return [read_share(item).value for item in items]


def create_write(share: Share, *, operation: str, check_at: datetime) -> Write:
    """Create the share. The sweeper checks it at ``check_at``, in case its event was lost."""
    item = ShareItem(
        side_key(share.job_id),
        SHARE_PREFIX + share.digest,
        created_at=to_iso(share.created_at),
        expires_at=to_iso(share.expires_at) if share.expires_at else None,
        **due_fields(check_at, shard=due_shard(share.job_id)),
        operation=operation,
    )
    return put(
        item,
        condition=ShareItem.pk.does_not_exist(),
        refused=KeyReused("the key was used for another request"),
    )


def revoke_write(share: Share, now: datetime) -> Write:
    return update(
        ShareItem(side_key(share.job_id), SHARE_PREFIX + share.digest),
        [ShareItem.revoked_at.set(to_iso(now))],
        condition=ShareItem.pk.exists(),
        refused=_GONE,
    )


def settled_write(share: Share) -> Write:
    """Its event is recorded: the sweeper need not check it any more."""
    return update(
        ShareItem(side_key(share.job_id), SHARE_PREFIX + share.digest),
        [CollectionItem.next_check_at.remove(), CollectionItem.due_shard.remove()],
        condition=ShareItem.pk.exists(),
        refused=_GONE,
    )


def read_share(item: ShareItem) -> Read[Share]:
    found = Attributes(item)
    share = Share(
        job_id=item.pk.removesuffix(SIDE_SUFFIX),
        digest=item.sk.removeprefix(SHARE_PREFIX),
        created_at=found.get("createdAt", lambda: from_iso(item.created_at), LONG_AGO),
        expires_at=found.get("expiresAt", lambda: _moment(item.expires_at), None),
        revoked_at=found.get("revokedAt", lambda: _moment(item.revoked_at), None),
    )
    report_unreadable(item.pk, item.sk, found.unreadable)
    return Read(share, frozenset(found.unreadable))


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None
