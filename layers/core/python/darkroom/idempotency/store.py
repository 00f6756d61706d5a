"""One record per account, route and key: a lock while the request runs, then its response.

The records only serve to repeat a response. A repeated request is harmless without them, because
the ids of what it creates derive from its key: a lost record never causes a second charge.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from darkroom.db.damage import DAMAGE, report_unreadable
from darkroom.db.items import BaseItem
from darkroom.db.writes import RawItem, Write, delete, put
from darkroom.kernel.clock import to_epoch_seconds
from darkroom.kernel.errors import AlreadyHappened, Conflict, DarkroomError, KeyReused, Unreadable
from darkroom.kernel.limits import IDEMPOTENCY_LOCK_SECONDS, IDEMPOTENCY_TTL_SECONDS

_STATUSES = range(200, 600)
_TAKEN_OVER = AlreadyHappened("the key was taken over")


class IdempotencyItem(BaseItem):
    class Meta:
        table_name = "unbound"

    key = UnicodeAttribute(hash_key=True)
    body_hash = UnicodeAttribute(attr_name="bodyHash")
    locked_until = NumberAttribute(attr_name="lockedUntil")
    """Unix seconds; 0 once the response is stored."""
    status = NumberAttribute(null=True)
    response = UnicodeAttribute(null=True, attr_name="answer")
    expires_at = NumberAttribute(attr_name="expiresAt")


@dataclass(frozen=True)
class StoredResponse:
    status: int
    body: str


class AlreadyCompleted(DarkroomError):
    """Not a failure: the stored response of the same request."""

    code = "ALREADY_ANSWERED"

    def __init__(self, response: StoredResponse) -> None:
        super().__init__()
        self.response = response


def begin_write(key: str, *, body_hash: str, operation: str, now: datetime) -> Write:
    """Lock the key, unless it has a response or another request holds the lock.

    It is refused with AlreadyCompleted, Conflict IN_PROGRESS or KeyReused.
    """
    seconds = to_epoch_seconds(now)

    def refused(stored: RawItem | None) -> DarkroomError:
        stored = stored or {}
        if stored.get("bodyHash", {}).get("S") != body_hash:
            return KeyReused("the key was used for another request")
        if "answer" in stored:
            return _completed(stored)
        return Conflict("the first request is still running", code="IN_PROGRESS")

    # The key is free without a record, or if its record has expired (TTL deletes late).
    # It is abandoned if the lock of the same request has run out without a response.
    free = IdempotencyItem.key.does_not_exist() | (IdempotencyItem.expires_at < seconds)
    abandoned = (
        (IdempotencyItem.body_hash == body_hash)
        & IdempotencyItem.response.does_not_exist()
        & (IdempotencyItem.locked_until < seconds)
    )
    item = _item(key, body_hash, operation, now)
    item.locked_until = seconds + IDEMPOTENCY_LOCK_SECONDS
    return put(item, condition=free | abandoned, refused=refused)


def complete_write(
    key: str, *, body_hash: str, operation: str, response: StoredResponse, now: datetime
) -> Write:
    """Store the response. If another request took the key over, it stores the same one."""
    item = _item(key, body_hash, operation, now)
    item.status, item.response = response.status, response.body
    return put(item, condition=IdempotencyItem.operation == operation, refused=_TAKEN_OVER)


def forget_write(key: str, *, operation: str) -> Write:
    """Release the key after a failure, so that the client may repeat the request at once."""
    condition = IdempotencyItem.operation == operation
    return delete(IdempotencyItem(key), condition=condition, refused=_TAKEN_OVER)


def _completed(stored: RawItem) -> DarkroomError:
    """The stored response; Unreadable for a damaged one: its key can be used again in a day."""
    try:
        status, body = int(stored["status"]["N"]), stored["answer"]["S"]
        if status not in _STATUSES or not isinstance(json.loads(body), dict):
            raise ValueError("no response")
    except DAMAGE:
        report_unreadable(stored["key"]["S"], "", ("status", "answer"))
        return Unreadable("the stored response is damaged")
    return AlreadyCompleted(StoredResponse(status, body))


def _item(key: str, body_hash: str, operation: str, now: datetime) -> IdempotencyItem:
    return IdempotencyItem(
        key,
        body_hash=body_hash,
        locked_until=0,
        expires_at=to_epoch_seconds(now + timedelta(seconds=IDEMPOTENCY_TTL_SECONDS)),
        operation=operation,
    )
