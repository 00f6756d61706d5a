"""Lists, history, picks and shares on the deployed template: its indexes, roles and routes."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

from local.run_demo import PHOTO
from local.stack import LocalStack
from tests.integration.test_main_job import Frontend, output


@pytest.fixture(scope="module")
def carol(stack: LocalStack) -> Frontend:
    return Frontend(stack, "lists-carol")


@pytest.fixture(scope="module")
def jobs(carol: Frontend) -> dict[str, str]:
    """One job that has ended and one draft; their ids by status."""
    photo = carol.upload(PHOTO)
    done = carol.watch(carol.confirm(photo, mode="quick"))
    inputs = {"photoAssetIds": [photo], "stage": "spark", "genre": "noir"}
    body = {"recipe": "story", "inputs": inputs, "status": "draft"}
    draft = carol.call("POST", "/api/jobs", json=body)["jobs"][0]
    return {"succeeded": done["jobId"], "draft": draft["jobId"]}


def listed(carol: Frontend, query: str) -> list[str]:
    return [job["jobId"] for job in carol.call("GET", f"/api/jobs?{query}")["items"]]


def test_every_index_serves_its_filter(carol: Frontend, jobs: dict[str, str]) -> None:
    done, draft = jobs["succeeded"], jobs["draft"]
    expected = {
        "": [draft, done],
        "sort=oldest": [done, draft],
        "status=draft": [draft],
        "recipe=quick": [done],
        "status=succeeded&recipe=quick": [done],
        "status=failed": [],
        "sort=failedFirst": [draft, done],
        "dateTo=2020-01-01": [],
        f"search={done}": [done],
    }
    found = {query: listed(carol, query) for query in expected}

    assert found == expected
    word = PHOTO.stem.split("-")[0][:3]
    carol.wait(lambda: listed(carol, f"search={word}") == [draft, done])
    carol.wait(lambda: listed(carol, "sort=duration") == [done, draft])


def test_the_spreadsheet_passes_the_gateway(carol: Frontend, jobs: dict[str, str]) -> None:
    response = carol.send("GET", "/api/jobs.csv?limit=1")
    following = carol.send("GET", response.headers["link"].partition(">")[0].removeprefix("<"))

    assert response.headers["content-type"].startswith("text/csv")
    rows = [
        row
        for text in (response, following)
        for row in csv.DictReader(io.StringIO(text.text.removeprefix("\ufeff")))
    ]
    assert [row["jobId"] for row in rows] == [jobs["draft"], jobs["succeeded"]]
    assert {row["fileNames"] for row in rows} == {PHOTO.name}


def test_history_and_pick(carol: Frontend, jobs: dict[str, str]) -> None:
    job = carol.job(jobs["succeeded"])
    clip = output(job, "clip_1")["outputId"]

    assert carol.call("POST", f"/api/outputs/{clip}/select")["selected"] is True
    history: dict[str, Any] = carol.call("GET", "/api/generations")

    assert [item["key"] for item in history["items"]] == ["clip_1", "kf_1"]
    assert [item["selected"] for item in history["items"]] == [True, False]
    assert sum(item["creditsUsed"] for item in history["items"]) == job["receipt"]["used"]
    for link in (history["items"][0]["url"], history["items"][1]["originalUrl"]):
        assert httpx.get(link).status_code == 200


def test_a_link_opens_without_a_token_until_it_is_revoked(
    stack: LocalStack, carol: Frontend, jobs: dict[str, str]
) -> None:
    path = f"/api/jobs/{jobs['succeeded']}/share"
    made = carol.call("POST", path)
    public = f"{stack.api_url}/api/shares/{made['token']}"

    seen = httpx.get(public)
    assert seen.status_code == 200
    assert httpx.get(seen.json()["outputs"][0]["downloadUrl"]).status_code == 200
    assert carol.send("DELETE", path).status_code == 204

    assert httpx.get(public).status_code == 404
    assert httpx.delete(f"{stack.api_url}{path}").status_code == 401


def test_a_deleted_job_leaves_every_list(carol: Frontend, jobs: dict[str, str]) -> None:
    done = jobs["succeeded"]

    assert carol.send("DELETE", f"/api/jobs/{done}").status_code == 204

    for query in ("", "status=succeeded", "recipe=quick", "sort=duration", f"search={done}"):
        assert done not in listed(carol, query)
