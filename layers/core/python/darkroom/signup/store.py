"""Counts of sign-ups, and who has the bonus of a mailbox; in the table of the accounts' counters.

A mailbox is stored as a keyed hash: no e-mail address is written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_or
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put, update
from darkroom.kernel.clock import to_epoch_seconds
from darkroom.kernel.errors import AlreadyHappened, DarkroomError
from darkroom.kernel.limits import SIGN_UP_WINDOW_SECONDS

_BONUS = "bonus"


class SignUpsItem(SalvagedItem):
    """The sign-ups of a mailbox or a domain on one day (UTC)."""

    class Meta:
        table_name = "unbound"

    key = UnicodeAttribute(hash_key=True, attr_name="accountId")
    """``mailbox#<hash>`` or ``domain#<name>``."""
    day = UnicodeAttribute(range_key=True, attr_name="counter")
    """``signups#<date>``."""
    total = NumberAttribute(attr_name="count")
    expires_at = NumberAttribute(attr_name="expiresAt")


class BonusItem(SalvagedItem):
    """Who has the bonus: of a mailbox, or instead of an account that opens without one."""

    class Meta:
        table_name = "unbound"

    key = UnicodeAttribute(hash_key=True, attr_name="accountId")
    """``mailbox#<hash>`` or ``returning#<account>``."""
    counter = UnicodeAttribute(range_key=True)
    account_id = UnicodeAttribute(attr_name="owner")
    mailbox = UnicodeAttribute(null=True)
    """The mailbox (its hash) whose bonus the account has yet to claim; without it, it has none."""


class BonusTaken(AlreadyHappened):
    """Another account has the bonus of this mailbox."""


@dataclass(frozen=True, kw_only=True)
class Bonus:
    """What a new account begins with."""

    is_due: bool
    mailbox: str | None = None
    """The mailbox (its hash) whose bonus must be claimed with it."""


def mailbox_count_write(
    mailbox: str, *, limit: int, now: datetime, refused: DarkroomError
) -> Write:
    """Count one sign-up of a mailbox (its hash), at most ``limit`` a day."""
    return _count_write(f"mailbox#{mailbox}", limit=limit, now=now, refused=refused)


def domain_count_write(domain: str, *, limit: int, now: datetime, refused: DarkroomError) -> Write:
    """Count one sign-up of a domain, at most ``limit`` a day."""
    return _count_write(f"domain#{domain}", limit=limit, now=now, refused=refused)


def _count_write(key: str, *, limit: int, now: datetime, refused: DarkroomError) -> Write:
    expires_at = to_epoch_seconds(now + timedelta(seconds=2 * SIGN_UP_WINDOW_SECONDS))
    total = SignUpsItem.total
    return update(
        SignUpsItem(key, f"signups#{now.date().isoformat()}"),
        [total.add(1), SignUpsItem.expires_at.set(expires_at)],
        # A damaged count is not below the limit: its mailbox or domain waits for the next day.
        condition=total.does_not_exist() | (total < limit),
        refused=refused,
    )


def claim_bonus_write(mailbox: str, *, account_id: str) -> Write:
    """Give the bonus of a mailbox (its hash) to the account; refused if another one has it."""
    return put(
        BonusItem(f"mailbox#{mailbox}", _BONUS, account_id=account_id),
        condition=BonusItem.key.does_not_exist() | (BonusItem.account_id == account_id),
        refused=BonusTaken("another account has this mailbox's bonus"),
    )


def leave_bonus_write(mailbox: str, *, account_id: str, left_to: str) -> Write:
    """Let ``left_to`` have the bonus of a mailbox (its hash) instead of the account; refused if
    another account has it."""
    return put(
        BonusItem(f"mailbox#{mailbox}", _BONUS, account_id=left_to),
        condition=BonusItem.key.does_not_exist() | BonusItem.account_id.is_in(account_id, left_to),
        refused=AlreadyHappened("another account has this mailbox's bonus"),
    )


def find_bonus_owner(mailbox: str) -> str | None:
    """The account that has the bonus of a mailbox (its hash)."""
    try:
        item = BonusItem.get(f"mailbox#{mailbox}", _BONUS, consistent_read=True)
    except Model.DoesNotExist:
        return None
    owner: str | None = item.account_id
    return owner


def no_bonus_write(account_id: str) -> Write:
    """Let the account open without a bonus."""
    return put(BonusItem(returning_key(account_id), _BONUS, account_id=account_id))


def unclaimed_write(account_id: str, *, mailbox: str) -> Write:
    """Let the account open with the bonus of a mailbox (its hash) only if it can claim that."""
    return put(BonusItem(returning_key(account_id), _BONUS, account_id=account_id, mailbox=mailbox))


def find_bonus(account_id: str) -> Bonus:
    """What the account begins with; without a record, as for users of operators, the bonus. With
    a damaged record, nothing."""
    try:
        item = BonusItem.get(returning_key(account_id), _BONUS, consistent_read=True)
    except Model.DoesNotExist:
        return Bonus(is_due=True)
    mailbox: str | None = read_or(item, lambda found: found.mailbox, None)
    return Bonus(is_due=mailbox is not None, mailbox=mailbox)


def returning_key(account_id: str) -> str:
    return f"returning#{account_id}"
