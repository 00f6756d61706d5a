"""Many jobs in one request: each has its own result, in the order of the request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.api.routers import bulk_jobs as bulk_router
from darkroom.usecases.jobs.confirm_job import confirm_draft
from tests.support.builders import (
    JOB_ID,
    a_balance,
    a_draft,
    a_job,
    a_recording,
    a_story,
    a_user,
    confirm,
    forget_responses,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

RUN, CANCEL, RETRY = "/api/jobs/bulk/run", "/api/jobs/bulk/cancel", "/api/jobs/bulk/retry"
OPTIONS = "/api/jobs/bulk"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def bulk(
    world: World,
    path: str,
    job_ids: Any,
    user: str | None,
    *,
    key: str | None = "bulk",
    **more: Any,
) -> Response:
    method = "PATCH" if path == OPTIONS else "POST"
    return world.call(method, path, {"jobIds": job_ids, **more}, user=user, key=key)


def results(response: Response) -> list[tuple[bool, str | None]]:
    return [(result["ok"], result.get("code")) for result in response.body["results"]]


def caption_draft(world: World, user: str, *, seconds: float = 10) -> str:
    inputs = {"assetIds": [a_recording(world, user, seconds=seconds)], "options": {}}
    body = {"recipe": "captions", "inputs": inputs, "status": "draft"}
    return world.call("POST", "/api/jobs", body, user=user).body["jobs"][0]["jobId"]


@pytest.mark.parametrize("path", [RUN, CANCEL, RETRY, OPTIONS])
def test_every_route_needs_a_token(path: str, world: World) -> None:
    assert bulk(world, path, [JOB_ID], None, optionsPartial={}).status == 401


@pytest.mark.parametrize("path", [RUN, CANCEL, RETRY])
@pytest.mark.parametrize("job_ids", [[], [JOB_ID] * 101, JOB_ID, None, [1]])
def test_one_to_a_hundred_ids_are_required(
    job_ids: Any, path: str, world: World, user: str
) -> None:
    response = bulk(world, path, job_ids, user)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_each_of_a_hundred_jobs_has_a_result(world: World, user: str) -> None:
    response = bulk(world, CANCEL, [JOB_ID] * 100, user)

    assert response.status == 200
    assert results(response) == [(False, "NOT_FOUND")] * 100


def test_jobs_run_in_the_order_given_while_credits_last(world: World, user: str) -> None:
    first, dear, second, foreign = (
        a_draft(world, user),
        a_draft(world, user, recipe="trailer"),
        a_draft(world, user),
        a_draft(world, a_user()),
    )
    done = a_story(world, user, mode="quick", key="quick")

    response = bulk(world, RUN, [first, foreign, dear, "no", done, second], user)

    assert results(response) == [
        (True, None),
        (False, "NOT_FOUND"),
        (False, "CREDITS_INSUFFICIENT"),
        (False, "NOT_FOUND"),
        (False, "JOB_NOT_DRAFT"),
        (True, None),
    ]
    assert response.body["results"][0]["jobId"] == first
    assert all(result["error"] for result in response.body["results"] if not result["ok"])
    assert a_balance(world, user) == (1, 4)
    assert a_job(world, dear, user)["status"] == "draft"


def test_a_repeated_run_charges_once(world: World, user: str) -> None:
    drafts = [a_draft(world, user), a_draft(world, user)]

    first = bulk(world, RUN, drafts, user)
    forget_responses(world)
    second = bulk(world, RUN, drafts, user)

    assert first.body == second.body
    assert a_balance(world, user) == (1, 4)


def test_the_same_id_twice_runs_once(world: World, user: str) -> None:
    draft = a_draft(world, user)

    response = bulk(world, RUN, [draft, draft], user)

    assert results(response)[0] == (True, None)
    assert a_balance(world, user) == (3, 2)


def test_each_job_is_canceled_where_its_state_allows(world: World, user: str) -> None:
    queued = confirm(world, user).body["jobId"]
    draft, done = a_draft(world, user), a_story(world, user, mode="quick", key="quick")

    response = bulk(world, CANCEL, [queued, draft, done, JOB_ID], user)

    assert [result.get("outcome") for result in response.body["results"]] == [
        "canceled",
        "canceled",
        "already_final",
        None,
    ]
    assert results(response)[3] == (False, "NOT_FOUND")
    assert a_balance(world, user) == (5, 0)


def test_each_job_is_retried_as_its_own_child(world: World, user: str) -> None:
    failed = a_story(world, user, failing=["clip_1"])
    fine = a_story(world, user, mode="quick", key="quick")

    response = bulk(world, RETRY, [failed, fine, JOB_ID], user)
    forget_responses(world)
    again = bulk(world, RETRY, [failed, fine, JOB_ID], user)

    assert results(response) == [(True, None), (False, "NOT_RETRYABLE"), (False, "NOT_FOUND")]
    child = response.body["results"][0]["retryJobId"]
    assert a_job(world, child, user)["parentJobId"] == failed
    assert again.body == response.body


def test_a_bulk_retry_needs_a_key(world: World, user: str) -> None:
    response = bulk(world, RETRY, [JOB_ID], user, key=None)

    assert (response.status, response.body["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")


def test_options_of_many_drafts_change_in_one_request(world: World, user: str) -> None:
    drafts = [caption_draft(world, user), caption_draft(world, user)]
    story = a_draft(world, user)
    partial = {"outputFormats": ["srt", "vtt"], "translate": True, "targetLangs": ["ko"]}

    response = bulk(world, OPTIONS, [*drafts, story, JOB_ID], user, optionsPartial=partial)

    assert results(response) == [
        (True, None),
        (True, None),
        (False, "VALIDATION_FAILED"),
        (False, "NOT_FOUND"),
    ]
    for job_id in drafts:
        options = a_job(world, job_id, user)["inputs"]["options"]
        assert options["outputFormats"] == ["srt", "vtt"]
        assert options["targetLangs"] == ["ko"]


def test_options_must_be_an_object(world: World, user: str) -> None:
    odd: tuple[Any, ...] = (None, [], "x", 1)
    for partial in odd:
        response = bulk(world, OPTIONS, [JOB_ID], user, optionsPartial=partial)
        assert response.status == 400


ODD_IDS = ["", "x" * 3000, "\ud800", "a\nb"]


def test_invalid_ids_have_their_own_results_and_affect_no_other_job(
    world: World, user: str
) -> None:
    first, last = a_draft(world, user), a_draft(world, user)

    response = bulk(world, RUN, [first, *ODD_IDS, last], user)
    again = bulk(world, RUN, [first, *ODD_IDS, last], user)

    missing = (False, "NOT_FOUND")
    assert results(response) == [(True, None), *[missing] * len(ODD_IDS), (True, None)]
    assert [result["jobId"] for result in response.body["results"]] == [first, *ODD_IDS, last]
    assert again.body == response.body
    assert a_balance(world, user) == (1, 4)


def test_an_unexpected_error_at_one_job_affects_no_other_job(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (a_draft(world, user, recipe="story") for _ in range(3))
    confirm_one = confirm_draft

    def failing(*args: Any, draft_job_id: str, **more: Any) -> Any:
        if draft_job_id == second:
            raise ZeroDivisionError
        return confirm_one(*args, draft_job_id=draft_job_id, **more)

    monkeypatch.setattr(bulk_router, "confirm_draft", failing)
    response = bulk(world, RUN, [first, second, third], user)

    assert results(response) == [(True, None), (False, "INTERNAL"), (True, None)]
    assert a_job(world, second, user)["status"] == "draft"

    # A repeat with the same key does what is missing, and charges nothing twice.
    monkeypatch.setattr(bulk_router, "confirm_draft", confirm_one)
    before = a_balance(world, user)
    again = bulk(world, RUN, [first, second, third], user)

    assert results(again)[0] == results(again)[2] == (True, None)
    assert results(again)[1] == (False, "CREDITS_INSUFFICIENT")
    assert a_balance(world, user) == before
