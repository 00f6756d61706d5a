"""A write that carries the error its refused condition means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from darkroom.db.items import BaseItem
from darkroom.kernel.errors import DarkroomError

RawItem = Mapping[str, Mapping[str, Any]]
Refusal = Callable[[RawItem | None], DarkroomError]


@dataclass(frozen=True, kw_only=True)
class Write:
    """One item of a transaction.

    ``refused`` maps the item that refused the condition to a domain error. Writes with an
    ``operation`` are recognized if they are repeated after a lost response.
    """

    kind: Literal["put", "update", "delete", "check"]
    item: BaseItem
    refused: Refusal
    condition: Condition | None = None
    actions: tuple[Action, ...] = ()
    operation: str | None = None

    @property
    def key(self) -> tuple[Any, Any]:
        """Hash and range key of the item; the range key is None if the table has none."""
        keys = self.item.key_values()
        return keys[0], keys[1] if len(keys) > 1 else None

    @property
    def is_creation(self) -> bool:
        """Whether it can only succeed if the item does not exist."""
        condition = self.condition
        return (
            self.kind == "put"
            and condition is not None
            and condition.operator == "attribute_not_exists"
        )

    def is_ours(self, stored: RawItem | None) -> bool:
        if self.operation is None or not stored:
            return False
        return stored.get("op", {}).get("S") == self.operation


def put(item: BaseItem, *, refused: Refusal, condition: Condition | None = None) -> Write:
    """Write the whole item; its ``operation`` attribute identifies the writer."""
    return Write(
        kind="put", item=item, refused=refused, condition=condition, operation=item.operation
    )


def update(
    item: BaseItem,
    actions: Sequence[Action],
    *,
    refused: Refusal,
    condition: Condition | None = None,
    operation: str | None = None,
) -> Write:
    """Change some attributes of the item with this key, also stamping the ``operation``."""
    if operation is not None:
        actions = [*actions, BaseItem.operation.set(operation)]
    return Write(
        kind="update",
        item=item,
        refused=refused,
        condition=condition,
        actions=tuple(actions),
        operation=operation,
    )


def delete(item: BaseItem, *, refused: Refusal, condition: Condition | None = None) -> Write:
    return Write(kind="delete", item=item, refused=refused, condition=condition)


def check(item: BaseItem, *, refused: Refusal, condition: Condition) -> Write:
    """Change nothing, but let the transaction succeed only if the condition is true."""
    return Write(kind="check", item=item, refused=refused, condition=condition)
