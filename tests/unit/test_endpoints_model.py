"""Endpoints and deliveries: the schedule of attempts, places, and secrets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkroom.endpoints import model
from darkroom.endpoints.items import (
    delivery_from_item,
    delivery_to_item,
    endpoint_from_item,
    endpoint_to_item,
)
from darkroom.endpoints.model import Attempted, Delivery, DeliveryStatus, Endpoint, Failure, Flight
from darkroom.kernel.limits import ANNOUNCED_LIMIT_SECONDS, DELIVERY_TTL_DAYS, FLIGHTS_LIMIT
from darkroom.kernel.standard_webhooks import key_of

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
REFUSED = Attempted(seconds=0.1, status=500, body="no")
HUNG = Attempted(seconds=10, failure=Failure.TIMEOUT)
ENDPOINT = Endpoint(
    account_id="alice",
    endpoint_id="whe_01JGTQ4M9R8W3Z5K7N2P6X0F00",
    url="https://example.com/hook",
    events=("JOB_SUCCEEDED",),
    salt="first",
    created_at=NOW,
    updated_at=NOW,
)
DELIVERY = Delivery(
    account_id="alice",
    endpoint_id=ENDPOINT.endpoint_id,
    delivery_id="dlv_01JGTQ4M9R8W3Z5K7N2P6X0G00",
    event_id="evt_01JGTQ4M9R8W3Z5K7N2P6X0H00",
    type="JOB_SUCCEEDED",
    sequence=1,
    body="{}",
    next_attempt_at=NOW,
    created_at=NOW,
)


def later(**duration: float) -> datetime:
    return NOW + timedelta(**duration)


# Attempts


def test_failed_attempts_follow_the_schedule_of_the_specification() -> None:
    delivery, now, waits = DELIVERY, NOW, []
    while not delivery.is_final:
        delivery = model.after_attempt(delivery, REFUSED, now=now)
        if delivery.next_attempt_at is not None:
            waits.append((delivery.next_attempt_at - now).total_seconds())
            now = delivery.next_attempt_at

    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert (delivery.attempt, delivery.status) == (10, DeliveryStatus.GIVEN_UP)
    assert now - NOW > timedelta(days=3)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    made = model.after_attempt(DELIVERY, Attempted(seconds=0, status=status), now=NOW)

    assert (made.status, made.next_attempt_at, made.next_check_at) == ("succeeded", None, None)


@pytest.mark.parametrize("status", [100, 199, 301, 302, 307, 400, 404, 429, 500, 503])
def test_any_other_response_is_tried_again(status: int) -> None:
    made = model.after_attempt(DELIVERY, Attempted(seconds=0, status=status), now=NOW)

    assert (made.status, made.attempt, made.response_status) == ("failed", 1, status)
    assert made.next_attempt_at == later(seconds=5)


def test_410_ends_the_delivery_and_disables_the_endpoint() -> None:
    gone = Attempted(seconds=0, status=410)

    made = model.after_attempt(DELIVERY, gone, now=NOW)
    endpoint = model.landed(ENDPOINT, DELIVERY.delivery_id, gone, now=NOW)

    assert (made.status, made.is_final) == ("given_up", True)
    assert (endpoint.is_active, endpoint.is_gone) == (False, True)
    assert not endpoint.takes("JOB_SUCCEEDED", at=later(days=1))


def test_a_replay_begins_the_schedule_again_and_counts_on() -> None:
    ended = replace(DELIVERY, attempt=10, status=DeliveryStatus.GIVEN_UP, next_attempt_at=None)

    again = model.replayed(ended, now=NOW)
    failed = model.after_attempt(again, REFUSED, now=NOW)

    assert (again.status, again.next_attempt_at) == ("pending", NOW)
    assert (failed.attempt, failed.next_attempt_at) == (11, later(seconds=5))


def test_deliveries_live_longer_than_their_events_are_announced() -> None:
    """Otherwise an event that is projected again would be sent again."""
    assert timedelta(seconds=ANNOUNCED_LIMIT_SECONDS) < timedelta(days=DELIVERY_TTL_DAYS)


def test_an_endpoint_takes_what_it_names_from_its_creation_on() -> None:
    every = replace(ENDPOINT, events=("*",))

    assert ENDPOINT.takes("JOB_SUCCEEDED", at=NOW)
    assert not ENDPOINT.takes("JOB_FAILED", at=NOW)
    assert every.takes("JOB_FAILED", at=NOW)
    assert not every.takes("JOB_FAILED", at=later(milliseconds=-1))


def test_the_numbers_of_an_endpoint_have_no_gaps_and_a_limit_a_day() -> None:
    endpoint, numbers = ENDPOINT, []
    for now in (NOW, NOW, NOW, later(days=1), later(days=1), later(days=1)):
        after = model.numbered(endpoint, limit=2, now=now)
        numbers.append(after and after.last_sequence)
        endpoint = after or endpoint

    assert numbers == [1, 2, None, 3, 4, None]


# Places


def test_an_endpoint_has_a_bounded_number_of_attempts_in_progress() -> None:
    endpoint = ENDPOINT
    for number in range(FLIGHTS_LIMIT):
        assert model.free_at(endpoint.flights, now=NOW) == NOW
        endpoint = model.taken_off(endpoint, f"dlv_{number}", now=NOW)

    assert model.free_at(endpoint.flights, now=NOW) > NOW
    assert model.in_flight(endpoint.flights, "dlv_0", now=NOW)
    assert not model.in_flight(endpoint.flights, "dlv_0", now=later(hours=1))
    assert model.free_at(endpoint.flights, now=later(hours=1)) == later(hours=1)


def test_a_fast_attempt_frees_its_place_at_once() -> None:
    endpoint = model.taken_off(ENDPOINT, DELIVERY.delivery_id, now=NOW)

    assert model.landed(endpoint, DELIVERY.delivery_id, REFUSED, now=NOW) == ENDPOINT


def test_a_hung_attempt_keeps_its_place_longer_each_time() -> None:
    endpoint, rests = ENDPOINT, []
    for _ in range(8):
        endpoint = replace(endpoint, flights=())
        endpoint = model.taken_off(endpoint, DELIVERY.delivery_id, now=NOW)
        endpoint = model.landed(endpoint, DELIVERY.delivery_id, HUNG, now=NOW)
        [rest] = endpoint.flights
        rests.append((rest.until - NOW).total_seconds())

    assert rests == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert not model.in_flight(endpoint.flights, DELIVERY.delivery_id, now=NOW)


def test_a_slow_endpoint_takes_a_tenth_of_the_time_of_a_place() -> None:
    slow = Attempted(seconds=4, status=200)
    endpoint = model.taken_off(ENDPOINT, DELIVERY.delivery_id, now=NOW)

    [rest] = model.landed(endpoint, DELIVERY.delivery_id, slow, now=later(seconds=4)).flights

    assert rest.until == later(seconds=40)


def test_a_success_ends_a_row_of_hangs() -> None:
    endpoint = replace(ENDPOINT, hangs=5)

    assert model.landed(endpoint, "dlv_1", Attempted(seconds=0, status=204), now=NOW).hangs == 0
    assert model.landed(endpoint, "dlv_1", None, now=NOW).hangs == 5


# Secrets


def test_a_secret_has_the_form_of_the_specification() -> None:
    [secret] = model.secrets_of(ENDPOINT, b"key", now=NOW)

    assert secret.startswith("whsec_")
    assert 24 <= len(key_of(secret)) <= 64


def test_a_secret_depends_on_key_account_endpoint_and_rotation() -> None:
    def secret(key: bytes = b"key", **changes: Any) -> str:
        return model.secrets_of(replace(ENDPOINT, **changes), key, now=NOW)[0]

    changed = [secret(), secret(b"other"), secret(account_id="bob"), secret(salt="second")]
    changed.append(secret(endpoint_id="whe_01JGTQ4M9R8W3Z5K7N2P6X0F01"))

    assert len(set(changed)) == 5
    assert secret() == secret()


def test_for_a_day_after_a_rotation_both_secrets_sign() -> None:
    [first] = model.secrets_of(ENDPOINT, b"key", now=NOW)
    endpoint = model.rotated(ENDPOINT, "second", now=NOW)

    at_once = model.secrets_of(endpoint, b"key", now=NOW)
    before_the_end = model.secrets_of(endpoint, b"key", now=later(hours=24, milliseconds=-1))
    after = model.secrets_of(endpoint, b"key", now=later(hours=24))

    assert at_once == before_the_end == [after[0], first]
    assert len(after) == 1


def test_a_second_rotation_drops_the_oldest_secret_at_once() -> None:
    """So a secret that leaked can be dropped without waiting."""
    [first] = model.secrets_of(ENDPOINT, b"key", now=NOW)

    endpoint = model.rotated(model.rotated(ENDPOINT, "second", now=NOW), "third", now=NOW)

    assert first not in model.secrets_of(endpoint, b"key", now=NOW)


# Items


def test_stored_endpoints_and_deliveries_are_read_as_they_were() -> None:
    endpoint = replace(
        model.rotated(ENDPOINT, "second", now=NOW),
        flights=(Flight(delivery_id="dlv_1", until=later(seconds=30)),),
        description="a note",
        hangs=2,
    )
    delivery = replace(
        model.after_attempt(DELIVERY, REFUSED, now=NOW), failure="TIMEOUT", earlier_attempts=0
    )

    endpoint = model.numbered(endpoint, limit=9, now=NOW) or endpoint

    assert endpoint_from_item(endpoint_to_item(endpoint, "op")) == endpoint
    assert delivery_from_item(delivery_to_item(delivery, "op")) == delivery
