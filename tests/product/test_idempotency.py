"""``Idempotency-Key``: one request has one effect and one response, for a day and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from darkroom.api.routers import purchase as purchase_router
from darkroom.kernel.errors import Unavailable
from darkroom.kernel.limits import IDEMPOTENCY_LOCK_SECONDS, IDEMPOTENCY_TTL_SECONDS
from darkroom.usecases.purchases.settle_purchase import purchase_with_test_gateway
from tests.support.builders import (
    REWRITE,
    a_balance,
    a_draft,
    a_photo,
    a_story,
    a_user,
    buy,
    confirm,
    everything_of,
    finish,
    forget_responses,
    regenerate,
    scene_inputs,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

PURCHASE = "/api/credits/purchase"
LONG_REWRITE = {"rewriteEnabled": True, "rewrite": REWRITE | {"rawText": "They stay. " * 60}}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for the whole file; every test has its own account."""
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def is_replay(response: Response) -> bool:
    return response.headers.get("idempotent-replayed") == "true"


Send = Callable[[], Response]


def a_purchase(world: World, user: str) -> Send:
    return lambda: world.call("POST", PURCHASE, {"pack": "Value"}, user=user, key="k")


def a_confirm(world: World, user: str) -> Send:
    photo = a_photo(world, user)
    return lambda: confirm(world, user, photo=photo, key="k")


def a_confirm_of_a_draft(world: World, user: str) -> Send:
    body = {"draftJobId": a_draft(world, user)}
    return lambda: world.call("POST", "/api/jobs/confirm", body, user=user, key="k")


def a_queued_job(world: World, user: str) -> Send:
    inputs = scene_inputs(a_photo(world, user), **LONG_REWRITE)
    body = {"recipe": "story", "inputs": inputs, "status": "queued"}
    return lambda: world.call("POST", "/api/jobs", body, user=user, key="k")


def a_new_draft(world: World, user: str) -> Send:
    inputs = scene_inputs(a_photo(world, user), **LONG_REWRITE)
    body = {"recipe": "story", "inputs": inputs, "status": "draft"}
    return lambda: world.call("POST", "/api/jobs", body, user=user, key="k")


def a_regeneration(world: World, user: str) -> Send:
    job_id = a_story(world, user)
    return lambda: regenerate(world, job_id, user, key="k")


ROUTES = [
    a_purchase,
    a_confirm,
    a_confirm_of_a_draft,
    a_queued_job,
    a_new_draft,
    a_regeneration,
]


def named(route: Any) -> str:
    return route.__name__


# Repeats


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_a_repeat_gets_the_first_response_and_changes_nothing(
    route: Callable[[World, str], Send], world: World, user: str
) -> None:
    send = route(world, user)
    first = send()
    stored = everything_of(world, user)

    again = send()

    assert first.status in (201, 202)
    assert not is_replay(first)
    assert is_replay(again)
    assert (again.status, again.body) == (first.status, first.body)
    assert everything_of(world, user) == stored


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_a_repeat_after_the_response_expired_creates_and_charges_nothing(
    route: Callable[[World, str], Send], world: World, user: str
) -> None:
    send = route(world, user)
    first = send()
    stored = everything_of(world, user)
    forget_responses(world)
    world.clock.move(seconds=IDEMPOTENCY_TTL_SECONDS)

    again = send()

    assert (again.status, again.body) == (first.status, first.body)
    assert everything_of(world, user) == stored


def test_a_repeat_after_the_response_expired_has_the_balance_of_the_first_request(
    world: World, user: str
) -> None:
    send, free = a_confirm(world, user), a_photo(world, user)
    paid, quick = send(), confirm(world, user, mode="quick", photo=free, key="q")
    buy(world, 7, user)
    forget_responses(world)

    assert send().body == paid.body
    assert confirm(world, user, mode="quick", photo=free, key="q").body == quick.body


def test_a_repeat_after_the_job_has_ended_still_gets_the_first_response(
    world: World, user: str
) -> None:
    send = a_confirm(world, user)
    first = send()
    finish(world, first.body["jobId"])
    forget_responses(world)

    assert send().body == first.body
    assert a_balance(world, user) == (3, 0)


def test_a_draft_that_was_confirmed_is_not_taken_for_another_request(
    world: World, user: str
) -> None:
    send = a_new_draft(world, user)
    job_id = send().body["jobs"][0]["jobId"]
    world.call("POST", "/api/jobs/confirm", {"draftJobId": job_id}, user=user)
    forget_responses(world)

    again = send()

    assert again.status == 201
    assert again.body["jobs"][0]["jobId"] == job_id


# Which requests are the same


@pytest.mark.parametrize(
    "body",
    [
        '{"pack": "Value", "amount": null}',
        '{"amount":null,"pack":"Value"}',
        ' {\n "pack" : "\\u0056alue", "amount": null }\n',
    ],
)
def test_equal_json_bodies_are_the_same_request(body: str, world: World, user: str) -> None:
    first = world.call("POST", PURCHASE, {"pack": "Value", "amount": None}, user=user, key="k")

    again = world.call("POST", PURCHASE, body, user=user, key="k")

    assert is_replay(again)
    assert again.body == first.body


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_another_body_under_the_same_key_is_refused(
    is_forgotten: bool, world: World, user: str
) -> None:
    first = buy(world, 10, user, key="k")
    photo = a_photo(world, user)
    confirm(world, user, photo=photo, key="k")
    job_id = a_story(world, user, key="parent")
    regenerate(world, job_id, user, key="k")
    if is_forgotten:
        forget_responses(world)
    stored = everything_of(world, user)

    others = [
        buy(world, 11, user, key="k"),
        world.call("POST", PURCHASE, {"pack": "Value"}, user=user, key="k"),
        confirm(world, user, photo=photo, key="k", genre="noir"),
        regenerate(world, job_id, user, key="k", target="story_clip", clipNo=1),
    ]

    assert first.status == 201
    for other in others:
        assert (other.status, other.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert everything_of(world, user) == stored


def test_a_key_belongs_to_its_account_and_its_route(world: World, user: str) -> None:
    other = a_user()

    mine, theirs = buy(world, 10, user, key="k"), buy(world, 10, other, key="k")
    job = confirm(world, user, key="k")

    assert (mine.status, theirs.status, job.status) == (201, 201, 202)
    assert not is_replay(theirs)
    assert mine.body["purchaseId"] != theirs.body["purchaseId"]
    assert a_balance(world, user) == (13, 2)
    assert a_balance(world, other) == (15, 0)


def test_the_same_key_can_be_used_for_another_job(world: World, user: str) -> None:
    buy(world, 10, user)
    parents = [a_story(world, user, key=f"parent-{number}") for number in (1, 2)]

    children = {regenerate(world, job, user, key="k").body["retryJobId"] for job in parents}

    assert len(children) == 2


# Failures, crashes and locks


def test_only_successful_responses_are_stored(world: World, user: str) -> None:
    photo = a_photo(world, user)
    costly: dict[str, Any] = {"mode": "trailer", "photo": photo, "key": "k"} | {
        "rewriteEnabled": True,
        "rewrite": REWRITE,
    }

    short = confirm(world, user, **costly)
    buy(world, 1, user)
    enough = confirm(world, user, **costly)

    assert (short.status, enough.status) == (402, 202)
    assert not is_replay(enough)


def test_a_refused_body_does_not_use_up_the_key(world: World, user: str) -> None:
    bad = world.call("POST", PURCHASE, {"pack": "Nonsense"}, user=user, key="k")

    good = world.call("POST", PURCHASE, {"pack": "Value"}, user=user, key="k")

    assert (bad.status, good.status) == (400, 201)


def test_a_request_whose_worker_died_is_in_progress_until_its_lock_expires(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = a_purchase(world, user)
    with monkeypatch.context() as patch:
        patch.setattr(purchase_router, "purchase_with_test_gateway", dies)
        assert send().status == 500

    at_once = send()
    other = buy(world, 3, user, key="k")
    world.clock.move(seconds=IDEMPOTENCY_LOCK_SECONDS - 1)
    still = send()
    world.clock.move(seconds=2)
    taken_over = send()

    assert (at_once.status, at_once.body["code"]) == (409, "IN_PROGRESS")
    assert (other.status, other.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert still.status == 409
    assert (taken_over.status, is_replay(taken_over)) == (201, False)
    assert a_balance(world, user) == (55, 0)


def test_a_worker_that_died_after_the_purchase_is_not_followed_by_a_second_one(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, real = a_purchase(world, user), purchase_with_test_gateway

    def happens_and_dies(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        raise RuntimeError("the worker died")

    with monkeypatch.context() as patch:
        patch.setattr(purchase_router, "purchase_with_test_gateway", happens_and_dies)
        assert send().status == 500
    world.clock.move(seconds=IDEMPOTENCY_LOCK_SECONDS + 1)

    again = send()

    assert (again.status, again.body["balance"]) == (201, 55)
    assert a_balance(world, user) == (55, 0)


def test_a_retryable_failure_may_be_repeated_at_once(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = a_purchase(world, user)
    with monkeypatch.context() as patch:
        patch.setattr(purchase_router, "purchase_with_test_gateway", is_busy)
        busy = send()

    assert (busy.status, busy.headers["retry-after"]) == (503, "1")
    assert send().status == 201


class Died(BaseException):
    """The process has ended: nothing after this line runs, not even an exception handler."""


def dies(*arguments: Any, **options: Any) -> None:
    raise Died


def is_busy(*arguments: Any, **options: Any) -> None:
    raise Unavailable("busy")


# The key itself


def test_requests_that_create_or_charge_need_a_key(world: World, user: str) -> None:
    job_id, photo = a_story(world, user), a_photo(world, user)
    queued = {"recipe": "story", "inputs": scene_inputs(photo), "status": "queued"}
    stored = everything_of(world, user)

    responses = [
        world.call("POST", PURCHASE, {"pack": "Value"}, user=user),
        confirm(world, user, photo=photo, key=None),
        world.call("POST", "/api/jobs", queued, user=user),
        world.call(
            "POST",
            f"/api/jobs/{job_id}/regenerate",
            {"target": "story_clip", "clipNo": 1},
            user=user,
        ),
    ]

    for response in responses:
        assert (response.status, response.body["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert everything_of(world, user) == stored


def test_drafts_and_their_confirmation_need_no_key(world: World, user: str) -> None:
    job_id = a_draft(world, user, key=None)

    response = world.call("POST", "/api/jobs/confirm", {"draftJobId": job_id}, user=user)

    assert response.status == 202
    assert a_draft(world, user, key=None) != job_id


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tbed", "\x7f"])
def test_an_invalid_key_is_refused_and_the_header_is_named(
    key: str, world: World, user: str
) -> None:
    response = buy(world, 1, user, key=key)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert response.body["fields"][0]["path"] == "Idempotency-Key"


def test_a_key_of_the_maximum_length_is_accepted(world: World, user: str) -> None:
    assert buy(world, 1, user, key="x" * 255).status == 201
    assert is_replay(buy(world, 1, user, key="x" * 255))


def test_an_internal_error_leaves_the_key_usable(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **more: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(purchase_router, "purchase_with_test_gateway", broken)
        failed = a_purchase(world, user)()
    done = a_purchase(world, user)()

    assert failed.status == 500
    assert (done.status, is_replay(done)) == (201, False)
    assert a_balance(world, user) == (55, 0)
