"""Assignments: the template that a user keeps for a combination."""

from __future__ import annotations

from pynamodb.attributes import UnicodeAttribute

from darkroom.db.damage import read_or
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put
from darkroom.kernel.errors import ConcurrentUpdate


class AssignmentItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    subject = UnicodeAttribute(hash_key=True)
    """``account#<id>`` or ``device#<id>``."""
    combination = UnicodeAttribute(range_key=True)
    """``mode|stage|genre``."""
    template_id = UnicodeAttribute(attr_name="templateId")
    assigned_at = UnicodeAttribute(attr_name="assignedAt")


def account_subject(account_id: str) -> str:
    return f"account#{account_id}"


def device_subject(device_id: str) -> str:
    return f"device#{device_id}"


def template_of(item: AssignmentItem) -> str | None:
    """The variant; None for a damaged assignment: it is chosen again, and comes out the same."""
    return read_or(item, _to_template, None)


def _to_template(item: AssignmentItem) -> str:
    template_id: str | None = item.template_id
    if not template_id:
        raise ValueError("no template")
    return template_id


def assign_write(
    subject: str, combination: str, *, template_id: str, assigned_at: str, operation: str
) -> Write:
    """Assign the template if none is assigned. A refusal means that another confirm was first: read
    the assignment again."""
    item = AssignmentItem(
        subject,
        combination,
        template_id=template_id,
        assigned_at=assigned_at,
        operation=operation,
    )
    return put(
        item,
        condition=AssignmentItem.subject.does_not_exist(),
        refused=ConcurrentUpdate("already assigned"),
    )
