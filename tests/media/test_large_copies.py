"""Clean copies of files that are too large to remux: their bytes stay where they are, and the
metadata with places, makers and dates is erased."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from darkroom.kernel.edits import Edits
from darkroom.uploads.inspection import blank_in_place, media_reader
from darkroom.uploads.inspection.media import sniff
from darkroom.uploads.inspection.ranged_file import RangedFile, ReadTooMuch
from tests.media.test_media_copies import (
    AAC,
    CARRIED,
    FOREIGN,
    H264,
    KINDS,
    MP4_KINDS,
    SECRET,
    as_camera,
    box,
    chunk,
    dates_in,
    made,
    properties,
    secrets_in,
    with_everything,
)
from tests.support.media_files import Track, write_tracks


@pytest.fixture(autouse=True)
def ranges_of_local_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads a file by ranges, without a storage."""

    def fetch(file: RangedFile, first: int, last: int) -> bytes:
        file._left_bytes -= last + 1 - first
        if file._left_bytes < 0:
            raise ReadTooMuch("too much")
        with Path(file._url).open("rb") as content:
            content.seek(first)
            return content.read(last + 1 - first)

    monkeypatch.setattr(RangedFile, "_fetch", fetch)


def probed(source: Path) -> dict[str, Any]:
    with RangedFile(str(source), source.stat().st_size) as file:
        return media_reader.probe_media(file, source.parent, sniff(file))


def copy_of(source: Path, found: dict[str, Any]) -> Path:
    copied = source.with_name("copy")
    copied.write_bytes(Edits.from_json(found["edits"]).apply(source.read_bytes(), 0))
    return copied


# One of each container; a copy in place knows no codecs.
COPIED = [
    "mp4", "mp4, second sound is the default", "mov, iphone's hevc", "mov, jpegs", "m4a",
    "webm, vp8", "webm, second sound is the default", "weba", "mp3", "wav", "wav, a law", "aac",
]  # fmt: skip


def plain(folder: Path, name: str) -> Path:
    if name == "aac":
        return write_tracks(folder / "source", "adts", sounds=[AAC])
    return made(folder, name, CARRIED)


def made_with_everything(folder: Path, name: str) -> Path:
    container = "adts" if name == "aac" else KINDS[name][0]
    return with_everything(plain(folder, name), container)


@pytest.mark.parametrize("name", COPIED)
def test_the_copy_of_a_large_file_has_no_place_maker_or_date(tmp_path: Path, name: str) -> None:
    whole = properties(plain(tmp_path, name))
    source = made_with_everything(tmp_path, name)
    assert secrets_in(source)

    found = probed(source)

    copied = copy_of(source, found)
    assert (found["note"], found["kept_because"]) == (None, None)
    assert secrets_in(copied) == [] and set(dates_in(copied)) <= {0}
    after = properties(copied)
    if name == "mp3":
        # Readers return the zeros after the last frame as a packet without sound.
        del after[0]["packets"][len(whole[0]["packets"]) :]
    assert after == whole
    assert copied.stat().st_size == source.stat().st_size


@pytest.mark.parametrize("name", ["mp4", "mov, iphone's hevc", "m4a"])
def test_an_index_at_the_beginning_is_cleared_as_well(tmp_path: Path, name: str) -> None:
    container, pictures, sounds = KINDS[name]
    source = write_tracks(
        tmp_path / "source", container, pictures=pictures, sounds=sounds, metadata=CARRIED,
        options={"movflags": "+faststart"},
    )  # fmt: skip
    content = source.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat") and secrets_in(source)

    found = probed(source)

    copied = copy_of(source, found)
    assert (found["note"], secrets_in(copied)) == (None, [])
    assert properties(copied) == properties(source)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_sound_that_only_small_files_convert_is_kept(tmp_path: Path, name: str) -> None:
    container, pictures, sounds = FOREIGN[name]
    source = as_camera(
        write_tracks(
            tmp_path / "source", container, pictures=pictures, sounds=sounds, metadata=CARRIED
        )
    )

    found = probed(source)

    copied = copy_of(source, found)
    assert (found["note"], secrets_in(copied)) == (None, [])
    assert properties(copied) == properties(source)


def test_the_samples_of_removed_tracks_are_erased_between_kept_samples(
    tmp_path: Path,
) -> None:
    """Like the samples of a camera's telemetry, which contain its place every second."""
    source = write_tracks(tmp_path / "source", "mp4", pictures=[H264, H264], sounds=[AAC])
    with av.open(str(source)) as media:
        kept = [bytes(p) for p in media.demux(media.streams[0]) if p.size]
    with av.open(str(source)) as media:
        left = [bytes(p) for p in media.demux(media.streams[1]) if p.size > 50]

    found = probed(source)

    content = copy_of(source, found).read_bytes()
    assert found["note"] == "TRACKS_LEFT_OUT"
    assert all(packet in content for packet in kept)
    assert left and [packet for packet in left if packet in content and packet not in kept] == []


def test_camera_telemetry_is_erased_without_a_note(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "source", "mp4", pictures=[H264, H264], sounds=[AAC])
    with av.open(str(source)) as media:
        measured = [bytes(p) for p in media.demux(media.streams[1]) if p.size > 50]
    content = source.read_bytes()
    at = content.rindex(b"vide")
    content = content[:at] + b"meta" + content[at + 4 :]
    at = content.rindex(b"avc1")
    source.write_bytes(content[:at] + b"gpmd" + content[at + 4 :])
    with av.open(str(source)) as media:
        assert [stream.type for stream in media.streams] == ["video", "data", "audio"]
        pictures = b"".join(bytes(p) for p in media.demux(video=0))

    found = probed(source)

    copied = copy_of(source, found)
    with av.open(str(copied)) as media:
        assert [stream.type for stream in media.streams] == ["video", "audio"]
        assert b"".join(bytes(p) for p in media.demux(video=0)) == pictures
    content = copied.read_bytes()
    assert found["note"] is None
    assert [p for p in measured if p in content and p not in pictures] == []


def test_an_extra_track_of_a_webm_is_kept_with_a_note(tmp_path: Path) -> None:
    """Its blocks stand within the clusters, which are not read."""
    vp8 = Track(codec="libvpx")
    source = write_tracks(tmp_path / "source", "webm", pictures=[vp8, vp8], metadata=CARRIED)

    found = probed(source)

    copied = copy_of(source, found)
    assert (found["note"], secrets_in(copied)) == ("METADATA_KEPT", [])
    assert properties(copied) == properties(source)


# What is not affordable


@pytest.mark.parametrize("limit", ["EDITED_LIMIT_BYTES", "_RANGES_LIMIT"])
def test_data_between_too_many_samples_is_kept_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """The structure is cleared in any case."""
    # The second track is left out, so there is something between the samples.
    two = write_tracks(
        tmp_path / "two", "mp4", pictures=[H264, H264], sounds=[AAC], metadata=CARRIED
    )
    monkeypatch.setattr(blank_in_place, "EDITED_PART_BYTES", 1)
    edits = probed(two)["edits"]
    most = {
        "EDITED_LIMIT_BYTES": len(Edits.from_json(edits).cells(1)) - 1,
        "_RANGES_LIMIT": len(edits["erased"]) + len(edits["patches"]) - 1,
    }[limit]
    monkeypatch.setattr(blank_in_place, limit, most)

    found = probed(two)

    copied = copy_of(two, found)
    assert found["note"] == "METADATA_KEPT"
    assert secrets_in(copied) == []
    assert properties(copied)[0] == properties(two)[0]


def test_a_file_that_would_be_mostly_erased_is_copied_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = made(tmp_path, "wav")
    source.write_bytes(source.read_bytes() + chunk(b"JUNK", bytes(100_000)))
    monkeypatch.setattr(blank_in_place, "EDITED_LIMIT_BYTES", 90_000)
    monkeypatch.setattr(blank_in_place, "EDITED_PART_BYTES", 1000)

    found = probed(source)

    assert found["note"] == "METADATA_KEPT"
    assert copy_of(source, found).read_bytes() == source.read_bytes()


def test_a_fragmented_file_is_cleared_around_its_fragments(tmp_path: Path) -> None:
    source = write_tracks(
        tmp_path / "source", "mp4", metadata=CARRIED, seconds=3, sounds=[AAC],
        pictures=[Track(codec="libx264", options={"g": "10"})],
        options={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    )  # fmt: skip
    source.write_bytes(source.read_bytes() + box(b"uuid", bytes(16) + SECRET))
    assert b"moof" in source.read_bytes() and secrets_in(source)

    found = probed(source)

    copied = copy_of(source, found)
    assert (found["note"], secrets_in(copied)) == (None, [])
    assert properties(copied) == properties(source)


@pytest.mark.parametrize("name", ["mp4", "webm", "mp3"])
def test_a_file_that_erasing_would_break_is_copied_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = made_with_everything(tmp_path, name)
    everything = Edits(erased=[(0, source.stat().st_size)])
    erasure = blank_in_place.Erasure(everything)
    monkeypatch.setattr(blank_in_place, "erasure_of", lambda *_: erasure)

    found = probed(source)

    assert found["note"] == "METADATA_KEPT"
    assert copy_of(source, found).read_bytes() == source.read_bytes()


# Odd structures


def test_tags_between_the_frames_of_an_mp3_are_erased(tmp_path: Path) -> None:
    """Joined files have them; what is in step with the frames is not searched for."""
    source = made(tmp_path, "mp3")
    id3 = b"ID3\4\0\0\0\0\0" + bytes([len(SECRET)]) + SECRET
    content = source.read_bytes()
    frames = content[content.index(b"\xff\xfb") :]
    source.write_bytes(bytes(700) + id3 + content + SECRET + id3 + frames)

    found = probed(source)

    copied = copy_of(source, found)
    assert (found["note"], secrets_in(copied)) == (None, [])
    assert copied.read_bytes().count(frames) == 2


@pytest.mark.parametrize("seen_bytes", [16, 64, 1000])
def test_frames_are_found_wherever_the_read_windows_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen_bytes: int
) -> None:
    from darkroom.uploads.inspection import blank_frames

    source = made_with_everything(tmp_path, "mp3")
    expected = probed(source)["edits"]
    monkeypatch.setattr(blank_frames, "_WINDOW_BYTES", seen_bytes)

    assert probed(source)["edits"] == expected


def test_the_sound_of_a_wav_without_a_length_is_kept(tmp_path: Path) -> None:
    source = made(tmp_path, "wav, a law")
    content = source.read_bytes()
    at = content.index(b"data") + 4
    source.write_bytes(content[:at] + b"\xff" * 4 + content[at + 4 :])

    found = probed(source)

    assert properties(copy_of(source, found)) == properties(source)


@pytest.mark.parametrize("step", [229, pytest.param(31, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [*MP4_KINDS[:1], "webm", "wav", "mp3"])
def test_a_hostile_structure_never_causes_an_internal_error(
    tmp_path: Path, name: str, step: int
) -> None:
    """Bytes of the first kilobyte in turn; what can be read has a verdict."""
    source = made_with_everything(tmp_path, name)
    content = source.read_bytes()
    for at in range(0, 1024, step):
        spoiled = bytearray(content)
        spoiled[at] ^= 0xFF
        source.write_bytes(spoiled)
        size = str(len(spoiled))
        found = media_reader.outcome_of([str(source), str(tmp_path), name, size])
        assert "rejected" in found or found["kind"] in ("video", "audio")
