"""Account items: the plan of each account, its subscription in short, and its profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_or
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, update
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.shapes import checked
from darkroom.plans.model import FREE, plan_names

Locale = Literal["en", "ko"]
Welcome = Literal["open", "done", "skipped"]
"""Where the account stands in the welcome of a client: not finished, finished or skipped."""
SubscriptionState = Literal["active", "cancelled", "expired"]
_MOVED_ON = ConcurrentUpdate("the account has moved on")


class AccountItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    plan = UnicodeAttribute()
    name = UnicodeAttribute(null=True)
    avatar_url = UnicodeAttribute(null=True, attr_name="avatarUrl")
    locale = UnicodeAttribute(null=True)
    welcome = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute(null=True, attr_name="createdAt")
    subscription_id = UnicodeAttribute(null=True, attr_name="subscriptionId")
    subscription_status = UnicodeAttribute(null=True, attr_name="subscriptionStatus")
    subscription_ends_at = UnicodeAttribute(null=True, attr_name="subscriptionEndsAt")


@dataclass(frozen=True, kw_only=True)
class Account:
    """What is known of an account beside its credits."""

    plan: str = FREE
    name: str | None = None
    avatar_url: str | None = None
    locale: Locale | None = None
    """None until its owner chooses one."""
    welcome: Welcome = "open"
    created_at: datetime | None = None
    """None until the account was read for the first time."""
    subscription_id: str | None = None
    """The subscription that decides the plan; None if it never had one."""
    subscription_status: SubscriptionState = "active"
    subscription_ends_at: datetime | None = None
    """When the paid period ends or ended."""


def find_account(account_id: str) -> Account:
    """The account; one on the free plan until something of it is stored, and where its item is
    damaged."""
    try:
        item = AccountItem.get(account_id, consistent_read=True)
    except Model.DoesNotExist:
        return Account()
    return read_or(item, to_account, Account())


def find_plan(account_id: str) -> str:
    """The account's plan; ``free`` until it has another, where its item is damaged, and if its plan
    is no longer in the catalog. It is read consistently: a change takes effect at once."""
    try:
        return read_plan(AccountItem.get(account_id, consistent_read=True))
    except Model.DoesNotExist:
        return FREE


def read_plan(item: AccountItem | None) -> str:
    """The plan of an account's item, as ``find_plan``."""
    return FREE if item is None else known_plan(read_or(item, plan_of, FREE))


def known_plan(plan: str) -> str:
    """The plan, or ``free`` for one that is no longer in the catalog."""
    return plan if plan in plan_names() else FREE


def plan_of(item: AccountItem) -> str:
    plan: str | None = item.plan
    if not plan:
        raise ValueError("no plan")
    return plan


def to_account(item: AccountItem) -> Account:
    account = Account(
        plan=plan_of(item),
        name=item.name,
        avatar_url=item.avatar_url,
        locale=_one_of(item.locale, Locale, None),
        welcome=_one_of(item.welcome, Welcome, "open"),
        created_at=from_iso(item.created_at) if item.created_at else None,
        subscription_id=item.subscription_id,
        subscription_status=_one_of(item.subscription_status, SubscriptionState, "active"),
        subscription_ends_at=(
            from_iso(item.subscription_ends_at) if item.subscription_ends_at else None
        ),
    )
    return checked(account)


def _one_of(word: str | None, words: Any, without: str | None) -> Any:
    if word is not None and word not in get_args(words):
        raise ValueError(f"{word!r} is no word of its list")
    return without if word is None else word


def plan_write(account_id: str, *, plan: str, operation: str) -> Write:
    """Put the account on a plan, whatever it had; its subscription stays."""
    return update(AccountItem(account_id), [AccountItem.plan.set(plan)], operation=operation)


def profile_write(
    account_id: str, changes: Mapping[str, str | None], *, now: datetime, operation: str
) -> Write:
    """Set fields of the profile by their attribute names; None removes one."""
    actions = [
        getattr(AccountItem, name).remove()
        if value is None
        else getattr(AccountItem, name).set(value)
        for name, value in changes.items()
    ]
    return update(
        AccountItem(account_id),
        [
            *actions,
            AccountItem.plan.set(AccountItem.plan | FREE),
            AccountItem.created_at.set(AccountItem.created_at | to_iso(now)),
        ],
        operation=operation,
    )


def subscription_write(
    account_id: str,
    *,
    seen: Account,
    plan: str,
    subscription_id: str,
    status: SubscriptionState,
    ends_at: datetime | None,
    operation: str,
) -> Write:
    """Give the account the plan of a subscription, unless its plan or subscription changed since
    it was ``seen``; then the write is refused with ConcurrentUpdate."""
    item = AccountItem
    # An account of which nothing is stored yet has the free plan.
    same_plan: Any = item.plan == seen.plan
    if seen.plan == FREE:
        same_plan = same_plan | item.plan.does_not_exist()
    same_subscription: Any = (
        item.subscription_id.does_not_exist()
        if seen.subscription_id is None
        else item.subscription_id == seen.subscription_id
    )
    ends = item.subscription_ends_at
    return update(
        AccountItem(account_id),
        [
            item.plan.set(plan),
            item.subscription_id.set(subscription_id),
            item.subscription_status.set(status),
            ends.remove() if ends_at is None else ends.set(to_iso(ends_at)),
        ],
        condition=same_plan & same_subscription,
        refused=_MOVED_ON,
        operation=operation,
    )
