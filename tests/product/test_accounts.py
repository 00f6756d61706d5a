"""``/api/me``: the profile of an account, its plan and its limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.plans.model import LIMIT_NAMES, limits_of
from tests.support.builders import buy, confirm
from tests.support.moto_world import moto_world
from tests.support.world import START, World


@pytest.fixture(scope="module")
def one_world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user(one_world: World, request: pytest.FixtureRequest) -> str:
    """A new account for each test."""
    return re.sub(r"\W", "-", f"user-{request.node.name}")[-60:].strip("-")


def me(world: World, user: str, **more: Any) -> dict[str, Any]:
    response = world.call("GET", "/api/me", user=user, **more)
    assert response.status == 200, response.body
    return response.body


def test_a_new_account_is_on_the_free_plan_with_every_limit(one_world: World, user: str) -> None:
    found = me(one_world, user)

    limits = found.pop("limits")
    assert found == {
        "accountId": user,
        "locale": "en",
        "plan": "free",
        "subscriptionStatus": "active",
        "roles": [],
        "welcome": "open",
        "createdAt": "2026-01-05T09:00:00.000Z",
    }
    assert [level["name"] for level in limits] == list(LIMIT_NAMES)
    allowed = limits_of("free").by_name
    for level in limits:
        assert level == {
            "name": level["name"],
            "used": 0,
            "limit": allowed[level["name"]],
            "percent": 0,
            "level": "ok",
        }


def test_the_account_is_created_once(one_world: World, user: str) -> None:
    first = me(one_world, user)["createdAt"]
    one_world.clock.move(days=1)

    assert me(one_world, user)["createdAt"] == first
    one_world.clock.move(days=-1)


def test_an_account_that_has_a_wallet_began_with_it(one_world: World, user: str) -> None:
    one_world.call("GET", "/api/credits", user=user)
    began = one_world.clock.now()
    one_world.clock.move(days=3)

    assert me(one_world, user)["createdAt"] == began.isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    one_world.clock.move(days=-3)
    assert one_world.clock.now() == START


def test_the_profile_is_changed_field_by_field_and_null_removes(
    one_world: World, user: str
) -> None:
    change = {"name": " Mina ", "avatarUrl": "https://example.com/a.jpg", "locale": "ko"}

    changed = one_world.call("PATCH", "/api/me", change, user=user)
    later = one_world.call("PATCH", "/api/me", {"welcome": "done", "name": None}, user=user).body

    assert changed.status == 200
    assert (changed.body["name"], changed.body["locale"]) == ("Mina", "ko")
    assert (later["welcome"], later["avatarUrl"]) == ("done", change["avatarUrl"])
    assert "name" not in later
    assert me(one_world, user) == later


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"plan": "professional"},
        {"subscriptionStatus": "active"},
        {"roles": ["admin"]},
        {"name": ""},
        {"name": "a\nb"},
        {"name": "x" * 101},
        {"avatarUrl": "javascript:alert(1)"},
        {"avatarUrl": "http://example.com/a.jpg"},
        {"avatarUrl": "https://example.com/a b"},
        {"locale": "fr"},
        {"locale": None},
        {"welcome": "later"},
    ],
)
def test_what_is_no_profile_is_refused(
    one_world: World, user: str, change: dict[str, object]
) -> None:
    response = one_world.call("PATCH", "/api/me", change, user=user)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_without_a_token_there_is_no_account(one_world: World) -> None:
    assert one_world.call("GET", "/api/me", user=None).status == 401
    assert one_world.call("PATCH", "/api/me", {"name": "A"}, user=None).status == 401


def test_the_plan_of_an_operator_keeps_the_profile(one_world: World, user: str) -> None:
    one_world.call("GET", "/api/credits", user=user)
    one_world.call("PATCH", "/api/me", {"name": "Mina"}, user=user)

    path = f"/api/admin/accounts/{user}"
    one_world.call("PATCH", path, {"plan": "standard"}, user="root", groups="admin")

    found = me(one_world, user)
    assert (found["plan"], found["name"]) == ("standard", "Mina")
    limits = {level["name"]: level["limit"] for level in found["limits"]}
    allowed = limits_of("standard").by_name
    assert limits == {name: allowed[name] for name in LIMIT_NAMES}


def test_an_operator_has_the_role_and_groups_of_others_are_none(
    one_world: World, user: str
) -> None:
    assert me(one_world, user, groups="admin")["roles"] == ["admin"]
    assert me(one_world, user, groups="us-east-1_x_Google")["roles"] == []


def test_tasks_in_progress_count(one_world: World, user: str) -> None:
    buy(one_world, 5, user)
    confirm(one_world, user=user, mode="quick")
    one_world.pump_stream()
    one_world.pump_stream()

    levels = {level["name"]: level for level in me(one_world, user)["limits"]}

    assert levels["concurrentTasks"]["used"] >= 1
    one_world.drain()
    levels = {level["name"]: level for level in me(one_world, user)["limits"]}
    assert levels["concurrentTasks"]["used"] == 0
