"""AWS itself, with the credentials of the environment: each test for a cent or less.

Runs with ``DARKROOM_LIVE_AWS=1``; transcription also needs ``DARKROOM_LIVE_BUCKET``, a bucket of
the same region to put two seconds of sound in. Pictures are drawn where the models are:
``DARKROOM_LIVE_PICTURES_REGION``, by default us-west-2.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from darkroom.adapters.fetch import Fetcher, FetchLimits
from darkroom.generation.captions.transcript import (
    Segment,
    Transcript,
    read_transcript,
    write_transcript,
)
from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.generation.script import read_script
from darkroom.generation.vendors.bedrock import Bedrock
from darkroom.generation.vendors.polly import Polly
from darkroom.generation.vendors.rekognition import RekognitionFaces, RekognitionModeration
from darkroom.generation.vendors.transcribe import Transcribe
from darkroom.generation.vendors.translate import Translate
from tests.support.cloud import a_png

pytestmark = pytest.mark.skipif(
    os.environ.get("DARKROOM_LIVE_AWS") != "1", reason="DARKROOM_LIVE_AWS is not 1"
)
BUCKET = os.environ.get("DARKROOM_LIVE_BUCKET", "")
REGION = os.environ.get("AWS_REGION", "us-east-1")
PICTURES_REGION = os.environ.get("DARKROOM_LIVE_PICTURES_REGION", "us-west-2")
WAIT_SECONDS = 300


def client(service: str, region: str = REGION) -> Callable[[], Any]:
    config = Config(
        connect_timeout=5,
        read_timeout=120,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    make: Any = boto3.client
    return lambda: make(service, region_name=region, config=config)


def a_request(tmp_path: Path, kind: str, params: Any, **changes: Any) -> GenerationRequest:
    given: dict[str, Any] = {
        "job_id": "live", "key": kind, "kind": kind, "attempt": 1, "seed": 7, "language": "en",
        "params": params, "sources": (), "workdir": tmp_path,
    }  # fmt: skip
    return GenerationRequest(**given | changes)


@pytest.mark.parametrize(
    ("language", "text"), [("en", "It rains & it pours."), ("ko", "비가 와요.")]
)
def test_polly_speaks(tmp_path: Path, language: str, text: str) -> None:
    request = a_request(tmp_path, "speech", {"text": text, "rate": 90}, language=language)

    [artifact] = Polly(client("polly")).generate(request)

    assert artifact.duration_ms is not None
    assert 500 < artifact.duration_ms < 10_000
    assert request.meter.charges[0].unit == "character"


def test_translate_translates(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    said = Segment(start_ms=0, end_ms=900, text="Good morning.", speaker="Speaker 1")
    path.write_bytes(write_transcript(Transcript(language="en", duration_ms=900, segments=(said,))))
    source = SourceFile(key="transcribe", mime_type="application/json", path=path)
    params = {"sourceLang": "auto", "targetLang": "ko"}

    [artifact] = Translate(client("translate")).generate(
        a_request(tmp_path, "translate", params, sources=(source,))
    )

    [segment] = read_transcript(artifact.path.read_bytes()).segments
    assert any("가" <= letter <= "힣" for letter in segment.text)
    assert (segment.start_ms, segment.speaker) == (0, "Speaker 1")


@pytest.mark.skipif(not BUCKET, reason="DARKROOM_LIVE_BUCKET is not set")
def test_transcribe_recognizes_the_speech_of_polly(tmp_path: Path) -> None:
    spoken = a_request(tmp_path, "speech", {"text": "The quick brown fox jumps over the dog."})
    [speech] = Polly(client("polly")).generate(spoken)
    key, s3 = f"darkroom-live/{secrets.token_hex(8)}.mp3", client("s3")()
    s3.upload_file(str(speech.path), BUCKET, key)
    source = SourceFile(
        key="media_1", mime_type="audio/mpeg", path=speech.path, storage_uri=f"s3://{BUCKET}/{key}"
    )
    transcribe = Transcribe(client("transcribe"), region=REGION)
    callback = f"https://live.example/{secrets.token_hex(8)}"
    request = a_request(
        tmp_path, "transcribe", {"sourceLang": "en", "diarization": False}, sources=(source,)
    )

    try:
        ref = transcribe.submit(request, callback)
        assert transcribe.submit(request, callback) == ref
        assert transcribe.find(callback, datetime.now(UTC)) == ref
        assert transcribe.find(callback + "0", datetime.now(UTC)) is None
        ends = time.monotonic() + WAIT_SECONDS
        while (result := transcribe.poll(ref)) is None:
            assert time.monotonic() < ends, "still in progress"
            time.sleep(5)
        [file] = result.files
        limits = FetchLimits(
            hosts=transcribe.result_hosts,
            mime_types=frozenset(file.fetched_mime_types),
            size_bytes=1_000_000,
            seconds=30,
        )
        Fetcher().fetch(file.url, tmp_path / "r.json", limits)
        assert file.convert is not None
        transcript = read_transcript(file.convert(tmp_path / "r.json").read_bytes())
        assert "fox" in transcript.segments[0].text.lower()
        transcribe.cancel(ref)
        assert transcribe.find(callback, datetime.now(UTC)) is None
    finally:
        s3.delete_object(Bucket=BUCKET, Key=key)


def test_bedrock_writes_a_script(tmp_path: Path) -> None:
    request = a_request(tmp_path, "script", {"keyword": "rain in Seoul", "durationSec": 15})

    [artifact] = Bedrock(client("bedrock-runtime")).generate(request)

    assert read_script(artifact.path.read_bytes()).duration_ms == 15_000


def test_bedrock_draws_from_text_and_from_a_photo(tmp_path: Path) -> None:
    bedrock = Bedrock(client("bedrock-runtime", PICTURES_REGION))
    params = {"prompt": "A red door in the rain.", "aspectRatio": "3:4"}

    [picture] = bedrock.generate(a_request(tmp_path, "picture", params))
    photo = SourceFile(key="photo_1", mime_type="image/png", path=picture.path)
    keyframe = a_request(
        tmp_path, "keyframe", {"prompt": "At night.", "sceneNo": 1}, key="kf_1", sources=(photo,)
    )
    [drawn] = bedrock.generate(keyframe)

    assert picture.height and picture.width and picture.height > picture.width
    assert (drawn.width or 0) >= 64


def test_rekognition_counts_faces(tmp_path: Path) -> None:
    picture = a_png(200, 200)

    assert RekognitionFaces(client("rekognition"))(picture) == ()
    RekognitionModeration(client("rekognition")).check_image(picture)
