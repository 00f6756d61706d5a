"""Erasures: one item for each account that was erased or is being erased.

The key is the account's pseudonym, so the list alone names no account. The account's id is beside
it only while it is needed: until everything is erased, and for as long as a backup may return that
has to be erased again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from darkroom.db.damage import read_item
from darkroom.db.due import Due, DueItem, due_fields, due_index, list_due_items
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put, update
from darkroom.kernel.clock import from_iso, to_epoch_seconds, to_iso
from darkroom.kernel.errors import AlreadyHappened, ConcurrentUpdate
from darkroom.kernel.shapes import checked

RequestedBy = Literal["owner", "operator"]
_MOVED_ON = ConcurrentUpdate("the erasure has moved on")


@dataclass(frozen=True, kw_only=True)
class Erasure:
    pseudonym: str
    account_id: str | None
    """None once it is forgotten."""
    requested_at: datetime
    requested_by: str
    """``RequestedBy``."""
    started_at: datetime
    """When it began, or began again after a restore."""
    erased_at: datetime | None = None
    """When nothing was found any more."""


class ErasureItem(SalvagedItem, DueItem):
    class Meta:
        table_name = "unbound"

    pseudonym = UnicodeAttribute(hash_key=True)
    account_id = UnicodeAttribute(null=True, attr_name="accountId")
    requested_at = UnicodeAttribute(attr_name="requestedAt")
    requested_by = UnicodeAttribute(attr_name="requestedBy")
    started_at = UnicodeAttribute(attr_name="startedAt")
    erased_at = UnicodeAttribute(null=True, attr_name="erasedAt")
    due = due_index()


def is_erased(pseudonym: str) -> bool:
    """Whether the account is erased or being erased, even if its record is damaged.

    One consistent read: it is refused from the moment at which the erasure was accepted.
    """
    return _find_item(pseudonym) is not None


def find_erasure(pseudonym: str) -> Erasure | None:
    """Raises: Unreadable."""
    item = _find_item(pseudonym)
    return None if item is None else read_item(item, to_erasure)


def _find_item(pseudonym: str) -> ErasureItem | None:
    try:
        return ErasureItem.get(pseudonym, consistent_read=True)
    except Model.DoesNotExist:
        return None


def list_due(until: datetime, *, limit: int) -> list[Due]:
    """Pseudonyms of the erasures that are due by ``until``, the longest overdue first."""
    return list_due_items(ErasureItem.due, until, limit=limit)


def page_pseudonyms(*, after: str | None, limit: int) -> tuple[list[str], str | None]:
    """A page of all erasures, and the one after which the next page starts. For the time after a
    restore only: it scans the table."""
    start = None if after is None else {"pseudonym": {"S": after}}
    found = ErasureItem.scan(
        attributes_to_get=["pseudonym"], limit=limit, page_size=limit, last_evaluated_key=start
    )
    pseudonyms = [item.pseudonym for item in found]
    return pseudonyms, pseudonyms[-1] if len(pseudonyms) == limit else None


def request_write(
    pseudonym: str, *, account_id: str, requested_by: RequestedBy, now: datetime
) -> Write:
    """Begin the erasure, unless it has begun; it is due at once."""
    item = ErasureItem(
        pseudonym,
        account_id=account_id,
        requested_at=to_iso(now),
        requested_by=requested_by,
        started_at=to_iso(now),
        **due_fields(now),
    )
    return put(
        item,
        condition=ErasureItem.pseudonym.does_not_exist(),
        refused=AlreadyHappened("the account is erased already"),
    )


def restart_write(pseudonym: str, *, now: datetime) -> Write:
    """Begin an erasure again. It is refused with AlreadyHappened if its account is forgotten."""
    return update(
        ErasureItem(pseudonym),
        [
            ErasureItem.started_at.set(to_iso(now)),
            ErasureItem.erased_at.remove(),
            *_due_at(now),
        ],
        condition=ErasureItem.account_id.exists(),
        refused=AlreadyHappened("its account is forgotten"),
    )


def recheck_write(erasure: Erasure, *, at: datetime) -> Write:
    """Make an unfinished erasure due at this time, unless it was begun again meanwhile."""
    return update(
        ErasureItem(erasure.pseudonym),
        _due_at(at),
        condition=ErasureItem.started_at == to_iso(erasure.started_at),
        refused=_MOVED_ON,
    )


def erased_write(erasure: Erasure, *, now: datetime, forget_at: datetime) -> Write:
    """Nothing is left; the account's id is forgotten at ``forget_at``."""
    return update(
        ErasureItem(erasure.pseudonym),
        [ErasureItem.erased_at.set(to_iso(now)), *_due_at(forget_at)],
        condition=ErasureItem.started_at == to_iso(erasure.started_at),
        refused=_MOVED_ON,
    )


def forget_write(erasure: Erasure) -> Write:
    """Forget the account's id; from now on the record names no account, and is not due any more."""
    return update(
        ErasureItem(erasure.pseudonym),
        [
            ErasureItem.account_id.remove(),
            ErasureItem.next_check_at.remove(),
            ErasureItem.due_shard.remove(),
        ],
        condition=ErasureItem.started_at == to_iso(erasure.started_at),
        refused=_MOVED_ON,
    )


def to_erasure(item: ErasureItem) -> Erasure:
    erasure = Erasure(
        pseudonym=item.pseudonym,
        account_id=item.account_id,
        requested_at=from_iso(item.requested_at),
        requested_by=item.requested_by,
        started_at=from_iso(item.started_at),
        erased_at=None if item.erased_at is None else from_iso(item.erased_at),
    )
    return checked(erasure)


def _due_at(moment: datetime) -> list[Action]:
    fields = due_fields(moment)
    return [
        ErasureItem.due_shard.set(fields["due_shard"]),
        ErasureItem.next_check_at.set(to_epoch_seconds(moment)),
        ErasureItem.check_failures.remove(),
    ]
