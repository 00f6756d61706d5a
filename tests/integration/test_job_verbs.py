"""All actions on jobs, on the deployed template with its roles, queues and streams."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.run_demo import PHOTO
from local.stack import LocalStack
from tests.support.api_client import Client
from tests.support.speech import save_speech


@pytest.fixture
def alice(stack: LocalStack, request: pytest.FixtureRequest) -> Client:
    return Client(stack, f"verbs-{request.node.name[5:40]}")


@pytest.fixture
def scene(alice: Client) -> dict[str, Any]:
    photo = alice.upload("harbor walk.jpg", "image/jpeg", PHOTO.read_bytes())
    return {"photoAssetIds": [photo], "stage": "spark", "genre": "romance"}


def test_a_draft_is_changed_quoted_confirmed_and_canceled(
    alice: Client, scene: dict[str, Any]
) -> None:
    body = {"recipe": "story", "inputs": scene, "status": "draft"}
    [draft] = alice.call("POST", "/api/jobs", body)["jobs"]
    path = f"/api/jobs/{draft['jobId']}"
    tag = alice.send("GET", path).headers["ETag"]
    changed = alice.send("PATCH", path, {"inputs": {"genre": "noir"}}, **{"If-Match": tag})
    stale = alice.send("PATCH", path, {"inputs": {"genre": "comedy"}}, **{"If-Match": tag})
    quote = alice.call("POST", "/api/jobs/quote", {"draftJobId": draft["jobId"]})
    confirmed = alice.call(
        "POST",
        "/api/jobs/confirm",
        {"draftJobId": draft["jobId"], "quoteId": quote["quoteId"]},
    )

    canceled = alice.call("POST", f"{path}/cancel")

    assert (changed.status_code, stale.status_code) == (200, 412)
    assert (quote["credits"], quote["sufficient"]) == (2, True)
    assert confirmed["creditsReserved"] == 2
    assert canceled["outcome"] in ("canceled", "requested")
    assert alice.finished(draft["jobId"])["status"] == "canceled"
    assert alice.balance() == (5, 0)


def test_a_failed_job_is_retried_and_all_jobs_are_deleted(
    alice: Client, scene: dict[str, Any]
) -> None:
    faulty = {**scene, "testFaults": {"clip_1": "permanent"}}
    body = {"recipe": "quick", "inputs": faulty, "status": "queued"}
    [made] = alice.call("POST", "/api/jobs", body)["jobs"]
    failed = alice.finished(made["jobId"])
    refused = alice.send("POST", f"/api/jobs/{made['jobId']}/retry", {})
    rerun = alice.call("POST", f"/api/jobs/{made['jobId']}/rerun")
    done = alice.finished(rerun["jobId"])

    gone = alice.send("DELETE", f"/api/jobs/{rerun['jobId']}")

    assert failed["status"] == "failed"
    assert refused.json()["code"] == "NOT_RETRYABLE"
    assert done["status"] == "succeeded"
    link = done["outputs"][0]["downloadUrl"]
    assert gone.status_code == 204
    assert alice.send("GET", f"/api/jobs/{rerun['jobId']}").status_code == 404
    alice.wait(lambda: httpx.get(link).status_code == 404)


def test_portraits_of_a_face_in_two_styles_join_their_album(alice: Client) -> None:
    me = alice.upload("me.jpg", "image/jpeg", PHOTO.read_bytes())
    body: dict[str, Any] = {"assetId": me, "role": "self"}
    photo = alice.call("POST", "/api/reference-photos", body)["referencePhotoId"]
    album = alice.call("POST", "/api/albums", {"name": "Us"})["albumId"]
    inputs = {
        "mode": "batch",
        "referencePhotoIds": [photo],
        "styles": ["CLASSIC", "VINTAGE"],
        "totalImages": 2,
        "albumId": album,
    }
    body = {"recipe": "portraits", "inputs": inputs, "status": "queued"}

    [made] = alice.call("POST", "/api/jobs", body)["jobs"]
    job = alice.finished(made["jobId"])

    assert (job["status"], job["receipt"]["used"]) == ("succeeded", 2)
    assert [output["style"] for output in job["outputs"]] == ["CLASSIC", "VINTAGE"]
    for output in job["outputs"]:
        assert output["width"] * 4 == output["height"] * 3
        picture = httpx.get(output["downloadUrl"]).raise_for_status().content
        assert picture.startswith(b"\x89PNG")
    alice.wait(lambda: len(alice.call("GET", f"/api/albums/{album}")["outputs"]) == 2)

    again = {"target": "image", "key": "img_02"}
    child = alice.call("POST", f"/api/jobs/{made['jobId']}/regenerate", again)
    outputs = alice.finished(child["retryJobId"])["outputs"]
    assert {output["key"]: output.get("inheritedFrom") for output in outputs} == {
        "img_02": None,
        "img_01": made["jobId"],
    }
    picked = alice.call("POST", f"/api/outputs/{job['outputs'][1]['outputId']}/select", {})
    assert picked["selected"] is True
    history = alice.call("GET", "/api/generations?limit=10")
    assert len(history["items"]) == 3
    assert history["remainingCredits"] == alice.balance()[0]


def test_speech_becomes_captions_and_a_missing_translation_is_refunded(
    alice: Client, tmp_path: Path
) -> None:
    talk = save_speech("There are seven people waiting outside.", tmp_path / "talk.wav")
    asset = alice.upload("My talk.wav", "audio/wav", talk.read_bytes())
    options = {
        "sourceLang": "en",
        "translate": True,
        "targetLangs": ["ko"],
        "outputFormats": ["srt", "vtt"],
    }
    body = {
        "recipe": "captions",
        "inputs": {"assetIds": [asset], "options": options},
        "status": "queued",
    }

    [made] = alice.call("POST", "/api/jobs", body)["jobs"]
    job = alice.finished(made["jobId"])

    assert job["status"] == "partial"
    assert (job["receipt"]["used"], job["receipt"]["refunded"]) == (1, 1)
    errors = {task["key"]: task.get("error", {}).get("code") for task in job["tasks"]}
    assert errors["translate_ko"] == "PROVIDER_NOT_CONFIGURED"
    files = {output["key"]: output for output in job["outputs"]}
    subtitles = httpx.get(files["srt_en"]["downloadUrl"]).text
    assert "-->" in subtitles and "1" in subtitles
    assert httpx.get(files["vtt_en"]["downloadUrl"]).text.startswith("WEBVTT")


def test_many_jobs_are_run_listed_found_exported_zipped_and_shared(
    alice: Client, scene: dict[str, Any]
) -> None:
    body = {"recipe": "quick", "inputs": scene, "status": "draft"}
    drafts = [alice.call("POST", "/api/jobs", body)["jobs"][0]["jobId"] for _ in range(2)]
    ran = alice.call("POST", "/api/jobs/bulk/run", {"jobIds": [*drafts, "nothing"]})
    for job_id in drafts:
        alice.finished(job_id)

    zips = alice.call("POST", "/api/jobs/bulk/download", {"jobIds": drafts})["results"]

    assert [result["ok"] for result in ran["results"]] == [True, True, False]
    succeeded = alice.call("GET", "/api/jobs?status=succeeded&recipe=quick")["items"]
    assert {job["jobId"] for job in succeeded} == set(drafts)
    alice.wait(lambda: len(alice.call("GET", "/api/jobs?search=harb")["items"]) == 2)
    csv = alice.send("GET", "/api/jobs.csv?sort=oldest").text
    assert csv.count("\n") == 3 and "harbor walk.jpg" in csv
    content = httpx.get(zips[0]["downloadUrl"]).raise_for_status().content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert [Path(name).suffix for name in archive.namelist()] == [".png", ".mp4"]
    share = alice.call("POST", f"/api/jobs/{drafts[0]}/share", {})
    anyone = httpx.Client(base_url=alice._api.base_url)
    seen = anyone.get(f"/api/shares/{share['token']}")
    assert seen.status_code == 200
    assert "harbor" not in json.dumps(seen.json())
    assert alice.send("DELETE", f"/api/jobs/{drafts[0]}/share").status_code == 204
    assert anyone.get(f"/api/shares/{share['token']}").status_code == 404
    canceled = alice.call("POST", "/api/jobs/bulk/cancel", {"jobIds": drafts})["results"]
    assert {result["outcome"] for result in canceled} == {"already_final"}


def test_operators_see_dead_letters_and_plans(stack: LocalStack, alice: Client) -> None:
    admin = Client(stack, "verbs-admin", role="admin")
    account = alice.call("GET", "/api/credits")
    stack.client("sqs").send_message(
        QueueUrl=stack.outputs["StudioDeadLettersUrl"], MessageBody="poison for the operator"
    )

    def letters() -> list[dict[str, Any]]:
        items = admin.call("GET", "/api/admin/dead-letters")["items"]
        return [item for item in items if item["body"] == "poison for the operator"]

    admin.wait(lambda: bool(letters()))
    sent = admin.call("POST", "/api/admin/dead-letters/redrive", {"ids": [letters()[0]["id"]]})

    assert account["balance"] == 5
    assert sent["results"][0]["ok"] is True
    assert alice.send("GET", "/api/admin/dead-letters").status_code == 403
