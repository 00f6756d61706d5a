"""Endpoints and deliveries: their states, the schedule of attempts, and who may be tried when.

Pure functions. A delivery is ``pending`` before its first attempt and ``failed`` between attempts;
``succeeded`` and ``given_up`` are final. An endpoint has ``FLIGHTS_LIMIT`` places for attempts in
progress. A slow attempt keeps its place for a while after its end, so that an endpoint that hangs
takes the time of few workers, and no time of other endpoints.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from darkroom.kernel.backoff import backoff_seconds
from darkroom.kernel.limits import (
    ANNOUNCED_LIMIT_SECONDS,
    DELIVERY_CHECK_SECONDS,
    DELIVERY_RETRY_SECONDS,
    FLIGHT_SECONDS,
    FLIGHTS_LIMIT,
    HUNG_REST_BASE_SECONDS,
    HUNG_REST_LIMIT_SECONDS,
    SECRET_OVERLAP_SECONDS,
    SLOW_REST_FACTOR,
    SLOW_SECONDS,
)
from darkroom.kernel.standard_webhooks import secret_of

ENDPOINT_PREFIX, DELIVERY_PREFIX, MESSAGE_PREFIX = "whe", "dlv", "evt"
EVERY_EVENT: Final = "*"
TEST_EVENT: Final = "WEBHOOK_TEST"
GONE: Final = 410
_SECRET_PURPOSE: Final = b"webhook endpoint\x00"


class EndpointStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GIVEN_UP = "given_up"


class Failure(StrEnum):
    """Why an attempt has no response, or a delivery no more attempts."""

    TIMEOUT = "TIMEOUT"
    UNREACHABLE = "UNREACHABLE"
    NO_ADDRESS = "NO_ADDRESS"
    UNSAFE_ADDRESS = "UNSAFE_ADDRESS"
    ENDPOINT_DISABLED = "ENDPOINT_DISABLED"
    UNDELIVERED = "UNDELIVERED"
    """The attempt itself broke off, on our side."""


@dataclass(frozen=True, kw_only=True)
class Flight:
    """A place that is taken by the attempt for a delivery, or still rests from it."""

    delivery_id: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    account_id: str
    endpoint_id: str
    url: str
    events: tuple[str, ...]
    """Names of events, or ``*`` for all."""
    description: str | None = None
    status: EndpointStatus = EndpointStatus.ACTIVE
    is_gone: bool = False
    """Whether the endpoint disabled itself: it responded with 410."""
    salt: str
    """What the secret derives from, beside a key that no table has."""
    previous_salt: str | None = None
    previous_until: datetime | None = None
    last_sequence: int = 0
    day: str = ""
    """The day (UTC) of the last delivery."""
    day_began_at: int = 0
    """The number of the last delivery before that day."""
    flights: tuple[Flight, ...] = ()
    hangs: int = 0
    """Timeouts in a row."""
    version: int = 1
    """Counts changes by the owner."""
    created_at: datetime
    updated_at: datetime

    @property
    def is_active(self) -> bool:
        return self.status is EndpointStatus.ACTIVE

    def takes(self, name: str, *, at: datetime) -> bool:
        """Whether an event of this name and time is announced to the endpoint."""
        is_wanted = EVERY_EVENT in self.events or name in self.events
        return self.is_active and is_wanted and at >= self.created_at


@dataclass(frozen=True, kw_only=True)
class Delivery:
    account_id: str
    endpoint_id: str
    delivery_id: str
    event_id: str
    """The id of the message; always the same for one event."""
    type: str
    sequence: int
    """Counts the deliveries of the endpoint from 1, in the order of their events."""
    body: str
    """The JSON that every attempt sends."""
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempt: int = 0
    """Attempts so far."""
    earlier_attempts: int = 0
    """Of these, those before the last replay, which begins the schedule again."""
    response_status: int | None = None
    response_body: str | None = None
    failure: str | None = None
    """One of ``Failure``."""
    next_attempt_at: datetime | None = None
    next_check_at: datetime | None = None
    version: int = 1
    created_at: datetime

    @property
    def is_final(self) -> bool:
        return self.next_attempt_at is None


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """What came of one attempt."""

    seconds: float
    status: int | None = None
    body: str | None = None
    failure: str | None = None

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def hung(self) -> bool:
        return self.failure == Failure.TIMEOUT


# Secrets


def secrets_of(endpoint: Endpoint, key: bytes, *, now: datetime) -> list[str]:
    """The secrets that sign now: the endpoint's own, and the one before for a day after its
    rotation."""
    salts = [endpoint.salt]
    if endpoint.previous_salt and endpoint.previous_until and now < endpoint.previous_until:
        salts.append(endpoint.previous_salt)
    return [derived_secret(key, endpoint.account_id, endpoint.endpoint_id, salt) for salt in salts]


def derived_secret(key: bytes, account_id: str, endpoint_id: str, salt: str) -> str:
    """A secret that is stored nowhere: 32 bytes of HMAC-SHA256 under a key outside the tables."""
    message = _SECRET_PURPOSE + json.dumps([account_id, endpoint_id, salt]).encode()
    return secret_of(hmac.new(key, message, hashlib.sha256).digest())


def rotated(endpoint: Endpoint, salt: str, *, now: datetime) -> Endpoint:
    """The endpoint with a new secret. The one before signs for another day, and no older one."""
    return replace(
        endpoint,
        salt=salt,
        previous_salt=endpoint.salt,
        previous_until=now + timedelta(seconds=SECRET_OVERLAP_SECONDS),
        updated_at=now,
    )


# Deliveries


def numbered(endpoint: Endpoint, *, limit: int, now: datetime) -> Endpoint | None:
    """The endpoint with its next number; None if it has had ``limit`` deliveries today."""
    day = now.date().isoformat()
    began_at = endpoint.day_began_at if endpoint.day == day else endpoint.last_sequence
    if endpoint.last_sequence - began_at >= limit:
        return None
    number = endpoint.last_sequence + 1
    return replace(endpoint, last_sequence=number, day=day, day_began_at=began_at)


def is_current(at: datetime, *, now: datetime) -> bool:
    """Whether an event of this time is still announced."""
    return now - at < timedelta(seconds=ANNOUNCED_LIMIT_SECONDS)


def message_body(name: str, at: str, data: Mapping[str, Any]) -> str:
    """The body of a webhook."""
    message = {"type": name, "timestamp": at, "data": data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def scheduled(delivery: Delivery, at: datetime) -> Delivery:
    """The delivery with its next attempt at this time. A first one has a message at once, and is
    checked only in case that was lost."""
    grace_seconds = 0 if delivery.attempt > delivery.earlier_attempts else DELIVERY_CHECK_SECONDS
    return replace(
        delivery, next_attempt_at=at, next_check_at=at + timedelta(seconds=grace_seconds)
    )


def after_attempt(delivery: Delivery, made: Attempted, *, now: datetime) -> Delivery:
    """The delivery after one more attempt."""
    tried = replace(
        delivery,
        attempt=delivery.attempt + 1,
        response_status=made.status,
        response_body=made.body,
        failure=made.failure,
    )
    if made.succeeded:
        return _ended(tried, DeliveryStatus.SUCCEEDED)
    failures = tried.attempt - tried.earlier_attempts
    if made.status == GONE or failures > len(DELIVERY_RETRY_SECONDS):
        return _ended(tried, DeliveryStatus.GIVEN_UP)
    later = now + timedelta(seconds=DELIVERY_RETRY_SECONDS[failures - 1])
    return scheduled(replace(tried, status=DeliveryStatus.FAILED), later)


def given_up(delivery: Delivery, failure: Failure) -> Delivery:
    """The delivery without further attempts."""
    return _ended(replace(delivery, failure=failure), DeliveryStatus.GIVEN_UP)


def replayed(delivery: Delivery, *, now: datetime) -> Delivery:
    """The delivery from the beginning of the schedule; the same message as before."""
    again = replace(
        delivery, status=DeliveryStatus.PENDING, earlier_attempts=delivery.attempt, failure=None
    )
    return scheduled(again, now)


def _ended(delivery: Delivery, status: DeliveryStatus) -> Delivery:
    return replace(delivery, status=status, next_attempt_at=None, next_check_at=None)


# Places


def free_at(flights: Sequence[Flight], *, now: datetime) -> datetime:
    """When the endpoint has a free place: ``now``, or later."""
    taken = sorted(flight.until for flight in flights if flight.until > now)
    return now if len(taken) < FLIGHTS_LIMIT else taken[-FLIGHTS_LIMIT]


def in_flight(flights: Sequence[Flight], delivery_id: str, *, now: datetime) -> bool:
    """Whether another worker may be sending the delivery."""
    return any(each.delivery_id == delivery_id and each.until > now for each in flights)


def taken_off(endpoint: Endpoint, delivery_id: str, *, now: datetime) -> Endpoint:
    """The endpoint with a place taken."""
    kept = [flight for flight in endpoint.flights if flight.until > now]
    own = Flight(delivery_id=delivery_id, until=now + timedelta(seconds=FLIGHT_SECONDS))
    return replace(endpoint, flights=(*kept, own))


def landed(
    endpoint: Endpoint, delivery_id: str, made: Attempted | None, *, now: datetime
) -> Endpoint:
    """The endpoint after an attempt, whose place is free again, or rests if it was slow; None if
    there was no attempt after all."""
    hangs = 0 if made is None or not made.hung else endpoint.hangs + 1
    rest_seconds = 0.0 if made is None else _rest_seconds(made, hangs)
    flights = [
        flight
        for flight in endpoint.flights
        if flight.delivery_id != delivery_id and flight.until > now
    ]
    if rest_seconds:
        # Not under its own name: the delivery may be due again before.
        flights.append(Flight(delivery_id="", until=now + timedelta(seconds=rest_seconds)))
    if made is None:
        hangs = endpoint.hangs
    after = replace(endpoint, flights=tuple(flights), hangs=hangs)
    if made is not None and made.status == GONE:
        return replace(after, status=EndpointStatus.DISABLED, is_gone=True, updated_at=now)
    return after


def _rest_seconds(made: Attempted, hangs: int) -> float:
    if made.hung:
        return backoff_seconds(
            hangs, base_seconds=HUNG_REST_BASE_SECONDS, limit_seconds=HUNG_REST_LIMIT_SECONDS
        )
    return made.seconds * SLOW_REST_FACTOR if made.seconds >= SLOW_SECONDS else 0.0
