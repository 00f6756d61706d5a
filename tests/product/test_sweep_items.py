"""The loop that all sweeps share: failing items never block the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from darkroom.db.due import sweep_backoff_seconds
from darkroom.jobs.items import due_shard
from darkroom.kernel.clock import to_epoch_seconds, to_iso
from darkroom.kernel.ids import derived_id
from darkroom.kernel.limits import (
    PROJECTION_CHECK_SECONDS,
    SWEEP_BACKOFF_BASE_SECONDS,
    SWEEP_BACKOFF_LIMIT_SECONDS,
    UPLOAD_URL_SECONDS,
)
from darkroom.payments.ports import PaymentState
from darkroom.usecases.albums.delete_album import sweep_albums
from darkroom.usecases.credits.expire_grants import sweep_grants
from darkroom.usecases.purchases.receive_payment_event import sweep_payment_events
from darkroom.usecases.sweeps.sweep_due import sweep_jobs
from darkroom.usecases.sweeps.sweep_purchases import sweep_purchases
from darkroom.usecases.sweeps.sweep_uploads import sweep_uploads
from darkroom.workers.edge import metrics
from darkroom.workers.sweep import handle_schedule
from tests.support.builders import a_balance, a_story, a_user, buy
from tests.support.moto_world import moto_world
from tests.support.world import START, World

BATCH = 25
Item = dict[str, Any]
FEW, MANY = 101, 250
"""Numbers of failing items: more than a page of earlier sweeps, and many more."""


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def store(world: World, table: str, items: list[Item]) -> None:
    name = world.settings.tables[table]
    for start in range(0, len(items), BATCH):
        puts = [{"PutRequest": {"Item": item}} for item in items[start : start + BATCH]]
        world.client("dynamodb").batch_write_item(RequestItems={name: puts})


def overdue(number: int, shard: str = "s0", moment: str = "nextCheckAt") -> Item:
    """Due before everything else."""
    return {"dueShard": {"S": shard}, moment: {"N": str(number)}}


def a_good_job(world: World, count: int) -> None:
    job_id = a_story(world)
    bad = [
        {
            "pk": {"S": derived_id("job", str(n))},
            "sk": {"S": "job"},
            **overdue(n, due_shard(job_id)),
        }
        for n in range(count)
    ]
    store(world, "jobs", bad)
    world.clock.move(seconds=PROJECTION_CHECK_SECONDS)


def a_good_upload(world: World, count: int) -> None:
    body = {"filename": "us.jpg", "sizeBytes": 3, "mimeType": "image/jpeg"}
    assert world.call("POST", "/api/uploads/session", body).status == 201
    bad = [
        {"accountId": {"S": "b"}, "assetId": {"S": derived_id("ast", str(n))}, **overdue(n)}
        for n in range(count)
    ]
    store(world, "assets", bad)
    world.clock.move(seconds=UPLOAD_URL_SECONDS * 2)


def a_good_wallet(world: World, count: int) -> None:
    user = a_user()
    a_balance(world, user)
    until = to_iso(world.clock.now() + timedelta(hours=1))
    body = {"amount": 1, "reason": "a gift", "expiresAt": until}
    path = f"/api/admin/accounts/{user}/credits"
    assert world.call("POST", path, body, key="k", groups="admin").status == 201
    bad = [
        {"accountId": {"S": f"bad-{n}"}, "balance": {"S": "?"}, **overdue(n, moment="nextExpiryAt")}
        for n in range(count)
    ]
    store(world, "wallets", bad)
    world.clock.move(hours=1)


def deleted_albums_with_damaged_entries(world: World, count: int) -> None:
    album_id = world.call("POST", "/api/albums", {"name": "ours"}, key="k").body["albumId"]
    assert world.call("DELETE", f"/api/albums/{album_id}").status == 204
    names = [derived_id("alb", str(n)) for n in range(count)]
    owner = {"accountId": {"S": "bad"}}
    entries = [{**owner, "sk": {"S": f"entry#{name}#out"}} for name in names]
    tombstones = [
        {**owner, "sk": {"S": f"grave#{name}"}, **overdue(number)}
        for number, name in enumerate(names)
    ]
    store(world, "albums", [*entries, *tombstones])


def a_good_purchase(world: World, count: int) -> None:
    buy(world, 5)
    bad = [
        {"accountId": {"S": "bad"}, "purchaseId": {"S": f"p{n}"}, **overdue(n)}
        for n in range(count)
    ]
    store(world, "purchases", bad)
    world.clock.move(seconds=PROJECTION_CHECK_SECONDS)


class NoPayments:
    """A gateway without any payment."""

    name = "test"

    def read_payment(self, **payment: str | None) -> PaymentState | None:
        return None


def a_good_event(world: World, count: int) -> None:
    world.use_gateway(NoPayments())  # type: ignore[arg-type]
    bad = [{"eventId": {"S": f"test#{n}"}, **overdue(n)} for n in range(count)]
    good = {
        "eventId": {"S": "test#good"},
        "source": {"S": "test"},
        "type": {"S": "paid"},
        "status": {"S": "received"},
        "receivedAt": {"S": to_iso(START)},
        **overdue(to_epoch_seconds(START)),
    }
    store(world, "webhooks", [*bad, good])


CASES: dict[str, tuple[Callable[[World, int], None], Callable[..., Counter[str]], str]] = {
    "jobs": (a_good_job, sweep_jobs, "projected"),
    "uploads": (a_good_upload, sweep_uploads, "expired"),
    "grants": (a_good_wallet, sweep_grants, "expired"),
    "purchases": (a_good_purchase, sweep_purchases, "projected"),
    "payment events": (a_good_event, sweep_payment_events, "handled"),
}


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", CASES)
def test_a_good_item_is_handled_behind_many_that_fail(world: World, kind: str, count: int) -> None:
    arrange, sweep, outcome = CASES[kind]
    arrange(world, count)
    failed: list[str] = []

    done = sweep(world.app, lambda item, error: failed.append(item))
    again = sweep(world.app, lambda item, error: None)

    assert (done["error"], len(failed)) == (count, count)
    assert done[outcome] == 1
    # The index key of a wallet is part of the books, so it is never changed.
    assert again["error"] == (count if kind == "grants" else 0)


def test_the_delay_of_a_failing_item_grows_up_to_a_limit() -> None:
    waits = [sweep_backoff_seconds(failures) for failures in range(1, 8)]

    assert waits[:3] == [SWEEP_BACKOFF_BASE_SECONDS * factor for factor in (1, 2, 4)]
    assert waits[-1] == SWEEP_BACKOFF_LIMIT_SECONDS
    assert waits == sorted(waits)


def test_a_failed_item_is_retried_after_its_delay(world: World) -> None:
    a_good_purchase(world, 1)

    def errors() -> int:
        return sweep_purchases(world.app, lambda item, error: None)["error"]

    seen = [errors(), errors()]
    world.clock.move(seconds=SWEEP_BACKOFF_BASE_SECONDS)
    seen += [errors(), errors()]
    world.clock.move(seconds=SWEEP_BACKOFF_BASE_SECONDS)
    seen.append(errors())

    assert seen == [1, 0, 1, 0, 0]


def test_failing_items_are_counted_for_the_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_good_purchase(world, 3)
    counted: dict[str, float] = {}
    monkeypatch.setattr(
        metrics, "add_metric", lambda name, unit, value: counted.update({name: value})
    )

    handle_schedule(world.app)

    assert counted["SweepErrors"] == 3


def test_damaged_entries_are_deleted_with_their_album(world: World) -> None:
    deleted_albums_with_damaged_entries(world, 3)

    done = sweep_albums(world.app, lambda item, error: None)

    assert done == {"emptied": 4}
    assert world.scan("albums") == []
