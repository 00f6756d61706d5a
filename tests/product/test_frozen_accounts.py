"""Frozen accounts: no spending, running jobs still end, and an operator repairs the wallet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from darkroom.bootstrap.composition import App
from darkroom.credits import store
from darkroom.db import commit
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import ConcurrentUpdate, Unavailable
from darkroom.usecases.credits.audit_accounts import AccountAudit, audit_accounts
from darkroom.usecases.credits.freeze_account import freeze_account, freeze_if_broken
from darkroom.workers import audit as audit_worker
from darkroom.workers.audit import handle_schedule
from tests.support.builders import a_balance, a_job, a_user, buy, confirm, delete_job, finish
from tests.support.moto_world import moto_world
from tests.support.world import Response, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user(world: World) -> str:
    name = a_user()
    a_balance(world, name)
    return name


def patch(world: World, user: str, body: dict[str, Any], *, groups: str = "admin") -> Response:
    return world.call("PATCH", f"/api/admin/accounts/{user}", body, user="root", groups=groups)


def set_held(world: World, user: str, held: int) -> None:
    """Set the hold as in a wallet restored from a backup."""
    set_number(world, user, "held", held)


def set_number(world: World, user: str, name: str, value: int) -> None:
    world.client("dynamodb").update_item(
        TableName=world.settings.tables["wallets"],
        Key={"accountId": {"S": user}},
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": {"N": str(value)}},
    )


def test_a_frozen_account_cannot_spend_and_everything_else_works(world: World, user: str) -> None:
    running = confirm(world, user, key="before").body["jobId"]

    frozen = patch(world, user, {"frozen": True, "reason": "Checking the books"})
    refused = confirm(world, user, key="during")
    free = confirm(world, user, mode="quick", key="free")
    bought = buy(world, 5, user)
    finish(world, running)

    assert (frozen.body["frozen"], frozen.body["frozenReason"]) == (True, "Checking the books")
    assert (refused.status, refused.body["code"]) == (409, "ACCOUNT_FROZEN")
    assert (free.status, bought.status) == (202, 201)
    assert a_job(world, running, user)["status"] == "succeeded"
    assert a_balance(world, user) == (8, 0)


def test_an_unfrozen_account_can_spend_again(world: World, user: str) -> None:
    patch(world, user, {"frozen": True, "reason": "Checking"})

    thawed = patch(world, user, {"frozen": False})

    assert (thawed.body["frozen"], thawed.body["frozenReason"]) == (False, None)
    assert confirm(world, user).status == 202
    assert audit_accounts(world.app, user).breaches == ()


def test_freezing_needs_a_reason_and_an_operator(world: World, user: str) -> None:
    assert patch(world, user, {"frozen": True}).status == 400
    assert patch(world, user, {"frozen": True, "reason": " "}).status == 400
    assert patch(world, user, {"frozen": True, "reason": "x"}, groups="").status == 403
    assert patch(world, "unknown", {"frozen": True, "reason": "x"}).status == 404


def test_a_change_that_began_before_the_freeze_does_not_unfreeze_the_wallet(
    world: World, user: str
) -> None:
    before = store.find_wallet(user)
    assert before is not None
    freeze_account(world.app, account_id=user, reason="Checking")

    with pytest.raises(ConcurrentUpdate):
        commit([store._wallet_write(before, before, "late")])

    after = store.find_wallet(user)
    assert after is not None and after.frozen == "Checking"


def test_a_job_whose_hold_is_missing_in_the_wallet_still_ends(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    set_held(world, user, 0)

    finish(world, job_id)

    assert a_job(world, job_id, user)["status"] == "succeeded"
    assert a_balance(world, user) == (3, 0)
    assert "L5" in {breach.law for breach in audit_accounts(world.app, user).breaches}


# Rebuilding


def rebuild(world: World, user: str, *, groups: str = "admin") -> Response:
    path = f"/api/admin/accounts/{user}/rebuild-wallet"
    return world.call("POST", path, user="root", groups=groups)


def test_a_wallet_restored_from_a_backup_is_rebuilt_from_its_ledger(
    world: World, user: str
) -> None:
    """The backup is older than a purchase and two jobs, one of which ends before the rebuild."""
    buy(world, 20, user)
    table = world.settings.tables["wallets"]
    backup = world.client("dynamodb").get_item(TableName=table, Key={"accountId": {"S": user}})
    buy(world, 7, user, key="second")
    ended = confirm(world, user, key="ended").body["jobId"]
    running = confirm(world, user, key="running").body["jobId"]
    world.client("dynamodb").put_item(TableName=table, Item=backup["Item"])
    finish(world, ended)
    patch(world, user, {"frozen": True, "reason": "Restored"})

    rebuilt = rebuild(world, user)
    again = rebuild(world, user)
    finish(world, running)

    assert (rebuilt.status, rebuilt.body["settledJobs"]) == (200, [ended])
    assert (rebuilt.body["balance"], rebuilt.body["held"]) == (28, 2)
    assert again.body == {**rebuilt.body, "settledJobs": []}
    assert a_balance(world, user) == (28, 0)
    assert patch(world, user, {"frozen": False}).body["frozen"] is False
    assert audit_accounts(world.app, user).breaches == ()


def test_a_job_that_was_deleted_before_the_rebuild_is_settled_too(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    set_held(world, user, 0)
    finish(world, job_id)
    deleted = delete_job(world, job_id, user)

    rebuilt = rebuild(world, user)

    assert deleted.status < 300
    assert rebuilt.body["settledJobs"] == [job_id]
    assert (rebuilt.body["balance"], rebuilt.body["held"]) == (3, 0)
    assert audit_accounts(world.app, user).breaches == ()


def test_a_damaged_or_missing_wallet_is_rebuilt(world: World, user: str) -> None:
    buy(world, 20, user)
    table, key = world.settings.tables["wallets"], {"accountId": {"S": user}}
    good = store.find_wallet(user)
    dynamodb = world.client("dynamodb")
    dynamodb.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET grants = :odd, balance = :odd",
        ExpressionAttributeValues={":odd": {"S": "no JSON"}},
    )

    damaged = rebuild(world, user).status, store.find_wallet(user)
    dynamodb.delete_item(TableName=table, Key=key)
    missing = rebuild(world, user).status, store.find_wallet(user)

    assert damaged == missing == (200, good)
    assert audit_accounts(world.app, user).breaches == ()


def test_a_damaged_wallet_can_be_read_frozen_and_unfrozen_and_hides_no_history(
    world: World, user: str
) -> None:
    job_id = confirm(world, user).body["jobId"]
    finish(world, job_id)
    world.client("dynamodb").update_item(
        TableName=world.settings.tables["wallets"],
        Key={"accountId": {"S": user}},
        UpdateExpression="SET balance = :odd",
        ExpressionAttributeValues={":odd": {"S": "three"}},
    )

    frozen = patch(world, user, {"frozen": True, "reason": "Damaged"})
    thawed = patch(world, user, {"frozen": False})
    history = world.call("GET", "/api/generations", user=user)

    assert (frozen.status, frozen.body["isDamaged"], frozen.body["frozen"]) == (200, True, True)
    assert (thawed.status, thawed.body["frozen"]) == (200, False)
    assert (history.status, history.body["remainingCredits"]) == (200, 0)
    for response in (
        world.call("GET", "/api/credits", user=user),
        confirm(world, user, key="more"),
        buy(world, 5, user),
    ):
        assert (response.status, response.body["code"]) == (409, "ACCOUNT_FROZEN")
    assert rebuild(world, user).body["balance"] == 3
    assert confirm(world, user, key="again").status == 202


def test_a_change_of_an_account_is_atomic(world: World, user: str) -> None:
    refused = patch(world, user, {"plan": "basic", "frozen": True})
    nothing = patch(world, user, {"reason": "because"})

    assert (refused.status, nothing.status) == (400, 400)
    assert world.call(
        "GET", f"/api/admin/accounts/{user}", user="root", groups="admin"
    ).body["plan"] == "free"  # fmt: skip


def test_a_grant_without_an_expiry_in_the_ledger_keeps_that_of_the_wallet(
    world: World, user: str
) -> None:
    """Entries of earlier versions did not record it."""
    body = {"amount": 4, "reason": "x", "expiresAt": to_iso(world.clock.now() + timedelta(days=9))}
    path = f"/api/admin/accounts/{user}/credits"
    response = world.call("POST", path, body, user="root", groups="admin", key=f"{user} gift")
    world.client("dynamodb").update_item(
        TableName=world.settings.tables["ledger"],
        Key={"accountId": {"S": user}, "cause": {"S": response.body["transaction"]["id"]}},
        UpdateExpression="SET sv = :one REMOVE expiresAt",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    good = store.find_wallet(user)

    assert rebuild(world, user).status == 200
    assert store.find_wallet(user) == good


def test_only_operators_rebuild_and_only_accounts_with_a_ledger(world: World, user: str) -> None:
    assert rebuild(world, user, groups="").status == 403
    assert rebuild(world, "stranger").status == 404


def test_the_daily_audit_freezes_accounts_with_broken_books(world: World) -> None:
    broken, sound = a_user(), a_user()
    for name in (broken, sound):
        a_balance(world, name)
    set_held(world, broken, 3)

    done = handle_schedule(world.app)
    again = handle_schedule(world.app)

    found = store.find_wallet(broken), store.find_wallet(sound)
    assert found[0] is not None and found[0].frozen is not None
    assert found[0].frozen.startswith("audit: L1")
    assert found[1] is not None and found[1].frozen is None
    assert done["frozen"] >= 1
    assert again["frozen"] == 0
    # A difference that an operator accepted does not freeze again; a new one does.
    assert patch(world, broken, {"frozen": False}).status == 200
    assert handle_schedule(world.app)["frozen"] == 0
    set_held(world, broken, 4)
    assert handle_schedule(world.app)["frozen"] == 1
    assert confirm(world, broken).body["code"] == "ACCOUNT_FROZEN"


def test_an_accepted_difference_stays_accepted_while_the_account_goes_on(world: World) -> None:
    user = a_user()
    a_balance(world, user)
    buy(world, 10, user, key="lost")
    buy(world, 20, user, key="kept")
    entries = [item for item in world.scan("ledger") if item["accountId"]["S"] == user]
    [entry] = [item for item in entries if item["amount"]["N"] == "10"]
    key = {name: entry[name] for name in ("accountId", "cause")}
    world.client("dynamodb").delete_item(TableName=world.settings.tables["ledger"], Key=key)
    assert handle_schedule(world.app)["frozen"] == 1
    assert patch(world, user, {"frozen": False}).status == 200

    buy(world, 30, user, key="later")
    job = confirm(world, user, key="story")
    assert job.status == 202
    finish(world, job.body["jobId"])

    # Its balance and version, and those that its entries make, have all changed.
    assert handle_schedule(world.app)["frozen"] == 0
    assert confirm(world, user).status == 202


def test_a_new_difference_in_a_frozen_account_is_not_accepted(world: World) -> None:
    user = a_user()
    a_balance(world, user)
    set_held(world, user, 3)
    handle_schedule(world.app)
    set_held(world, user, 5)

    patch(world, user, {"frozen": False})

    assert handle_schedule(world.app)["frozen"] == 1


def test_the_same_breach_after_a_repair_freezes_again(world: World) -> None:
    user = a_user()
    a_balance(world, user)
    set_held(world, user, 3)
    assert handle_schedule(world.app)["frozen"] == 1
    assert patch(world, user, {"frozen": False}).status == 200
    set_held(world, user, 0)
    assert handle_schedule(world.app)["frozen"] == 0

    set_held(world, user, 3)

    assert handle_schedule(world.app)["frozen"] == 1


def test_a_rebuilt_wallet_has_nothing_accepted(world: World) -> None:
    user = a_user()
    a_balance(world, user)
    set_held(world, user, 3)
    handle_schedule(world.app)
    path = f"/api/admin/accounts/{user}/rebuild-wallet"
    assert world.call("POST", path, {}, user="root", groups="admin").status == 200
    assert patch(world, user, {"frozen": False}).status == 200

    set_held(world, user, 3)

    assert handle_schedule(world.app)["frozen"] == 1


def test_an_account_that_cannot_be_frozen_now_does_not_stop_the_audit_of_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [a_user(), a_user()]
    for user in users:
        a_balance(world, user)
        set_held(world, user, 2)
    real = freeze_if_broken

    def busy_once(app: App, audited: AccountAudit) -> bool:
        if audited.account_id == users[0]:
            raise Unavailable("the database is busy")
        return real(app, audited)

    monkeypatch.setattr(audit_worker, "freeze_if_broken", busy_once)
    done = handle_schedule(world.app)
    monkeypatch.undo()

    assert (done["frozen"], done["not_frozen"]) == (1, 1)
    assert handle_schedule(world.app)["frozen"] == 1


@pytest.mark.parametrize(
    "body", [{}, {"reason": "only"}, {"frozen": True}, {"frozen": True, "reason": " "}]
)
def test_a_change_of_an_account_is_refused_with_a_code_in_both_languages(
    world: World, user: str, body: dict[str, Any]
) -> None:
    english = patch(world, user, body)
    korean = world.call(
        "PATCH", f"/api/admin/accounts/{user}", body, user="root", groups="admin",
        headers={"accept-language": "ko"},
    )  # fmt: skip

    assert (english.status, korean.status) == (400, 400)
    for one, other in zip(english.body["fields"], korean.body["fields"], strict=True):
        assert one["code"] == other["code"] != "INVALID"
        assert one["message"] != other["message"]
