"""Account items: the plan of each account."""

from __future__ import annotations

from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_or
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put
from darkroom.plans.model import FREE


class AccountItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    plan = UnicodeAttribute()


def find_plan(account_id: str) -> str:
    """The account's plan; ``free`` until it has another, and where its item is damaged."""
    try:
        item = AccountItem.get(account_id)
    except Model.DoesNotExist:
        return FREE
    return read_or(item, plan_of, FREE)


def plan_of(item: AccountItem) -> str:
    plan: str | None = item.plan
    if not plan:
        raise ValueError("no plan")
    return plan


def plan_write(account_id: str, *, plan: str, operation: str) -> Write:
    return put(AccountItem(account_id, plan=plan, operation=operation))
