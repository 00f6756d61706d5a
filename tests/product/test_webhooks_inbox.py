"""The inbox: every event is stored once, and retried until it is handled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from darkroom.kernel.limits import (
    GATEWAY_FAILURES_LIMIT,
    RECEIVED_CHECK_SECONDS,
    SWEEP_BACKOFF_LIMIT_SECONDS,
)
from darkroom.usecases.purchases import receive_payment_event as use_case
from darkroom.usecases.purchases.receive_payment_event import sweep_payment_events
from darkroom.webhooks import store
from tests.support.builders import a_balance, a_user
from tests.support.stripe_stand_in import Shop, open_shop

PAYMENTS = "/v1/payment_intents"


@pytest.fixture(scope="module")
def one_shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def shop(one_shop: Shop) -> Shop:
    """The shop of this file, with an empty inbox."""
    one_shop.stripe.recover()
    one_shop.stripe.take_events()
    for item in one_shop.world.scan("webhooks"):
        one_shop.world.client("dynamodb").delete_item(
            TableName=one_shop.world.settings.tables["webhooks"], Key={"eventId": item["eventId"]}
        )
    return one_shop


@pytest.fixture
def user() -> str:
    return a_user()


def sweep(shop: Shop) -> dict[str, int]:
    """Sweep only the inbox."""
    return dict(sweep_payment_events(shop.world.app, lambda item, error: None))


def paid_event(shop: Shop, user: str) -> dict[str, str]:
    shop.stripe.pay(shop.open(user))
    [event] = shop.stripe.take_events()
    return event


def due_in(shop: Shop, event_id: str) -> float | None:
    """Seconds until the next attempt; None for a handled event."""
    found = store.find_received(f"stripe#{event_id}")
    assert found is not None
    due = found.next_check_at
    return None if due is None else (due - shop.world.clock.now()).total_seconds()


def test_a_failed_event_is_503_and_its_redelivery_is_handled(shop: Shop, user: str) -> None:
    event = paid_event(shop, user)
    shop.stripe.refuse(500, 2, path=PAYMENTS)

    failed = shop.deliver(event)
    between = a_balance(shop.world, user)
    again = shop.deliver(event)
    once_more = shop.deliver(event)

    assert (failed.status, failed.body["code"]) == (503, "PAYMENT_UNAVAILABLE")
    assert "retry-after" in failed.headers
    assert between == (5, 0)
    assert (again.status, again.body["outcome"]) == (200, "handled")
    assert (once_more.status, once_more.body["outcome"]) == (200, "repeated")
    assert a_balance(shop.world, user) == (55, 0)


def test_the_sweeper_handles_an_event_that_is_not_redelivered(shop: Shop, user: str) -> None:
    event = paid_event(shop, user)
    shop.stripe.refuse(429, path=PAYMENTS)
    assert shop.deliver(event).status == 503
    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)

    assert sweep(shop) == {"handled": 1}

    assert a_balance(shop.world, user) == (55, 0)
    assert due_in(shop, event["id"]) is None
    assert shop.breaches(user) == ()


def test_the_sweeper_of_the_schedule_sweeps_the_inbox(shop: Shop, user: str) -> None:
    event = paid_event(shop, user)
    shop.stripe.refuse(429, path=PAYMENTS)
    shop.deliver(event)
    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)

    assert shop.world.sweep()["payment_handled"] == 1


def test_no_event_is_swept_before_its_time(shop: Shop, user: str) -> None:
    event = paid_event(shop, user)
    shop.stripe.refuse(429, path=PAYMENTS)
    shop.deliver(event)
    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS - 1)

    assert sweep(shop) == {}
    assert a_balance(shop.world, user) == (5, 0)


def test_a_handled_event_causes_no_request_to_the_gateway(shop: Shop, user: str) -> None:
    event = paid_event(shop, user)
    shop.deliver(event)
    shop.stripe.requests.clear()

    shop.deliver(event)
    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)
    sweep(shop)

    assert shop.stripe.requests == []


def test_an_event_is_stored_once(shop: Shop, user: str) -> None:
    event = paid_event(shop, user)
    for _ in range(3):
        shop.deliver(event)

    names = [item["eventId"]["S"] for item in shop.world.scan("webhooks")]

    assert names == [f"stripe#{event['id']}"]


def test_a_failing_event_waits_twice_as_long_each_time(shop: Shop, user: str) -> None:
    event = paid_event(shop, user)
    shop.stripe.refuse(429, 1000, path=PAYMENTS)
    shop.deliver(event)
    waits = []

    for _ in range(12):
        wait = due_in(shop, event["id"])
        assert wait is not None
        waits.append(wait)
        shop.world.clock.move(seconds=wait)
        sweep(shop)

    expected = [RECEIVED_CHECK_SECONDS * 2 ** max(0, number - 1) for number in range(12)]
    assert waits == [min(SWEEP_BACKOFF_LIMIT_SECONDS, seconds) for seconds in expected]
    assert a_balance(shop.world, user) == (5, 0)


def test_a_failing_event_does_not_stop_the_others(shop: Shop, user: str) -> None:
    other = a_user()
    first, second = paid_event(shop, user), paid_event(shop, other)
    shop.stripe.refuse(429, 3, path=PAYMENTS)
    assert [shop.deliver(event).status for event in (first, second)] == [503, 503]
    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)

    assert sweep(shop) == {"handled": 1, "error": 1}
    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)
    assert sweep(shop) == {"handled": 1}

    assert [a_balance(shop.world, name)[0] for name in (user, other)] == [55, 55]


class Stopped(BaseException):
    """The function crashes here."""


def test_an_event_whose_handler_crashed_after_its_work_is_handled_again_without_harm(
    shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = paid_event(shop, user)

    def die(*_: object) -> None:
        raise Stopped

    body = shop.stripe.body_of(event)
    signature = shop.stripe.sign(body)
    with monkeypatch.context() as patch:
        patch.setattr(store, "handled_write", die)
        with pytest.raises(Stopped):
            use_case.receive_payment_event(shop.world.app, body=body.encode(), signature=signature)
    assert a_balance(shop.world, user) == (55, 0)

    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)

    assert sweep(shop) == {"handled": 1}
    assert a_balance(shop.world, user) == (55, 0)
    assert shop.breaches(user) == ()


# Events that cannot be handled


def test_an_unreadable_event_is_deferred_and_does_not_stop_the_others(
    shop: Shop, user: str
) -> None:
    broken, good = paid_event(shop, a_user()), paid_event(shop, user)
    shop.stripe.refuse(429, 2, path=PAYMENTS)
    assert [shop.deliver(event).status for event in (broken, good)] == [503, 503]
    damage(shop, f"stripe#{broken['id']}", receivedAt={"S": "yesterday"})
    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)

    assert sweep(shop) == {"error": 1, "handled": 1}
    assert sweep(shop) == {}

    assert a_balance(shop.world, user) == (55, 0)


def damage(shop: Shop, event_id: str, **attributes: Any) -> None:
    table = shop.world.settings.tables["webhooks"]
    [item] = [i for i in shop.world.scan("webhooks") if i["eventId"]["S"] == event_id]
    shop.world.client("dynamodb").put_item(TableName=table, Item={**item, **attributes})


def test_a_gateway_that_is_down_ends_the_sweep_early(shop: Shop) -> None:
    events = [paid_event(shop, a_user()) for _ in range(GATEWAY_FAILURES_LIMIT + 2)]
    shop.stripe.refuse(429, 1000, path=PAYMENTS)
    for event in events:
        shop.deliver(event)
    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)

    assert sweep(shop) == {"error": GATEWAY_FAILURES_LIMIT}

    shop.stripe.recover()
    assert sweep(shop) == {"handled": 2}


def test_a_handled_event_is_kept_longer_than_stripe_resends_it(shop: Shop, user: str) -> None:
    event = paid_event(shop, user)
    shop.deliver(event)

    [item] = [i for i in shop.world.scan("webhooks") if event["id"] in i["eventId"]["S"]]

    kept = timedelta(seconds=int(item["expiresAt"]["N"]) - shop.world.clock.now().timestamp())
    assert kept > timedelta(days=30)  # Stripe lets events of 30 days be sent again.
