"""ADJUST: an operator gives or takes credits, with a reason, once, and never below zero."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from darkroom.credits import store
from darkroom.kernel.clock import to_iso
from darkroom.kernel.limits import ADJUST_LIMIT_CREDITS, REASON_LIMIT_CHARS
from darkroom.usecases.credits.audit_accounts import audit_accounts
from tests.support.builders import (
    a_balance,
    a_user,
    buy,
    confirm,
    everything_of,
    forget_responses,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

GOOD = {"amount": 7, "reason": "Sorry for the wait"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user(world: World) -> Iterator[str]:
    """An account with a wallet and the bonus. Its books are audited after the test."""
    name = a_user()
    a_balance(world, name)
    yield name
    assert audit_accounts(world.app, name).breaches == ()


def adjust(
    world: World,
    user: str,
    body: Any = None,
    *,
    key: str | None = "k",
    by: str | None = "root",
    groups: str = "admin",
) -> Response:
    sent = GOOD if body is None else body
    path = f"/api/admin/accounts/{user}/credits"
    own_key = None if key is None else f"{user} {key}"
    return world.call("POST", path, sent, user=by, groups=groups, key=own_key)


def test_credits_are_given_with_their_reason(world: World, user: str) -> None:
    response = adjust(world, user)

    entry = response.body["transaction"]
    assert (response.status, response.body["balance"]) == (201, 12)
    assert (entry["type"], entry["amount"], entry["description"]) == (
        "ADJUST",
        7,
        "Sorry for the wait",
    )
    assert entry["id"].startswith("adjust#")
    assert a_balance(world, user) == (12, 0)
    [newest, _] = world.call("GET", "/api/credits", user=user).body["transactions"]
    assert newest == entry


def test_credits_are_taken_but_never_below_zero(world: World, user: str) -> None:
    everything = adjust(world, user, {"amount": -5, "reason": "Abuse"}, key="all")
    before = everything_of(world, user)
    more = adjust(world, user, {"amount": -1, "reason": "Abuse"}, key="more")

    assert (everything.status, everything.body["balance"]) == (201, 0)
    assert (more.status, more.body["code"]) == (400, "VALIDATION_FAILED")
    assert [field["path"] for field in more.body["fields"]] == ["amount"]
    assert everything_of(world, user) == before


def test_credits_held_by_a_job_cannot_be_taken(world: World, user: str) -> None:
    confirm(world, user)

    assert adjust(world, user, {"amount": -4, "reason": "Abuse"}).status == 400
    assert adjust(world, user, {"amount": -3, "reason": "Abuse"}, key="less").status == 201
    assert a_balance(world, user) == (0, 2)


def test_taking_follows_the_order_of_spending(world: World, user: str) -> None:
    buy(world, 10, user)

    adjust(world, user, {"amount": -6, "reason": "Abuse"})

    [grant] = world.call("GET", "/api/credits", user=user).body["grants"]
    assert (grant["source"], grant["remaining"]) == ("purchase", 9)


@pytest.mark.parametrize(
    ("by", "groups", "status", "code"),
    [
        (None, "", 401, "UNAUTHORIZED"),
        ("mallory", "", 403, "FORBIDDEN"),
        ("mallory", "[staff]", 403, "FORBIDDEN"),
        ("mallory", "[administrators]", 403, "FORBIDDEN"),
    ],
)
def test_only_an_admin_adjusts_credits(
    by: str | None, groups: str, status: int, code: str, world: World, user: str
) -> None:
    response = adjust(world, user, by=by, groups=groups)

    assert (response.status, response.body["code"]) == (status, code)
    assert a_balance(world, user) == (5, 0)


def test_users_without_the_role_cannot_adjust_their_own_credits(world: World, user: str) -> None:
    assert adjust(world, user, by=user, groups="").status == 403


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"reason": "x"}', "amount"),
        ('{"amount": 0, "reason": "x"}', None),
        ('{"amount": 1.5, "reason": "x"}', "amount"),
        ('{"amount": 5.0, "reason": "x"}', "amount"),
        ('{"amount": 1e3, "reason": "x"}', "amount"),
        ('{"amount": "5", "reason": "x"}', "amount"),
        ('{"amount": true, "reason": "x"}', "amount"),
        ('{"amount": null, "reason": "x"}', "amount"),
        (f'{{"amount": {ADJUST_LIMIT_CREDITS + 1}, "reason": "x"}}', "amount"),
        (f'{{"amount": {-ADJUST_LIMIT_CREDITS - 1}, "reason": "x"}}', "amount"),
        (f'{{"amount": {2**53 + 1}, "reason": "x"}}', "amount"),
        ('{"amount": 5}', "reason"),
        ('{"amount": 5, "reason": ""}', "reason"),
        ('{"amount": 5, "reason": "   "}', "reason"),
        ('{"amount": 5, "reason": null}', "reason"),
        ('{"amount": 5, "reason": "\\ud800"}', "reason"),
        (f'{{"amount": 5, "reason": "{"x" * (REASON_LIMIT_CHARS + 1)}"}}', "reason"),
        ('{"amount": 5, "reason": "x", "accountId": "bob"}', "accountId"),
        ('{"amount": 5, "reason": "x", "expiresAt": "tomorrow"}', "expiresAt"),
        ('{"amount": 5, "reason": "x", "expiresAt": 1}', "expiresAt"),
        ('{"amount": 5, "reason": "x", "expiresAt": "2020-01-01T00:00:00Z"}', "expiresAt"),
        ('{"amount": -5, "reason": "x", "expiresAt": "2999-01-01T00:00:00Z"}', "expiresAt"),
        ('{"amount": 5, "reason": "x", "expiresAt": "0001-01-01T00:00:00+14:00"}', "expiresAt"),
        ('{"amount": 5, "reason": "x", "expiresAt": "9999-12-31T23:59:59-14:00"}', "expiresAt"),
        ("", None),
        ("[]", None),
    ],
    ids=lambda value: (value or "none")[:60],
)
def test_an_invalid_adjustment_is_refused_before_any_write(
    body: str, path: str | None, world: World, user: str
) -> None:
    response = adjust(world, user, body)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    if path is not None:
        assert path in [field["path"] for field in response.body["fields"]]
    assert a_balance(world, user) == (5, 0)
    assert len(everything_of(world, user)) == 2


@pytest.mark.parametrize("amount", [1, ADJUST_LIMIT_CREDITS])
def test_amounts_and_reasons_at_the_limit_are_allowed(amount: int, world: World, user: str) -> None:
    body = {"amount": amount, "reason": "x" * REASON_LIMIT_CHARS}

    assert adjust(world, user, body).body["balance"] == 5 + amount


def test_an_adjustment_needs_a_key(world: World, user: str) -> None:
    response = adjust(world, user, key=None)

    assert (response.status, response.body["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert a_balance(world, user) == (5, 0)


def test_a_repeat_returns_the_same_response(world: World, user: str) -> None:
    first = adjust(world, user)
    again = adjust(world, user)
    buy(world, 10, user)
    forget_responses(world)
    later = adjust(world, user)

    assert (again.status, again.body) == (later.status, later.body) == (201, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert a_balance(world, user) == (22, 0)


def test_a_key_of_another_adjustment_is_refused(world: World, user: str) -> None:
    adjust(world, user)

    other = adjust(world, user, {**GOOD, "amount": 8})
    forget_responses(world)
    later = adjust(world, user, {**GOOD, "reason": "Another"})

    for response in (other, later):
        assert (response.status, response.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert a_balance(world, user) == (12, 0)


def test_the_same_key_for_two_accounts_is_two_adjustments(world: World, user: str) -> None:
    other = a_user()
    a_balance(world, other)

    for name in (user, other):
        path = f"/api/admin/accounts/{name}/credits"
        world.call("POST", path, GOOD, user="root", groups="admin", key=f"shared {user}")

    assert a_balance(world, user) == a_balance(world, other) == (12, 0)


def test_an_unknown_account_is_404_and_is_not_created(world: World) -> None:
    stranger = a_user()

    response = adjust(world, stranger)

    assert (response.status, response.body["code"]) == (404, "NOT_FOUND")
    assert everything_of(world, stranger) == []


def test_a_gift_may_expire(world: World, user: str) -> None:
    end = world.clock.now() + timedelta(days=1)

    response = adjust(world, user, {**GOOD, "expiresAt": to_iso(end)})

    gift = world.call("GET", "/api/credits", user=user).body["grants"][0]
    assert gift == {
        "grantId": response.body["transaction"]["id"],
        "source": "adjust",
        "remaining": 7,
        "expiresAt": to_iso(end),
    }
    world.clock.move(days=1)
    assert confirm(world, user).body["balance"] == 3
    wallet = store.find_wallet(user)
    assert wallet is not None
    assert [grant.source for grant in wallet.grants] == ["bonus"]


def test_an_expired_gift_is_refused_but_its_repeat_returns_the_first_response(
    world: World, user: str
) -> None:
    body = {**GOOD, "expiresAt": to_iso(world.clock.now() + timedelta(hours=1))}
    first = adjust(world, user, body)
    world.clock.move(hours=2)
    forget_responses(world)

    late, repeated = adjust(world, user, body, key="late"), adjust(world, user, body)

    assert (late.status, late.body["fields"][0]["path"]) == (400, "expiresAt")
    assert (repeated.status, repeated.body) == (201, first.body)
