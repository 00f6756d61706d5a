"""The base of every stored item, and how item classes find their tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.connection import TableConnection
from pynamodb.models import Model

from darkroom.db.connection import client_to


class BaseItem(Model):
    """The attributes of every item: the version of its shape, and the operation that wrote it."""

    schema_version = NumberAttribute(default=1, attr_name="sv")
    operation = UnicodeAttribute(null=True, attr_name="op")
    """Id of the use-case call that last wrote the item, by which a lost response is recognized."""

    class Meta:
        table_name = "unbound"

    @classmethod
    def _get_connection(cls) -> TableConnection:
        table = super()._get_connection()
        if table.connection._client is None:
            meta: Any = cls.Meta
            table.connection._client = client_to(meta.region, endpoint_url=meta.host)
        return table

    def key_values(self) -> tuple[Any, ...]:
        """Hash key and, where the table has one, range key."""
        return tuple(self._get_keys().values())  # type: ignore[no-untyped-call]


class SalvagedItem(BaseItem):
    """An item whose readable part is useful even if the rest is damaged.

    pynamodb refuses an item, and the whole page with it, if a single attribute has another type
    than declared. Here such an attribute counts as absent, and is listed. Only for items whose
    reader checks ``unreadable`` (``db.damage.read_item`` does).
    """

    unreadable: tuple[str, ...] = ()
    """Stored names of the attributes that have another type than declared."""

    class Meta:
        table_name = "unbound"

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        try:
            return super().from_raw_data(data)
        except Exception:  # noqa: BLE001 - pynamodb passes on any error of an attribute's parser
            readable = {name: held for name, held in data.items() if cls._can_read(name, held)}
        item = super().from_raw_data(readable)
        item.unreadable = tuple(sorted(set(data) - set(readable)))
        return item

    @classmethod
    def _can_read(cls, name: str, held: Mapping[str, Any]) -> bool:
        try:
            super().from_raw_data({name: dict(held)})
        except Exception:  # noqa: BLE001 - as above
            return False
        return True


def bind(
    item_class: type[Model], table_name: str, *, region: str, endpoint_url: str | None
) -> None:
    """Bind an item class and its indexes to a real table. Idempotent; bootstrap does it once."""
    meta: Any = item_class.Meta
    if meta.table_name == table_name and getattr(meta, "host", None) == endpoint_url:
        return
    meta.table_name = table_name
    meta.region = region
    meta.host = endpoint_url
    item_class._connection = None
