"""Items as they are stored, unread: for the auditor, which must survive those it cannot read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from darkroom.db.items import BaseItem
from darkroom.db.writes import RawItem


def find_raw(item_class: type[BaseItem], key: str) -> RawItem | None:
    """The item of a table without sort key, consistently."""
    answer: dict[str, Any] = item_class._get_connection().get_item(key, consistent_read=True)
    found: RawItem | None = answer.get("Item")
    return found


def query_raw(
    item_class: type[BaseItem], key: str, *, index_name: str | None = None
) -> Iterator[RawItem]:
    """All items under one partition key; consistently, unless an index is read."""
    connection, start = item_class._get_connection(), None
    while True:
        page = connection.query(
            key,
            consistent_read=index_name is None,
            exclusive_start_key=start,
            index_name=index_name,
        )
        yield from page["Items"]
        start = page.get("LastEvaluatedKey")
        if start is None:
            return


def scan_raw(
    item_class: type[BaseItem], attributes: Sequence[str], *, where: Any = None
) -> Iterator[RawItem]:
    """These attributes of all items of a table that ``where`` (a condition) holds for."""
    connection, start = item_class._get_connection(), None
    while True:
        page = connection.scan(
            filter_condition=where,
            attributes_to_get=list(attributes),
            exclusive_start_key=start,
        )
        yield from page["Items"]
        start = page.get("LastEvaluatedKey")
        if start is None:
            return
