"""Requests as the engine makes them for vendors, one for each capability."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

from darkroom.generation.captions.transcript import Segment, Transcript, Word, write_transcript
from darkroom.generation.ports import GenerationRequest, SourceFile
from tests.support.cloud import a_png

KEYFRAME = a_png(72, 128)


def a_request(tmp_path: Path, **changes: Any) -> GenerationRequest:
    """A keyframe for the second scene, with two photos to choose from."""
    given: dict[str, Any] = {
        "job_id": "job_1",
        "key": "kf_1",
        "kind": "keyframe",
        "attempt": 1,
        "seed": 2**32 - 1,
        "language": "en",
        "params": {"prompt": "In the rain.", "sceneNo": 2},
        "workdir": tmp_path,
    }
    if "sources" not in changes:
        given["sources"] = (_photo(tmp_path, 1), _photo(tmp_path, 2))
    return GenerationRequest(**given | changes)


def _photo(tmp_path: Path, number: int) -> SourceFile:
    path = tmp_path / f"photo_{number}.jpg"
    path.write_bytes(f"photo {number}".encode())
    return SourceFile(key=f"photo_{number}", mime_type="image/jpeg", path=path)


def a_clip_request(tmp_path: Path, **params: Any) -> GenerationRequest:
    """A clip of three seconds from its keyframe, as the recipe of scenes writes it."""
    path = tmp_path / "kf_1.png"
    path.write_bytes(KEYFRAME)
    source = SourceFile(key="kf_1", mime_type="image/png", path=path)
    given: dict[str, Any] = {
        "genre": "noir",
        "look": {"motion": "push_in", "effect": "rain", "grade": "silver_noir"},
        "sliders": {"pace": 80},
        "durationSec": 3,
    }
    return a_request(tmp_path, key="clip_1", kind="clip", params=given | params, sources=(source,))


def a_picture_request(tmp_path: Path, **params: Any) -> GenerationRequest:
    """A picture from text alone."""
    given = {"prompt": "A lighthouse.", "style": "oil_painting", "aspectRatio": "16:9"}
    return a_request(tmp_path, key="image_1", kind="picture", params=given | params, sources=())


def a_script_request(tmp_path: Path, **changes: Any) -> GenerationRequest:
    """A script of half a minute."""
    params = {"keyword": "rain", "durationSec": 30}
    given = {"key": "script", "kind": "script", "seed": 7, "params": params, "sources": ()}
    return a_request(tmp_path, **given | changes)


def a_speech_request(tmp_path: Path, **changes: Any) -> GenerationRequest:
    """A sentence to be said."""
    given = {"key": "voice", "kind": "speech", "params": {"text": "It rains."}, "sources": ()}
    return a_request(tmp_path, **given | changes)


def clip_url(number: int) -> str:
    return f"https://bucket.example/clip_{number}.mp4?X-Amz-Signature=s&X-Amz-Expires=3600"


def the_clips(tmp_path: Path, *numbers: int) -> tuple[SourceFile, ...]:
    return tuple(
        SourceFile(
            key=f"clip_{number}", mime_type="video/mp4", path=tmp_path / f"{number}.mp4",
            url=clip_url(number),
        )
        for number in numbers
    )  # fmt: skip


def a_film_request(tmp_path: Path, **changes: Any) -> GenerationRequest:
    """A film of three clips, which come in any order."""
    given: dict[str, Any] = {
        "key": "film",
        "kind": "film",
        "seed": 7,
        "language": "ko",
        "params": {
            "genre": "romance",
            "stage": "spark",
            "captions": ["우리가 처음 만난 날", "It rained.", "And then?"],
            "hook": "One look.",
            "ending": "그리고 이번엔, 함께였다.",
        },
        "sources": the_clips(tmp_path, 2, 10, 1),
    }
    return a_request(tmp_path, **given | changes)


def a_transcription_request(
    tmp_path: Path, mime_type: str = "audio/wav", **changes: Any
) -> GenerationRequest:
    """A recording of twenty and a half seconds in our bucket."""
    path = tmp_path / "media.wav"
    if not path.exists():
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(2 * 8000 * 20 + 8000))
    source = SourceFile(
        key="media_1", mime_type=mime_type, path=path, storage_uri="s3://bucket/clean/a/b.wav"
    )
    given: dict[str, Any] = {
        "key": "transcribe",
        "kind": "transcribe",
        "params": {"sourceLang": "auto", "diarization": False} | changes.pop("params", {}),
        "sources": (source,),
    }
    return a_request(tmp_path, **given | changes)


def said(number: int, text: str, **changes: Any) -> Segment:
    """The segment of this number, with a timed word."""
    start_ms = number * 2000
    word = Word(start_ms=start_ms, end_ms=start_ms + 500, text="w")
    given: dict[str, Any] = {
        "start_ms": start_ms,
        "end_ms": start_ms + 1500,
        "text": text,
        "words": (word,),
    }
    return Segment(**given | changes)


def a_translation_request(
    tmp_path: Path, *segments: Segment, language: str = "en", **changes: Any
) -> GenerationRequest:
    """The segments' transcript to be translated into Korean."""
    path = tmp_path / "transcribe.json"
    transcript = Transcript(language=language, duration_ms=9000, segments=segments)
    path.write_bytes(write_transcript(transcript))
    given: dict[str, Any] = {
        "key": "translate_ko",
        "kind": "translate",
        "params": {"sourceLang": "auto", "targetLang": "ko"} | changes.pop("params", {}),
        "sources": (SourceFile(key="transcribe", mime_type="application/json", path=path),),
    }
    return a_request(tmp_path, **given | changes)
