"""The routes of credits: wallet, transactions and purchases, as a client uses them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.builders import (
    a_balance,
    a_story,
    a_user,
    buy,
    confirm,
    events_of,
    everything_of,
)
from tests.support.moto_world import moto_world
from tests.support.world import World

PURCHASE = "/api/credits/purchase"
TRANSACTIONS = "/api/credits/transactions"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for the whole file; every test has its own account."""
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/credits"),
        ("GET", TRANSACTIONS),
        ("GET", "/api/purchases"),
        ("POST", PURCHASE),
    ],
)
def test_every_route_needs_a_token(method: str, path: str, world: World) -> None:
    body = {"pack": "Value"} if method == "POST" else None

    response = world.call(method, path, body, user=None, key="k")

    assert (response.status, response.body["code"]) == (401, "UNAUTHORIZED")


# The wallet


def test_a_new_account_has_the_bonus(world: World, user: str) -> None:
    response = world.call("GET", "/api/credits", user=user)

    [entry] = response.body.pop("transactions")
    assert response.body == {
        "balance": 5,
        "held": 0,
        "debt": 0,
        "grants": [{"grantId": "bonus#signup", "source": "bonus", "remaining": 5}],
        "nextCursor": None,
    }
    assert (entry["id"], entry["type"], entry["amount"]) == ("bonus#signup", "BONUS", 5)
    assert (entry["balanceAfter"], entry["heldAfter"]) == (5, 0)


@pytest.mark.parametrize("path", ["/api/credits", TRANSACTIONS])
def test_a_second_read_adds_no_second_bonus(path: str, world: World, user: str) -> None:
    first = world.call("GET", path, user=user).body

    assert world.call("GET", path, user=user).body == first
    assert a_balance(world, user) == (5, 0)


def test_an_account_that_starts_with_a_job_or_a_purchase_has_the_bonus(
    world: World, user: str
) -> None:
    other = a_user()

    assert confirm(world, user).body["balance"] == 3
    assert buy(world, 10, other).body["balance"] == 15


def test_the_ledger_of_a_story_has_the_balance_after_each_entry(world: World, user: str) -> None:
    job_id = a_story(world, user, failing=["clip_2"])

    entries = world.call("GET", "/api/credits", user=user).body["transactions"]

    ledger = [
        (e["id"], e["amount"], e["heldChange"], e["balanceAfter"], e["heldAfter"]) for e in entries
    ]
    assert ledger == [
        (f"refund#{job_id}", 1, -1, 4, 0),
        (f"settle#{job_id}", 0, -1, 3, 1),
        (f"deduct#{job_id}", -2, 2, 3, 2),
        ("bonus#signup", 5, 0, 5, 0),
    ]
    assert {entry["referenceId"] for entry in entries[:3]} == {job_id}
    assert all(entry["description"] and entry["createdAt"].endswith("Z") for entry in entries)


# Transactions


def test_transactions_list_the_whole_ledger_once_newest_first(world: World, user: str) -> None:
    for number in range(4):
        buy(world, number + 1, user, key=str(number))

    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"?limit=2{cursor and '&cursor='}{cursor}"
        page = world.call("GET", TRANSACTIONS + query, user=user).body
        assert len(page["items"]) <= 2
        seen += [entry["amount"] for entry in page["items"]]
        cursor = page["nextCursor"]

    assert seen == [4, 3, 2, 1, 5]


def test_transactions_can_be_filtered_by_type(world: World, user: str) -> None:
    for number in range(3):
        buy(world, 1, user, key=str(number))
    confirm(world, user)

    one = world.call("GET", f"{TRANSACTIONS}?type=PURCHASE&limit=2", user=user).body
    rest = world.call(
        "GET", f"{TRANSACTIONS}?type=PURCHASE&limit=2&cursor={one['nextCursor']}", user=user
    ).body
    none = world.call("GET", f"{TRANSACTIONS}?type=EXPIRE", user=user).body

    assert [entry["type"] for entry in one["items"] + rest["items"]] == ["PURCHASE"] * 3
    assert rest["nextCursor"] is None
    assert none == {"items": [], "nextCursor": None}


@pytest.mark.parametrize(
    ("query", "path"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("type=GIFT", "type")],
)
def test_an_invalid_query_names_its_parameter(
    query: str, path: str, world: World, user: str
) -> None:
    response = world.call("GET", f"{TRANSACTIONS}?{query}", user=user)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert [field["path"] for field in response.body["fields"]] == [path]


def test_a_cursor_is_valid_only_for_its_account_list_and_filter(world: World, user: str) -> None:
    for number in range(3):
        buy(world, 1, user, key=str(number))
    plain = world.call("GET", f"{TRANSACTIONS}?limit=1", user=user).body["nextCursor"]
    narrow = world.call("GET", f"{TRANSACTIONS}?limit=1&type=PURCHASE", user=user).body[
        "nextCursor"
    ]
    flipped = ("B" if plain[0] == "A" else "A") + plain[1:]

    refused = [
        world.call("GET", f"{TRANSACTIONS}?cursor={flipped}", user=user),
        world.call("GET", f"{TRANSACTIONS}?cursor={plain}", user=a_user()),
        world.call("GET", f"{TRANSACTIONS}?cursor={plain}&type=PURCHASE", user=user),
        world.call("GET", f"{TRANSACTIONS}?cursor={narrow}", user=user),
        world.call("GET", f"{TRANSACTIONS}?cursor={narrow}&type=REFUND", user=user),
        world.call("GET", f"/api/jobs?cursor={plain}", user=user),
    ]

    assert world.call("GET", f"{TRANSACTIONS}?cursor={plain}", user=user).status == 200
    for response in refused:
        assert (response.status, response.body["code"]) == (400, "BAD_CURSOR")


def test_the_cursor_of_the_wallet_continues_in_the_transactions(world: World, user: str) -> None:
    for number in range(21):
        buy(world, 1, user, key=str(number))

    wallet = world.call("GET", "/api/credits", user=user).body
    rest = world.call("GET", f"{TRANSACTIONS}?cursor={wallet['nextCursor']}", user=user).body

    assert len(wallet["transactions"]) == 20
    assert [entry["id"] for entry in rest["items"]][-1] == "bonus#signup"
    assert len(rest["items"]) == 2


# Purchases


@pytest.mark.parametrize(("pack", "credits"), [("Starter", 10), ("Value", 50), ("Pro", 120)])
def test_a_pack_adds_its_credits_at_once(pack: str, credits: int, world: World, user: str) -> None:
    response = world.call("POST", PURCHASE, {"pack": pack}, user=user, key="k")

    assert response.status == 201
    assert response.body == {
        "purchaseId": response.body["purchaseId"],
        "status": "settled",
        "credits": credits,
        "balance": 5 + credits,
    }
    assert a_balance(world, user) == (5 + credits, 0)
    [record] = world.call("GET", "/api/purchases", user=user).body["items"]
    assert (record["purchaseId"], record["pack"]) == (response.body["purchaseId"], pack)
    world.pump_stream()
    assert events_of(world, response.body["purchaseId"]) == ["credit_purchase_test"]


@pytest.mark.parametrize("amount", [1, 50, 10_000])
def test_an_amount_can_be_bought_with_the_test_gateway(
    amount: int, world: World, user: str
) -> None:
    response = buy(world, amount, user)

    assert (response.status, response.body["credits"], response.body["balance"]) == (
        201,
        amount,
        5 + amount,
    )
    assert "pack" not in world.call("GET", "/api/purchases", user=user).body["items"][0]


@pytest.mark.parametrize(
    "body",
    [
        '{"amount": 0}',
        '{"amount": -1}',
        '{"amount": 1.5}',
        '{"amount": 50.0}',
        '{"amount": 1e3}',
        '{"amount": "50"}',
        '{"amount": true}',
        '{"amount": [50]}',
        '{"amount": 10001}',
        '{"amount": 99999999999999999999999}',
        '{"amount": ' + "9" * 5000 + "}",
        '{"amount": NaN}',
        '{"amount": Infinity}',
        '{"amount": null}',
        "{}",
        '{"pack": null}',
        '{"pack": ""}',
        '{"pack": "value"}',
        '{"pack": "Huge"}',
        '{"pack": 50}',
        '{"pack": "\\ud800"}',
        '{"pack": "Value", "amount": 50}',
        '{"amount": 50, "userId": "bob"}',
        '{"amount": 50, "price": 1}',
        "",
        "{",
        "[]",
        "null",
    ],
    ids=lambda body: body[:40] or "empty",
)
def test_an_invalid_purchase_is_refused_and_adds_no_credits(
    body: str, world: World, user: str
) -> None:
    response = world.call("POST", PURCHASE, body, user=user, key="k")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert everything_of(world, user) == []


def test_purchases_are_listed_newest_first_and_for_their_account_only(
    world: World, user: str
) -> None:
    for number in (1, 2, 3):
        world.clock.move(seconds=1)
        buy(world, number, user, key=str(number))

    mine = world.call("GET", "/api/purchases", user=user).body
    theirs = world.call("GET", "/api/purchases", user=a_user()).body

    assert [record["credits"] for record in mine["items"]] == [3, 2, 1]
    assert {record["gateway"] for record in mine["items"]} == {"test"}
    assert theirs == {"items": [], "nextCursor": None}
