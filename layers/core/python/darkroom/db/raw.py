"""Raw stored items, for the auditor, which must not fail on items that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from darkroom.db.items import BaseItem
from darkroom.db.writes import RawItem


def find_raw(item_class: type[BaseItem], key: str) -> RawItem | None:
    """The item of a table without sort key, read consistently."""
    response: dict[str, Any] = item_class._get_connection().get_item(key, consistent_read=True)
    found: RawItem | None = response.get("Item")
    return found


def query_raw(
    item_class: type[BaseItem],
    key: str,
    *,
    index_name: str | None = None,
    where: Any = None,
) -> Iterator[RawItem]:
    """All items of one partition key, or those whose sort key matches the condition ``where``;
    read consistently, except from an index."""
    connection, start = item_class._get_connection(), None
    while True:
        page = connection.query(
            key,
            range_key_condition=where,
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
    """These attributes of all items of a table that match the condition ``where``."""
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
