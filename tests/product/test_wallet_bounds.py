"""A wallet is never stuck, with any number of due grants and with clocks that differ."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from darkroom.credits import model, store
from darkroom.credits.model import EntryType, Grant, Reason, Wallet
from darkroom.db import commit
from darkroom.jobs import store as jobs_store
from darkroom.jobs.family_reading import family_from_raw
from darkroom.jobs.model import JobFamily
from darkroom.kernel.clock import to_iso
from darkroom.kernel.limits import (
    CAPTION_TASKS_LIMIT,
    CHILDREN_LIMIT,
    EXPIRIES_PER_TRANSACTION_LIMIT,
    LIVE_GRANTS_LIMIT,
    TRANSACTION_ITEMS_LIMIT,
)
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.usecases.credits.expire_grants import expire_grants, sweep_grants
from tests.support.builders import (
    a_balance,
    a_grant,
    a_queued_job,
    a_story,
    a_task,
    a_user,
    a_wallet,
    an_output,
    buy,
    confirm,
    finish,
    regenerate,
)
from tests.support.moto_world import moto_world
from tests.support.world import START, World

DAY = timedelta(days=1)
MOMENT = timedelta(milliseconds=1)
SIZES = [1, 99, 100, 101]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user(world: World) -> str:
    name = a_user()
    a_balance(world, name)
    return name


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of writes of each transaction."""
    module = importlib.import_module("darkroom.db.commit")
    seen: list[int] = []
    submit = module._submit

    def count(writes: list[object]) -> None:
        seen.append(len(writes))
        submit(writes)

    monkeypatch.setattr(module, "_submit", count)
    return seen


def crowd(world: World, user: str, count: int, *, due_at: datetime) -> None:
    """Give a wallet as many expiring grants as an earlier version could store."""
    wallet = store.find_wallet(user)
    assert wallet is not None
    gifts = tuple(
        Grant(
            grant_id=f"adjust#{number:04}",
            source="adjust",
            remaining=1,
            priority=model.BONUS_PRIORITY,
            created_at=START,
            expires_at=due_at + number * MOMENT,
        )
        for number in range(count)
    )
    reason = Reason("adjust#crowd", "adjustment", "op", "Gifts of the version before")
    change = model.adjust(wallet, count, reason=reason, now=world.clock.now(), expires_at=None)
    after = Wallet(
        account_id=user,
        balance=change.wallet.balance,
        version=change.wallet.version,
        grants=(*wallet.grants, *gifts),
    )
    stored = model.Change(after, change.entries)
    commit(store.change_writes(stored, before=wallet, operation="arranged"))


def gift(world: World, user: str, amount: int, *, key: str, **life: float) -> None:
    body = {
        "amount": amount,
        "reason": "A gift",
        "expiresAt": to_iso(world.clock.now() + timedelta(**life)),
    }
    path = f"/api/admin/accounts/{user}/credits"
    response = world.call("POST", path, body, user="root", groups="admin", key=f"{user} {key}")
    assert response.status == 201, response.body


# Many due grants


@pytest.mark.parametrize("count", SIZES)
def test_a_wallet_with_many_due_grants_is_swept_in_bounded_transactions(
    count: int, world: World, user: str, sizes: list[int]
) -> None:
    crowd(world, user, count, due_at=world.clock.now())
    world.clock.move(seconds=2)
    sizes.clear()

    assert expire_grants(world.app, user) == count

    assert a_balance(world, user) == (5, 0)
    assert max(sizes) <= EXPIRIES_PER_TRANSACTION_LIMIT + 1


def test_a_wallet_with_many_due_grants_can_buy_spend_and_be_adjusted(
    world: World, sizes: list[int]
) -> None:
    buyer, spender, adjusted = a_user(), a_user(), a_user()
    for name, count in ((buyer, 30), (spender, 101), (adjusted, 30)):
        a_balance(world, name)
        crowd(world, name, count, due_at=world.clock.now())
    world.clock.move(seconds=2)
    sizes.clear()

    bought = buy(world, 7, buyer)
    spent = confirm(world, spender)
    gift(world, adjusted, 3, key="more", hours=1)

    assert (bought.status, bought.body["balance"]) == (201, 12)
    assert (spent.status, spent.body["balance"]) == (202, 3)
    assert a_balance(world, adjusted) == (8, 0)
    assert max(sizes) <= EXPIRIES_PER_TRANSACTION_LIMIT + 1


def test_a_thousand_due_grants_expire_in_changes_of_bounded_size() -> None:
    """A wallet of an earlier version, which had no bound."""
    gifts = tuple(a_grant(f"g{n}", 1, expires_in=n * MOMENT) for n in range(1000))
    wallet = Wallet(account_id="alice", balance=1000, version=1000, grants=gifts)
    entries = []
    while model.due_grants(wallet, START + DAY):
        change = model.expire_due(wallet, START + DAY)
        wallet = change.wallet
        entries.append(len(change.entries))

    assert entries == [EXPIRIES_PER_TRANSACTION_LIMIT] * (1000 // EXPIRIES_PER_TRANSACTION_LIMIT)


def test_a_job_that_ends_while_many_grants_are_due_settles(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    crowd_after_hold(world, user)
    world.clock.move(seconds=2)

    finish(world, job_id)

    assert a_balance(world, user) == (3, 0)


def crowd_after_hold(world: World, user: str) -> None:
    wallet = store.find_wallet(user)
    assert wallet is not None
    held = wallet.held
    crowd(world, user, 60, due_at=world.clock.now())
    after = store.find_wallet(user)
    assert after is not None
    table = world.settings.tables["wallets"]
    world.client("dynamodb").update_item(
        TableName=table,
        Key={"accountId": {"S": user}},
        UpdateExpression="SET held = :held",
        ExpressionAttributeValues={":held": {"N": str(held)}},
    )


def test_many_gifts_that_expire_at_the_same_time_are_one_grant(world: World, user: str) -> None:
    for number in range(4):
        gift(world, user, 2, key=str(number), hours=1)

    grants = world.call("GET", "/api/credits", user=user).body["grants"]

    assert [grant["remaining"] for grant in grants] == [8, 5]
    assert audit_accounts(world.app, user).breaches == ()


def test_a_hundred_graces_of_one_wallet_stay_within_its_limit() -> None:
    """A gift held by a hundred jobs that are canceled after it has expired."""
    wallet = a_wallet(a_grant("gift", 110, expires_in=timedelta(hours=1), source="adjust"))
    holds = []
    for number in range(100):
        change, hold = model.reserve(wallet, 1, job_id=f"job_{number:03}", now=START)
        wallet = change.wallet
        holds.append(hold)
    now = START + timedelta(hours=2)
    wallet = model.expire_due(wallet, now).wallet

    for number, hold in enumerate(holds):
        moment = now + number * MOMENT
        wallet = model.settle(wallet, hold, used=0, job_id=f"job_{number:03}", now=moment).wallet
    grants = len(wallet.grants)
    changes = 0
    while model.due_grants(wallet, now + 2 * DAY):
        change = model.expire_due(wallet, now + 2 * DAY)
        wallet, changes = change.wallet, changes + 1

    assert grants == LIVE_GRANTS_LIMIT
    assert (wallet.balance, wallet.held, changes) == (0, 0, 2)


def test_the_largest_settlement_fits_one_transaction() -> None:
    """A settlement writes the job, its tasks, the wallet, three entries and the cost records."""
    wallet = a_wallet(a_grant(credits=5))
    reserved, hold = model.reserve(wallet, 5, job_id="job", now=START)
    in_debt = Wallet(
        account_id="alice",
        held=reserved.wallet.held,
        version=reserved.wallet.version,
        debt=3,
    )

    change = model.settle(in_debt, hold, used=2, job_id="job", now=START)

    money = len(store.change_writes(change, before=in_debt, operation="op"))
    assert money == 4
    # If credits were used, at least one task had ended earlier and is not written again.
    assert 1 + (CAPTION_TASKS_LIMIT - 1) + money + 1 <= TRANSACTION_ITEMS_LIMIT


# Clocks that differ


def test_a_clock_behind_does_not_restore_an_expired_grant(world: World, user: str) -> None:
    """The sweeper has expired a gift that is not yet due by a worker's clock."""
    gift(world, user, 4, key="gift", hours=1)
    job_id = confirm(world, user).body["jobId"]
    world.clock.move(hours=1)
    sweep_grants(world.app, _fail)
    world.clock.move(milliseconds=-5)

    finish(world, job_id, failing=("kf_1", "kf_2", "kf_3"))
    world.clock.move(days=2)

    assert expire_grants(world.app, user) == 1
    assert confirm(world, user, key="again").status == 202
    assert audit_accounts(world.app, user).breaches == ()


def test_an_expiry_already_in_the_ledger_is_repaired(world: World, user: str) -> None:
    """A grant in the wallet that has expired in the ledger."""
    gift(world, user, 4, key="gift", hours=1)
    before = store.find_wallet(user)
    assert before is not None
    grant = next(grant for grant in before.grants if grant.source == "adjust")
    world.clock.move(hours=1)
    expire_grants(world.app, user)
    wallet = store.find_wallet(user)
    assert wallet is not None
    reason = Reason("adjust#back", "adjustment", "op", "Back under its old id")
    change = model.add_grant(
        wallet,
        grant,
        entry_type=EntryType.ADJUST,
        reason=reason,
        now=world.clock.now() - timedelta(seconds=1),
    )
    commit(store.change_writes(change, before=wallet, operation="arranged"))

    done = sweep_grants(world.app, _fail)
    bought = buy(world, 1, user)

    assert done["expired"] == 1
    assert (bought.status, bought.body["balance"]) == (201, 6)
    entries = [entry.cause for entry in store.all_entries(user) if entry.type is EntryType.EXPIRE]
    assert entries == [f"expire#{grant.grant_id}", f"expire#{grant.grant_id}#2"]


def test_due_credits_are_not_spendable_before_the_sweep(world: World, user: str) -> None:
    gift(world, user, 4, key="gift", hours=1)
    world.clock.move(hours=1)

    seen = world.call("GET", "/api/credits", user=user).body
    quote = world.call(
        "POST",
        "/api/jobs/quote",
        {"recipe": "images", "inputs": {"prompt": "a red boat", "count": 6}},
        user=user,
    ).body

    assert (seen["balance"], [grant["remaining"] for grant in seen["grants"]]) == (5, [5])
    assert (quote["balance"], quote["debt"], quote["sufficient"]) == (5, 0, False)


def _fail(item: str, error: Exception) -> None:
    raise AssertionError(item) from error


# Children


@pytest.mark.parametrize("inherited", [1, 5, 6, 99, 100, 101, 1000])
def test_a_child_that_inherits_many_outputs_is_planned_in_one_transaction(inherited: int) -> None:
    """It has the maximum number of tasks; several outputs then share an item."""
    job = a_queued_job()
    outputs = tuple(an_output(f"srt_{number:04}", number) for number in range(inherited))
    tasks = tuple(a_task(f"t_{number}") for number in range(CAPTION_TASKS_LIMIT - 4))
    after = JobFamily(job=job, tasks=tasks, inherited=outputs)

    writes = jobs_store.family_writes(JobFamily(job=job), after, operation="op")
    raw = [write.item.serialize() for write in writes]
    read = family_from_raw(raw)

    assert len(writes) <= TRANSACTION_ITEMS_LIMIT
    assert read is not None
    assert set(read.inherited) == set(outputs)


def test_the_number_of_children_of_a_job_is_limited(world: World, user: str) -> None:
    parent = a_story(world, user, key="parent")
    buy(world, 10, user)
    table = world.settings.tables["jobs"]
    world.client("dynamodb").update_item(
        TableName=table,
        Key={"pk": {"S": parent}, "sk": {"S": "job"}},
        UpdateExpression="SET children = :children",
        ExpressionAttributeValues={
            ":children": {"SS": [f"job_{n}" for n in range(CHILDREN_LIMIT)]}
        },
    )
    before = a_balance(world, user)

    refused = regenerate(world, parent, user)

    assert (refused.status, refused.body["code"]) == (409, "TOO_MANY_CHILDREN")
    assert a_balance(world, user) == before
