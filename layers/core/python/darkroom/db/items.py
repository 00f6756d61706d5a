"""The base of every stored item, and how item classes find their tables."""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 6
SDK_RETRIES_LIMIT = 2


class BaseItem(Model):
    """What every item carries: the version of its shape and the operation that last wrote it."""

    schema_version = NumberAttribute(default=1, attr_name="sv")
    operation = UnicodeAttribute(null=True, attr_name="op")
    """Id of the use-case call that wrote the item last: how a lost answer is recognised."""

    class Meta:
        table_name = "unbound"


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
    meta.connect_timeout_seconds = CONNECT_TIMEOUT_SECONDS
    meta.read_timeout_seconds = READ_TIMEOUT_SECONDS
    meta.max_retry_attempts = SDK_RETRIES_LIMIT
    item_class._connection = None
