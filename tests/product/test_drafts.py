"""Drafts: created one by one or by file, changed by merge patches, guarded by If-Match."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.assets.model import AssetStatus
from tests.support.builders import (
    ASSET_ID,
    REWRITE,
    a_balance,
    a_draft,
    a_job,
    a_photo,
    a_recording,
    a_reference_photo,
    a_story,
    a_user,
    an_asset,
    confirm,
    forget_responses,
    scene_inputs,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def patch(
    world: World, job_id: str, body: Any, user: str | None, *, if_match: str | None = None
) -> Response:
    headers = {} if if_match is None else {"if-match": if_match}
    return world.call("PATCH", f"/api/jobs/{job_id}", body, user=user, headers=headers)


def captions(
    world: World, user: str, *seconds: float, status: str = "draft", **more: Any
) -> Response:
    talks = [a_recording(world, user, seconds=length) for length in seconds]
    body = {"recipe": "captions", "inputs": {"assetIds": talks, "options": {}}, "status": status}
    return world.call("POST", "/api/jobs", body | more, user=user, key="captions")


def test_a_patch_merges_into_the_inputs(world: World, user: str) -> None:
    job_id = a_draft(world, user, sliders={"humor": 10, "pace": 20})

    response = patch(
        world, job_id, {"inputs": {"genre": "noir", "sliders": {"pace": 30, "drama": 1}}}, user
    )

    assert response.status == 200
    inputs = a_job(world, job_id, user)["inputs"]
    assert inputs["genre"] == "noir"
    assert inputs["sliders"] == {"humor": 10, "pace": 30, "drama": 1}
    assert inputs["stage"] == "spark"


def test_null_removes_a_field(world: World, user: str) -> None:
    job_id = a_draft(world, user, sliders={"humor": 10}, seed=7)

    patch(world, job_id, {"inputs": {"seed": None, "sliders": {"humor": None}}}, user)

    inputs = a_job(world, job_id, user)["inputs"]
    assert "seed" not in inputs
    assert inputs["sliders"] == {}


def test_inputs_may_be_at_the_top_level(world: World, user: str) -> None:
    job_id = a_draft(world, user)

    assert patch(world, job_id, {"genre": "comedy"}, user).status == 200
    assert a_job(world, job_id, user)["inputs"]["genre"] == "comedy"


def test_a_patch_changes_a_part_of_a_rewrite(world: World, user: str) -> None:
    job_id = a_draft(world, user, rewriteEnabled=True, rewrite=REWRITE)

    response = patch(world, job_id, {"inputs": {"rewrite": {"desiredEnding": "open"}}}, user)

    assert response.status == 200
    rewrite = a_job(world, job_id, user)["inputs"]["rewrite"]
    assert rewrite["desiredEnding"] == "open"
    assert rewrite["sanitizedText"] == REWRITE["rawText"]


def test_priority_is_kept_with_the_draft(world: World, user: str) -> None:
    job_id = a_draft(world, user)

    patch(world, job_id, {"priority": 7}, user)

    assert a_job(world, job_id, user)["priority"] == 7
    assert patch(world, job_id, {"priority": 10}, user).status == 400
    assert patch(world, job_id, {"priority": -1}, user).status == 400


def test_a_patch_with_an_old_etag_is_refused(world: World, user: str) -> None:
    job_id = a_draft(world, user)
    seen = world.call("GET", f"/api/jobs/{job_id}", user=user).headers["etag"]

    first = patch(world, job_id, {"inputs": {"genre": "noir"}}, user, if_match=seen)
    stale = patch(world, job_id, {"inputs": {"genre": "comedy"}}, user, if_match=seen)
    fresh = patch(
        world, job_id, {"inputs": {"genre": "comedy"}}, user, if_match=first.headers["etag"]
    )

    assert (first.status, fresh.status) == (200, 200)
    assert (stale.status, stale.body["code"]) == (412, "PRECONDITION_FAILED")
    assert first.headers["etag"] != seen
    now = world.call("GET", f"/api/jobs/{job_id}", user=user).headers["etag"]
    assert now == fresh.headers["etag"]


def test_a_star_matches_any_etag(world: World, user: str) -> None:
    job_id = a_draft(world, user)

    assert patch(world, job_id, {"genre": "noir"}, user, if_match="*").status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {"genre": "western"}},
        {"inputs": {"genre": None}},
        {"inputs": {"x": 1}},
        {"inputs": {"photoAssetIds": []}},
        {"inputs": {"rewriteEnabled": True}},
        {"inputs": []},
        {"x": 1},
        {"recipe": "trailer"},
        {"status": "queued"},
        [],
        "no",
    ],
)
def test_an_invalid_patch_changes_nothing(body: Any, world: World, user: str) -> None:
    job_id = a_draft(world, user)
    before = a_job(world, job_id, user)

    response = patch(world, job_id, body, user)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert a_job(world, job_id, user) == before


def test_only_a_draft_is_changed_and_only_by_its_owner(world: World, user: str) -> None:
    draft, queued, done = (
        a_draft(world, user),
        confirm(world, user, key="a", mode="quick").body["jobId"],
        a_story(world, user, key="b"),
    )

    assert patch(world, draft, {"genre": "noir"}, None).status == 401
    assert patch(world, draft, {"genre": "noir"}, a_user()).status == 404
    for job_id in (queued, done):
        response = patch(world, job_id, {"genre": "noir"}, user)
        assert (response.status, response.body["code"]) == (409, "JOB_NOT_DRAFT")


def test_captions_create_one_draft_for_each_file(world: World, user: str) -> None:
    response = captions(world, user, 10, 61, 300)

    assert response.status == 201
    jobs = response.body["jobs"]
    assert len({job["jobId"] for job in jobs}) == 3
    assert all(len(job["inputs"]["assetIds"]) == 1 for job in jobs)
    assert {job["status"] for job in jobs} == {"draft"}


def test_jobs_are_queued_while_credits_last_and_the_others_stay_drafts(
    world: World, user: str
) -> None:
    response = captions(world, user, 4 * 60, 61, 10, status="queued")

    assert response.status == 201
    outcomes = [(job["status"], job.get("code")) for job in response.body["jobs"]]
    assert outcomes == [
        ("queued", None),
        ("draft", "CREDITS_INSUFFICIENT"),
        ("queued", None),
    ]
    assert a_balance(world, user) == (0, 5)


def test_nothing_is_created_when_no_job_can_be_paid(world: World, user: str) -> None:
    a_balance(world, user)

    response = captions(world, user, 6 * 60, 7 * 60, status="queued")

    assert (response.status, response.body["code"]) == (402, "CREDITS_INSUFFICIENT")
    assert response.body["needed"] == 6
    assert a_balance(world, user) == (5, 0)
    assert world.call("GET", "/api/jobs", user=user).body["items"] == []


def test_repeating_a_request_of_many_creates_none_twice(world: World, user: str) -> None:
    talks = [a_recording(world, user, seconds=seconds) for seconds in (4 * 60, 61)]
    body = {"recipe": "captions", "inputs": {"assetIds": talks}, "status": "queued"}

    first = world.call("POST", "/api/jobs", body, user=user, key="many")
    forget_responses(world)
    second = world.call("POST", "/api/jobs", body, user=user, key="many")

    assert [job["jobId"] for job in first.body["jobs"]] == [
        job["jobId"] for job in second.body["jobs"]
    ]
    assert [job["status"] for job in second.body["jobs"]] == ["queued", "draft"]
    assert a_balance(world, user) == (1, 4)


def test_one_missing_file_prevents_all_charges(world: World, user: str) -> None:
    talks = [a_recording(world, user), a_recording(world, a_user())]
    a_balance(world, user)
    body = {"recipe": "captions", "inputs": {"assetIds": talks}, "status": "queued"}

    response = world.call("POST", "/api/jobs", body, user=user, key="many")

    assert response.status == 404
    assert a_balance(world, user) == (5, 0)
    assert world.call("GET", "/api/jobs", user=user).body["items"] == []


def test_files_quoted_together_are_charged_as_quoted(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from darkroom.credits import pricing

    talks = [a_recording(world, user, seconds=seconds) for seconds in (10, 61)]
    inputs = {"assetIds": talks, "options": {}}
    quoted = world.call(
        "POST", "/api/jobs/quote", {"recipe": "captions", "inputs": inputs}, user=user
    ).body
    monkeypatch.setattr(
        pricing, "costs", lambda: {"captionsPerMinute": 2, "translationPerMinute": 2}
    )
    body = {
        "recipe": "captions",
        "inputs": inputs,
        "status": "queued",
        "quoteId": quoted["quoteId"],
    }

    response = world.call("POST", "/api/jobs", body, user=user, key="many")

    assert [job["creditsReserved"] for job in response.body["jobs"]] == [1, 2]
    assert a_balance(world, user) == (2, 3)


# Files that a draft cannot use


def drafted(world: World, user: str, recipe: str, inputs: dict[str, Any]) -> Response:
    body = {"recipe": recipe, "inputs": inputs, "status": "draft"}
    return world.call("POST", "/api/jobs", body, user=user)


def portraits_of(photo: str, **more: Any) -> dict[str, Any]:
    chosen = {"mode": "single", "styles": ["CLASSIC"], "totalImages": 1}
    return {**chosen, "referencePhotoIds": [photo], **more}


def test_a_draft_with_a_file_of_another_account_is_refused(world: World, user: str) -> None:
    other = a_user()
    theirs, album = a_photo(world, other), "/api/albums"
    their_album = world.call("POST", album, {"name": "Us"}, user=other).body["albumId"]
    mine = a_reference_photo(world, user)
    wrong = [
        ("story", scene_inputs(theirs)),
        ("story", scene_inputs(ASSET_ID)),
        ("story", scene_inputs(a_photo(world, user), theirs)),
        ("captions", {"assetIds": [a_recording(world, other)]}),
        ("captions", {"assetIds": [a_recording(world, user), ASSET_ID]}),
        ("portraits", portraits_of(a_reference_photo(world, other))),
        ("portraits", portraits_of(mine, albumId=their_album)),
    ]

    responses = [drafted(world, user, recipe, inputs) for recipe, inputs in wrong]

    assert [(a.status, a.body["code"]) for a in responses] == [(404, "NOT_FOUND")] * len(wrong)
    assert world.call("GET", "/api/jobs", user=user).body["items"] == []


def test_a_draft_with_a_file_of_the_wrong_kind_is_refused_and_names_it(
    world: World, user: str
) -> None:
    photo, talk = a_photo(world, user), a_recording(world, user)
    wrong = [
        ("story", scene_inputs(photo, talk), "inputs.photoAssetIds.1"),
        ("captions", {"assetIds": [talk, photo]}, "inputs.assetIds.1"),
    ]

    for recipe, inputs, path in wrong:
        response = drafted(world, user, recipe, inputs)
        assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
        assert [(f["path"], f["code"]) for f in response.body["fields"]] == [(path, "WRONG_KIND")]


def test_a_draft_may_wait_for_its_files_to_be_checked(world: World, user: str) -> None:
    waiting = an_asset(world, user, status=AssetStatus.CHECKING)
    unmeasured = an_asset(world, user, kind="video", status=AssetStatus.UPLOADING)

    assert drafted(world, user, "story", scene_inputs(waiting)).status == 201
    assert drafted(world, user, "captions", {"assetIds": [unmeasured]}).status == 201


def test_a_patch_to_a_file_of_another_account_is_refused_and_changes_nothing(
    world: World, user: str
) -> None:
    job_id = a_draft(world, user)
    before = a_job(world, job_id, user)["inputs"]
    talk, theirs = a_recording(world, user), a_photo(world, a_user())

    foreign = patch(world, job_id, {"inputs": {"photoAssetIds": [theirs]}}, user)
    of_sound = patch(world, job_id, {"photoAssetIds": [talk]}, user)

    assert foreign.status == 404
    assert (of_sound.status, of_sound.body["fields"][0]["path"]) == (400, "photoAssetIds.0")
    assert a_job(world, job_id, user)["inputs"] == before


def test_a_repeat_returns_its_draft_though_its_file_was_deleted(world: World, user: str) -> None:
    photo = a_photo(world, user)
    body = {"recipe": "story", "inputs": scene_inputs(photo), "status": "draft"}
    first = world.call("POST", "/api/jobs", body, user=user, key="k")
    world.call("DELETE", f"/api/assets/{photo}", user=user)
    forget_responses(world)

    again = world.call("POST", "/api/jobs", body, user=user, key="k")

    assert (again.status, again.body) == (201, first.body)
