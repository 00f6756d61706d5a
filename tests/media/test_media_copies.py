"""Clean copies of videos and sounds: what they keep of each track, and what they never contain."""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av import AVRational
from PIL import Image

from darkroom.uploads.inspection import dolby_vision, media_reader
from darkroom.uploads.inspection.media import sniff
from darkroom.uploads.inspection.media_tracks import Rejected
from darkroom.uploads.inspection.webm_shape import PLACEHOLDER, write_shown_size
from tests.support.media_files import Track, moved, write_tracks

# In these, every byte is visible as a property; others contain more than their properties.
PLAIN_FACTS = {"DISPLAYMATRIX", "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"}
HDR = {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1}
H264 = Track(codec="libx264")
AAC = Track(codec="aac")
HEVC_OPTIONS = {"x265-params": "log-level=none:pools=1:frame-threads=1", "preset": "ultrafast"}


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def hevc(tag: str, **settings: Any) -> Track:
    return Track(codec="libx265", tag=tag, options=HEVC_OPTIONS, settings=settings)


def prores(tag: str, profile: str, pix_fmt: str) -> Track:
    return Track(codec="prores_ks", tag=tag, options={"profile": profile}, pix_fmt=pix_fmt)


def shaped(codec: str, numerator: int, denominator: int) -> Track:
    return Track(codec=codec, settings={"sample_aspect_ratio": AVRational(numerator, denominator)})


# A name → container, pictures, sounds
KINDS: dict[str, tuple[str, list[Track], list[Track]]] = {
    "mp4": ("mp4", [H264], [AAC]),
    "mp4, held upright": ("mp4", [Track(codec="libx264", rotation=90)], [AAC]),
    "mp4, mirrored": ("mp4", [Track(codec="libx264", is_mirrored=True)], []),
    "mp4, wide pixels": ("mp4", [shaped("libx264", 4, 3)], []),
    "mp4, high pixels": ("mp4", [shaped("libx264", 8, 9)], []),
    "mp4, iphone's hevc": ("mp4", [hevc("hvc1")], [AAC]),
    "mp4, hevc with its sets inside": ("mp4", [hevc("hev1")], []),
    "mp4, hdr": ("mp4", [hevc("hvc1", **HDR)], []),
    "mp4, mpeg4": ("mp4", [Track(codec="mpeg4")], [Track(codec="libmp3lame")]),
    "mp4, av1": ("mp4", [Track(codec="libsvtav1", options={"preset": "12"})], [AAC]),
    "mp4, vp9": ("mp4", [Track(codec="libvpx-vp9")], [Track(codec="libopus")]),
    "mp4, flac": ("mp4", [H264], [Track(codec="flac")]),
    "mp4, ac3": ("mp4", [H264], [Track(codec="ac3", layout="5.1")]),
    "mp4, second sound is the default": (
        "mp4",
        [H264],
        [
            Track(codec="aac", language="kor", layout="mono"),
            Track(codec="aac", language="eng", layout="mono", is_default=True, rate_hz=44_100),
        ],
    ),
    "mov, iphone's hevc": ("mov", [hevc("hvc1")], [AAC]),
    "mov, prores 4444": ("mov", [prores("ap4h", "4444", "yuva444p10le")], []),
    "mov, prores hq": (
        "mov", [prores("apch", "hq", "yuv422p10le")], [Track(codec="pcm_s24le")]
    ),
    "mov, prores proxy": ("mov", [prores("apco", "proxy", "yuv422p10le")], []),
    "mov, jpegs": (
        "mov",
        [Track(codec="mjpeg", pix_fmt="yuvj420p", options={"strict": "-1"})],
        [Track(codec="pcm_s16be", tag="twos")],
    ),
    "mov, floats": ("mov", [H264], [Track(codec="pcm_f32le")]),
    "m4a": ("ipod", [], [AAC]),
    "m4a, lossless": ("ipod", [], [Track(codec="alac")]),
    "webm": ("webm", [Track(codec="libvpx-vp9")], [Track(codec="libopus")]),
    "webm, vp8": ("webm", [Track(codec="libvpx")], [Track(codec="libopus", layout="mono")]),
    "webm, second sound is the default": (
        "webm",
        [Track(codec="libvpx")],
        [
            Track(codec="libopus", language="kor", layout="mono"),
            Track(codec="libopus", language="eng", layout="mono", is_default=True),
        ],
    ),
    "weba": ("webm", [], [Track(codec="libopus")]),
    "mp3": ("mp3", [], [Track(codec="libmp3lame")]),
    "wav": ("wav", [], [Track(codec="pcm_s24le", rate_hz=96_000)]),
    "wav, a law": ("wav", [], [Track(codec="pcm_alaw", rate_hz=8000, layout="mono")]),
}  # fmt: skip


def made(folder: Path, name: str, metadata: Mapping[str, str] | None = None) -> Path:
    source = folder / "source"
    source.write_bytes(encoded(name, tuple((metadata or {}).items())))
    return source


@cache
def encoded(name: str, metadata: tuple[tuple[str, str], ...]) -> bytes:
    """The file of a kind; encoded once."""
    container, pictures, sounds = KINDS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        write_tracks(path, container, pictures=pictures, sounds=sounds, metadata=dict(metadata))
        return path.read_bytes()


def read(source: Path, workdir: Path | None = None) -> dict[str, Any]:
    """The result of the reader, in this process."""
    with source.open("rb") as file:
        name = sniff(file)
    return media_reader.read_media(source, workdir or source.parent, name)


def clean_of(source: Path) -> Path:
    return source.parent / str(read(source)["name"])


# What tracks keep


def properties(path: Path) -> list[dict[str, Any]]:
    """All properties that PyAV reports of a file's tracks and of the first frame of each."""
    with av.open(str(path)) as media:
        is_mp4 = "mp4" in media.format.name
        found = [_properties(stream, is_mp4) for stream in media.streams]
    for number, facts in enumerate(found):
        with av.open(str(path)) as media:
            facts["packets"] = _packets(media, media.streams[number])
        with av.open(str(path)) as media:
            facts["frame"] = _frame(next(media.decode(media.streams[number])))
    return found


def _properties(stream: Any, is_mp4: bool) -> dict[str, Any]:
    context = stream.codec_context
    facts = {
        "type": stream.type,
        "codec": context.codec.canonical_name,
        "profile": context.profile,
        "tag": context.codec_tag if is_mp4 else None,
        "language": stream.language,
        "disposition": stream.disposition,
        "extradata": context.extradata if is_mp4 else None,
    }
    if stream.type == "audio":
        sound = (context.rate, context.layout.nb_channels, context.format.name)
        return {**facts, "sound": sound}
    colors = (
        context.color_range, context.color_primaries, context.color_trc, context.colorspace,
    )  # fmt: skip
    return {
        **facts,
        "size": (context.width, context.height),
        "pix_fmt": context.pix_fmt,
        "ratio": stream.sample_aspect_ratio,
        "rate": stream.average_rate,
        "colors": colors,
        "field_order": context.field_order,
    }


def _packets(media: Any, stream: Any) -> list[tuple[float | None, bool, str]]:
    """When each packet is shown (to a hundredth), whether it is a key frame, and its content."""
    packets = [packet for packet in media.demux(stream) if packet.size]
    begins = packets[0].pts
    return [
        (
            None if begins is None else round(float((p.pts - begins) * p.time_base), 2),
            p.is_keyframe,
            hashlib.sha256(bytes(p)).hexdigest(),
        )
        for p in packets
    ]


def _frame(frame: Any) -> dict[str, Any]:
    if isinstance(frame, av.AudioFrame):
        return {"samples": frame.samples, "layout": frame.layout.nb_channels}
    return {
        "rotation": frame.rotation,
        "interlaced": frame.interlaced_frame,
        "side data": {
            data.type.name: bytes(data) if data.type.name in PLAIN_FACTS else None
            for data in frame.side_data
        },
    }


@pytest.mark.parametrize("name", KINDS)
def test_a_clean_copy_has_every_property_of_every_track(tmp_path: Path, name: str) -> None:
    source = made(tmp_path, name)

    found = read(source)

    assert found["note"] is None
    assert properties(tmp_path / found["name"]) == properties(source)


def with_boxes(source: Path, codec: bytes, boxes: bytes) -> Path:
    """More boxes in the description of the first track; the index stands behind the samples."""
    content = source.read_bytes()
    at = content.index(codec) - 4
    (size,) = struct.unpack(">I", content[at : at + 4])
    changed = bytearray(content[: at + size] + boxes + content[at + size :])
    for holder in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", codec):
        place = content.index(holder) - 4
        (held,) = struct.unpack(">I", content[place : place + 4])
        changed[place : place + 4] = struct.pack(">I", held + len(boxes))
    source.write_bytes(changed)
    return source


AROUND = box(b"st3d", bytes(4) + b"\1") + box(
    b"sv3d",
    box(b"svhd", bytes(4) + b"\0")
    + box(b"proj", box(b"prhd", bytes(16)) + box(b"equi", bytes(20))),
)
LIGHT = box(
    b"mdcv",
    struct.pack(">8H2I", 13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 10_000_000, 1),
) + box(b"clli", struct.pack(">HH", 1000, 400))
DOLBY_VISION = box(b"dvvC", b"\1\0" + struct.pack(">HB", 8 << 9 | 3 << 3 | 5, 4 << 4) + bytes(19))


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_hdr_and_projection_metadata_are_kept(tmp_path: Path, container: str) -> None:
    source = with_boxes(
        write_tracks(tmp_path / "source", container, pictures=[hevc("hvc1", **HDR)], sounds=[AAC]),
        b"hvc1",
        AROUND + LIGHT + DOLBY_VISION,
    )

    clean = clean_of(source)

    assert properties(clean) == properties(source)
    side_data = properties(clean)[0]["frame"]["side data"]
    assert {"SPHERICAL", "STEREO3D", "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} <= set(
        side_data
    )
    assert DOLBY_VISION in clean.read_bytes()
    assert dolby_vision.PLACEHOLDER.encode() not in clean.read_bytes()


def with_pixels(source: Path, width: int, height: int) -> Path:
    """The file and its video have different pixel aspect ratios, as editors write it."""
    content = source.read_bytes()
    at = content.index(b"pasp") + 4
    shape = struct.pack(">II", width, height)
    source.write_bytes(content[:at] + shape + content[at + 8 :])
    return source


@pytest.mark.parametrize(("width", "height", "shown"), [(3, 2, (144, 64)), (8, 9, (96, 72))])
def test_a_video_has_its_display_size(
    tmp_path: Path, width: int, height: int, shown: tuple[int, int]
) -> None:
    source = with_pixels(made(tmp_path, "mp4, high pixels"), width, height)

    found = read(source)

    assert (found["width"], found["height"]) == shown
    with Image.open(tmp_path / found["thumbnail"]) as thumbnail:
        assert thumbnail.size == shown
    assert properties(tmp_path / found["name"]) == properties(source)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9", "libsvtav1"])
def test_a_webm_keeps_its_pixel_aspect_ratio(tmp_path: Path, codec: str) -> None:
    source = write_tracks(
        tmp_path / "source",
        "webm",
        pictures=[Track(codec=codec, metadata={"title": PLACEHOLDER})],
        sounds=[Track(codec="libopus")],
    )
    write_shown_size(source, 128, 64)
    with av.open(str(source)) as media:
        assert media.streams.video[0].sample_aspect_ratio == Fraction(4, 3)

    found = read(source)

    assert (found["width"], found["height"], found["note"]) == (128, 64, None)
    clean = tmp_path / found["name"]
    assert properties(clean) == properties(source)
    assert PLACEHOLDER.encode() not in clean.read_bytes()


def test_an_impossible_pixel_aspect_ratio_means_square_pixels(tmp_path: Path) -> None:
    source = with_pixels(made(tmp_path, "mp4, high pixels"), 60_000, 1)

    found = read(source)

    assert (found["width"], found["height"]) == (96, 64)


def test_a_rotated_video_with_wide_pixels_is_tall(tmp_path: Path) -> None:
    turned = Track(codec="libx264", rotation=90, settings={"sample_aspect_ratio": AVRational(3, 2)})
    source = write_tracks(tmp_path / "source", "mp4", pictures=[turned])

    found = read(source)

    assert (found["width"], found["height"]) == (64, 144)
    with Image.open(tmp_path / found["thumbnail"]) as thumbnail:
        assert thumbnail.size == (64, 144)


# Sounds that the container cannot hold


def as_camera(source: Path) -> Path:
    """A QuickTime file that calls itself an MP4, as cameras record sound without loss."""
    source.write_bytes(source.read_bytes().replace(b"ftypqt  ", b"ftypXAVC", 1))
    return source


AMR = Track(codec="libopencore_amrnb", rate_hz=8000, layout="mono", settings={"bit_rate": 12_200})
VORBIS = Track(codec="vorbis", options={"strict": "-2"})
FOREIGN: dict[str, tuple[str, list[Track], list[Track]]] = {
    "a camera's mp4 with pcm": ("mov", [H264], [Track(codec="pcm_s16be", tag="twos")]),
    "a camera's mp4 with two": (
        "mov", [H264], [Track(codec="pcm_s16be", tag="twos"), Track(codec="pcm_s24be")],
    ),
    "a phone's mp4 with amr": ("3gp", [H264], [AMR]),
    "mp4 with vorbis": ("mp4", [H264], [VORBIS]),
    "a recorder's amr alone": ("3gp", [], [AMR]),
    "pcm alone": ("mov", [], [Track(codec="pcm_s16le")]),
    "wav with adpcm": ("wav", [], [Track(codec="adpcm_ms")]),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_sound_that_the_container_cannot_hold_is_converted(tmp_path: Path, name: str) -> None:
    container, pictures, sounds = FOREIGN[name]
    source = as_camera(
        write_tracks(tmp_path / "source", container, pictures=pictures, sounds=sounds, seconds=2)
    )

    found = read(source)

    clean = tmp_path / found["name"]
    expected = "pcm_s16le" if container == "wav" else "aac"
    assert found["note"] is None and found["duration_ms"] == pytest.approx(2000, abs=80)
    with av.open(str(clean)) as media:
        assert [s.codec_context.codec.canonical_name for s in media.streams.audio] == [
            expected for _ in sounds
        ]
    for number in range(len(sounds)):
        assert tone_of(clean, number) == pytest.approx(440 + 220 * number, abs=15)
        assert sounds_from(clean, number) == pytest.approx(0, abs=0.06)


def tone_of(path: Path, number: int) -> float:
    """The loudest frequency of a sound track, in hertz."""
    samples, rate_hz = samples_of(path, number)
    loudness = np.abs(np.fft.rfft(samples))
    return float(np.argmax(loudness) * rate_hz / len(samples))


def sounds_from(path: Path, number: int) -> float:
    """When the tone begins, in seconds of the film."""
    samples, rate_hz = samples_of(path, number)
    return float(np.argmax(np.abs(samples) > np.abs(samples).max() / 3) / rate_hz)


def samples_of(path: Path, number: int) -> tuple[Any, int]:
    with av.open(str(path)) as media:
        frames = list(media.decode(audio=number))
    resampler = av.AudioResampler("fltp", "mono", frames[0].sample_rate)
    pieces = [p for frame in [*frames, None] for p in resampler.resample(frame)]
    samples = np.concatenate([piece.to_ndarray()[0] for piece in pieces])
    late = max(0, round(float(frames[0].time or 0) * frames[0].sample_rate))
    return np.concatenate([np.zeros(late), samples]), frames[0].sample_rate


def test_the_same_sound_is_converted_to_the_same_bytes(tmp_path: Path) -> None:
    container, pictures, sounds = FOREIGN["a camera's mp4 with pcm"]
    source = as_camera(
        write_tracks(tmp_path / "source", container, pictures=pictures, sounds=sounds)
    )

    first = clean_of(source).read_bytes()

    assert clean_of(source).read_bytes() == first


def renamed(source: Path, name: bytes, other: bytes) -> Path:
    """Replace a codec's name in the file with an unknown one."""
    source.write_bytes(source.read_bytes().replace(name, other))
    return source


LEFT_OUT = {
    "a sound of an unknown codec": ([H264], [AAC, Track(codec="alac")], (b"alac", b"zzz8")),
    "the only sound": ([H264], [Track(codec="alac")], (b"alac", b"zzz8")),
    "a second picture": ([H264, H264], [AAC], None),
    "a ninth sound": ([H264], [Track(codec="aac", layout="mono")] * 9, None),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_removed_track_is_noted(tmp_path: Path, name: str) -> None:
    pictures, sounds, codec = LEFT_OUT[name]
    source = write_tracks(tmp_path / "source", "mp4", pictures=pictures, sounds=sounds)
    if codec is not None:
        renamed(source, *codec)

    found = read(source)

    assert (found["kind"], found["note"]) == ("video", "TRACKS_LEFT_OUT")
    with av.open(str(tmp_path / found["name"])) as media:
        assert len(media.streams) == len(pictures) + len(sounds) - 1


def test_an_undecodable_sound_is_removed_with_a_note(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "source", "mp4", pictures=[H264], sounds=[VORBIS])
    spoil(source, 1)

    found = read(source)

    assert found["note"] == "TRACKS_LEFT_OUT"
    with av.open(str(tmp_path / found["name"])) as media:
        assert [stream.type for stream in media.streams] == ["video"]


def spoil(source: Path, track: int) -> None:
    """Every sample of the track is noise."""
    content = bytearray(source.read_bytes())
    with av.open(str(source)) as media:
        for packet in media.demux(media.streams[track]):
            if packet.size and packet.pos is not None:
                content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    source.write_bytes(content)


# Times


def repeated_times(source: Path) -> Path:
    """Two pictures are decoded at the same moment."""
    content = source.read_bytes()
    at = content.index(b"stts") + 8
    (entries,) = struct.unpack(">I", content[at : at + 4])
    assert entries == 1, "made with one picture in ten"
    count, lasts = struct.unpack(">II", content[at + 4 : at + 12])
    table = struct.pack(">IIIIIII", 3, 3, lasts, 1, 0, count - 4, lasts)
    return with_longer_table(source, b"stts", struct.pack(">I", 0) + table)


def with_longer_table(source: Path, kind: bytes, body: bytes) -> Path:
    """A table of the first track becomes another; the index stands behind the samples."""
    content = source.read_bytes()
    at = content.index(kind) - 4
    (before,) = struct.unpack(">I", content[at : at + 4])
    more = 8 + len(body) - before
    changed = bytearray(content[:at] + struct.pack(">I", 8 + len(body)) + kind + body)
    for holder in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        place = content.index(holder) - 4
        (size,) = struct.unpack(">I", content[place : place + 4])
        changed[place : place + 4] = struct.pack(">I", size + more)
    source.write_bytes(bytes(changed) + content[at + before :])
    return source


def test_repeated_times_are_repaired(tmp_path: Path) -> None:
    plain = Track(codec="libx264", options={"bf": "0"})
    source = repeated_times(
        write_tracks(tmp_path / "source", "mp4", pictures=[plain], sounds=[AAC])
    )
    with av.open(str(source)) as media:
        times = [packet.dts for packet in media.demux(video=0) if packet.size]
    assert len(set(times)) < len(times)

    found = read(source)

    with av.open(str(tmp_path / found["name"])) as media:
        shown = [packet.dts for packet in media.demux(video=0) if packet.size]
    assert found["note"] is None
    assert len(shown) == len(times) and shown == sorted(set(shown))


def test_a_trimmed_clip_has_the_duration_that_is_shown(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "source", "mp4", pictures=[H264], seconds=6)
    content = bytearray(source.read_bytes())
    at = content.index(b"elst") + 12
    _, begins = struct.unpack(">Ii", content[at : at + 8])
    with av.open(str(source)) as media:
        second = media.streams[0].time_base.denominator
    content[at : at + 8] = struct.pack(">Ii", 1000, begins + 2 * second)
    source.write_bytes(content)

    found = read(source)

    assert (found["duration_ms"], found["note"]) == (1000, None)
    with av.open(str(tmp_path / found["name"])) as media:
        # With the pictures behind the end that shown ones are made of.
        assert 1_000_000 <= media.duration < 1_500_000


@pytest.fixture
def late(tmp_path: Path) -> Path:
    """A recording of six seconds whose times begin at one hour."""
    early = write_tracks(
        tmp_path / "early", "webm",
        pictures=[Track(codec="libvpx")], sounds=[Track(codec="libopus")], seconds=6,
    )  # fmt: skip
    return moved(early, tmp_path / "source", seconds=3600)


def test_a_recording_that_begins_at_one_hour_begins_at_zero_in_its_copy(late: Path) -> None:
    found = read(late)

    assert (found["mime_type"], found["note"]) == ("video/webm", None)
    assert found["duration_ms"] == pytest.approx(6000, abs=60)
    with av.open(str(late.parent / found["name"])) as media:
        assert media.duration == pytest.approx(6_000_000, abs=60_000)
        assert abs(media.start_time) < 50_000


def test_a_truncated_recording_with_a_late_start_is_refused(late: Path) -> None:
    content = late.read_bytes()
    late.write_bytes(content[: len(content) // 2])

    with pytest.raises(Rejected) as refused:
        read(late)

    assert refused.value.code == "CORRUPT_FILE"


# What they never contain

PLACE, MAKER, DATE = "+37.5665+126.9780/", "Cameramaker", "2024:05:17 10:11:12"
SECRETS = [text.encode() for text in (PLACE, "37.5665", "126.9780", MAKER, "2024:05:17")]
CARRIED = {
    "title": MAKER, "comment": MAKER + DATE, "location": PLACE, "make": MAKER, "model": MAKER,
    "date": DATE, "artist": MAKER, "encoder": MAKER,
    "creation_time": "2024-05-17T10:11:12.000000Z",
}  # fmt: skip
SECRET = f"{PLACE}{MAKER}{DATE}".encode()
XMP_ID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
MP4_MUXERS = ("mp4", "mov", "ipod")
MP4_TIMES = [b"mvhd", b"tkhd", b"mdhd"]


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body


def ape_tag() -> bytes:
    item = struct.pack("<II", len(SECRET), 0) + b"Location\0" + SECRET

    def end(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII", 2000, len(item) + 32, 1, flags) + bytes(8)

    return end(0xA0000000) + item + end(0x80000000)


def text_box(kind: bytes) -> bytes:
    """A note in QuickTime's form: its length, its language, its text."""
    return box(kind, struct.pack(">HH", len(SECRET), 0x15C7) + SECRET)


def user_boxes() -> bytes:
    """A place as cameras and editors write it: ``©xyz``, ``loci``, XMP, and in XML."""
    place = struct.pack(">IH", 0, 0x15C7) + SECRET + b"\0" + bytes(13) + b"\0\0"
    xml = bytes(4) + box(b"hdlr", bytes(8) + b"mdta" + bytes(13)) + box(b"xml ", bytes(4) + SECRET)
    notes = b"".join(text_box(kind) for kind in (b"\xa9xyz", b"\xa9mak", b"\xa9mod", b"\xa9day"))
    user = box(b"udta", notes + box(b"loci", place) + box(b"XMP_", SECRET))
    return user + box(b"meta", xml) + box(b"uuid", XMP_ID + SECRET) + box(b"free", SECRET)


def with_everything(source: Path, container: str) -> Path:
    """The file, with a place, a maker and a date wherever its kind allows them."""
    content = source.read_bytes()
    if container in MP4_MUXERS:
        with_places_in_boxes(source)
    elif container == "mp3":
        lyrics = b"LYRICSBEGIN" + SECRET
        lyrics += f"{len(lyrics):06d}LYRICS200".encode()
        source.write_bytes(content + ape_tag() + lyrics + b"TAG" + SECRET.ljust(125, b"\0"))
    elif container == "adts":
        id3 = b"ID3\4\0\0\0\0\0" + bytes([len(SECRET)]) + SECRET
        source.write_bytes(id3 + content + ape_tag())
    elif container == "wav":
        note = SECRET.ljust(602, b"\0")
        notes = b"".join(chunk(kind, note) for kind in (b"bext", b"iXML", b"_PMX", b"JUNK"))
        size = struct.pack("<I", len(content) + len(notes) - 8)
        source.write_bytes(content[:4] + size + content[8:] + notes)
    return source


def with_places_in_boxes(source: Path) -> None:
    """In each track, in the index, and behind it; the index is the last box and moves nothing."""
    content = source.read_bytes()
    at = content.index(b"moov") - 4
    head, index = content[:at], content[at:]
    pieces = [b""]
    place = 8
    while place < len(index):
        (size,) = struct.unpack(">I", index[place : place + 4])
        inner = index[place : place + size]
        if inner[4:8] == b"trak":
            inner = box(b"trak", inner[8:] + user_boxes())
        pieces.append(inner)
        place += size
    source.write_bytes(head + box(b"moov", b"".join(pieces) + user_boxes()) + user_boxes())


def secrets_in(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return [secret for secret in SECRETS if secret in content]


def dates_in(path: Path) -> list[int]:
    """The dates of making and changing in an MP4 file's heads."""
    content = path.read_bytes()
    dates: list[int] = []
    for kind in MP4_TIMES:
        at = content.find(kind)
        while at >= 0:
            dates += struct.unpack(">II", content[at + 8 : at + 16])
            at = content.find(kind, at + 4)
    return dates


@pytest.mark.parametrize("name", [*KINDS, "aac"])
def test_a_clean_copy_has_no_place_maker_or_date(tmp_path: Path, name: str) -> None:
    if name == "aac":
        container, source = "adts", write_tracks(tmp_path / "source", "adts", sounds=[AAC])
    else:
        container, source = KINDS[name][0], made(tmp_path, name, CARRIED)
    with_everything(source, container)
    assert secrets_in(source)
    assert container not in MP4_MUXERS or any(dates_in(source))

    clean = clean_of(source)

    assert secrets_in(clean) == []
    assert set(dates_in(clean)) <= {0}


MP4_KINDS = [name for name in KINDS if KINDS[name][0] in MP4_MUXERS]


@pytest.fixture
def no_muxer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like a rare file that can be read but not written."""
    monkeypatch.setattr(media_reader, "rewrite", failing)


def failing(*args: object, **settings: object) -> int:
    raise ValueError("the muxer refuses")


@pytest.mark.parametrize("name", MP4_KINDS)
def test_a_file_that_no_muxer_accepts_is_kept_without_place_maker_and_date(
    tmp_path: Path, no_muxer: None, name: str
) -> None:
    source = with_everything(made(tmp_path, name, CARRIED), KINDS[name][0])

    found = read(source)

    clean = tmp_path / found["name"]
    assert found["note"] is None
    assert secrets_in(clean) == [] and set(dates_in(clean)) <= {0}
    assert properties(clean) == properties(source)


def test_telemetry_is_removed_from_a_file_that_no_muxer_accepts(
    tmp_path: Path, no_muxer: None
) -> None:
    source = write_tracks(tmp_path / "source", "mp4", pictures=[H264, H264], sounds=[AAC])
    with av.open(str(source)) as media:
        kept = [bytes(p) for p in media.demux(media.streams[0]) if p.size]
    with av.open(str(source)) as media:
        left = [bytes(p) for p in media.demux(media.streams[1]) if p.size > 50]

    found = read(source)

    clean = (tmp_path / found["name"]).read_bytes()
    assert found["note"] == "TRACKS_LEFT_OUT"
    assert all(packet in clean for packet in kept)
    assert left and [packet for packet in left if packet in clean and packet not in kept] == []


@pytest.mark.parametrize("refuses", [False, True])
def test_data_after_the_last_box_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: bool
) -> None:
    source = made(tmp_path, "mov, iphone's hevc")
    whole = properties(source)
    source.write_bytes(source.read_bytes() + SECRET)
    if refuses:
        monkeypatch.setattr(media_reader, "rewrite", failing)

    clean = clean_of(source)

    assert properties(clean) == whole
    assert secrets_in(clean) == []


def test_other_kinds_that_no_muxer_accepts_are_refused(tmp_path: Path, no_muxer: None) -> None:
    source = made(tmp_path, "webm")

    with pytest.raises(Rejected) as refused:
        read(source)

    assert refused.value.code == "CORRUPT_FILE"
