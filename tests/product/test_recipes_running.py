"""Portraits and captions, from the request to the receipt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.generation.ports import PermanentProviderError
from darkroom.kernel.ids import derived_id
from tests.support.builders import (
    a_balance,
    a_job,
    a_photo,
    a_recording,
    a_reference_photo,
    a_user,
    buy,
    refuse_key,
    statuses,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """One world for the whole file; every test has its own account."""
    yield shared
    shared.studio.refuse = lambda request: None
    shared.studio.requests.clear()


@pytest.fixture
def user() -> str:
    return a_user()


def create(
    world: World, user: str, recipe: str, inputs: dict[str, Any], status: str = "queued"
) -> Response:
    body = {"recipe": recipe, "inputs": inputs, "status": status}
    return world.call("POST", "/api/jobs", body, user=user, key="create")


def jobs_of(response: Response) -> list[str]:
    assert response.status == 201, response.body
    return [job["jobId"] for job in response.body["jobs"]]


def portraits(*photos: str, **changes: Any) -> dict[str, Any]:
    given = {
        "mode": "batch",
        "referencePhotoIds": list(photos),
        "styles": ["CLASSIC", "MODERN"],
        "totalImages": 4,
    }
    return given | changes


# Portraits


def test_every_image_is_made_in_its_style_from_the_photo_of_its_role(
    world: World, user: str
) -> None:
    photos = [a_reference_photo(world, user, role=role) for role in ("bride", "groom")]
    [job_id] = jobs_of(create(world, user, "portraits", portraits(*photos)))
    assert a_balance(world, user) == (1, 4)

    world.drain()

    job = a_job(world, job_id, user)
    made = [(output["key"], output["style"], output["role"]) for output in job["outputs"]]
    assert made == [
        ("img_01", "CLASSIC", "bride"),
        ("img_02", "MODERN", "groom"),
        ("img_03", "CLASSIC", "groom"),
        ("img_04", "MODERN", "bride"),
    ]
    assert {len(request.sources) for request in world.studio.requests} == {1}
    assert (job["status"], job["receipt"]["used"]) == ("succeeded", 4)
    assert a_balance(world, user) == (1, 0)


def test_only_a_failed_image_is_refunded_and_it_can_be_made_again(world: World, user: str) -> None:
    photo = a_reference_photo(world, user)
    refuse_key(world, "img_03", PermanentProviderError("no"))
    [job_id] = jobs_of(create(world, user, "portraits", portraits(photo)))
    world.drain()
    job = a_job(world, job_id, user)
    assert (job["status"], job["receipt"]["used"], job["receipt"]["refunded"]) == ("partial", 3, 1)
    world.studio.refuse = lambda request: None

    path = f"/api/jobs/{job_id}/regenerate"
    again = world.call("POST", path, {"target": "image", "key": "img_03"}, user=user, key="again")
    world.drain()

    assert (again.status, again.body["creditsReserved"]) == (202, 1)
    child = a_job(world, again.body["retryJobId"], user)
    outputs = {output["key"]: output for output in child["outputs"]}
    assert statuses(child) == {"img_03": "succeeded"}
    assert sorted(outputs) == ["img_01", "img_02", "img_03", "img_04"]
    assert outputs["img_03"]["style"] == "CLASSIC"
    assert [key for key, output in outputs.items() if output.get("inheritedFrom")] == [
        "img_01",
        "img_02",
        "img_04",
    ]


@pytest.mark.parametrize("changes", [{"roles": ["self", "groom"]}, {"styles": []}])
def test_invalid_portraits_are_refused_before_a_credit_is_held(
    changes: dict[str, Any], world: World, user: str
) -> None:
    photo = a_reference_photo(world, user)

    response = create(world, user, "portraits", portraits(photo, **changes))

    assert response.status == 400
    assert a_balance(world, user) == (5, 0)


def test_a_missing_role_is_reported_with_its_path(world: World, user: str) -> None:
    photo = a_reference_photo(world, user)

    response = create(world, user, "portraits", portraits(photo, roles=["self", "groom"]))

    assert (response.status, response.body["code"]) == (400, "REFERENCE_PHOTO_MISSING")
    assert [field["path"] for field in response.body["fields"]] == ["inputs.roles.1"]


def test_another_accounts_photo_looks_missing(world: World, user: str) -> None:
    foreign = a_reference_photo(world, a_user())

    response = create(world, user, "portraits", portraits(foreign))

    assert (response.status, response.body["code"]) == (404, "NOT_FOUND")


# Captions


def captions(*files: str, **options: Any) -> dict[str, Any]:
    return {"assetIds": list(files), "options": options}


def test_each_file_is_a_job_priced_by_its_started_minutes(world: World, user: str) -> None:
    files = [a_recording(world, user, seconds=seconds) for seconds in (60, 60.001)]

    ids = jobs_of(create(world, user, "captions", captions(*files, outputFormats=["srt", "txt"])))
    world.drain()

    jobs = [a_job(world, job_id, user) for job_id in ids]
    assert [job["inputs"]["assetIds"] for job in jobs] == [[file] for file in files]
    assert [job["receipt"]["used"] for job in jobs] == [1, 2]
    assert all(job["status"] == "succeeded" for job in jobs)
    assert statuses(jobs[0]) == dict.fromkeys(("transcribe", "srt_auto", "txt_auto"), "succeeded")
    assert a_balance(world, user) == (2, 0)


def test_only_a_failed_translation_is_refunded(world: World, user: str) -> None:
    buy(world, 10, user)
    file = a_recording(world, user, seconds=90)
    options = {"sourceLang": "en", "translate": True, "targetLangs": ["ko", "ja"]}
    refuse_key(world, "translate_ja", PermanentProviderError("no"))

    [job_id] = jobs_of(create(world, user, "captions", captions(file, **options)))
    world.drain()

    job = a_job(world, job_id, user)
    assert job["status"] == "partial"
    assert (job["receipt"]["used"], job["receipt"]["refunded"]) == (4, 2)
    assert statuses(job)["srt_ja"] == "skipped"
    made = {output["key"]: output.get("language") for output in job["outputs"]}
    assert (made["srt_en"], made["srt_ko"]) == ("en", "ko")


def test_a_long_recording_is_transcribed_in_parts_and_a_retry_does_only_the_missing_ones(
    world: World, user: str
) -> None:
    buy(world, 100, user)
    before = a_balance(world, user)[0]
    file = a_recording(world, user, seconds=40 * 60)
    refuse_key(world, "transcribe_02", PermanentProviderError("no", code="BAD_RESULT"))

    [job_id] = jobs_of(create(world, user, "captions", captions(file, sourceLang="en")))
    world.drain()

    first = a_job(world, job_id, user)
    transcribed = {"media_01", "media_02", "transcribe_01"}
    assert (first["status"], first["receipt"]["used"]) == ("failed", 0)
    assert {key for key, status in statuses(first).items() if status == "succeeded"} == transcribed
    world.studio.refuse = lambda request: None
    again = world.call("POST", f"/api/jobs/{job_id}/retry", {}, user=user, key="retry")
    world.drain()

    child = a_job(world, again.body["retryJobId"], user)
    assert (child["status"], child["receipt"]["used"]) == ("succeeded", 40)
    assert list(statuses(child)) == ["transcribe_02", "transcribe", "srt_en"]
    joined = world.studio.requests[-2]
    assert (joined.kind, {source.key for source in joined.sources}) == (
        "merge", {"transcribe_01", "transcribe_02"}
    )  # fmt: skip
    assert a_balance(world, user) == (before - 40, 0)


def test_a_draft_of_captions_can_be_changed_until_it_is_queued(world: World, user: str) -> None:
    file = a_recording(world, user)
    options = {"sourceLang": "en", "translate": True, "targetLang": "ko"}
    [job_id] = jobs_of(create(world, user, "captions", captions(file, **options), "draft"))
    path = f"/api/jobs/{job_id}"

    wrong = world.call("PATCH", path, {"inputs": {"options": {"sourceLang": "ko"}}}, user=user)
    right = world.call("PATCH", path, {"inputs": {"options": {"translate": False}}}, user=user)

    assert wrong.status == 400
    assert right.status == 200
    assert right.body["inputs"]["options"] == {
        "sourceLang": "en",
        "translate": False,
        "outputFormats": ["srt"],
        "diarization": False,
    }


def test_a_picture_cannot_be_captioned(world: World, user: str) -> None:
    response = create(world, user, "captions", captions(a_photo(world, user)))
    unknown = create(world, user, "captions", captions(derived_id("ast", "unknown")))

    assert (response.status, response.body["fields"][0]["path"]) == (400, "inputs.assetIds.0")
    assert unknown.status == 404
