"""The base of every stored item, and how item classes find their tables."""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.connection import TableConnection
from pynamodb.models import Model

from darkroom.db.connection import client_to


class BaseItem(Model):
    """What every item carries: the version of its shape and the operation that last wrote it."""

    schema_version = NumberAttribute(default=1, attr_name="sv")
    operation = UnicodeAttribute(null=True, attr_name="op")
    """Id of the use-case call that wrote the item last: how a lost answer is recognised."""

    class Meta:
        table_name = "unbound"

    @classmethod
    def _get_connection(cls) -> TableConnection:
        table = super()._get_connection()
        if table.connection._client is None:
            meta: Any = cls.Meta
            table.connection._client = client_to(meta.region, meta.host)
        return table


def bind(
    item_class: type[Model], table_name: str, *, region: str, endpoint_url: str | None
) -> None:
    """Point an item class and its indexes at a real table. Idempotent; done once by bootstrap."""
    meta: Any = item_class.Meta
    if meta.table_name == table_name and getattr(meta, "host", None) == endpoint_url:
        return
    meta.table_name = table_name
    meta.region = region
    meta.host = endpoint_url
    item_class._connection = None
