"""Put an account on another plan, for an operator."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.problems import problem
from darkroom.plans.model import plan_names
from darkroom.plans.store import plan_write


def change_plan(app: App, *, account_id: str, plan: str) -> None:
    """Give the account this plan's limits from now on.

    Raises:
        InvalidInput: the plan does not exist.
    """
    if plan not in plan_names():
        found = problem("plan", "NOT_ALLOWED", allowed=plan_names())
        raise InvalidInput("unknown plan", fields=[found])
    commit([plan_write(account_id, plan=plan, operation=app.ids.token())])
