"""Owners: maps opaque tags in object keys to accounts.

A storage event contains only a key. The tag is a keyed hash that cannot be reversed, so the account
is stored under it before the first link is issued. Tags that were made with an earlier signing
secret stay valid.
"""

from __future__ import annotations

from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_or
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put
from darkroom.kernel.errors import AlreadyHappened

_OWNER = "owner"


class OwnerItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    key = UnicodeAttribute(hash_key=True, attr_name="accountId")
    """``owner#<tag>``, in the table of the accounts' counters."""
    counter = UnicodeAttribute(range_key=True)
    account_id = UnicodeAttribute(attr_name="owner")


def find_owner(tag: str) -> str | None:
    """The account of a tag; None for an unknown tag and for a damaged record."""
    try:
        item = OwnerItem.get(_key(tag), _OWNER, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_or(item, _to_account, None)


def _to_account(item: OwnerItem) -> str:
    account_id: str | None = item.account_id
    if not account_id:
        raise ValueError("no account")
    return account_id


def owner_write(tag: str, *, account_id: str) -> Write:
    """Store the account under its tag; a repeat is refused and changes nothing.

    A damaged record is replaced, because the tag is derived from the account.
    """
    item = OwnerItem(_key(tag), _OWNER, account_id=account_id)
    damaged = ~OwnerItem.account_id.is_type() | (OwnerItem.account_id != account_id)
    return put(
        item,
        condition=OwnerItem.key.does_not_exist() | damaged,
        refused=AlreadyHappened("the owner is stored already"),
    )


def _key(tag: str) -> str:
    return f"owner#{tag}"
