"""Raw stored items, for the auditor, which must not fail on items that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pynamodb.expressions.operand import Path

from darkroom.db.items import BaseItem
from darkroom.db.writes import RawItem, Write, delete, put
from darkroom.kernel.errors import ConcurrentUpdate, DarkroomError, Unavailable


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


def page_raw(
    item_class: type[BaseItem], key: str, *, limit: int, index_name: str | None = None
) -> list[RawItem]:
    """The first items of one partition key; read consistently, except from an index."""
    page = item_class._get_connection().query(
        key, consistent_read=index_name is None, limit=limit, index_name=index_name
    )
    found: list[RawItem] = page["Items"]
    return found


def move_writes(
    item_class: type[BaseItem],
    item: RawItem,
    moved: RawItem,
    *,
    version: str,
    refused: DarkroomError,
) -> list[Write]:
    """Replace an item by one with another key, which must not exist (``refused``), if the item
    still has its version (the name of that attribute)."""
    before, after = (
        item_class.from_raw_data({name: dict(held) for name, held in raw.items()})
        for raw in (item, moved)
    )
    # It is recognized by its key: the copy must not pass for the write of an earlier request.
    after.operation = None
    key = Path(_key_names(item_class)[0])
    unchanged = key.exists()
    if "N" in (held := item.get(version, {})):
        unchanged &= Path(version) == float(held["N"])
    return [
        put(after, condition=key.does_not_exist(), refused=refused),
        delete(before, condition=unchanged, refused=ConcurrentUpdate("the item has moved on")),
    ]


def delete_raw(item_class: type[BaseItem], items: Sequence[RawItem]) -> None:
    """Delete up to 25 items by their keys. Those that the database had no time for are left, and
    found again."""
    keys = [{name: item[name] for name in _key_names(item_class)} for item in items]
    item_class._get_connection().batch_write_item(delete_items=keys)


def put_raw(item_class: type[BaseItem], items: Sequence[RawItem]) -> None:
    """Write up to 25 whole items as they are.

    Raises:
        Unavailable: not all are written; repeating is safe.
    """
    response = item_class._get_connection().batch_write_item(put_items=list(items))
    if response.get("UnprocessedItems"):
        raise Unavailable("the database is busy")


def _key_names(item_class: type[BaseItem]) -> list[str]:
    """The stored names of the hash key and, where the table has one, of the range key."""
    names = (item_class._hash_keyname, item_class._range_keyname)
    return [getattr(item_class, name).attr_name for name in names if name]
