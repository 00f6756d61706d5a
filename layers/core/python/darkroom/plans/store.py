"""Account items: the plan of each account."""

from __future__ import annotations

from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_or
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put
from darkroom.plans.model import FREE, plan_names


class AccountItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    plan = UnicodeAttribute()


def find_plan(account_id: str) -> str:
    """The account's plan; ``free`` until it has another, where its item is damaged, and if its plan
    is no longer in the catalog."""
    try:
        return read_plan(AccountItem.get(account_id))
    except Model.DoesNotExist:
        return FREE


def read_plan(item: AccountItem | None) -> str:
    """The plan of an account's item, as ``find_plan``."""
    plan = FREE if item is None else read_or(item, plan_of, FREE)
    return plan if plan in plan_names() else FREE


def plan_of(item: AccountItem) -> str:
    plan: str | None = item.plan
    if not plan:
        raise ValueError("no plan")
    return plan


def plan_write(account_id: str, *, plan: str, operation: str) -> Write:
    return put(AccountItem(account_id, plan=plan, operation=operation))
