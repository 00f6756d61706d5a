"""What limits cost: calls and write units of a limited request, a draft and a queued job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.client import BaseClient

from tests.support.builders import a_balance, a_photo, confirm, scene_inputs
from tests.support.moto_world import moto_world
from tests.support.world import World

TRANSACTION_FACTOR = 2
"""A write in a transaction takes twice the units of one outside."""
SDK: Any = BaseClient
READS = frozenset({"GetItem", "TransactGetItems", "GetSecretValue"})
Counted = tuple[list[str], int]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    calls: list[tuple[str, dict[str, Any]]] = []
    sdk: Any = BaseClient
    real = sdk._make_api_call

    def call(client: Any, operation: str, params: dict[str, Any]) -> Any:
        calls.append((operation, params))
        return real(client, operation, params)

    with monkeypatch.context() as patch:
        patch.setattr(SDK, "_make_api_call", call)
        yield calls


def cost_of(calls: list[tuple[str, dict[str, Any]]], table: str) -> Counted:
    """The writing calls, and the write units for items under 1 KB: of this table, or of all."""
    units, names = 0, []
    for operation, params in calls:
        if operation in READS:
            continue
        names.append(operation)
        if operation == "TransactWriteItems":
            held = [next(iter(each.values()))["TableName"] for each in params["TransactItems"]]
            units += TRANSACTION_FACTOR * sum(table in name for name in held)
        else:
            units += table in params.get("TableName", "")
    return names, units


@pytest.mark.parametrize(
    ("what", "writes", "units_of_limits", "units"),
    [
        ("request", ["UpdateItem"], 1, 1),
        ("draft", ["UpdateItem", "TransactWriteItems"], 3, 5),
        ("story", ["UpdateItem", "PutItem", "TransactWriteItems", "PutItem"], 7, 17),
        ("quick", ["UpdateItem", "PutItem", "TransactWriteItems", "PutItem"], 9, 15),
    ],
)
def test_a_limit_costs_one_write_before_and_one_for_each_counter(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    what: str,
    writes: list[str],
    units_of_limits: int,
    units: int,
) -> None:
    user = f"cost-{what}"
    a_balance(world, user)
    photo = a_photo(world, user)
    draft = {"recipe": "quick", "inputs": scene_inputs(photo), "status": "draft"}

    with watched(monkeypatch) as calls:
        if what == "request":
            world.call("POST", "/api/jobs/stream-ticket", user=user)
        elif what == "draft":
            world.call("POST", "/api/jobs", draft, user=user)
        else:
            confirm(world, user, mode=what, photo=photo)

    names, of_limits = cost_of(calls, "-limits")
    record_property("reads", sum(operation in READS for operation, _ in calls))
    assert (names, of_limits, cost_of(calls, "")[1]) == (writes, units_of_limits, units)
