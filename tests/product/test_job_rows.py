"""What a row of a list shows of a job: its files, its small picture, and the price of a draft."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from darkroom.assets import store as assets_store
from darkroom.assets.model import AssetStatus
from darkroom.credits import pricing
from darkroom.db import commit
from darkroom.kernel.limits import FILE_NAME_SHOWN_CHARS
from darkroom.kernel.object_keys import clean_key
from tests.support.builders import (
    a_draft,
    a_job,
    a_photo,
    a_recording,
    a_reference_photo,
    a_story,
    a_user,
    an_asset,
    buy,
    confirm,
    regenerate,
    scene_inputs,
)
from tests.support.world import World


@pytest.fixture
def user() -> str:
    return a_user()


def create(
    world: World, user: str, recipe: str, inputs: dict[str, Any], *, status: str = "draft"
) -> list[dict[str, Any]]:
    body = {"recipe": recipe, "inputs": inputs, "status": status}
    response = world.call("POST", "/api/jobs", body, user=user, key=f"create-{recipe}")
    return response.body["jobs"]


def row(world: World, user: str, job_id: str) -> dict[str, Any]:
    items = world.call("GET", "/api/jobs?limit=100", user=user).body["items"]
    [item] = [item for item in items if item["jobId"] == job_id]
    return item


def change(world: World, user: str, asset_id: str, **facts: Any) -> None:
    """Change an asset as its check would."""
    asset = assets_store.get_asset(user, asset_id)
    commit([assets_store.save_write(asset, replace(asset, **facts), operation="arranged")])


def with_thumbnail(world: World, user: str, asset_id: str) -> str:
    key = clean_key(user, asset_id, "thumbnail.jpg")
    change(world, user, asset_id, thumbnail_key=key)
    return key


# Files


def test_a_row_names_the_files_in_the_order_of_the_inputs(world: World, user: str) -> None:
    first, second = (an_asset(world, user, filename=name) for name in ("us.jpg", "them.jpg"))

    [draft] = create(world, user, "story", scene_inputs(second, first))

    assets = [
        {"assetId": second, "filename": "them.jpg", "kind": "image"},
        {"assetId": first, "filename": "us.jpg", "kind": "image"},
    ]
    for shown in (draft, row(world, user, draft["jobId"]), a_job(world, draft["jobId"], user)):
        assert (shown["assets"], shown["assetCount"]) == (assets, 2)


def test_jobs_that_are_queued_at_once_name_their_files_too(world: World, user: str) -> None:
    confirmed = confirm(world, user).body["jobId"]
    story = a_story(world, user, key="story")
    again = world.call("POST", f"/api/jobs/{story}/rerun", user=user, key="rerun")
    talks = [a_recording(world, user, filename=f"{number}.mp3") for number in (1, 2)]
    buy(world, 1, user)
    queued, short = create(world, user, "captions", {"assetIds": talks}, status="queued")

    assert row(world, user, confirmed)["assets"][0]["filename"] == "us.jpg"
    assert again.status == 402
    assert [short["status"], short["code"]] == ["draft", "CREDITS_INSUFFICIENT"]
    assert [job["assets"][0]["filename"] for job in (queued, short)] == ["1.mp3", "2.mp3"]
    assert [job["assets"][0]["kind"] for job in (queued, short)] == ["audio", "audio"]


def test_a_portrait_names_the_asset_of_its_reference_photo(world: World, user: str) -> None:
    asset_id = an_asset(world, user, filename="IMG_2034.jpg")
    change(world, user, asset_id, faces=1)
    body = {"assetId": asset_id, "role": "bride"}
    photo = world.call("POST", "/api/reference-photos", body, user=user).body["referencePhotoId"]
    inputs = {"mode": "batch", "referencePhotoIds": [photo], "styles": ["CLASSIC"]}

    [draft] = create(world, user, "portraits", {**inputs, "totalImages": 2})

    assert draft["assets"] == [{"assetId": asset_id, "filename": "IMG_2034.jpg", "kind": "image"}]
    assert draft["price"] == 2


def test_a_reference_photo_of_an_earlier_version_is_named_after_its_role(
    world: World, user: str
) -> None:
    photo = a_reference_photo(world, user, role="groom")
    inputs = {"mode": "batch", "referencePhotoIds": [photo], "styles": ["CLASSIC"]}

    [draft] = create(world, user, "portraits", {**inputs, "totalImages": 1})

    assert draft["assets"][0]["filename"] == "groom.jpg"


def test_a_patch_that_changes_the_files_changes_the_row(world: World, user: str) -> None:
    draft = a_draft(world, user)
    other = an_asset(world, user, filename="other.jpg")
    key = with_thumbnail(world, user, other)

    body = {"inputs": {"photoAssetIds": [other]}}
    patched = world.call("PATCH", f"/api/jobs/{draft}", body, user=user).body

    assert [asset["filename"] for asset in patched["assets"]] == ["other.jpg"]
    assert key in patched["cover"]


def test_a_name_that_is_too_long_for_a_row_keeps_its_ends(world: World, user: str) -> None:
    photo = an_asset(world, user, filename="가" * 200 + "-final.jpg")

    [draft] = create(world, user, "story", scene_inputs(photo))

    name = draft["assets"][0]["filename"]
    assert len(name) == FILE_NAME_SHOWN_CHARS
    assert name.startswith("가가") and "…" in name and name.endswith("-final.jpg")


def test_a_child_shows_the_files_of_its_parent(world: World, user: str) -> None:
    parent = a_story(world, user)

    child = regenerate(world, parent, user).body["jobId"]

    assert row(world, user, child)["assets"] == row(world, user, parent)["assets"]


def test_a_job_without_files_has_none(world: World, user: str) -> None:
    [draft] = create(world, user, "images", {"prompt": "A lake", "count": 3})

    assert (draft["assets"], draft["assetCount"], draft["price"]) == ([], 0, 3)


def test_the_row_of_a_deleted_job_leaves_no_file_name(world: World, user: str) -> None:
    job_id = a_story(world, user)

    world.call("DELETE", f"/api/jobs/{job_id}", user=user)
    world.drain()

    [item] = [item for item in world.scan("jobs") if item["pk"]["S"] == job_id]
    assert not {"files", "cover", "inputs"} & set(item)


# The price of a draft


def test_a_draft_costs_what_its_quote_says(world: World, user: str) -> None:
    talk = a_recording(world, user, seconds=125)
    options = {"translate": True, "targetLangs": ["ko", "ja"]}
    [captions] = create(world, user, "captions", {"assetIds": [talk], "options": options})
    story = a_draft(world, user)

    for job_id in (captions["jobId"], story):
        quote = world.call("POST", "/api/jobs/quote", {"draftJobId": job_id}, user=user).body
        assert row(world, user, job_id)["price"] == quote["credits"]
        assert a_job(world, job_id, user)["price"] == quote["credits"]


def test_the_price_is_that_of_today(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = a_draft(world, user)
    monkeypatch.setattr(pricing, "costs", lambda: {"story": 9, "rewrite": 1})

    assert row(world, user, story)["price"] == 9


def test_a_recording_that_is_checked_later_gets_its_price_then(world: World, user: str) -> None:
    talk = an_asset(world, user, kind="audio", status=AssetStatus.CHECKING)
    [draft] = create(world, user, "captions", {"assetIds": [talk]})
    unchecked = row(world, user, draft["jobId"])

    change(
        world, user, talk, status=AssetStatus.UPLOADED, duration_ms=150_000, clean_key="clean/a/b"
    )

    assert "price" not in draft and "price" not in unchecked
    assert row(world, user, draft["jobId"])["price"] == 3
    assert a_job(world, draft["jobId"], user)["price"] == 3


def test_only_a_draft_has_a_price(world: World, user: str) -> None:
    job_id = a_story(world, user)

    assert "price" not in row(world, user, job_id)
    assert "price" not in a_job(world, job_id, user)


def test_a_list_of_drafts_of_checked_files_reads_nothing_but_the_list(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = a_recording(world, user)
    create(world, user, "captions", {"assetIds": [talk]})
    a_draft(world, user)
    read: list[str] = []
    client = world.client("dynamodb")
    client.meta.events.register("before-call.dynamodb", lambda model, **_: read.append(model.name))
    monkeypatch.setattr(assets_store.AssetItem, "batch_get", None)

    items = world.call("GET", "/api/jobs", user=user).body["items"]

    assert [item["price"] for item in items] == [2, 2]


# The cover and its link


def test_a_draft_shows_its_first_file_with_a_small_picture(world: World, user: str) -> None:
    photo = a_photo(world, user)
    key = with_thumbnail(world, user, photo)

    [draft] = create(world, user, "story", scene_inputs(photo))

    shown = row(world, user, draft["jobId"])
    assert key in shown["cover"]
    assert query_of(shown["cover"])["response-content-disposition"] == (
        "inline; filename*=UTF-8''cover.jpg"
    )
    assert shown["coverExpiresAt"] == "2026-01-05T09:15:00.000Z"
    # This response is stored for repeats, and links end sooner.
    assert "cover" not in draft


def query_of(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def links_of(job: dict[str, Any]) -> list[str]:
    return [job["cover"], *(output["downloadUrl"] for output in job["outputs"])]


def test_links_and_etag_stay_the_same_until_15_minutes_of_them_are_left(world: World) -> None:
    photo = a_photo(world)
    with_thumbnail(world, "alice", photo)
    job_id = a_story(world, photo=photo)
    world.clock.move(seconds=1)
    first = world.call("GET", f"/api/jobs/{job_id}")

    world.clock.move(minutes=14, seconds=58)
    again = world.call("GET", f"/api/jobs/{job_id}")
    unchanged = world.call(
        "GET", f"/api/jobs/{job_id}", headers={"if-none-match": first.headers["etag"]}
    )
    world.clock.move(seconds=2)
    later = world.call(
        "GET", f"/api/jobs/{job_id}", headers={"if-none-match": first.headers["etag"]}
    )

    assert links_of(again.body) == links_of(first.body)
    assert unchanged.status == 304
    assert later.status == 200
    assert not set(links_of(later.body)) & set(links_of(first.body))
    assert {each["expiresAt"] for each in first.body["outputs"]} == {"2026-01-05T09:30:00.000Z"}
    assert {each["expiresAt"] for each in later.body["outputs"]} == {"2026-01-05T09:45:00.000Z"}


def test_a_drafts_etag_guards_it_although_its_links_have_changed(world: World) -> None:
    photo = a_photo(world)
    with_thumbnail(world, "alice", photo)
    [draft] = create(world, "alice", "story", scene_inputs(photo))
    path = f"/api/jobs/{draft['jobId']}"
    tag = world.call("GET", path).headers["etag"]
    world.clock.move(hours=1)

    renewed = world.call("GET", path).headers["etag"]
    patched = world.call("PATCH", path, {"inputs": {"genre": "noir"}}, headers={"if-match": tag})
    stale = world.call("PATCH", path, {"inputs": {"seed": 1}}, headers={"if-match": tag})
    got = world.call("GET", path, headers={"if-none-match": patched.headers["etag"]})

    assert renewed != tag
    assert (patched.status, stale.status, got.status) == (200, 412, 304)


def test_a_draft_gets_another_etag_when_its_file_can_be_used(world: World, user: str) -> None:
    photo = an_asset(world, user, status=AssetStatus.CHECKING)
    [draft] = create(world, user, "story", scene_inputs(photo))
    path = f"/api/jobs/{draft['jobId']}"
    tag = world.call("GET", path, user=user).headers["etag"]

    change(world, user, photo, status=AssetStatus.UPLOADED, clean_key="clean/a/b")

    got = world.call("GET", path, user=user, headers={"if-none-match": tag})
    assert got.status == 200
    assert got.body["actions"][0] == {"action": "confirm", "credits": 2}


def test_outputs_are_shown_instead_of_saved_on_request(world: World, user: str) -> None:
    job_id = a_story(world, user)

    saved, shown = (
        world.call("GET", f"/api/jobs/{job_id}{query}", user=user).body["outputs"][0]
        for query in ("", "?disposition=inline")
    )
    refused = world.call("GET", f"/api/jobs/{job_id}?disposition=other", user=user)

    assert query_of(saved["downloadUrl"])["response-content-disposition"].startswith("attachment")
    assert query_of(shown["downloadUrl"])["response-content-disposition"].startswith("inline")
    assert refused.status == 400
