"""Small pictures beside outputs: which there are, who sees them, and how they go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from darkroom.adapters.storage import Storage
from tests.support.builders import (
    a_job,
    a_photo,
    a_recording,
    a_reference_photo,
    buy,
    confirm,
    delete_job,
    regenerate,
)
from tests.support.world import World


@pytest.fixture(autouse=True)
def _with_previews(world: World) -> None:
    world.use_previews()


def key_of(link: str) -> str:
    return "/".join(unquote(urlsplit(link).path).split("/")[-4:])


def stored(world: World, prefix: str) -> set[str]:
    listed = world.client("s3").list_objects_v2(Bucket=world.settings.media_bucket, Prefix=prefix)
    return {found["Key"] for found in listed.get("Contents", [])}


def a_made_story(world: World, **changes: Any) -> dict[str, Any]:
    job_id = confirm(world, **changes).body["jobId"]
    world.drain()
    return a_job(world, job_id)


def test_pictures_have_thumbnails_videos_have_posters_and_keyframes_are_jpegs_too(
    world: World,
) -> None:
    job = a_made_story(world)

    found = {
        output["key"]: {name for name in output if name.endswith("Url")}
        for output in job["outputs"]
    }
    keyframe, clip = {"downloadUrl", "thumbnailUrl", "jpegUrl"}, {"downloadUrl", "posterUrl"}
    assert found == {
        **{f"kf_{number}": keyframe for number in (1, 2, 3)},
        **{f"clip_{number}": clip for number in (1, 2, 3)},
        "film": clip,
    }
    links = [
        link for output in job["outputs"] for name, link in output.items() if name.endswith("Url")
    ]
    assert {key_of(link) for link in links} <= stored(world, "outputs/")


def test_texts_have_none(world: World) -> None:
    body = {"assetIds": [a_recording(world)], "options": {}}
    sent = {"recipe": "captions", "inputs": body, "status": "queued"}
    [job] = world.call("POST", "/api/jobs", sent, key="captions").body["jobs"]
    world.drain()

    outputs = a_job(world, job["jobId"])["outputs"]

    assert outputs
    assert not any({"thumbnailUrl", "posterUrl", "jpegUrl"} & set(each) for each in outputs)


def test_the_cover_is_that_of_the_best_output_so_far_and_then_of_the_pick(world: World) -> None:
    photo = a_photo(world)
    job_id = confirm(world, photo=photo).body["jobId"]
    covers = [a_job(world, job_id).get("cover")]
    for _ in range(40):
        world.pump_stream()
        world.pump_tasks()
        covers.append(a_job(world, job_id).get("cover"))
    job = a_job(world, job_id)
    second = next(output for output in job["outputs"] if output["key"] == "clip_2")

    world.call("POST", f"/api/outputs/{second['outputId']}/select", {})

    names = [key_of(cover).rpartition("/")[2].partition("-")[0] for cover in covers if cover]
    assert covers[0] is None
    assert list(dict.fromkeys(name.partition("_")[0] for name in names)) == ["kf", "clip", "film"]
    [row] = world.call("GET", "/api/jobs").body["items"]
    assert key_of(row["cover"]) == key_of(second["posterUrl"])


def test_a_child_inherits_them_and_makes_its_own(world: World) -> None:
    parent = a_made_story(world)

    child_id = regenerate(world, parent["jobId"]).body["jobId"]
    world.drain()

    child = a_job(world, child_id)
    posters = {each["key"]: key_of(each.get("posterUrl", "")) for each in child["outputs"]}
    before = {each["key"]: key_of(each.get("posterUrl", "")) for each in parent["outputs"]}
    assert posters["clip_1"] == before["clip_1"]
    assert posters["clip_2"] != before["clip_2"]
    assert key_of(child["cover"]) == posters["film"]


def test_they_are_shown_in_shares_histories_and_albums(world: World) -> None:
    job = a_made_story(world)
    album = world.call("POST", "/api/albums", {"name": "Us"}).body["albumId"]
    keyframe, film = job["outputs"][0], job["outputs"][-1]

    token = world.call("POST", f"/api/jobs/{job['jobId']}/share", {}).body["token"]
    shared = world.call("GET", f"/api/shares/{token}", user=None).body["outputs"]
    history = world.call("GET", "/api/generations").body["items"]
    ids = [keyframe["outputId"], film["outputId"]]
    world.call("POST", f"/api/albums/{album}/outputs", {"outputIds": ids})
    shown = world.call("GET", f"/api/albums/{album}").body

    assert shared[0]["thumbnailUrl"] == keyframe["thumbnailUrl"]
    assert shared[-1]["posterUrl"] == film["posterUrl"]
    assert all("thumbnailUrl" in entry and "expiresAt" in entry for entry in history)
    assert key_of(shown["outputs"][0]["thumbnailUrl"]) == key_of(keyframe["thumbnailUrl"])
    assert key_of(shown["outputs"][1]["posterUrl"]) == key_of(film["posterUrl"])
    assert key_of(shown["coverUrl"]) == key_of(keyframe["thumbnailUrl"])


def test_they_go_with_their_job(world: World) -> None:
    job = a_made_story(world)

    delete_job(world, job["jobId"])
    world.drain()

    assert stored(world, "outputs/") == set()


def test_a_made_picture_that_becomes_a_file_keeps_its_thumbnail(world: World) -> None:
    body = {"prompt": "A lake at dawn", "count": 1}
    [job] = world.call("POST", "/api/assets/generate-image", body, key="image").body["jobs"]
    world.drain()
    delete_job(world, job["jobId"])
    world.drain()

    [asset] = world.call("GET", "/api/assets").body["items"]

    assert key_of(asset["thumbnailUrl"]).endswith("/thumbnail.jpg")
    assert {key_of(asset["thumbnailUrl"]), key_of(asset["downloadUrl"])} == stored(world, "clean/")
    assert "posterUrl" not in asset


def test_outputs_of_a_cloud_provider_have_them_too(world: World) -> None:
    world.use_cloud()
    buy(world, 10)
    inputs = {
        "mode": "batch",
        "referencePhotoIds": [a_reference_photo(world)],
        "styles": ["CLASSIC"],
        "totalImages": 1,
    }
    sent = {"recipe": "portraits", "inputs": inputs, "status": "queued"}
    [job] = world.call("POST", "/api/jobs", sent, key="portraits").body["jobs"]
    world.drain()
    world.cloud.end()
    world.advance_time(minutes=3)

    [output] = a_job(world, job["jobId"])["outputs"]

    assert "thumbnailUrl" in output and "jpegUrl" not in output


def test_a_small_picture_that_cannot_be_stored_does_not_cost_the_output(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(self: Storage, key: str, body: bytes, *, mime_type: str) -> None:
        raise OSError("the storage is away")

    photo = a_photo(world)
    monkeypatch.setattr(Storage, "write", write)

    job = a_made_story(world, photo=photo)

    assert job["status"] == "succeeded"
    assert not any({"thumbnailUrl", "posterUrl"} & set(output) for output in job["outputs"])


@pytest.mark.parametrize("error", [ImportError("no av"), MemoryError(), ZeroDivisionError()])
def test_a_maker_of_small_pictures_that_breaks_does_not_cost_the_output(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def thumbnail(path: Path, mime_type: str) -> bytes | None:
        raise error

    monkeypatch.setattr(world.app.previews, "thumbnail", thumbnail)

    job = a_made_story(world)

    assert job["status"] == "succeeded"
    assert {task["attempts"] for task in job["tasks"]} == {1}
    assert not any({"thumbnailUrl", "posterUrl"} & set(output) for output in job["outputs"])


def test_a_function_without_the_media_libraries_makes_none(world: World) -> None:
    world.app = replace(world.app, previews=None)

    job = a_made_story(world)

    assert job["status"] == "succeeded"
    assert not any({"thumbnailUrl", "posterUrl"} & set(output) for output in job["outputs"])


def test_a_file_that_has_no_small_picture_is_an_output_without(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoPreviews:
        def thumbnail(self, path: Path, mime_type: str) -> bytes | None:
            return None

        def jpeg(self, path: Path, mime_type: str) -> bytes | None:
            return None

    world.app = replace(world.app, previews=NoPreviews())

    job = a_made_story(world)

    assert {name for each in job["outputs"] for name in each if name.endswith("Url")} == {
        "downloadUrl"
    }
