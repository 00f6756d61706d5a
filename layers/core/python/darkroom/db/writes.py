"""A write that carries the error its refused condition means."""

from __future__ import annotations

import copy
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

    ``refused`` is the domain error that a refused condition means, or a function that derives it
    from the item that refused the condition. Writes with an ``operation`` are recognized if they
    are repeated after a lost response.
    """

    kind: Literal["put", "update", "delete", "check"]
    item: BaseItem
    condition: Condition | None = None
    refused: Refusal | DarkroomError | None = None
    actions: tuple[Action, ...] = ()
    operation: str | None = None

    def __post_init__(self) -> None:
        if self.condition is not None and self.refused is None:
            raise ValueError("a condition needs the error that its refusal means")

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

    def refusal(self, stored: RawItem | None) -> DarkroomError:
        """The error of a refused condition. It is new each time, because raising changes it."""
        assert self.refused is not None, "only a write with a condition is refused"
        if isinstance(self.refused, DarkroomError):
            return copy.copy(self.refused)
        return self.refused(stored)

    def is_ours(self, stored: RawItem | None) -> bool:
        if self.operation is None or not stored:
            return False
        return stored.get("op", {}).get("S") == self.operation


def put(
    item: BaseItem,
    *,
    condition: Condition | None = None,
    refused: Refusal | DarkroomError | None = None,
) -> Write:
    """Write the whole item; its ``operation`` attribute identifies the writer."""
    return Write(
        kind="put", item=item, condition=condition, refused=refused, operation=item.operation
    )


def update(
    item: BaseItem,
    actions: Sequence[Action],
    *,
    condition: Condition | None = None,
    refused: Refusal | DarkroomError | None = None,
    operation: str | None = None,
) -> Write:
    """Change some attributes of the item with this key, also stamping the ``operation``."""
    if operation is not None:
        actions = [*actions, BaseItem.operation.set(operation)]
    return Write(
        kind="update",
        item=item,
        condition=condition,
        refused=refused,
        actions=tuple(actions),
        operation=operation,
    )


def delete(
    item: BaseItem,
    *,
    condition: Condition | None = None,
    refused: Refusal | DarkroomError | None = None,
) -> Write:
    return Write(kind="delete", item=item, condition=condition, refused=refused)


def check(item: BaseItem, *, condition: Condition, refused: Refusal | DarkroomError) -> Write:
    """Change nothing, but let the transaction succeed only if the condition is true."""
    return Write(kind="check", item=item, condition=condition, refused=refused)
