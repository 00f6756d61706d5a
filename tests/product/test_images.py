"""Pictures from a text prompt: a normal job, whose outputs become files of the account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from darkroom.adapters.storage import Storage
from darkroom.assets import store as assets_store
from darkroom.db import commit
from darkroom.generation.ports import PermanentProviderError
from darkroom.jobs import store as jobs_store
from darkroom.kernel.errors import NotFound, Unavailable
from darkroom.kernel.ids import derived_id_at
from darkroom.kernel.limits import (
    ERASE_AGAIN_SECONDS,
    PROJECTION_CHECK_SECONDS,
    UPLOAD_URL_SECONDS,
)
from darkroom.plans.storage_store import find_stored
from darkroom.recipes import get_recipe
from darkroom.recipes.base import Blueprint
from darkroom.usecases.projections.import_generated_images import import_generated_images
from tests.support.builders import a_balance, a_job, delete_job
from tests.support.world import Response, World

ROUTE = "/api/assets/generate-image"
PROMPT = "A lighthouse by the sea at dusk"


def order(world: World, *, key: str | None = "order", user: str = "alice", **body: Any) -> Response:
    sent = {"prompt": PROMPT, "count": 2, **body}
    return world.call("POST", ROUTE, sent, user=user, key=key)


def job_of(response: Response) -> str:
    job_id: str = response.body["jobs"][0]["jobId"]
    return job_id


def files(world: World, user: str = "alice") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = world.call("GET", "/api/assets", user=user).body["items"]
    # The signature of a link changes each second.
    for item in items:
        for link in ("thumbnailUrl", "downloadUrl"):
            if link in item:
                item[link] = item[link].partition("?")[0]
    return items


def made(world: World, **body: Any) -> str:
    job_id = job_of(order(world, **body))
    world.drain()
    return job_id


def made_with_lost_records(world: World, **body: Any) -> str:
    """An ended job with one or two pictures, whose stream records were lost."""
    job_id = job_of(order(world, **body))
    for _ in range(3):
        world.pump_stream()
    world.pump_tasks()
    world.pump_tasks()
    world.take_changes()  # lost
    assert a_job(world, job_id)["status"] == "succeeded" and files(world) == []
    return job_id


# The request


def test_the_response_is_that_of_a_queued_job_and_each_picture_is_paid_for(world: World) -> None:
    response = order(world, style="VINTAGE", aspectRatio="16:9", seed=7)

    assert response.status == 201
    [job] = response.body["jobs"]
    assert (job["recipe"], job["status"], job["creditsReserved"]) == ("images", "queued", 2)
    assert job["inputs"] == {
        "prompt": PROMPT, "count": 2, "style": "VINTAGE", "aspectRatio": "16:9", "seed": 7
    }  # fmt: skip
    assert [part["name"] for part in job["receipt"]["parts"]] == ["img_01", "img_02"]
    assert a_balance(world) == (3, 2)


def test_the_same_key_makes_the_same_job_once(world: World) -> None:
    first, second = order(world), order(world)
    other = order(world, count=1)

    assert second.body == first.body and second.headers["idempotent-replayed"] == "true"
    assert (other.status, other.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert a_balance(world) == (3, 2)


def test_a_key_and_a_token_are_required(world: World) -> None:
    without_key, without_token = order(world, key=None), order(world, user=None)  # type: ignore[arg-type]

    assert (without_key.status, without_token.status) == (400, 401)


def test_one_credit_short_makes_nothing(world: World) -> None:
    response = order(world, count=6)

    assert (response.status, response.body["shortfall"]) == (402, 1)
    assert world.call("GET", "/api/jobs").body["items"] == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 2001}, "prompt"),
        ({"prompt": "<b></b>"}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"count": 0}, "count"),
        ({"count": 21}, "count"),
        ({"count": "2"}, "count"),
        ({"count": True}, "count"),
        ({"style": "CUBIST"}, "style"),
        ({"aspectRatio": "2:1"}, "aspectRatio"),
        ({"seed": -1}, "seed"),
        ({"width": 512}, "width"),
    ],
)
def test_invalid_inputs_are_refused_by_both_routes(
    world: World, body: dict[str, Any], path: str
) -> None:
    inputs = {"prompt": PROMPT, "count": 2, **body}
    general = {"recipe": "images", "inputs": inputs, "status": "queued"}

    special, queued = order(world, **body), world.call("POST", "/api/jobs", general, key="general")

    for response, place in ((special, path), (queued, f"inputs.{path}")):
        assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
        assert place in [field["path"] for field in response.body["fields"]]


def test_prompt_and_count_are_required(world: World) -> None:
    assert world.call("POST", ROUTE, {"prompt": PROMPT}, key="a").status == 400
    assert world.call("POST", ROUTE, {"count": 1}, key="b").status == 400


def test_refused_content_is_refused_before_any_credit_is_taken(world: World) -> None:
    response = order(world, prompt="a severed head")

    assert (response.status, response.body["code"]) == (400, "CONTENT_REJECTED")
    assert response.body["category"] == "gore"
    assert a_balance(world) == (5, 0)


def test_contact_data_never_reaches_a_provider_or_the_file(world: World) -> None:
    made(world, prompt="The sea. <b>Mail me@example.com</b> or 010-1234-5678", count=1)

    [request], [file] = world.requests, files(world)
    assert request.params["wish"] == file["generationPrompt"] == "The sea. Mail *** or ***"
    assert "example" not in str(request.params)


def test_drafts_and_quotes_work_for_pictures(world: World) -> None:
    inputs = {"prompt": PROMPT, "count": 3}
    draft = {"recipe": "images", "inputs": inputs, "status": "draft"}

    quote = world.call("POST", "/api/jobs/quote", {"recipe": "images", "inputs": inputs})
    job_id = world.call("POST", "/api/jobs", draft).body["jobs"][0]["jobId"]
    patched = world.call("PATCH", f"/api/jobs/{job_id}", {"count": 1})
    confirmed = world.call("POST", "/api/jobs/confirm", {"draftJobId": job_id}, key="c")
    world.drain()

    assert (quote.status, quote.body["credits"]) == (200, 3)
    assert patched.body["inputs"]["prompt"] == PROMPT
    assert (confirmed.status, confirmed.body["creditsReserved"]) == (202, 1)
    assert a_job(world, job_id)["status"] == "succeeded" and len(files(world)) == 1


# The plan


def test_each_pictures_prompt_has_the_user_prompt_and_the_style() -> None:
    images = get_recipe("images")
    plain = images.validate({"prompt": PROMPT, "count": 2})
    styled = images.validate({"prompt": PROMPT, "count": 1, "style": "CINEMATIC"})

    specs = images.plan(Blueprint(inputs=plain, template=None, language="en"))
    [other] = images.plan(Blueprint(inputs=styled, template=None, language="en"))

    assert [(spec.key, spec.kind, spec.needs) for spec in specs] == [
        ("img_01", "picture", ()),
        ("img_02", "picture", ()),
    ]
    assert specs[0].params == {
        "wish": PROMPT, "prompt": PROMPT, "aspectRatio": "1:1", "becomes": "asset"
    }  # fmt: skip
    assert (other.params["wish"], other.params["style"]) == (PROMPT, "CINEMATIC")
    assert other.params["prompt"].startswith(f"{PROMPT} Like a still from a film")


def test_a_failed_picture_is_refunded_and_can_be_retried_with_another_prompt(world: World) -> None:
    def refuse(request: Any) -> None:
        if request.key == "img_02" and "lighthouse" in request.params["wish"]:
            raise PermanentProviderError("no")

    world.studio.refuse = refuse
    job_id = made(world)

    assert a_job(world, job_id)["status"] == "partial" and a_balance(world) == (4, 0)
    assert len(files(world)) == 1
    world.clock.move(seconds=1)
    options = {"keepOptions": True, "options": {"prompt": "A quiet harbor"}}
    retried = world.call("POST", f"/api/jobs/{job_id}/retry", options, key="retry")
    world.drain()
    assert retried.status == 202
    assert [file["generationPrompt"] for file in files(world)] == ["A quiet harbor", PROMPT]


def test_one_picture_can_be_made_again(world: World) -> None:
    job_id = made(world)

    again = {"target": "image", "key": "img_02"}
    response = world.call("POST", f"/api/jobs/{job_id}/regenerate", again, key="again")
    wrong = [
        world.call("POST", f"/api/jobs/{job_id}/regenerate", body, key=f"wrong {number}").body
        for number, body in enumerate(
            [{"target": "image", "key": "img_03"}, {"target": "story_clip", "clipNo": 1}]
        )
    ]
    world.drain()

    assert response.status == 202 and len(files(world)) == 3
    assert [body["code"] for body in wrong] == ["INVALID_TARGET"] * 2


# The files


def test_every_picture_becomes_a_file_as_soon_as_it_is_made(world: World) -> None:
    job_id = job_of(order(world, count=4))
    for _ in range(3):
        world.pump_stream()
    world.pump_tasks()
    world.pump_stream()
    early = len(files(world))
    world.drain()

    outputs, found = a_job(world, job_id)["outputs"], files(world)

    assert 0 < early < 4 and len(found) == len(outputs) == 4
    first = found[-1]
    assert first["filename"] == f"{PROMPT} 01.png"
    assert (first["status"], first["kind"], first["mimeType"]) == ("uploaded", "image", "image/png")
    assert (first["isAiGenerated"], first["generationPrompt"]) == (True, PROMPT)
    assert first["sizeBytes"] == outputs[0]["sizeBytes"]
    assert first["thumbnailUrl"] and first["downloadUrl"]
    assert [file["assetId"] for file in found] == sorted(
        (file["assetId"] for file in found), reverse=True
    )
    keys = {assets_store.get_asset("alice", file["assetId"]).clean_key for file in found}
    assert len(keys) == 4
    assert all(world.app.storage.find(str(key)) is not None for key in keys)


def test_the_file_can_be_found_and_used_in_a_job(world: World) -> None:
    made(world, count=1)
    [file] = files(world)
    asset_id = file["assetId"]

    found = world.call("GET", "/api/assets?search=lighthouse").body["items"]
    body = {"mode": "quick", "stage": "spark", "genre": "romance", "photoAssetIds": [asset_id]}
    clip = world.call("POST", "/api/jobs/confirm", body, key="clip")
    world.drain()

    assert [each["assetId"] for each in found] == [asset_id]
    assert clip.status == 202 and a_job(world, clip.body["jobId"])["status"] == "succeeded"


def test_an_uploaded_file_is_not_marked_as_generated(world: World) -> None:
    body = {"filename": "me.jpg", "sizeBytes": 3, "mimeType": "image/jpeg"}
    world.call("POST", "/api/uploads/session", body)

    [file] = files(world)

    assert file["isAiGenerated"] is False and "generationPrompt" not in file


def kept_bytes(world: World) -> int:
    """Of files and of jobs: a picture is stored twice, so that each can be deleted by itself."""
    jobs = world.call("GET", "/api/jobs").body["items"]
    outputs = [output for job in jobs for output in a_job(world, job["jobId"])["outputs"]]
    return sum(kept["sizeBytes"] for kept in [*files(world), *outputs])


def test_pictures_count_as_storage_until_they_are_deleted(world: World) -> None:
    made(world)
    found = files(world)

    stored, kept = find_stored("alice").used_bytes, kept_bytes(world)
    world.call("DELETE", f"/api/assets/{found[0]['assetId']}")

    assert stored == kept
    assert find_stored("alice").used_bytes == kept - found[0]["sizeBytes"]


def test_the_sweeper_imports_pictures_whose_records_were_lost(world: World) -> None:
    made_with_lost_records(world)

    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)

    assert len(files(world)) == 2
    assert find_stored("alice").used_bytes == kept_bytes(world)


def test_importing_a_picture_twice_makes_one_file(world: World) -> None:
    job_id = made(world)
    before, family = files(world), jobs_store.find_family(job_id)
    assert family is not None

    again = import_generated_images(world.app, family.tasks)

    assert again == 0 and files(world) == before
    assert find_stored("alice").used_bytes == kept_bytes(world)


def test_the_file_outlives_its_job(world: World) -> None:
    job_id = made(world)
    before = [file["assetId"] for file in files(world)]

    delete_job(world, job_id)
    world.drain()
    world.advance_time(seconds=ERASE_AGAIN_SECONDS)

    assert [file["assetId"] for file in files(world)] == before
    for asset_id in before:
        asset = assets_store.get_asset("alice", asset_id)
        assert world.app.storage.find(str(asset.clean_key)) is not None


def test_pictures_of_a_job_deleted_before_their_import_are_kept(world: World) -> None:
    job_id = made_with_lost_records(world)

    delete_job(world, job_id)
    world.drain()

    assert len(files(world)) == 2


@pytest.mark.parametrize("seconds", [0, UPLOAD_URL_SECONDS, 30 * 24 * 3600])
def test_a_deleted_file_does_not_come_back(world: World, seconds: int) -> None:
    job_id = made(world, count=1)
    [file] = files(world)
    asset = assets_store.get_asset("alice", file["assetId"])
    world.call("DELETE", f"/api/assets/{asset.asset_id}")
    world.drain()
    world.advance_time(seconds=seconds)
    family = jobs_store.find_family(job_id)
    assert family is not None

    again = import_generated_images(world.app, family.tasks)
    world.drain()

    assert again == 0 and files(world) == []
    assert world.app.storage.find(str(asset.clean_key)) is None
    assert find_stored("alice").used_bytes == kept_bytes(world)
    assert world.call("DELETE", f"/api/assets/{asset.asset_id}").status == 204


def test_a_copy_made_after_its_file_was_deleted_is_removed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = made(world, count=1)
    family = jobs_store.find_family(job_id)
    assert family is not None
    asset = assets_store.get_asset("alice", files(world)[0]["assetId"])
    world.call("DELETE", f"/api/assets/{asset.asset_id}")
    world.drain()
    # The projection read before the deletion.
    monkeypatch.setattr(assets_store, "find_tombstone", lambda account_id, asset_id: None)

    again = import_generated_images(world.app, family.tasks)

    assert again == 0 and files(world) == []
    assert world.app.storage.find(str(asset.clean_key)) is None


@pytest.mark.parametrize("point", ["copy", "commit"])
def test_the_next_projection_completes_one_that_crashed_at_any_point(
    world: World, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = made_with_lost_records(world, count=1)
    family = jobs_store.find_family(job_id)
    assert family is not None

    def stop(*arguments: Any, **options: Any) -> Any:
        raise Unavailable("stopped")

    target: Any = (
        Storage if point == "copy" else "darkroom.usecases.projections.import_generated_images"
    )
    with monkeypatch.context() as patch:
        if point == "copy":
            patch.setattr(target, "copy", stop)
        else:
            patch.setattr(f"{target}.commit", stop)
        with pytest.raises(Unavailable):
            import_generated_images(world.app, family.tasks)
    assert files(world) == []

    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)

    assert len(files(world)) == 1 and find_stored("alice").used_bytes > 0


def test_two_projections_at_once_make_one_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = made_with_lost_records(world, count=1)
    family = jobs_store.find_family(job_id)
    assert family is not None
    copy, counts = Storage.copy, []

    def meet(storage: Storage, key: str, to_key: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Storage, "copy", copy)
            counts.append(import_generated_images(world.app, family.tasks))
        copy(storage, key, to_key)

    monkeypatch.setattr(Storage, "copy", meet)

    counts.append(import_generated_images(world.app, family.tasks))

    assert counts == [1, 0] and len(files(world)) == 1
    assert find_stored("alice").used_bytes == files(world)[0]["sizeBytes"]


def test_a_picture_whose_output_is_gone_makes_no_file(world: World) -> None:
    job_id = made_with_lost_records(world, count=1)
    family = jobs_store.find_family(job_id)
    assert family is not None
    world.app.storage.delete(family.outputs[0].storage_key)

    assert import_generated_images(world.app, family.tasks) == 0
    with pytest.raises(NotFound):
        world.app.storage.copy(family.outputs[0].storage_key, "clean/x")


def test_portraits_do_not_become_files(world: World) -> None:
    job_id = made(world, count=1)
    family = jobs_store.find_family(job_id)
    assert family is not None
    [task] = family.tasks
    portrait = replace(task, params={"style": "CLASSIC", "role": "self"}, job_id="job_other")

    assert import_generated_images(world.app, [portrait]) == 0


def test_a_generated_picture_can_become_a_reference_photo_once_its_faces_are_counted(
    world: World,
) -> None:
    made(world, count=1)
    asset = assets_store.get_asset("alice", files(world)[0]["assetId"])
    body = {"assetId": asset.asset_id, "role": "self"}

    unknown = world.call("POST", "/api/reference-photos", body)
    current = assets_store.get_asset("alice", asset.asset_id)
    commit([assets_store.save_write(current, replace(current, faces=1), operation="arranged")])
    known = world.call("POST", "/api/reference-photos", body)

    assert (unknown.status, known.status) == (503, 201)


def test_ids_of_generated_files_sort_by_their_creation_time(world: World) -> None:
    now = world.clock.now()
    first = derived_id_at("ast", now, "b")
    world.clock.move(seconds=1)
    second = derived_id_at("ast", world.clock.now(), "a")

    assert first == derived_id_at("ast", now, "b") != derived_id_at("ast", now, "c")
    assert first < second
