"""Counts AWS calls, write units and item sizes where every SDK call passes through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.client import BaseClient

Params = Mapping[str, Any]

# Any, because the types do not know the one method that every SDK call goes through.
_SDK: Any = BaseClient

SINGLE_WRITES = {"PutItem", "UpdateItem", "DeleteItem"}
COUNTED_CAPACITY = SINGLE_WRITES | {
    "GetItem",
    "Query",
    "TransactGetItems",
    "TransactWriteItems",
    "BatchGetItem",
    "BatchWriteItem",
}


@dataclass(frozen=True)
class Call:
    """One SDK call and what its response says it consumed."""

    service: str
    operation: str
    tables: frozenset[str]
    """Short names, such as ``wallets``."""
    table_units: float = 0
    index_shares: tuple[tuple[str, float], ...] = ()
    """(such as ``jobs.byAccount``, write units) of each index that the call wrote."""
    sizes: tuple[tuple[str, int], ...] = ()
    """(short table name, bytes) of each item as it stands after the write."""

    @property
    def is_transaction(self) -> bool:
        return self.operation == "TransactWriteItems"


@dataclass(frozen=True)
class Bill:
    """The calls of one piece of work."""

    calls: tuple[Call, ...]

    @property
    def operations(self) -> str:
        """For example ``2 PutItem + TransactGetItems``."""
        counts = Counter(call.operation for call in self.calls)
        return " + ".join(f"{n} {name}" if n > 1 else name for name, n in sorted(counts.items()))

    @property
    def table_units(self) -> float:
        return sum(call.table_units for call in self.calls)

    @property
    def index_units(self) -> float:
        return sum(units for call in self.calls for _, units in call.index_shares)

    @property
    def indexes(self) -> str:
        """For example ``jobs.byAccount 1, jobs.due 1``."""
        shares = [share for call in self.calls for share in call.index_shares]
        return ", ".join(f"{name} {units:g}" for name, units in shares)

    @property
    def sizes(self) -> str:
        """For example ``wallets 164 B, ledger 331 B``."""
        items = [size for call in self.calls for size in call.sizes]
        return ", ".join(f"{table} {size} B" for table, size in items)

    def only(self, wanted: Callable[[Call], bool]) -> Bill:
        return Bill(tuple(call for call in self.calls if wanted(call)))

    def without_table(self, table: str) -> Bill:
        return self.only(lambda call: table not in call.tables)

    def on_table(self, table: str) -> Bill:
        return self.only(lambda call: table in call.tables)

    def __add__(self, other: Bill) -> Bill:
        return Bill(self.calls + other.calls)


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Every SDK call of this process while the context lasts, in order.

    Single-threaded, and never around a timing: it asks for per-index figures and reads updated
    items back to know their size.
    """
    calls: list[Call] = []
    original = _SDK._make_api_call

    def counted(self: Any, operation: str, params: dict[str, Any]) -> Any:
        service = self.meta.service_model.service_name
        if service == "dynamodb" and operation in COUNTED_CAPACITY:
            params = {**params, "ReturnConsumedCapacity": "INDEXES"}
        response = original(self, operation, params)

        def read(table: str, key: Any) -> Params:
            found = original(self, "GetItem", {"TableName": table, "Key": key})
            item: Params = found.get("Item", {})
            return item

        calls.append(_call(service, operation, params=params, response=response, read=read))
        return response

    _SDK._make_api_call = counted
    try:
        yield calls
    finally:
        _SDK._make_api_call = original


def bill_of(work: Callable[[], object]) -> Bill:
    """What ``work`` calls and consumes."""
    with recorded() as calls:
        work()
    return Bill(tuple(calls))


@contextmanager
def stopped_after(number: int) -> Iterator[None]:
    """As if the process died after its first ``number`` SDK calls: none of the others is made."""
    original = _SDK._make_api_call
    made = 0

    def limited(self: Any, operation: str, params: dict[str, Any]) -> Any:
        nonlocal made
        if made == number:
            raise Stopped
        made += 1
        return original(self, operation, params)

    _SDK._make_api_call = limited
    try:
        yield
    finally:
        _SDK._make_api_call = original


class Stopped(BaseException):
    """The process ended here. Not an ``Exception``, so that no handler catches it."""


def _call(
    service: str,
    operation: str,
    *,
    params: Params,
    response: Params,
    read: Callable[[str, Any], Params],
) -> Call:
    if service != "dynamodb":
        return Call(service, operation, frozenset())
    tables = frozenset(short_name(table) for table in _tables(params))
    if operation not in SINGLE_WRITES and operation != "TransactWriteItems":
        return Call(service, operation, tables)
    consumed = response.get("ConsumedCapacity", [])
    entries = consumed if isinstance(consumed, list) else [consumed]
    return Call(
        service,
        operation,
        tables,
        table_units=sum(_table_units(entry) for entry in entries),
        index_shares=tuple(share for entry in entries for share in _index_shares(entry)),
        sizes=tuple(_sizes(operation, params, read)),
    )


def _tables(params: Params) -> Iterator[str]:
    if "TableName" in params:
        yield params["TableName"]
    for item in params.get("TransactItems", []):
        for action in item.values():
            yield action["TableName"]
    yield from params.get("RequestItems", {})


def short_name(table: str) -> str:
    return table.rpartition("-")[2]


def _table_units(entry: Params) -> float:
    """The table's own share: responses name it differently, but always contain the total."""
    return float(entry["CapacityUnits"]) - sum(units for _, units in _index_shares(entry))


def _index_shares(entry: Params) -> Iterator[tuple[str, float]]:
    table = short_name(entry["TableName"])
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        for name, share in entry.get(kind, {}).items():
            yield f"{table}.{name}", float(share["CapacityUnits"])


def _sizes(
    operation: str, params: Params, read: Callable[[str, Any], Params]
) -> Iterator[tuple[str, int]]:
    actions = [params] if operation in SINGLE_WRITES else _actions(params)
    for action in actions:
        table = action["TableName"]
        if "Item" in action:
            yield short_name(table), size_bytes(action["Item"])
        elif "UpdateExpression" in action:
            yield short_name(table), size_bytes(read(table, action["Key"]))


def _actions(params: Params) -> list[Params]:
    return [action for item in params["TransactItems"] for action in item.values()]


def size_bytes(item: Params) -> int:
    """What an item of strings (and sets of them), numbers and booleans weighs by DynamoDB's rule:
    UTF-8 bytes of names and values, a number one byte and one per two digits."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Params) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "SS":
        return sum(len(text.encode()) for text in content)
    if kind == "N":
        digits = str(content).lstrip("-").replace(".", "").strip("0")
        return 1 + (len(digits) + 1) // 2
    if kind in ("BOOL", "NULL"):
        return 1
    raise ValueError(f"no item here has an attribute of type {kind}")
