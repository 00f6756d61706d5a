"""Retries and reruns: the tasks they do, their price, and the jobs they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.generation.ports import (
    GenerationRequest,
    ModerationRefused,
    PermanentProviderError,
    TransientProviderError,
)
from darkroom.recipes.base import TaskSpec
from darkroom.usecases.jobs.retry_job import keys_to_make
from tests.support.builders import (
    JOB_ID,
    REWRITE,
    a_balance,
    a_draft,
    a_job,
    a_recording,
    a_reference_photo,
    a_story,
    a_user,
    cancel,
    confirm,
    forget_responses,
    statuses,
)
from tests.support.world import Response, World

SPECS = [
    *(TaskSpec(key=f"kf_{n}", kind="keyframe") for n in (1, 2, 3)),
    *(TaskSpec(key=f"clip_{n}", kind="clip", needs=(f"kf_{n}",)) for n in (1, 2, 3)),
    TaskSpec(key="film", kind="film", needs=("clip_1", "clip_2", "clip_3")),
]
PROMISED = frozenset({"clip_1", "clip_2", "clip_3", "film"})


@pytest.fixture
def user() -> str:
    return a_user()


def retry(
    world: World, job_id: str, user: str | None, *, key: str | None = "retry", **body: Any
) -> Response:
    sent = body or {"keepOptions": True}
    return world.call("POST", f"/api/jobs/{job_id}/retry", sent, user=user, key=key)


def rerun(world: World, job_id: str, user: str | None, *, key: str | None = "rerun") -> Response:
    return world.call("POST", f"/api/jobs/{job_id}/rerun", user=user, key=key)


def portraits(world: World, user: str, *, total: int = 4, **changes: Any) -> str:
    inputs = {
        "mode": "batch",
        "referencePhotoIds": [a_reference_photo(world, user)],
        "styles": ["CLASSIC", "MODERN"],
        "totalImages": total,
    }
    body = {"recipe": "portraits", "inputs": inputs | changes, "status": "queued"}
    response = world.call("POST", "/api/jobs", body, user=user, key="portraits")
    assert response.status == 201, response.body
    return response.body["jobs"][0]["jobId"]


# The tasks of a retry: pure


def test_existing_outputs_are_not_made_again() -> None:
    made = frozenset({"kf_1", "clip_1", "kf_2", "clip_2", "kf_3"})

    assert keys_to_make(SPECS, promised=PROMISED, made=made, refused=frozenset()) == (
        "clip_3",
        "film",
    )


def test_dependents_of_refused_tasks_are_not_tried() -> None:
    made = frozenset({"kf_1", "clip_1"})

    assert keys_to_make(SPECS, promised=PROMISED, made=made, refused=frozenset({"kf_2"})) == (
        "kf_3",
        "clip_3",
    )


def test_a_job_without_outputs_is_retried_in_full() -> None:
    keys = keys_to_make(SPECS, promised=PROMISED, made=frozenset(), refused=frozenset())

    assert keys == tuple(spec.key for spec in SPECS)


# Retry


def test_a_retry_needs_a_token_and_a_key(world: World, user: str) -> None:
    job_id = a_story(world, user, failing=["clip_2"])

    assert retry(world, job_id, None).status == 401
    response = retry(world, job_id, user, key=None)
    assert (response.status, response.body["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")


def test_a_missing_and_a_foreign_job_look_alike(world: World, user: str) -> None:
    job_id = a_story(world, user, failing=["clip_2"])

    assert retry(world, job_id, a_user()).status == 404
    assert retry(world, JOB_ID, user).status == 404


def test_a_retry_makes_missing_outputs_for_the_refunded_credits(world: World, user: str) -> None:
    world.studio.refuse = fail_once_for_good("clip_2")
    parent = confirm(world, user, mode="story").body["jobId"]
    world.drain()
    assert a_job(world, parent, user)["receipt"]["used"] == 1
    before = a_balance(world, user)
    world.studio.refuse = lambda request: None

    response = retry(world, parent, user)
    world.drain()

    assert response.status == 202
    assert response.body["creditsReserved"] == 1
    child = a_job(world, response.body["retryJobId"], user)
    assert child["status"] == "succeeded"
    assert child["parentJobId"] == parent
    assert sorted(statuses(child)) == ["clip_2", "film"]
    assert {output["key"] for output in child["outputs"]} >= {"clip_1", "clip_2", "clip_3", "film"}
    assert a_balance(world, user) == (before[0] - 1, 0)


def fail_once_for_good(*keys: str) -> Any:
    """Tasks with these keys fail on every attempt, as in an outage."""

    def refuse(request: GenerationRequest) -> None:
        if request.key in keys:
            raise TransientProviderError("down")

    return refuse


def refuse_content(*keys: str) -> Any:
    def refuse(request: GenerationRequest) -> None:
        if request.key in keys:
            raise ModerationRefused("not this")

    return refuse


def test_one_blocked_image_of_four_leaves_three_and_one_refund(world: World, user: str) -> None:
    world.studio.refuse = refuse_content("img_03")

    job_id = portraits(world, user)
    world.drain()

    job = a_job(world, job_id, user)
    assert job["status"] == "partial"
    assert (job["receipt"]["used"], job["receipt"]["refunded"]) == (3, 1)
    assert [output["key"] for output in job["outputs"]] == ["img_01", "img_02", "img_04"]
    assert a_balance(world, user) == (2, 0)
    world.studio.refuse = lambda request: None


def test_refused_content_is_not_retried(world: World, user: str) -> None:
    world.studio.refuse = refuse_content("img_03")
    job_id = portraits(world, user)
    world.drain()
    world.studio.refuse = lambda request: None

    response = retry(world, job_id, user)

    assert (response.status, response.body["code"]) == (409, "NOT_RETRYABLE")
    assert a_balance(world, user) == (2, 0)


def test_of_two_failures_only_the_transient_one_is_retried(world: World, user: str) -> None:
    def refuse(request: GenerationRequest) -> None:
        refuse_content("img_03")(request)
        fail_once_for_good("img_02")(request)

    world.studio.refuse = refuse
    job_id = portraits(world, user)
    world.drain()
    world.studio.refuse = lambda request: None

    response = retry(world, job_id, user)

    assert response.body["creditsReserved"] == 1
    world.drain()
    assert list(statuses(a_job(world, response.body["retryJobId"], user))) == ["img_02"]


def test_refused_content_is_retried_with_changed_options(world: World, user: str) -> None:
    world.studio.refuse = refuse_content("kf_3")
    parent = confirm(world, user, rewriteEnabled=True, rewrite=REWRITE).body["jobId"]
    world.drain()
    world.studio.refuse = lambda request: None
    tamer = REWRITE | {"rawText": "They wave from the pier."}

    kept = retry(world, parent, user, key="kept")
    changed = retry(world, parent, user, key="new", keepOptions=False, options={"rewrite": tamer})
    world.drain()

    assert (kept.status, kept.body["code"]) == (409, "NOT_RETRYABLE")
    assert changed.status == 202
    child = a_job(world, changed.body["retryJobId"], user)
    assert child["status"] == "succeeded"
    assert child["inputs"]["rewrite"]["sanitizedText"] == "They wave from the pier."


@pytest.mark.parametrize(
    "options", [{"genre": "noir"}, {"nonsense": 1}, {"sliders": {"pace": 101}}]
)
def test_options_that_contradict_existing_outputs_are_refused(
    options: dict[str, Any], world: World, user: str
) -> None:
    parent = a_story(world, user, failing=["clip_2"])
    before = a_balance(world, user)

    response = retry(world, parent, user, keepOptions=False, options=options)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert a_balance(world, user) == before


def test_options_are_required_unless_they_are_kept(world: World, user: str) -> None:
    parent = a_story(world, user, failing=["clip_2"])

    response = retry(world, parent, user, keepOptions=False)

    assert [field["path"] for field in response.body["fields"]] == ["options"]


def test_succeeded_and_running_jobs_are_not_retried(world: World, user: str) -> None:
    done = a_story(world, user, key="a")
    under_way = confirm(world, user, key="b").body["jobId"]
    draft = a_draft(world, user)

    for job_id in (done, under_way, draft):
        response = retry(world, job_id, user)
        assert (response.status, response.body["code"]) == (409, "NOT_RETRYABLE")


def test_a_retry_completes_a_canceled_job(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    cancel(world, job_id, user)

    response = retry(world, job_id, user)
    world.drain()

    assert response.body["creditsReserved"] == 2
    assert a_job(world, response.body["retryJobId"], user)["status"] == "succeeded"


def test_a_retry_of_a_retry_costs_only_what_is_still_missing(world: World, user: str) -> None:
    world.studio.refuse = fail_once_for_good("img_02", "img_03")
    first = portraits(world, user)
    world.drain()
    world.studio.refuse = fail_once_for_good("img_03")
    second = retry(world, first, user, key="one").body["retryJobId"]
    world.drain()
    world.studio.refuse = lambda request: None

    third = retry(world, second, user, key="two")
    world.drain()

    assert third.body["creditsReserved"] == 1
    job = a_job(world, third.body["retryJobId"], user)
    assert {output["key"] for output in job["outputs"]} == {"img_01", "img_02", "img_03", "img_04"}
    assert a_balance(world, user) == (1, 0)


def test_a_repeated_retry_makes_one_child(world: World, user: str) -> None:
    parent = a_story(world, user, failing=["clip_2"])

    first = retry(world, parent, user)
    forget_responses(world)
    second = retry(world, parent, user)

    assert first.body == second.body


def test_one_credit_short_changes_nothing(world: World, user: str) -> None:
    world.studio.refuse = fail_once_for_good("img_01")
    job_id = portraits(world, user, total=3)
    world.drain()
    world.studio.refuse = lambda request: None
    confirm(world, user, key="spend", rewriteEnabled=True, rewrite=REWRITE)
    assert a_balance(world, user) == (0, 3)

    response = retry(world, job_id, user)

    assert (response.status, response.body["code"]) == (402, "CREDITS_INSUFFICIENT")
    assert (response.body["needed"], response.body["shortfall"]) == (1, 1)
    assert a_balance(world, user) == (0, 3)


def test_captions_with_a_failed_translation_retry_only_that(world: World, user: str) -> None:
    def refuse(request: GenerationRequest) -> None:
        if request.kind == "translate":
            raise PermanentProviderError("no translation", code="PROVIDER_NOT_CONFIGURED")

    world.studio.refuse = refuse
    options = {"sourceLang": "en", "translate": True, "targetLangs": ["ko"]}
    inputs = {"assetIds": [a_recording(world, user, seconds=61)], "options": options}
    body = {"recipe": "captions", "inputs": inputs, "status": "queued"}
    made = world.call("POST", "/api/jobs", body, user=user, key="captions").body["jobs"][0]
    world.drain()
    world.studio.refuse = lambda request: None
    job = a_job(world, made["jobId"], user)

    response = retry(world, made["jobId"], user)
    world.drain()

    assert (job["status"], job["receipt"]["used"], job["receipt"]["refunded"]) == ("partial", 2, 2)
    assert response.body["creditsReserved"] == 2
    child = a_job(world, response.body["retryJobId"], user)
    assert child["status"] == "succeeded"
    assert sorted(statuses(child)) == ["srt_ko", "translate_ko"]


# Rerun


def test_a_rerun_has_the_same_inputs_at_full_price(world: World, user: str) -> None:
    job_id = a_story(world, user, sliders={"pace": 90}, seed=7)

    response = rerun(world, job_id, user)

    assert response.status == 202
    assert (response.body["creditsReserved"], response.body["balance"]) == (2, 1)
    first, second = a_job(world, job_id, user), a_job(world, response.body["jobId"], user)
    assert second["inputs"] == first["inputs"]
    assert second["templateId"] == first["templateId"]
    assert "parentJobId" not in second


def test_only_ended_jobs_run_again(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]

    response = rerun(world, job_id, user)

    assert (response.status, response.body["code"]) == (409, "JOB_NOT_FINAL")
    assert rerun(world, job_id, a_user()).status == 404
    assert rerun(world, job_id, None).status == 401
    assert rerun(world, job_id, user, key=None).body["code"] == "IDEMPOTENCY_KEY_REQUIRED"


def test_a_repeated_rerun_makes_one_job(world: World, user: str) -> None:
    job_id = a_story(world, user, mode="quick")

    first = rerun(world, job_id, user)
    forget_responses(world)
    second = rerun(world, job_id, user)

    assert first.body == second.body
