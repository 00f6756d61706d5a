"""Videos and sounds: what is found in them, what is kept of them, and what is refused."""

from __future__ import annotations

import errno
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from darkroom.kernel.limits import MEDIA_LIMIT_SECONDS
from darkroom.uploads.inspection import media, media_copy, media_reader, media_tracks
from darkroom.uploads.inspection.media import CleanMedia, MediaRejected, inspect_and_rewrite
from darkroom.uploads.inspection.media_tracks import Rejected
from darkroom.uploads.inspection.ranged_file import FetchBroken
from tests.support.media_files import write_media

SECRET = "Mapo-gu 37.5665"
CARRIED = {"title": SECRET, "comment": SECRET, "location": "+37.5665+126.9780/"}
# muxer, video, audio → kind, type, name of the clean copy
KINDS = [
    ("mp4", "libx264", "aac", "video", "video/mp4", "media.mp4"),
    ("mov", "libx264", "pcm_s16le", "video", "video/quicktime", "media.mov"),
    ("webm", "libvpx-vp9", "libopus", "video", "video/webm", "media.webm"),
    ("mp3", None, "libmp3lame", "audio", "audio/mpeg", "media.mp3"),
    ("wav", None, "pcm_s16le", "audio", "audio/wav", "media.wav"),
    ("ipod", None, "aac", "audio", "audio/mp4", "media.m4a"),
]


APART = media._read_apart


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process takes longer to start than a file to read: only tests of the process start one."""

    def read(source: str, workdir: Path, container: str) -> dict[str, Any]:
        return media_reader.outcome_of([source, str(workdir), container])

    monkeypatch.setattr(media, "_read_apart", read)


def checked(path: Path, folder: str = "checked") -> CleanMedia:
    workdir = path.parent / folder
    workdir.mkdir()
    return inspect_and_rewrite(path, workdir)


def refusal(path: Path) -> str:
    with pytest.raises(MediaRejected) as refused:
        checked(path)
    return refused.value.error_code


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_media(
        tmp_path / "film", "mp4", video="libx264", audio="aac", options={"movflags": "+faststart"}
    )


@pytest.mark.parametrize(("muxer", "video", "audio", "kind", "mime_type", "name"), KINDS)
def test_each_kind_is_recognized_and_remuxed_without_its_metadata(
    tmp_path: Path,
    muxer: str,
    video: str | None,
    audio: str,
    kind: str,
    mime_type: str,
    name: str,
) -> None:
    path = write_media(tmp_path / "f", muxer, video=video, audio=audio, metadata=CARRIED)
    assert SECRET.encode() in path.read_bytes()

    found = checked(path)

    assert (found.kind, found.mime_type, found.path.name) == (kind, mime_type, name)
    assert found.duration_ms == pytest.approx(2000, abs=60)
    assert (found.width, found.height) == ((160, 90) if video else (None, None))
    assert found.note is None
    clean = found.path.read_bytes()
    assert SECRET.encode() not in clean and b"37.5665" not in clean
    with av.open(str(found.path)) as opened:
        assert sum(1 for _ in opened.decode(audio=0)) > 10


@pytest.mark.parametrize(("muxer", "video", "audio"), [kind[:3] for kind in KINDS])
def test_the_same_content_gives_the_same_files(
    tmp_path: Path, muxer: str, video: str | None, audio: str
) -> None:
    path = write_media(tmp_path / "f", muxer, video=video, audio=audio)

    first, second = checked(path, "one"), checked(path, "two")

    assert first.path.read_bytes() == second.path.read_bytes()
    if first.thumbnail and second.thumbnail:
        assert first.thumbnail.read_bytes() == second.thumbnail.read_bytes()


def test_cleaning_a_clean_copy_changes_nothing(film: Path) -> None:
    first = checked(film)

    second = checked(Path(shutil.copy(first.path, film.parent / "again")), "second")

    assert second.path.read_bytes() == first.path.read_bytes()
    assert second.duration_ms == first.duration_ms


def test_a_portrait_video_stays_upright(tmp_path: Path) -> None:
    path = write_media(tmp_path / "f", "mov", video="libx264", rotation=90)

    found = checked(path)

    assert (found.width, found.height) == (90, 160)
    assert found.thumbnail is not None
    with Image.open(found.thumbnail) as thumbnail:
        assert thumbnail.size == (90, 160)
        # Red was on the left; turned, it is at one end.
        ends: list[Any] = [thumbnail.getpixel((45, y)) for y in (8, 151)]
    assert sorted(end[0] > 200 for end in ends) == [False, True]
    with av.open(str(found.path)) as opened:
        assert next(opened.decode(video=0)).rotation % 360 in (90, 270)


def test_a_thumbnail_is_a_small_frame_without_metadata(tmp_path: Path) -> None:
    path = write_media(tmp_path / "f", "mp4", video="libx264", size=(1280, 720), seconds=1)

    found = checked(path)

    assert found.thumbnail is not None
    with Image.open(found.thumbnail) as thumbnail:
        assert thumbnail.format == "JPEG" and thumbnail.size == (480, 270)
        assert not thumbnail.getexif()
        color_at: Any = thumbnail.getpixel
        left, right = color_at((60, 200)), color_at((420, 200))
    assert left[0] > 200 and right[0] < 60


def test_a_failed_thumbnail_is_a_placeholder_and_a_note(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ValueError("no frame there")

    monkeypatch.setattr(media_reader, "_frame_at", failing)
    (film.parent / "w").mkdir()
    found = media_reader.read_media(film, film.parent / "w", "mp4")

    assert found["note"] == "NO_THUMBNAIL"
    with Image.open(film.parent / "w" / found["thumbnail"]) as thumbnail:
        assert thumbnail.size == (480, 270)


def test_cover_art_makes_a_song_no_video(tmp_path: Path) -> None:
    song = write_media(tmp_path / "song", "mp3", audio="libmp3lame")
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "cover.png")
    with av.open(str(song)) as sound, av.open(str(tmp_path / "with"), "w", format="mp3") as out:
        track = out.add_stream_from_template(sound.streams.audio[0])
        with av.open(str(tmp_path / "cover.png")) as cover:
            art = out.add_stream_from_template(cover.streams.video[0])
            art.disposition = av.stream.Disposition.attached_pic
            for packet in sound.demux():
                if packet.dts is not None:
                    packet.stream = track
                    out.mux(packet)
            for packet in cover.demux():
                if packet.dts is not None:
                    packet.stream = art
                    out.mux(packet)

    found = checked(tmp_path / "with")

    assert (found.kind, found.thumbnail) == ("audio", None)
    assert b"PNG" not in found.path.read_bytes()


# Data before the beginning


def free_first(path: Path) -> Path:
    """The brand and the space after it are swapped; every offset stays right."""
    content = path.read_bytes()
    (size,) = struct.unpack(">I", content[:4])
    assert content[size + 4 : size + 8] == b"free"
    path.write_bytes(content[size : size + 8] + content[:size] + content[size + 8 :])
    return path


def without_brand(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"skip" + content[8:])
    return path


def media_first(path: Path) -> Path:
    """Without a brand, the media stand at the beginning; chunks are found where they were."""
    content = path.read_bytes()
    at = content.index(b"mdat") - 4
    (size,) = struct.unpack(">I", content[at : at + 4])
    path.write_bytes(struct.pack(">I4s", at + size, b"mdat") + content[8:])
    return path


def padded(path: Path) -> Path:
    path.write_bytes(bytes(512) + path.read_bytes())
    return path


def tagged_and_padded(path: Path) -> Path:
    """A tag with a picture, as long as a tag may be before the sound, and zeros."""
    picture = b"\xff" * 300_000
    size = bytes(len(picture) >> shift & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\0\0" + size + picture + bytes(700) + path.read_bytes())
    return path


def with_64_bits(name: bytes) -> Callable[[Path], Path]:
    """EBU Tech 3306: sizes of 64 bits stand in a chunk of their own."""

    def changed(path: Path) -> Path:
        content = path.read_bytes()
        at = content.index(b"data")
        sizes = struct.pack("<QQQI", len(content) + 28, len(content) - at - 8, 0, 0)
        head = name + b"\xff" * 4 + b"WAVEds64" + struct.pack("<I", len(sizes)) + sizes
        data = b"data" + b"\xff" * 4 + content[at + 8 :]
        path.write_bytes(head + content[12:at] + data)
        return path

    return changed


def as_it_is(path: Path) -> Path:
    return path


BEGINNINGS: dict[str, tuple[str, str | None, str, Callable[[Path], Path], str]] = {
    "mp4 after free space": ("mp4", "libx264", "aac", free_first, "video/mp4"),
    "mp4 without a brand": ("mp4", "libx264", "aac", without_brand, "video/quicktime"),
    "mp4 that begins with its media": ("mp4", "libx264", "aac", media_first, "video/quicktime"),
    "padded mp3": ("mp3", None, "libmp3lame", padded, "audio/mpeg"),
    "tagged and padded mp3": ("mp3", None, "libmp3lame", tagged_and_padded, "audio/mpeg"),
    "rf64": ("wav", None, "pcm_s16le", with_64_bits(b"RF64"), "audio/wav"),
    "bw64": ("wav", None, "pcm_s16le", with_64_bits(b"BW64"), "audio/wav"),
    "aac": ("adts", None, "aac", as_it_is, "audio/aac"),
    "tagged aac": ("adts", None, "aac", tagged_and_padded, "audio/aac"),
    "a voice recorder's webm": ("webm", None, "libopus", as_it_is, "audio/webm"),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_good_file_is_recognized_whatever_its_first_bytes(tmp_path: Path, name: str) -> None:
    container, video, audio, change, mime_type = BEGINNINGS[name]
    path = change(write_media(tmp_path / "f", container, video=video, audio=audio))

    found = checked(path)

    assert (found.mime_type, found.note) == (mime_type, None)
    assert found.duration_ms == pytest.approx(2000, abs=80)
    with av.open(str(found.path)) as opened:
        assert sum(1 for _ in opened.decode(audio=0)) > 10


def test_aac_becomes_a_file_that_players_can_seek_in(tmp_path: Path) -> None:
    path = write_media(tmp_path / "f", "adts", audio="aac")

    found = checked(path)

    assert (found.mime_type, found.clean_mime_type) == ("audio/aac", "audio/mp4")
    assert found.path.name == "media.m4a"


def test_a_word_that_begins_like_an_element_is_no_markup(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "f", "mp3", audio="libmp3lame", metadata={"comment": "<HTML5 canvas> demo"}
    )

    assert checked(path).kind == "audio"


def test_a_sound_in_a_video_s_container_is_a_sound(tmp_path: Path) -> None:
    path = write_media(tmp_path / "f", "mp4", audio="aac")

    found = checked(path)

    assert (found.kind, found.mime_type, found.path.name) == ("audio", "audio/mp4", "media.m4a")


def test_the_duration_is_measured_and_not_trusted(tmp_path: Path) -> None:
    # A live recording says nothing about its length; this one says it lasts a day.
    path = write_media(tmp_path / "f", "wav", audio="pcm_s16le")
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)

    assert checked(path).duration_ms == pytest.approx(2000, abs=60)


def test_a_file_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MEDIA_LIMIT_SECONDS == 12 * 3600
    path = write_media(tmp_path / "f", "wav", audio="pcm_s16le")
    monkeypatch.setattr(media_copy, "MEDIA_LIMIT_SECONDS", 1)

    with pytest.raises(Rejected) as refused:
        media_reader.read_media(path, tmp_path, "wav")

    assert refused.value.code == "FILE_TOO_LARGE"


def test_a_file_that_crashes_or_hangs_the_reader_is_corrupt(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "_read_apart", APART)
    monkeypatch.setattr(media, "_BOOT", "import os; os.abort()")
    assert refusal(film) == "CORRUPT_FILE"

    shutil.rmtree(film.parent / "checked")
    monkeypatch.setattr(media, "_BOOT", "import time; time.sleep(60)")
    monkeypatch.setattr(media, "MEDIA_CHECK_SECONDS", 0.2)
    assert refusal(film) == "CORRUPT_FILE"


def test_a_file_that_raises_an_unexpected_error_is_corrupt(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprised(*_: object) -> None:
        raise KeyError("unexpected")

    monkeypatch.setattr(media_reader, "read_media", surprised)

    assert refusal(film) == "CORRUPT_FILE"


@pytest.mark.parametrize(
    "failure", [FetchBroken("the storage is down"), OSError(errno.ENOSPC, "no space")]
)
def test_a_failing_machine_does_not_make_the_file_corrupt(
    film: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def failing(*_: object) -> None:
        raise failure

    monkeypatch.setattr(media_reader, "read_media", failing)

    with pytest.raises(type(failure)):
        checked(film)


def test_a_separate_process_reads_a_file(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = checked(film)
    monkeypatch.setattr(media, "_read_apart", APART)

    apart = checked(film, "apart")

    assert apart.path.read_bytes() == here.path.read_bytes()
    assert (apart.width, apart.height, apart.note) == (here.width, here.height, here.note)


def test_a_reader_that_cannot_start_is_an_internal_error(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "_read_apart", APART)
    monkeypatch.setattr(media, "_BOOT", "import nothing_of_that_name")

    with pytest.raises(RuntimeError):
        checked(film)


# --- Hostile files ----------------------------------------------------------------------------


def box(name: bytes, body: bytes, *, size: int | None = None) -> bytes:
    return struct.pack(">I", 8 + len(body) if size is None else size) + name + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + b"\0" * 10
EBML = b"\x1a\x45\xdf\xa3\x93\x42\x86\x81\x01\x42\x82\x84webm\x42\x87\x81\x04\x42\x85\x81\x02"
RIFF = b"RIFF\x24\x00\x00\x00WAVE"

HOSTILE_BYTES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "UNSUPPORTED_TYPE"),
    "one byte": (b"\0", "UNSUPPORTED_TYPE"),
    "text": (b"this is not a film at all", "UNSUPPORTED_TYPE"),
    "html": (b"<!DOCTYPE html><script>alert(1)</script>", "UNSUPPORTED_TYPE"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "UNSUPPORTED_TYPE"),
    "php in an mp3": (ID3 + b"<?php system($_GET['c']); ?>", "UNSUPPORTED_TYPE"),
    "zip": (b"PK\x03\x04" + b"\0" * 60, "UNSUPPORTED_TYPE"),
    "elf": (b"\x7fELF" + b"\0" * 60, "UNSUPPORTED_TYPE"),
    "pdf": (b"%PDF-1.7\n", "UNSUPPORTED_TYPE"),
    "playlist that reads files": (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n", "UNSUPPORTED_TYPE",
    ),
    "concat script": (b"ffconcat version 1.0\nfile /etc/passwd\n", "UNSUPPORTED_TYPE"),
    "session description": (b"v=0\r\nc=IN IP4 169.254.169.254\r\n", "UNSUPPORTED_TYPE"),
    "avi": (b"RIFF\x24\x00\x00\x00AVI LIST", "UNSUPPORTED_TYPE"),
    "ogg": (b"OggS\0\2" + b"\0" * 60, "UNSUPPORTED_TYPE"),
    "flash": (b"FLV\x01\x05\0\0\0\x09", "UNSUPPORTED_TYPE"),
    "raw aac": (b"\xff\xf1\x50\x80\x02\x1f\xfc" * 20, "UNSUPPORTED_TYPE"),
    "matroska": (EBML.replace(b"webm", b"matr"), "UNSUPPORTED_TYPE"),
    "jpeg": (b"\xff\xd8\xff\xe0" + b"\0" * 60, "TYPE_MISMATCH"),
    "png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 60, "TYPE_MISMATCH"),
    "webp": (b"RIFF\x24\0\0\0WEBPVP8 ", "TYPE_MISMATCH"),
    "heic": (box(b"ftyp", b"heic\0\0\0\0mif1heic"), "TYPE_MISMATCH"),
    "avif": (box(b"ftyp", b"avif\0\0\0\0mif1avif"), "TYPE_MISMATCH"),
    "brand and no more": (FTYP, "CORRUPT_FILE"),
    "empty moov": (FTYP + box(b"moov", b""), "CORRUPT_FILE"),
    "moov of four gigabytes": (FTYP + box(b"moov", b"\0" * 64, size=0xFFFFFFF0), "CORRUPT_FILE"),
    "box smaller than its head": (FTYP + box(b"moov", b"\0" * 64, size=3), "CORRUPT_FILE"),
    "boxes in boxes": (FTYP + b"".join(
        struct.pack(">I", 8 * (3000 - n)) + b"moov" for n in range(3000)), "CORRUPT_FILE"),
    "old quicktime, empty": (box(b"wide", b"") + box(b"mdat", b"\0" * 64), "CORRUPT_FILE"),
    "mp4 of zeros": (FTYP + box(b"mdat", bytes(200_000)), "CORRUPT_FILE"),
    "webm head only": (EBML, "CORRUPT_FILE"),
    "webm of noise": (EBML + bytes(range(256)) * 400, "CORRUPT_FILE"),
    "mp3 tag only": (ID3, "CORRUPT_FILE"),
    "mp3 tag that never ends": (b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"\0" * 5000, "CORRUPT_FILE"),
    "mp3 frame of nothing": (b"\xff\xfb\x90\x64", "CORRUPT_FILE"),
    "wav head only": (RIFF, "CORRUPT_FILE"),
    "wav without format": (RIFF + b"data\x04\0\0\0\0\0\0\0", "CORRUPT_FILE"),
    "wav of no channels": (
        RIFF + b"fmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 0, 8000, 0, 0, 8) + b"data\0\0\0\0",
        "CORRUPT_FILE",
    ),
    "wav of no rate": (
        RIFF + b"fmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 1, 0, 0, 1, 8)
        + b"data\x08\0\0\0" + b"\0" * 8,
        "CORRUPT_FILE",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_BYTES)
def test_a_file_with_a_false_signature_is_refused(tmp_path: Path, name: str) -> None:
    content, code = HOSTILE_BYTES[name]
    (tmp_path / "f").write_bytes(content)

    assert refusal(tmp_path / "f") == code


def cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_index(content: bytes) -> bytes:
    return content.replace(b"moov", b"zzzz")


def scrambled(content: bytes) -> bytes:
    """Every byte of what is behind the index is another one."""
    at = content.index(b"mdat") + 4
    return content[:at] + bytes(byte ^ 0xA5 for byte in content[at:])


def of_another_codec(content: bytes) -> bytes:
    return content.replace(b"avc1", b"zzz9").replace(b"mp4a", b"zzz8")


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (cut_in_half, {"CORRUPT_FILE"}),
        (without_index, {"CORRUPT_FILE", "UNSUPPORTED_TYPE"}),
        (scrambled, {"CORRUPT_FILE"}),
        (of_another_codec, {"UNSUPPORTED_TYPE"}),
    ],
)
def test_a_broken_video_is_refused(
    film: Path, change: Callable[[bytes], bytes], codes: set[str]
) -> None:
    film.write_bytes(change(film.read_bytes()))

    assert refusal(film) in codes


@pytest.mark.parametrize(
    ("muxer", "video", "audio"),
    [("matroska", "libx264", "aac"), ("avi", "mpeg4", None), ("ogg", None, "libopus")],
)
def test_other_containers_are_refused(
    tmp_path: Path, muxer: str, video: str | None, audio: str | None
) -> None:
    path = write_media(tmp_path / "f", muxer, video=video, audio=audio)

    assert refusal(path) == "UNSUPPORTED_TYPE"


def test_a_codec_that_browsers_do_not_play_is_refused(tmp_path: Path) -> None:
    path = write_media(tmp_path / "f", "mov", video="mpeg2video")

    assert refusal(path) == "UNSUPPORTED_TYPE"


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_tracks, "MAX_PIXELS", 160 * 90 - 1)

    with pytest.raises(Rejected) as refused:
        media_reader.read_media(film, film.parent, "mp4")

    assert refused.value.code == "IMAGE_TOO_LARGE"


def test_a_file_cannot_refer_to_other_files(film: Path) -> None:
    """QuickTime's data references point to other files; here they lead nowhere."""
    secret = film.parent / "secret"
    secret.write_bytes(b"\0" * 100_000)
    content = film.read_bytes()
    at = content.index(b"url \0\0\0\1")
    film.write_bytes(content[:at] + b"url \0\0\0\0" + content[at + 8 :])

    try:
        found = checked(film)
    except MediaRejected:
        return
    assert found.path.stat().st_size < 100_000
