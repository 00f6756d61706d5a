"""The table of types: declared MIME types and file names."""

from __future__ import annotations

import pytest

from darkroom.kernel.media_types import MEDIA_TYPES, suffixes_of, type_of
from darkroom.kernel.object_keys import MEDIA_PIPELINE
from darkroom.uploads.inspection.media_tracks import CONTAINERS
from darkroom.usecases.uploads.ingest_upload import CLEAN_NAMES

DECLARED = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "IMAGE/PNG": "image/png",
    "image/heif": "image/heic",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/m4a": "audio/mp4",
    "audio/aac": "audio/aac",
    "audio/webm;codecs=opus": "audio/webm",
    "video/x-m4v": "video/mp4",
    "video/3gpp": "video/mp4",
    "video/webm;codecs=vp9,opus": "video/webm",
    'video/mp4; codecs="avc1.42E01E, mp4a.40.2"': "video/mp4",
    " video/quicktime ": "video/quicktime",
}
REFUSED = [
    "image/svg+xml",
    "image/gif",
    "text/html",
    "video/x-matroska",
    "application/zip",
    "image",
    "image/",
    "image/jpeg, text/html",
    "image/jpeg;\nX-Evil: 1",
    "image/jpeg; name=우리",
    "application/octet-stream;\r\nX-Evil: 1",
]


@pytest.mark.parametrize(("declared", "mime_type"), DECLARED.items())
def test_known_spellings_of_a_type_are_recognized(declared: str, mime_type: str) -> None:
    found = type_of(declared, "file.bin")

    assert found is not None and found.mime_type == mime_type


@pytest.mark.parametrize("declared", REFUSED)
def test_other_types_and_broken_headers_are_refused(declared: str) -> None:
    assert type_of(declared, "photo.jpg") is None


@pytest.mark.parametrize("declared", ["", " ", "application/octet-stream"])
@pytest.mark.parametrize(
    ("filename", "mime_type"),
    [("IMG.HEIC", "image/heic"), ("a.b.mov", "video/quicktime"), ("v.webm", "video/webm")],
)
def test_without_a_type_the_filename_decides(declared: str, filename: str, mime_type: str) -> None:
    found = type_of(declared, filename)

    assert found is not None and found.mime_type == mime_type


@pytest.mark.parametrize("filename", ["photo", "photo.svg", ".jpg", "archive.zip", "page.html"])
def test_a_name_with_an_unknown_ending_has_no_type(filename: str) -> None:
    assert type_of("", filename) is None


def test_a_spelling_means_one_type() -> None:
    spellings = [name for found in MEDIA_TYPES for name in (found.mime_type, *found.aliases)]

    assert len(spellings) == len(set(spellings))
    assert all(name == name.lower() for name in spellings)
    assert all(found.mime_type.startswith(f"{found.kind}/") for found in MEDIA_TYPES)


def test_every_type_that_the_check_finds_is_in_the_table() -> None:
    found = {container.mime_type for container in CONTAINERS.values()} | {"image/jpeg"}

    assert all(suffixes_of(mime_type) for mime_type in found)


def test_an_aborted_check_leaves_no_unknown_file() -> None:
    assert {f"media.{name}" for name in CONTAINERS} <= set(CLEAN_NAMES[MEDIA_PIPELINE])
