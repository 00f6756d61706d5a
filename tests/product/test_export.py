"""An account takes everything along that it has: one zip of its records and files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.kernel.limits import EXPORT_AGAIN_SECONDS, EXPORT_SEND_SECONDS
from darkroom.kernel.object_keys import export_key
from darkroom.usecases.accounts.erasure import export_account as exporting
from tests.support.builders import REWRITE, a_photo, a_user, buy, confirm, owner_of
from tests.support.moto_world import moto_world
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def request(world: World, user: str) -> str:
    response = world.call("POST", "/api/account/export", user=user)
    assert response.status == 202
    export_id: str = response.body["exportId"]
    return export_id


def follow(world: World, user: str, export_id: str) -> Any:
    return world.call("GET", f"/api/account/export/{export_id}", user=user).body


def unzipped(world: World, user: str, export_id: str) -> dict[str, bytes]:
    """The entries of the zip."""
    key = export_key(owner_of(world, user), export_id)
    content = world.app.storage.read(key, limit_bytes=10**6)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def test_an_export_has_the_records_and_the_files_of_its_account_only(world: World) -> None:
    user, other = a_user(), a_user()
    buy(world, 10, user)
    photo = a_photo(world, user)
    a_photo(world, other)
    inputs: dict[str, Any] = {"photoAssetIds": [photo], "rewriteEnabled": True, "rewrite": REWRITE}
    job_id = confirm(world, user=user, **inputs).body["jobId"]
    world.drain()

    export_id = request(world, user)
    building = follow(world, user, export_id)
    world.pump_archives()
    ready = follow(world, user, export_id)

    assert building == {"status": "building"}
    assert ready["status"] == "ready"
    assert export_id in ready["downloadUrl"]
    assert ready["expiresAt"]
    entries = unzipped(world, user, export_id)
    outputs = world.call("GET", f"/api/jobs/{job_id}", user=user).body["outputs"]
    made = [name for name in entries if name.startswith(f"outputs/{job_id}/")]
    assert len(made) == len(outputs)
    assert entries[f"files/{photo}-us.jpg"] == b"jpg"
    assert REWRITE["rawText"] in entries["jobs.json"].decode()
    records = {name: json.loads(text) for name, text in entries.items() if name.endswith(".json")}
    assert [entry["type"] for entry in records["ledger.json"]].count("PURCHASE") == 1
    assert photo in {asset["assetId"] for asset in records["assets.json"]}
    assert records["events.json"]
    assert records["wallets.json"][0]["balance"] >= 0
    assert records["user.json"]["accountId"] == user
    assert other not in str(records)


def test_an_export_is_the_same_for_a_day_and_of_its_account_only(world: World) -> None:
    user = a_user()
    first, again = request(world, user), request(world, user)
    world.pump_archives()
    unknown = world.call("GET", "/api/account/export/exp_unknown", user=user)
    of_another = world.call("GET", f"/api/account/export/{first}", user=a_user())

    world.clock.move(seconds=EXPORT_AGAIN_SECONDS)

    assert (first == again, unknown.status, of_another.status) == (True, 404, 404)
    assert request(world, user) != first


def test_who_follows_an_export_sends_its_lost_message_again(world: World) -> None:
    user = a_user()
    export_id = request(world, user)
    archives = world.settings.archive_queue_url
    world.client("sqs").purge_queue(QueueUrl=archives)
    follow(world, user, export_id)
    assert world.pump_archives() == 0

    world.clock.move(seconds=EXPORT_SEND_SECONDS)
    follow(world, user, export_id)
    world.pump_archives()

    assert follow(world, user, export_id)["status"] == "ready"


def test_an_export_that_fails_says_so_and_can_be_requested_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = a_user()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "_write", fail)
        export_id = request(world, user)
        world.drain()
    failed = follow(world, user, export_id)
    again = request(world, user)
    world.drain()

    assert failed == {"status": "failed"}
    assert again == export_id
    assert follow(world, user, export_id)["status"] == "ready"


def test_files_beyond_what_one_run_carries_are_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = a_user()
    buy(world, 10, user)
    job_id = confirm(world, user=user).body["jobId"]
    world.drain()
    monkeypatch.setattr(exporting, "EXPORT_LIMIT_BYTES", 1)

    export_id = request(world, user)
    world.pump_archives()

    entries = unzipped(world, user, export_id)
    left_out = json.loads(entries["left-out.json"])
    assert left_out
    assert all(name.startswith(f"outputs/{job_id}/") for name in left_out)
    assert "ledger.json" in entries


def test_an_operator_exports_an_account(world: World) -> None:
    user = a_user()
    a_photo(world, user)
    path = f"/api/admin/accounts/{user}/export"

    refused = world.call("POST", path, user=user)
    unknown = world.call("POST", "/api/admin/accounts/unknown/export", user="root", groups="admin")
    accepted = world.call("POST", path, user="root", groups="admin")
    world.pump_archives()
    ready = world.call("GET", f"{path}/{accepted.body['exportId']}", user="root", groups="admin")

    assert (refused.status, unknown.status, accepted.status) == (403, 404, 202)
    assert ready.body["status"] == "ready"
