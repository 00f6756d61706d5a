"""Damage of stored items, attribute by attribute, as a bug or a bad restore could cause."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from darkroom.db.items import BaseItem
from tests.support.world import World

RawItem = dict[str, dict[str, Any]]
KEYS = frozenset({"pk", "sk"})
INDEX_KEYS = frozenset(
    {"accountId", "listKey", "fs", "fk", "fsk", "changedAt", "lane", "laneKey", "dueShard",
     "nextCheckAt"}
)  # fmt: skip
"""DynamoDB refuses another type for these."""
MISSING = None
OF_ANOTHER_TYPE: tuple[dict[str, Any], ...] = (
    {"S": "seven"},
    {"N": "7"},
    {"BOOL": False},
    {"L": [{"S": "x"}]},
    {"M": {"a": {"N": "1"}}},
    {"NULL": True},
)
_TEXTS = (
    "", "\u0000", "{", "{}", "[]", "[[]]", "[1]", "0", "null", '"x"', '{"a":1}',
    '[["base","2",[]]]', '[{"i":"g"}]', "9" * 400, '{"a":' * 300 + "1" + "}" * 300,
)  # fmt: skip
_NUMBERS = ("-1", "0.5", "1E+40")
GARBAGE: tuple[dict[str, Any], ...] = (
    *({"S": text} for text in _TEXTS),
    *({"N": number} for number in _NUMBERS),
)


@dataclass(frozen=True)
class Damage:
    """One attribute of one item is missing or has another value."""

    sort_key: str
    attribute: str
    held: Mapping[str, Any] | None

    def __str__(self) -> str:
        return f"{self.sort_key} {self.attribute} {'missing' if self.held is None else self.held}"


def damages_of(items: Sequence[RawItem]) -> Iterator[Damage]:
    """Every damage to every attribute of these items, but to their keys."""
    for item in items:
        for name, held in sorted(item.items()):
            if name in KEYS:
                continue
            yield Damage(item["sk"]["S"], name, MISSING)
            [type_] = held
            for other in (*OF_ANOTHER_TYPE, *GARBAGE):
                if other == held or (name in INDEX_KEYS and type_ not in other):
                    continue
                if name in INDEX_KEYS and other == {"S": ""}:
                    continue
                yield Damage(item["sk"]["S"], name, other)


def damages_of_class(
    item_class: type[BaseItem], raw: RawItem, index_keys: Collection[str]
) -> Iterator[Damage]:
    """Every damage to every attribute that the class declares, but to the keys of its table."""
    for attribute in item_class.get_attributes().values():
        name = attribute.attr_name
        if attribute.is_hash_key or attribute.is_range_key:
            continue
        if name in raw:
            yield Damage("", name, MISSING)
        for held in (*OF_ANOTHER_TYPE, *GARBAGE):
            # DynamoDB refuses another type, and empty text, in the keys of an index.
            is_refused = attribute.attr_type not in held or held == {"S": ""}
            if held != raw.get(name) and not (name in index_keys and is_refused):
                yield Damage("", name, held)


def damaged_item(item: RawItem, damage: Damage) -> RawItem:
    return _damaged(item, damage)


def damaged(items: Sequence[RawItem], damage: Damage) -> list[RawItem]:
    return [
        _damaged(item, damage) if item["sk"]["S"] == damage.sort_key else item for item in items
    ]


def _damaged(item: RawItem, damage: Damage) -> RawItem:
    changed = {name: held for name, held in item.items() if name != damage.attribute}
    if damage.held is not None:
        changed[damage.attribute] = dict(damage.held)
    return changed


def copied(items: Sequence[RawItem], **names: str) -> list[RawItem]:
    """The items with every occurrence of these texts replaced."""
    text = json.dumps(items)
    for old, new in names.items():
        text = text.replace(old, new)
    copies: list[RawItem] = json.loads(text)
    return copies


def collection(world: World, job_id: str) -> list[RawItem]:
    """A job's own items."""
    return [item for item in world.scan("jobs") if item["pk"]["S"] == job_id]


def store(world: World, table: str, items: Sequence[RawItem]) -> None:
    for item in items:
        world.client("dynamodb").put_item(TableName=world.settings.tables[table], Item=item)
