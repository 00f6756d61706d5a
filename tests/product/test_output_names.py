"""Names of outputs: caption files are named after their source, transcripts as transcripts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests

from darkroom.jobs.naming import source_name_of
from tests.support.builders import a_job, a_recording, a_user
from tests.support.moto_world import moto_world
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def captions(world: World, user: str, *talks: str, key: str = "k", **options: Any) -> list[str]:
    """Caption jobs of these files that have ended; returns their ids."""
    given = {"sourceLang": "en", "outputFormats": ["srt", "txt"], **options}
    inputs = {"assetIds": list(talks), "options": given}
    body = {"recipe": "captions", "status": "queued", "inputs": inputs}
    made = world.call("POST", "/api/jobs", body, user=user, key=key).body["jobs"]
    world.drain()
    return [job["jobId"] for job in made]


def saved_as(output: dict[str, Any]) -> str:
    query = parse_qs(urlsplit(output["downloadUrl"]).query)
    return unquote(query["response-content-disposition"][0].partition("''")[2])


def test_files_of_ten_jobs_have_different_names(world: World, user: str) -> None:
    talks = [
        a_recording(world, user, seconds=9, filename=f"talk {number}.mp3") for number in range(3)
    ]

    jobs = [a_job(world, job_id, user) for job_id in captions(world, user, *talks)]

    names = [saved_as(output) for job in jobs for output in job["outputs"]]
    assert len(set(names)) == len(names) == 9
    assert {"talk 0.en.srt", "talk 1.en.txt", "talk 2.transcript.json"} <= set(names)


def test_the_output_of_a_transcription_is_called_a_transcript(world: World, user: str) -> None:
    [job_id] = captions(world, user, a_recording(world, user), translate=True, targetLangs=["ko"])

    job = a_job(world, job_id, user)

    keys = {output["key"]: output["type"] for output in job["outputs"]}
    assert keys == {
        "transcript": "transcript",
        "transcript_ko": "transcript",
        "srt_en": "srt",
        "txt_en": "txt",
        "srt_ko": "srt",
        "txt_ko": "txt",
    }
    assert {saved_as(output) for output in job["outputs"]} == {
        "talk.transcript.json", "talk.transcript_ko.json", "talk.en.srt", "talk.en.txt",
        "talk.ko.srt", "talk.ko.txt",
    }  # fmt: skip


def test_a_zip_uses_the_same_names(world: World, user: str) -> None:
    [job_id] = captions(world, user, a_recording(world, user, filename="할머니 인터뷰.mp3"))

    response = world.call("GET", f"/api/jobs/{job_id}/download", user=user)
    got = requests.get(response.body["downloadUrl"], timeout=10)

    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        assert archive.namelist() == [
            "01-할머니 인터뷰.transcript.json",
            "02-할머니 인터뷰.en.srt",
            "03-할머니 인터뷰.en.txt",
        ]
    assert f"{job_id}.zip" in got.headers["content-disposition"]


def test_a_job_of_an_earlier_version_keeps_its_names(world: World, user: str) -> None:
    [job_id] = captions(world, user, a_recording(world, user))
    for item in world.scan("jobs"):
        if item["pk"]["S"] == job_id and item.pop("sourceName", None):
            world.client("dynamodb").put_item(TableName=world.settings.tables["jobs"], Item=item)

    names = {saved_as(output) for output in a_job(world, job_id, user)["outputs"]}

    assert names == {"captions-transcript.json", "captions-srt_en.srt", "captions-txt_en.txt"}


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("talk.mp3", "talk"),
        ("a.b.mp4", "a.b"),
        ("no ending", "no ending"),
        ('we:ird*?"<>|.mp4', "we ird"),
        ("...mp3", None),
        (" .mp3", None),
        ("x" * 250 + ".wav", "x" * 100),
    ],
)
def test_a_source_name_is_valid_on_every_file_system(file_name: str, name: str | None) -> None:
    assert source_name_of(file_name) == name
