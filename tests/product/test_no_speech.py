"""Captions of a recording without speech: empty files, delivered like any others."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from darkroom.generation.captions.formats import MIME_TYPES, has_words, write_captions
from darkroom.generation.captions.transcript import Segment, Transcript
from darkroom.generation.routing.routes import LOCAL_SPEECH, LOCAL_STUDIO
from darkroom.kernel.object_keys import clean_key
from darkroom.studio.local_studio import LocalStudio
from darkroom.usecases.credits.audit_accounts import audit_accounts
from tests.support.builders import a_balance, a_job, an_asset
from tests.support.moto_world import moto_world
from tests.support.world import World

SILENT = Path(__file__).parents[1] / "files" / "silent.m4a"
NOTHING = Transcript(language="en", duration_ms=5000, segments=())
EMPTY = {"srt": b"", "vtt": b"WEBVTT\n", "txt": b""}
USER = "alice"


@pytest.mark.parametrize("format", EMPTY)
def test_captions_without_words_are_an_empty_file_of_their_format(format: str) -> None:
    assert write_captions(NOTHING, format=format, language="en") == EMPTY[format]


def test_captions_without_words_are_an_empty_list_in_json() -> None:
    assert b'"cues": []' in write_captions(NOTHING, format="json", language="en")


@pytest.mark.parametrize(("text", "has"), [("", False), ("  ", False), ("Hm.", True)])
def test_only_text_that_can_be_read_counts_as_words(text: str, has: bool) -> None:
    segment = Segment(start_ms=0, end_ms=1000, text=text)

    assert has_words(replace(NOTHING, segments=(segment,))) is has


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A world whose captions are made by the built-in studio itself."""
    with moto_world() as world:
        studio = LocalStudio()
        world.app = replace(world.app, providers={LOCAL_STUDIO: studio, LOCAL_SPEECH: studio})
        world.use_gateway(world.app.payments)
        yield world


@pytest.fixture(scope="module")
def job_id(world: World) -> str:
    asset_id = an_asset(world, kind="audio", filename="silent.m4a", duration_ms=5000)
    key = clean_key(USER, asset_id, "media.mp3")
    world.app.storage.write(key, SILENT.read_bytes(), mime_type="audio/mp4")
    inputs = {"assetIds": [asset_id], "options": {"outputFormats": list(MIME_TYPES)}}
    body = {"recipe": "captions", "inputs": inputs, "status": "queued"}
    made = world.call("POST", "/api/jobs", body, key="k").body["jobs"][0]["jobId"]
    world.drain()
    return str(made)


def test_the_job_succeeds_for_its_price_and_says_that_there_was_no_speech(
    world: World, job_id: str
) -> None:
    job = a_job(world, job_id)

    receipt = job["receipt"]
    assert job["status"] == "succeeded"
    assert (receipt["used"], receipt["refunded"], receipt["note"]) == (1, 0, "NO_SPEECH")
    assert a_balance(world) == (4, 0)
    assert audit_accounts(world.app, USER).breaches == ()


def test_its_empty_files_are_outputs_of_zero_bytes(world: World, job_id: str) -> None:
    outputs = {output["type"]: output for output in a_job(world, job_id)["outputs"]}

    assert set(MIME_TYPES) <= set(outputs)
    assert (outputs["srt"]["sizeBytes"], outputs["txt"]["sizeBytes"]) == (0, 0)


def test_everything_about_the_job_and_the_account_stays_readable(world: World, job_id: str) -> None:
    paths = ("/api/jobs", "/api/jobs.csv", "/api/generations", f"/api/jobs/{job_id}", "/api/assets")

    assert {world.call("GET", path).status for path in paths} == {200}
    assert world.call("POST", f"/api/jobs/{job_id}/share", {}).status == 201


def test_its_archive_holds_the_empty_files(world: World, job_id: str) -> None:
    link = world.call("GET", f"/api/jobs/{job_id}/download").body["downloadUrl"]
    key = link.partition("?")[0].partition(".com/")[2]

    archive = zipfile.ZipFile(io.BytesIO(b"".join(world.app.storage.chunks(key))))

    sizes = {Path(entry.filename).suffix: entry.file_size for entry in archive.infolist()}
    assert (sizes[".srt"], sizes[".txt"]) == (0, 0)
    assert sizes[".vtt"] == len(EMPTY["vtt"])
