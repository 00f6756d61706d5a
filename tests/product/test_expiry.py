"""Expiry: expired credits are never spendable, and the sweeper records the expiry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from darkroom.credits import store
from darkroom.credits.model import Entry
from darkroom.db import commit as commit_writes
from darkroom.kernel.clock import to_iso
from darkroom.usecases.credits import expire_grants as use_case
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.usecases.credits.expire_grants import sweep_grants
from darkroom.usecases.sweeps import sweep_items
from tests.support.builders import a_balance, a_user, confirm, everything_of, finish
from tests.support.moto_world import moto_world
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user(world: World) -> str:
    """A new account, after a sweep of the grants that earlier tests left due."""
    sweep(world)
    return a_user()


def give(world: World, user: str, amount: int, *, key: str = "gift", **life: float) -> str:
    """Give credits that expire after this time; return the grant's id."""
    a_balance(world, user)
    body = {
        "amount": amount,
        "reason": "A gift",
        "expiresAt": to_iso(world.clock.now() + timedelta(**life)),
    }
    path = f"/api/admin/accounts/{user}/credits"
    response = world.call("POST", path, body, user="root", groups="admin", key=f"{user} {key}")
    return response.body["transaction"]["id"]


def sweep(world: World) -> dict[str, int]:
    def fail(item: str, error: Exception) -> None:
        raise AssertionError(item) from error

    return dict(sweep_grants(world.app, fail))


def expiries(user: str) -> list[Entry]:
    return [entry for entry in store.all_entries(user) if entry.cause.startswith("expire#")]


def test_a_due_grant_leaves_the_wallet_and_its_entry_has_the_grant_and_amount(
    world: World, user: str
) -> None:
    grant_id = give(world, user, 7, hours=1)
    world.clock.move(hours=1)

    assert sweep(world) == {"expired": 1}

    assert a_balance(world, user) == (5, 0)
    [entry] = expiries(user)
    assert (entry.cause, entry.amount) == (f"expire#{grant_id}", -7)
    assert (entry.reference_type, entry.reference_id) == ("grant", grant_id)
    assert entry.moves == {grant_id: -7}
    assert audit_accounts(world.app, user).breaches == ()


def test_nothing_expires_before_its_time(world: World, user: str) -> None:
    give(world, user, 7, hours=1)
    world.clock.move(minutes=59, seconds=59)

    assert sweep(world) == {}
    assert a_balance(world, user) == (12, 0)


def test_sweeping_twice_is_harmless(world: World, user: str) -> None:
    give(world, user, 7, hours=1)
    world.clock.move(hours=1)
    sweep(world)
    before = everything_of(world, user)

    assert sweep(world) == {}
    assert everything_of(world, user) == before


def test_only_the_rest_of_a_grant_expires(world: World, user: str) -> None:
    grant_id = give(world, user, 7, hours=1)
    finish(world, confirm(world, user).body["jobId"])
    world.clock.move(hours=1)

    sweep(world)

    # The gift expires, so it is spent before the bonus.
    assert expiries(user)[0].moves == {grant_id: -5}
    assert a_balance(world, user) == (5, 0)


def test_each_grant_expires_at_its_own_time(world: World, user: str) -> None:
    names = [give(world, user, hours, key=str(hours), hours=hours) for hours in (3, 1, 2)]
    balances = []
    for _ in range(3):
        world.clock.move(hours=1)
        sweep(world)
        balances.append(a_balance(world, user)[0])

    assert balances == [10, 8, 5]
    causes = [entry.reference_id for entry in expiries(user)]
    assert causes == [names[1], names[2], names[0]]


def test_each_due_grant_of_a_wallet_has_its_own_entry(world: World, user: str) -> None:
    for number in range(4):
        give(world, user, 1, key=str(number), hours=1, milliseconds=number)
    world.clock.move(hours=2)

    assert sweep(world) == {"expired": 4}
    assert [entry.amount for entry in expiries(user)] == [-1] * 4
    assert audit_accounts(world.app, user).breaches == ()


def test_expired_credits_are_never_spendable_even_without_the_sweep(
    world: World, user: str
) -> None:
    give(world, user, 20, hours=1)
    world.clock.move(hours=1)
    buy_out = {"amount": -6, "reason": "x"}
    path = f"/api/admin/accounts/{user}/credits"

    taken = world.call("POST", path, buy_out, user="root", groups="admin", key=f"take {user}")
    for key in ("one", "two"):
        assert confirm(world, user, key=key).status == 202
    short = confirm(world, user, key="three")

    assert taken.status == 400
    assert (short.status, short.body["balance"], short.body["shortfall"]) == (402, 1, 1)
    assert [entry.amount for entry in expiries(user)] == [-20]


def test_credits_held_when_their_grant_expires_return_with_a_day_of_grace(
    world: World, user: str
) -> None:
    give(world, user, 5, hours=1)
    job_id = confirm(world, user, mode="trailer").body["jobId"]
    world.clock.move(hours=1)
    sweep(world)
    held = a_balance(world, user)

    finish(world, job_id, failing=["kf_1", "kf_2", "kf_3", "kf_4", "kf_5", "kf_6"])
    back = a_balance(world, user)
    world.clock.move(hours=24)
    sweep(world)

    assert held == (5, 5)
    assert back[1] == 0
    assert back[0] > 5
    assert a_balance(world, user) == (5, 0)
    assert audit_accounts(world.app, user).breaches == ()


def test_due_wallets_are_swept_in_pages(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "DUE_PAGE_LIMIT", 2)
    names = [a_user() for _ in range(5)]
    for name in names:
        give(world, name, 1, hours=1)
    world.clock.move(hours=1)

    assert sweep(world) == {"expired": 5}
    assert [a_balance(world, name) for name in names] == [(5, 0)] * 5


def test_one_run_is_bounded_and_the_next_continues(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_items, "SWEEP_ITEMS_LIMIT", 2)
    for name in [a_user() for _ in range(5)]:
        give(world, name, 1, hours=1)
    world.clock.move(hours=1)

    assert [sweep(world).get("expired", 0) for _ in range(4)] == [2, 2, 1, 0]


class Stopped(BaseException):
    """The function crashes here."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_next_sweep_continues_one_that_crashed(
    when: str, world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [a_user() for _ in range(3)]
    for name in names:
        give(world, name, 1, hours=1)
    world.clock.move(hours=1)
    commit, calls = commit_writes, 0

    def dying(writes: list[object]) -> None:
        nonlocal calls
        calls += 1
        if calls == 2 and when == "before":
            raise Stopped
        commit(writes)  # type: ignore[arg-type]
        if calls == 2:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(use_case, "commit", dying)
        with pytest.raises(Stopped):
            sweep(world)
    done = sum(len(expiries(name)) for name in names)

    assert done == (1 if when == "before" else 2)
    assert sweep(world) == {"expired": 3 - done}
    for name in names:
        assert [entry.amount for entry in expiries(name)] == [-1]
        assert audit_accounts(world.app, name).breaches == ()


def test_a_wallet_that_fails_does_not_stop_the_others(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [a_user() for _ in range(3)]
    for name in names:
        give(world, name, 1, hours=1)
    world.clock.move(hours=1)
    expire = use_case.expire_grants
    reported: list[str] = []

    def failing(app: object, account_id: str) -> int:
        if account_id == names[0]:
            raise RuntimeError("broken")
        return expire(world.app, account_id)

    report: Callable[[str, Exception], None] = lambda item, error: reported.append(item)  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(use_case, "expire_grants", failing)
        done = dict(sweep_grants(world.app, report))

    assert done == {"expired": 2, "error": 1}
    assert reported == [names[0]]
    assert sweep(world) == {"expired": 1}
