"""Object keys do not contain the account id, and files under older keys are still found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from darkroom.adapters.secrets import Secret
from darkroom.assets import store as assets_store
from darkroom.db import commit
from darkroom.jobs import store as jobs_store
from darkroom.kernel.limits import UPLOAD_URL_SECONDS
from darkroom.kernel.object_keys import clean_key, outputs_prefix, owner_tag, quarantine_key
from darkroom.uploads.owner_store import find_owner
from darkroom.uploads.ports import CleanFile, CleanUpload
from darkroom.workers.ingest import assets_of, handle_ingest_message
from tests.support.builders import a_message, a_user, confirm, delete_job, owner_of, regenerate
from tests.support.moto_world import moto_world
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def accept(source: Path, workdir: Path) -> CleanUpload:
    path = workdir / "image.jpg"
    path.write_bytes(b"clean")
    copy = CleanFile(name="image.jpg", mime_type="image/jpeg", path=path)
    return CleanUpload(kind="image", mime_type="image/jpeg", copy=copy)


def open_upload(world: World, user: str) -> dict[str, Any]:
    body = {"filename": "us.jpg", "sizeBytes": 3, "mimeType": "image/jpeg"}
    response = world.call("POST", "/api/uploads/session", body, user=user)
    assert response.status == 201
    return response.body


def arrived(key: str) -> dict[str, Any]:
    notice = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}}
    return a_message({"Records": [notice]})


def upload(world: World, user: str) -> str:
    session = open_upload(world, user)
    world.app.storage.write(session["storageKey"], b"jpg", mime_type="image/jpeg")
    outcome = handle_ingest_message(world.app, arrived(session["storageKey"]), check=accept)
    assert outcome == "uploaded"
    return session["assetId"]


def rotate_secret(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app = replace(world.app, signing_secret=_OtherSecret())
    # Restored at the end: use_gateway replaces it.
    monkeypatch.setattr(world, "app", app)
    world.use_gateway(None)


class _OtherSecret(Secret):
    def __init__(self) -> None:
        self._text = "the secret after a rotation"


def links_in(response: Any) -> list[str]:
    text = json.dumps(response.body)
    return [part for part in text.split('"') if part.startswith("http")]


def test_no_link_and_no_key_contains_the_account_id(world: World) -> None:
    user = "alice-of-the-harbor"
    photo = upload(world, user)
    job_id = confirm(world, user, photo=photo, mode="quick").body["jobId"]
    world.drain()
    share = world.call("POST", f"/api/jobs/{job_id}/share", user=user).body["token"]

    responses = [
        world.call("GET", path, user=user)
        for path in (f"/api/jobs/{job_id}", f"/api/assets/{photo}", "/api/generations",
                     f"/api/shares/{share}", f"/api/jobs/{job_id}/download")
    ]  # fmt: skip
    page = world.call("GET", f"/s/{share}/1", user=None)
    family = jobs_store.find_family(job_id)
    assert family is not None
    sources = [source.storage_key for source in family.tasks[0].sources]

    links = [link for response in responses for link in links_in(response)]
    assert len(links) > 6
    for text in [
        *links,
        page.headers["location"],
        *sources,
        open_upload(world, user)["storageKey"],
    ]:
        assert user not in unquote(text)
    listed = world.client("s3").list_objects_v2(Bucket=world.settings.media_bucket)["Contents"]
    assert not any(user in found["Key"] for found in listed)


def test_the_tag_depends_on_the_account_and_the_secret() -> None:
    tags = {owner_tag(b"secret", account) for account in ("alice", "bob")}

    assert len(tags) == 2
    assert owner_tag(b"secret", "alice") in tags
    assert owner_tag(b"other", "alice") not in tags


def test_an_event_leads_to_the_account_by_its_tag(world: World, user: str) -> None:
    session = open_upload(world, user)

    assert find_owner(owner_of(world, user)) == user
    assert assets_of(arrived(session["storageKey"])) == [(user, session["assetId"])]


def test_files_from_before_a_new_secret_are_still_checked_read_and_deleted(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_upload(world, user)
    asset_id, key = session["assetId"], session["storageKey"]
    world.app.storage.write(key, b"jpg", mime_type="image/jpeg")
    job_id = confirm(world, user, mode="quick").body["jobId"]
    world.drain()
    before = owner_of(world, user)
    rotate_secret(world, monkeypatch)
    assert owner_of(world, user) != before

    outcome = handle_ingest_message(world.app, arrived(key), check=accept)

    assert outcome == "uploaded" and world.app.storage.find(key) is None
    clean = clean_key(before, asset_id, "image.jpg")
    assert assets_store.get_asset(user, asset_id).clean_key == clean
    world.call("DELETE", f"/api/assets/{asset_id}", user=user)
    delete_job(world, job_id, user)
    world.advance_time(seconds=UPLOAD_URL_SECONDS + 1)
    assert world.app.storage.find(clean) is None
    assert files_under(world, outputs_prefix(before, job_id)) == []


def files_under(world: World, prefix: str) -> list[str]:
    found = world.client("s3").list_objects_v2(Bucket=world.settings.media_bucket, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


def test_an_upload_of_an_earlier_version_is_checked_under_its_old_key(
    world: World, user: str
) -> None:
    asset_id = open_upload(world, user)["assetId"]
    asset = assets_store.get_asset(user, asset_id)
    commit([assets_store.save_write(asset, replace(asset, owner_tag=None), operation="as it was")])
    key = quarantine_key("image", user, asset_id)
    world.app.storage.write(key, b"jpg", mime_type="image/jpeg")

    outcome = handle_ingest_message(world.app, arrived(key), check=accept)

    assert outcome == "uploaded"
    assert assets_store.get_asset(user, asset_id).clean_key == clean_key(
        user, asset_id, "image.jpg"
    )
    assert world.app.storage.find(key) is None


def test_content_under_a_key_with_the_account_id_is_no_upload(world: World, user: str) -> None:
    session = open_upload(world, user)
    stray = quarantine_key("image", user, session["assetId"])
    world.app.storage.write(stray, b"jpg", mime_type="image/jpeg")
    world.app.storage.write(session["storageKey"], b"jpg", mime_type="image/jpeg")

    outcome = handle_ingest_message(world.app, arrived(stray), check=accept)

    assert outcome == "stray"
    assert world.app.storage.find(stray) is None
    assert world.app.storage.find(session["storageKey"]) is not None


def test_a_child_of_an_older_job_shows_the_old_files_and_stores_new_ones_under_the_tag(
    world: World, user: str
) -> None:
    job_id = confirm(world, user).body["jobId"]
    world.pump_stream()
    make_old(world, job_id)
    world.drain()
    old = world.call("GET", f"/api/jobs/{job_id}", user=user).body
    assert all(f"/outputs/{user}/" in output["downloadUrl"] for output in old["outputs"])

    child_id = regenerate(world, job_id, user).body["retryJobId"]
    world.drain()

    child = world.call("GET", f"/api/jobs/{child_id}", user=user).body
    assert child["status"] == "succeeded"
    for output in child["outputs"]:
        owner = user if "inheritedFrom" in output else owner_of(world, user)
        assert f"/outputs/{owner}/" in output["downloadUrl"]
    assert world.call("GET", f"/api/jobs/{job_id}/download", user=user).status == 200
    delete_job(world, job_id, user, query="?cascade=true")
    world.drain()
    assert files_under(world, outputs_prefix(user, job_id)) == []


def make_old(world: World, job_id: str) -> None:
    """Change the items of a job to those of an earlier version."""
    table = world.settings.tables["jobs"]
    for item in world.scan("jobs"):
        if item["pk"]["S"] != job_id:
            continue
        item.pop("ownerTag", None)
        if "plan" in item:
            plan = json.loads(item["plan"]["S"])
            plan.pop("ownerTag", None)
            item["plan"]["S"] = json.dumps(plan)
        world.client("dynamodb").put_item(TableName=table, Item=item)
