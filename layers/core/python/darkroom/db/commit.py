"""``commit``: the only place that calls TransactWriteItems.

It retries conflicts between transactions and throttling, with bounded full jitter. It never retries
a refused condition, but raises the error of its write. A transaction that was committed already
(its response was lost) is a success.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException, TransactGetError, TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite

from darkroom.db.connection import connection_to
from darkroom.db.items import BaseItem
from darkroom.db.retry import commit_backoff_seconds
from darkroom.db.writes import RawItem, Write
from darkroom.kernel.errors import DarkroomError, Unavailable
from darkroom.kernel.limits import (
    COMMIT_ATTEMPTS_LIMIT,
    TRANSACTION_ITEMS_LIMIT,
)

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=BaseItem)

_RETRIED_REASONS = {
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}
_RETRIED_ERRORS = {
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
}
# The order in which pynamodb sends a transaction's items to DynamoDB, and thus of the cancellation
# reasons. It differs from the order of our calls.
_SUBMITTED_ORDER = ("check", "delete", "put", "update")


@dataclass
class _Store:
    connection: Connection | None = None
    sleep: Callable[[float], None] = time.sleep
    jitter: random.Random = field(default_factory=random.Random)


_store = _Store()
_refusal: ContextVar[DarkroomError | None] = ContextVar("refusal", default=None)


def configure(
    *, region: str, endpoint_url: str | None, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Open the connection that transactions use. Called once by bootstrap."""
    _store.connection = connection_to(region, endpoint_url=endpoint_url)
    _store.sleep = sleep


def commit(writes: Sequence[Write]) -> None:
    """Do all writes or none, in one round trip.

    Raises:
        the ``refused`` error of the first write (in the order given) whose condition failed;
        the error of ``writes_refused``;
        Unavailable: conflicts or throttling outlasted the bounded retries; repeating is safe.
    """
    _check_allowed()
    if len(writes) == 1:
        commit_one(writes[0])
        return
    if not 0 < len(writes) <= TRANSACTION_ITEMS_LIMIT:
        raise ValueError(f"a transaction holds 1..{TRANSACTION_ITEMS_LIMIT} writes")
    submitted = sorted(writes, key=lambda write: _SUBMITTED_ORDER.index(write.kind))

    def attempt() -> DarkroomError | None:
        try:
            _submit(writes)
        except TransactWriteError as error:
            if _is_passing(error, [r.code for r in error.cancellation_reasons if r]):
                raise _Passing from error
            return _verdict(writes, _refusals(submitted, error), error)
        return None

    refusal = _retry(attempt)
    if refusal is not None:
        raise refusal


def commit_one(write: Write) -> dict[str, Any]:
    """Do a single conditional write at half the price of a transaction.

    Returns the raw item after an update, else an empty dict.
    """
    _check_allowed()

    def attempt() -> tuple[DarkroomError | None, dict[str, Any]]:
        try:
            return None, _submit_one(write)
        except ClientError as error:
            code = _code(error)
            if code == "ConditionalCheckFailedException":
                stored = _stored_item(error)
                if write.is_ours(stored):
                    return None, dict(stored or {})
                return write.refusal(stored), {}
            if code in _RETRIED_ERRORS:
                raise _Passing from error
            raise

    refusal, item = _retry(attempt)
    if refusal is not None:
        raise refusal
    return item


@contextmanager
def writes_refused(error: DarkroomError | None) -> Iterator[None]:
    """Refuse every write of the block with this error; None allows them.

    A request over its limit is still read and checked, so that its own faults are reported first,
    but changes nothing.
    """
    token = _refusal.set(error)
    try:
        yield
    finally:
        _refusal.reset(token)


def are_writes_refused() -> bool:
    return _refusal.get() is not None


def _check_allowed() -> None:
    error = _refusal.get()
    if error is not None:
        raise copy.copy(error)


def snapshot(keys: Sequence[tuple[type[Model], str, str | None]]) -> list[Any]:
    """Read items of several tables as one consistent snapshot, in one round trip.

    Returns one entry per key in order: the item, or None if it does not exist.
    """

    def attempt() -> list[Any]:
        try:
            with TransactGet(connection=_connection()) as transaction:
                futures = [transaction.get(cls, hash_, range_) for cls, hash_, range_ in keys]
        except TransactGetError as error:
            if _is_passing(error, [r.code for r in error.cancellation_reasons if r]):
                raise _Passing from error
            raise
        return [_found(future) for future in futures]

    return _retry(attempt)


def _found(future: Any) -> Any:
    try:
        return future.get()
    except Model.DoesNotExist:
        return None


class _Passing(Exception):
    """A transient failure."""


def _retry(attempt: Callable[[], T]) -> T:
    for number in range(1, COMMIT_ATTEMPTS_LIMIT + 1):
        try:
            return attempt()
        except _Passing as error:
            cause = error
            _store.sleep(commit_backoff_seconds(_store.jitter, number))
    raise Unavailable("the database is busy") from cause


def _connection() -> Connection:
    if _store.connection is None:
        raise RuntimeError("darkroom.db is not configured; build the App first")
    return _store.connection


def _submit(writes: Sequence[Write]) -> None:
    with TransactWrite(connection=_connection()) as transaction:
        for write in writes:
            if write.kind == "put":
                transaction.save(write.item, condition=write.condition, return_values="ALL_OLD")
            elif write.kind == "update":
                transaction.update(
                    write.item,
                    actions=list(write.actions),
                    condition=write.condition,
                    return_values="ALL_OLD",
                )
            elif write.kind == "delete":
                transaction.delete(write.item, condition=write.condition)
            else:
                hash_key, range_key = write.key
                transaction.condition_check(
                    type(write.item), hash_key, range_key, condition=write.condition
                )


def _submit_one(write: Write) -> dict[str, Any]:
    item = write.item
    if write.kind == "put":
        kwargs = item.get_save_kwargs_from_instance(
            condition=write.condition, return_values_on_condition_failure="ALL_OLD"
        )
        _connection().dispatch("PutItem", kwargs)
        return {}
    if write.kind == "update":
        kwargs = item.get_update_kwargs_from_instance(
            actions=list(write.actions),
            condition=write.condition,
            return_values_on_condition_failure="ALL_OLD",
        )
        kwargs["ReturnValues"] = "ALL_NEW"
        updated: dict[str, Any] = _connection().dispatch("UpdateItem", kwargs)["Attributes"]
        return updated
    if write.kind == "delete":
        kwargs = item.get_delete_kwargs_from_instance(condition=write.condition)
        _connection().dispatch("DeleteItem", kwargs)
        return {}
    raise ValueError("a lone condition check writes nothing")


def is_outage(error: BaseException) -> bool:
    """Whether the database did not respond or was unreachable, so that a later repeat may help."""
    cause = error.cause if isinstance(error, PynamoDBException) else error
    return isinstance(cause, BotoCoreError) or _code(error) in _RETRIED_ERRORS


def _code(error: BaseException) -> str | None:
    """The service's error code; None if there was no response.

    pynamodb's own ``cause_response_code`` fails on SDK errors without a response.
    """
    cause = error.cause if isinstance(error, PynamoDBException) else error
    return cause.response["Error"]["Code"] if isinstance(cause, ClientError) else None


def _is_passing(error: PynamoDBException, reasons: Sequence[str]) -> bool:
    code = _code(error)
    if code == "TransactionCanceledException":
        return any(reason in _RETRIED_REASONS for reason in reasons)
    return code in _RETRIED_ERRORS


def _refusals(
    submitted: Sequence[Write], error: TransactWriteError
) -> list[tuple[Write, RawItem | None]]:
    reasons = error.cancellation_reasons
    return [
        (write, reason.raw_item)
        for write, reason in zip(submitted, reasons, strict=False)
        if reason is not None and reason.code == "ConditionalCheckFailed"
    ]


def _verdict(
    writes: Sequence[Write],
    refusals: Sequence[tuple[Write, RawItem | None]],
    error: TransactWriteError,
) -> DarkroomError | None:
    """None if the transaction was committed already; else the first refusal in call order."""
    if not refusals:
        raise error
    if _has_happened(writes, refusals):
        return None
    order = {id(write): place for place, write in enumerate(writes)}
    write, stored = min(refusals, key=lambda refusal: order[id(refusal[0])])
    return write.refusal(stored)


def _has_happened(
    writes: Sequence[Write], refusals: Sequence[tuple[Write, RawItem | None]]
) -> bool:
    """Whether this transaction was committed already.

    A single item with our operation proves nothing: another transaction of the same request may
    have written it. Created items stay, so all items that the transaction creates must exist and
    be ours; others may have changed since. A transaction that creates nothing was committed only if
    every item that refused it is ours; otherwise the caller reads again and decides. Items without
    an operation, such as counters, say nothing about it.
    """
    ours = {id(write) for write, stored in refusals if write.is_ours(stored)}
    creations = [write for write in writes if write.is_creation]
    if creations:
        return all(id(write) in ours for write in creations)
    known = [write for write, _ in refusals if write.operation is not None]
    return bool(known) and all(id(write) in ours for write in known)


def _stored_item(error: ClientError) -> RawItem | None:
    """The item that refused a single write; pynamodb keeps it only on the chained SDK error."""
    cause: BaseException | None = error
    while cause is not None:
        item: RawItem | None = getattr(cause, "response", {}).get("Item")
        if item:
            return item
        cause = cause.__cause__
    return None


def load(item_class: type[ItemT], raw: dict[str, Any]) -> ItemT:
    """An item object from the raw attributes that ``commit_one`` returns."""
    return item_class.from_raw_data(raw)
