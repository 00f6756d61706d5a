"""``commit``: all or nothing, one retry policy, and a domain error for each refusal.

What DynamoDB may return is injected below botocore; everything else is the real store on moto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError
from pynamodb.exceptions import PynamoDBException

from darkroom.assets.store import AssetItem
from darkroom.db import Write, commit, commit_one, is_outage, snapshot
from darkroom.db.commit import _store
from darkroom.db.writes import RawItem, delete, put, update
from darkroom.events.store import EventItem
from darkroom.kernel.errors import Conflict, DarkroomError, Unavailable
from darkroom.kernel.limits import COMMIT_ATTEMPTS_LIMIT, TRANSACTION_ITEMS_LIMIT
from darkroom.templates.store import AssignmentItem
from tests.support.moto_world import moto_world
from tests.support.world import World

Call = Callable[[Any, str, dict[str, Any]], Any]
RAISED_BY_SDK = (PynamoDBException, BotoCoreError, ClientError)
WRITING = ("TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem")


class Refused(DarkroomError):
    """The test's own error, so that no other error can be mistaken for it."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for the whole file: every test writes keys of its own."""
    with moto_world() as world:
        yield world


@pytest.fixture(autouse=True)
def naps(world: World, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The delays between the attempts of commit, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(_store, "sleep", waited.append)
    return waited


def no(name: str) -> Callable[[RawItem | None], DarkroomError]:
    return lambda stored: Refused(name, code=name, stored=stored)


def item(name: str, value: str = "t", operation: str | None = None) -> AssignmentItem:
    return AssignmentItem(
        name, "c", template_id=value, assigned_at="2026-01-05", operation=operation
    )


def create(name: str, operation: str | None = None) -> Write:
    unused = AssignmentItem.subject.does_not_exist()
    return put(item(name, operation=operation), condition=unused, refused=no(f"put {name}"))


def change(name: str, *, seen: str = "t", to: str = "u", operation: str | None = None) -> Write:
    return update(
        AssignmentItem(name, "c"),
        [AssignmentItem.template_id.set(to)],
        condition=AssignmentItem.template_id == seen,
        refused=no(f"update {name}"),
        operation=operation,
    )


def remove(name: str, *, seen: str = "t") -> Write:
    condition = AssignmentItem.template_id == seen
    return delete(AssignmentItem(name, "c"), condition=condition, refused=no(f"delete {name}"))


def check(name: str) -> Write:
    exists = AssignmentItem.subject.exists()
    return Write(kind="check", item=item(name), condition=exists, refused=no(f"check {name}"))


def value_of(name: str) -> str | None:
    [found] = snapshot([(AssignmentItem, name, "c")])
    return found.template_id if found else None


def inject(
    patch: pytest.MonkeyPatch,
    *,
    before: Sequence[Exception | None] = (),
    after: Sequence[Exception | None] = (),
) -> list[str]:
    """Fail the next writing calls before they happen, or after (their responses are lost)."""
    sdk: Any = botocore.client.BaseClient
    real: Call = sdk._make_api_call
    early, late, calls = list(before), list(after), []

    def call(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if operation not in WRITING:
            return real(client, operation, arguments)
        calls.append(operation)
        if early and (error := early.pop(0)) is not None:
            raise error
        response = real(client, operation, arguments)
        if late and (error := late.pop(0)) is not None:
            raise error
        return response

    patch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return calls


def aws_error(code: str, *reasons: str) -> ClientError:
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"RequestId": "r", "HTTPStatusCode": 400},
    }
    if reasons:
        response["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    return ClientError(response, "TransactWriteItems")  # type: ignore[arg-type]


def conflict() -> ClientError:
    return aws_error("TransactionCanceledException", "TransactionConflict", "None")


# All or nothing, and which write was refused


def test_all_writes_happen_together(naps: list[float]) -> None:
    commit([create("all-1"), create("all-2"), create("all-4")])
    commit([change("all-1"), remove("all-2"), create("all-3"), check("all-4")])

    assert [value_of(f"all-{n}") for n in (1, 2, 3)] == ["u", None, "t"]
    assert naps == []


def test_one_refusal_undoes_all() -> None:
    commit([create("undo-1"), create("undo-2")])

    with pytest.raises(Refused):
        commit([change("undo-1"), change("undo-2", seen="other"), create("undo-3")])

    assert [value_of(f"undo-{n}") for n in (1, 2, 3)] == ["t", "t", None]


@pytest.mark.parametrize("kind", ["put", "update", "delete", "check"])
def test_the_error_is_that_of_the_write_that_was_refused(kind: str) -> None:
    """pynamodb submits checks, deletes, puts and updates in this order, not in ours."""
    name = f"order-{kind}"
    commit([create(f"{name}-{n}") for n in ("put", "update", "delete", "check")])
    sound = {
        "update": change(f"{name}-update"),
        "put": create(f"{name}-new"),
        "check": check(f"{name}-check"),
        "delete": remove(f"{name}-delete"),
    }
    broken = {
        "put": create(f"{name}-put"),
        "update": change(f"{name}-update", seen="other"),
        "delete": remove(f"{name}-delete", seen="other"),
        "check": check(f"{name}-absent"),
    }

    with pytest.raises(Refused) as refusal:
        commit([*(sound | {kind: broken[kind]}).values()])

    assert refusal.value.error_code.startswith(f"{kind} {name}")


def test_of_several_refused_writes_the_error_is_that_of_the_first() -> None:
    commit([create("first-1"), create("first-2")])
    put_again, stale = create("first-1"), change("first-2", seen="other")

    for writes in ([put_again, stale], [stale, put_again]):
        with pytest.raises(Refused) as refusal:
            commit([create("first-3"), *writes])
        assert refusal.value.error_code == writes[0].refusal(None).error_code


def test_the_error_gets_the_stored_item() -> None:
    commit([create("shown-1"), create("shown-2")])

    for writes in ([create("shown-1")], [create("shown-1"), create("shown-3")]):
        with pytest.raises(Refused) as refusal:
            commit(writes)
        assert refusal.value.facts["stored"]["templateId"] == {"S": "t"}
    with pytest.raises(Refused) as refusal:
        commit([change("shown-absent")])
    assert refusal.value.facts["stored"] is None


def test_each_refusal_of_a_write_raises_a_new_error() -> None:
    """Raising changes an error, so that a shared one would carry the traces of earlier calls."""
    commit([create("fresh-1"), create("fresh-2")])
    shared = Refused("it exists", code="SHARED", used=3)
    unused = AssignmentItem.subject.does_not_exist()
    writes = [put(item(f"fresh-{n}"), condition=unused, refused=shared) for n in (1, 2)]

    raised = []
    for attempt in (lambda: commit(writes), lambda: commit(writes), lambda: commit_one(writes[0])):
        with pytest.raises(Refused) as refusal:
            attempt()
        refusal.value.add_note("seen")
        refusal.value.facts["used"] += 1
        refusal.value.__cause__ = ValueError("of one call")
        raised.append(refusal.value)

    assert len({id(error) for error in (shared, *raised)}) == 4
    assert [str(error) for error in raised] == ["SHARED: it exists"] * 3
    assert [error.facts for error in raised] == [{"used": 4}] * 3
    assert [error.__notes__ for error in raised] == [["seen"]] * 3
    assert (shared.__traceback__, shared.__cause__, shared.facts) == (None, None, {"used": 3})


def test_a_condition_without_an_error_is_refused_at_once() -> None:
    with pytest.raises(ValueError):
        put(item("incomplete"), condition=AssignmentItem.subject.does_not_exist())


def test_a_failed_condition_is_never_retried(
    monkeypatch: pytest.MonkeyPatch, naps: list[float]
) -> None:
    commit([create("once-1")])
    calls = inject(monkeypatch)

    for writes in ([create("once-1")], [create("once-1"), create("once-2")]):
        with pytest.raises(Refused):
            commit(writes)

    assert (len(calls), naps) == (2, [])


# Lost responses


def test_a_transaction_whose_response_was_lost_is_recognized_as_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commit([create("lost-1")])
    calls = inject(monkeypatch, after=[aws_error("InternalServerError")])

    commit([change("lost-1", operation="mine"), create("lost-2", operation="mine")])

    assert len(calls) == 2
    assert (value_of("lost-1"), value_of("lost-2")) == ("u", "t")


@pytest.mark.parametrize("kind", ["put", "update"])
def test_a_single_write_whose_response_was_lost_is_recognized_as_our_own(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"lone-{kind}"
    if kind == "update":
        commit([create(name)])
    write = create(name, "mine") if kind == "put" else change(name, operation="mine")
    calls = inject(monkeypatch, after=[aws_error("InternalServerError")])

    commit_one(write)

    assert len(calls) == 2
    assert value_of(name) == ("t" if kind == "put" else "u")


def test_a_write_of_another_request_is_not_taken_for_our_own() -> None:
    commit([create("theirs-1", "theirs")])

    for operation in ("mine", None):
        with pytest.raises(Refused):
            commit([create("theirs-1", operation)])
        with pytest.raises(Refused):
            commit([create("theirs-1", operation), create("theirs-2", operation)])

    assert value_of("theirs-2") is None


def test_one_item_of_ours_does_not_prove_that_the_transaction_happened() -> None:
    """Another transaction of the same request wrote it: the ledger entry is not there."""
    commit([create("contrived-wallet", operation="request"), create("contrived-x")])

    with pytest.raises(Refused) as refusal:
        commit(
            [
                create("contrived-wallet", operation="request"),
                create("contrived-entry", operation="request"),
            ]
        )

    assert refusal.value.error_code == "put contrived-wallet"
    assert value_of("contrived-entry") is None


def test_later_changes_do_not_hide_that_the_transaction_happened() -> None:
    commit([create("moved-wallet"), create("moved-other")])
    writes = [change("moved-wallet", operation="mine"), create("moved-entry", operation="mine")]
    commit(writes)
    commit([change("moved-wallet", seen="u", to="v", operation="theirs"), create("moved-x")])

    commit(writes)

    assert (value_of("moved-wallet"), value_of("moved-entry")) == ("v", "t")


def test_updates_count_as_done_only_if_every_refused_item_is_ours() -> None:
    commit([create("pair-1"), create("pair-2")])
    writes = [change("pair-1", operation="mine"), change("pair-2", operation="mine")]
    commit(writes)
    commit(writes)
    commit_one(change("pair-2", seen="u", to="v", operation="theirs"))

    with pytest.raises(Refused):
        commit(writes)


# Transient errors


@pytest.mark.parametrize(
    "error",
    [
        conflict(),
        aws_error("TransactionCanceledException", "None", "ThrottlingError"),
        aws_error("TransactionCanceledException", "ConditionalCheckFailed", "TransactionConflict"),
        aws_error("TransactionInProgressException"),
        aws_error("ProvisionedThroughputExceededException"),
        aws_error("ThrottlingException"),
        aws_error("InternalServerError"),
    ],
    ids=lambda error: error.response["Error"]["Code"],
)
def test_transient_errors_are_retried_after_a_bounded_delay(
    error: ClientError,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    naps: list[float],
) -> None:
    name = request.node.name
    calls = inject(monkeypatch, before=[error, error])

    commit([create(f"{name}-1"), create(f"{name}-2")])

    assert value_of(f"{name}-2") == "t"
    assert (len(calls), len(naps)) == (3, 2)
    assert 0 <= naps[0] <= 0.02
    assert 0 <= naps[1] <= 0.04


@pytest.mark.parametrize("count", [1, 2])
def test_persistent_errors_are_unavailable_after_a_bounded_number_of_attempts(
    count: int, monkeypatch: pytest.MonkeyPatch, naps: list[float]
) -> None:
    names = [f"busy-{count}-{number}" for number in range(count)]
    error = conflict() if count > 1 else aws_error("TransactionConflictException")
    calls = inject(monkeypatch, before=[error] * 50)

    with pytest.raises(Unavailable):
        commit([create(name) for name in names])

    assert len(calls) == COMMIT_ATTEMPTS_LIMIT
    assert all(nap <= 0.5 for nap in naps)
    assert [value_of(name) for name in names] == [None] * count


def test_an_error_that_means_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    error = aws_error("ValidationException")
    calls = inject(monkeypatch, before=[error, error])

    for writes in ([create("bug-1")], [create("bug-1"), create("bug-2")]):
        with pytest.raises(RAISED_BY_SDK) as raised:
            commit(writes)
        assert not isinstance(raised.value, DarkroomError)
        assert not is_outage(raised.value)

    assert len(calls) == 2


def test_no_response_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = ConnectTimeoutError(endpoint_url="https://dynamodb")
    inject(monkeypatch, before=[silence, silence])

    for writes in ([create("silent-1")], [create("silent-1"), create("silent-2")]):
        with pytest.raises(RAISED_BY_SDK) as raised:
            commit(writes)
        assert is_outage(raised.value)


def test_other_failures_are_no_outage() -> None:
    assert not is_outage(ValueError("x"))
    assert not is_outage(Conflict())
    assert is_outage(aws_error("ThrottlingException"))


# A single write


def test_a_single_write_needs_no_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = inject(monkeypatch)

    commit([create("cheap-1")])
    commit([change("cheap-1")])
    commit([remove("cheap-1", seen="u")])

    assert calls == ["PutItem", "UpdateItem", "DeleteItem"]


def test_a_single_update_returns_the_new_item() -> None:
    commit([create("single-1")])

    raw = commit_one(change("single-1", operation="mine"))

    assert (raw["templateId"], raw["op"]) == ({"S": "u"}, {"S": "mine"})
    assert commit_one(create("single-2")) == {}


@pytest.mark.parametrize("kind", ["put", "update", "delete"])
def test_a_single_write_raises_the_same_error_as_in_a_transaction(kind: str) -> None:
    name = f"alone-{kind}"
    commit([create(name)])
    broken = {
        "put": create(name),
        "update": change(name, seen="other"),
        "delete": remove(name, seen="other"),
    }

    with pytest.raises(Refused) as refusal:
        commit_one(broken[kind])

    assert refusal.value.error_code == f"{kind} {name}"


def test_a_single_check_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="writes nothing"):
        commit([check("unknown")])


# Limits


def test_a_transaction_holds_one_to_a_hundred_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = inject(monkeypatch)

    for count in (0, TRANSACTION_ITEMS_LIMIT + 1):
        with pytest.raises(ValueError, match=r"1\.\.100"):
            commit([create(f"many-{number}") for number in range(count)])

    assert calls == []


def test_a_snapshot_keeps_the_order_of_its_keys_across_tables() -> None:
    commit([create("snap-1"), create("snap-2")])

    first, asset, missing, second, event = snapshot(
        [
            (AssignmentItem, "snap-1", "c"),
            (AssetItem, "alice", "ast_none"),
            (AssignmentItem, "snap-9", "c"),
            (AssignmentItem, "snap-2", "c"),
            (EventItem, "e", "e"),
        ]
    )

    assert (first.subject, second.subject) == ("snap-1", "snap-2")
    assert (asset, missing, event) == (None, None, None)
