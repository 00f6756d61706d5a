"""Clips and films: real files, smooth, repeatable, with words where they belong."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.studio.films.clip import _look_through, _Planes
from darkroom.studio.films.motion import View
from darkroom.studio.films.video import FPS, Mp4Writer, read_frames, yuv_of
from darkroom.studio.local_studio import LocalStudio
from tests.support.processors import OTHER_PROCESSORS

PORTRAIT = Path(__file__).parents[2] / "local" / "demo" / "portrait.jpg"
WORDS = {
    "captions": ["She said hello first.", "우리는 비 오는 골목을 오래 걸었다."],
    "hook": "The umbrella he never gave back",
    "ending": "To be continued.",
    "genre": "romance",
}


def request(
    kind: str, key: str, workdir: Path, sources: list[SourceFile], **params: Any
) -> GenerationRequest:
    return GenerationRequest(
        job_id="job", key=key, kind=kind, attempt=1, seed=7, language="en", params=params,
        sources=tuple(sources), workdir=workdir,
    )  # fmt: skip


@dataclass(frozen=True)
class Story:
    keyframe: SourceFile
    clips: tuple[SourceFile, SourceFile]
    clip: Artifact
    film: Artifact


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One keyframe, two short clips of it, and their film; made once."""
    workdir = tmp_path_factory.mktemp("story")
    studio = LocalStudio()
    photo = SourceFile(key="photo_1", mime_type="image/jpeg", path=PORTRAIT)
    look = {"grade": "cold_blue", "framing": "medium", "effect": "rain", "motion": "push_in"}
    still = studio.generate(request("keyframe", "kf_1", workdir, [photo], sceneNo=1, look=look))[0]
    keyframe = SourceFile(key="kf_1", mime_type="image/png", path=still.path)
    made, clips = [], []
    for number, motion in ((1, "push_in"), (2, "pan_left")):
        clip = studio.generate(
            request("clip", f"clip_{number}", workdir, [keyframe], sceneNo=number,
                    look=look | {"motion": motion}, durationSec=1.25)
        )[0]  # fmt: skip
        made.append(clip)
        clips.append(SourceFile(key=f"clip_{number}", mime_type="video/mp4", path=clip.path))
    film = studio.generate(request("film", "film", workdir, clips, **WORDS))[0]
    return Story(keyframe=keyframe, clips=(clips[0], clips[1]), clip=made[0], film=film)


def bright_planes(path: Path) -> list[np.ndarray]:
    return [frame[:1280].copy() for frame in read_frames(path, "test")]


def flat_clip(path: Path, level: int, frames: int = 36) -> SourceFile:
    """A clip of one gray, so that only the additions of the film are visible."""
    gray = yuv_of(Image.new("RGB", (720, 1280), (level, level, level)))
    with Mp4Writer(path, crf=18) as writer:
        for _ in range(frames):
            writer.add(gray)
    return SourceFile(key=path.stem, mime_type="video/mp4", path=path)


def test_a_clip_matches_its_artifact(story: Story) -> None:
    with av.open(str(story.clip.path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height) == (story.clip.width, story.clip.height)
        assert (context.width, context.height) == (720, 1280)
        assert stream.average_rate == FPS
        assert stream.frames == 30
    assert (story.clip.type, story.clip.mime_type) == ("clip", "video/mp4")
    assert story.clip.duration_ms == 1250


def sound_of(path: Path) -> np.ndarray:
    resampler = av.AudioResampler("fltp", "stereo", 16_000)
    with av.open(str(path)) as container:
        return np.concatenate(
            [
                f.to_ndarray()[0]
                for frame in container.decode(audio=0)
                for f in resampler.resample(frame)
            ]
        )


def level(wave: np.ndarray) -> float:
    return float(np.sqrt((wave.astype(np.float64) ** 2).mean()))


def film_spoken_over(workdir: Path, text: str) -> tuple[Artifact, Artifact]:
    """A voice, and a film with it that is as long as the story's but shows nothing that moves."""
    voice = LocalStudio().generate(request("speech", "speech", workdir, [], text=text))[0]
    clips = [flat_clip(workdir / f"clip_{n}.mp4", 90, frames=30) for n in (1, 2)]
    sources = [*clips, SourceFile(key="speech", mime_type="audio/mp4", path=voice.path)]
    return voice, LocalStudio().generate(request("film", "film", workdir, sources, **WORDS))[0]


def test_the_music_ducks_under_the_voice(story: Story, tmp_path: Path) -> None:
    voice, film = film_spoken_over(tmp_path, "One umbrella. Two strangers.")

    assert film.duration_ms == story.film.duration_ms
    spoken, alone = sound_of(film.path), sound_of(story.film.path)
    ends = (voice.duration_ms or 0) * 16
    assert level(spoken[:ends]) > 2 * level(alone[:ends])
    # Long after the voice the music is as loud as ever.
    after = slice(ends + 16_000, len(alone))
    assert level(spoken[after]) == pytest.approx(level(alone[after]), rel=0.05)
    assert np.abs(spoken).max() <= 1.0


def test_a_voice_longer_than_the_film_ends_with_it(story: Story, tmp_path: Path) -> None:
    voice, film = film_spoken_over(tmp_path, "One umbrella. " * 10)

    assert (voice.duration_ms or 0) > (film.duration_ms or 0)
    assert film.duration_ms == story.film.duration_ms


def test_a_silent_voice_is_a_bad_source(story: Story, tmp_path: Path) -> None:
    broken = tmp_path / "speech.m4a"
    broken.write_bytes(b"no sound")
    sources = [*story.clips, SourceFile(key="speech", mime_type="audio/mp4", path=broken)]

    with pytest.raises(PermanentProviderError) as refused:
        LocalStudio().generate(request("film", "film", tmp_path, sources, **WORDS))

    assert refused.value.error_code == "BAD_SOURCE"


@pytest.mark.parametrize("kind", ["clip", "film"])
def test_an_mp4_begins_with_its_index_and_contains_no_time(story: Story, kind: str) -> None:
    content = getattr(story, kind).path.read_bytes()

    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(getattr(story, kind).path)) as container:
        assert "creation_time" not in container.metadata
        assert "encoder" not in container.metadata


def test_a_clip_begins_at_its_keyframe_and_moves(story: Story) -> None:
    frames = bright_planes(story.clips[0].path)

    still = yuv_of(Image.open(story.keyframe.path).convert("RGB"))[:1280].astype(np.float32)
    assert np.abs(frames[0] - still).mean() < 6
    assert np.abs(frames[0].astype(np.float32) - frames[-1]).mean() > 3


def test_a_clips_motion_has_no_jumps(story: Story) -> None:
    frames = [
        np.asarray(Image.fromarray(f).resize((90, 160)), dtype=np.float32)
        for f in bright_planes(story.clips[1].path)
    ]

    steps = [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(frames)]

    assert min(steps) > 0.05
    assert max(steps) < 4 * float(np.median(steps))


def test_the_same_clip_has_the_same_bytes_in_another_process(story: Story, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.studio.films.clip import _look_through, _Planes
from darkroom.studio.films.motion import View
from darkroom.studio.local_studio import LocalStudio
look = {{"grade": "cold_blue", "framing": "medium", "effect": "rain", "motion": "push_in"}}
LocalStudio().generate(GenerationRequest(job_id="job", key="clip_1", kind="clip", attempt=1,
    seed=7, language="en", params={{"sceneNo": 1, "look": look, "durationSec": 1.25}},
    sources=(SourceFile(key="kf_1", mime_type="image/png",
                        path=Path({str(story.keyframe.path)!r})),),
    workdir=Path({str(tmp_path)!r})))
"""

    subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "99", **OTHER_PROCESSORS[-1]},
        check=True,
    )

    assert (tmp_path / "clip_1.mp4").read_bytes() == story.clips[0].path.read_bytes()


def test_a_camera_over_planes_shows_the_same_as_over_the_picture(story: Story) -> None:
    picture = Image.open(story.keyframe.path).convert("RGB")
    planes = _Planes(picture)

    for view in (
        View(left=0.0, top=0.0, side=1.0),
        View(left=0.1234, top=0.0321, side=0.871),
        View(left=0.125, top=0.125, side=0.875),
    ):
        expected = yuv_of(_look_through(picture, view)).astype(np.float32)
        off = np.abs(planes.seen_through(view) - expected)
        assert off[:1280].mean() < 1
        assert off[1280:].mean() < 1


def test_a_keyframe_of_another_provider_also_moves(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.png"
    with Image.open(PORTRAIT) as photo:
        photo.resize((1024, 1024)).save(foreign)
    source = SourceFile(key="kf_3", mime_type="image/png", path=foreign)

    clip = LocalStudio().generate(
        request("clip", "clip_3", tmp_path, [source], durationSec=1,
                look={"effect": "none", "motion": "pull_out"})
    )[0]  # fmt: skip

    assert (clip.width, clip.height, clip.duration_ms) == (720, 1280, 1000)


def test_a_film_has_picture_and_sound_of_one_length(story: Story) -> None:
    with av.open(str(story.film.path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert audio.codec_context.name == "aac"
        seconds = float(video.duration * video.time_base)
        assert abs(float(audio.duration * audio.time_base) - seconds) < 0.15
    assert story.film.duration_ms == round(seconds * 1000)
    # Two clips of 1.25 s, crossed, and 1.5 s each for the hook and the ending.
    assert 4_900 < story.film.duration_ms < 5_400


def test_the_same_film_has_the_same_bytes(story: Story, tmp_path: Path) -> None:
    first, again = (
        LocalStudio().generate(request("film", name, tmp_path, [story.clips[0]], captions=["Hi"]))
        for name in ("first", "again")
    )

    assert again[0].path.read_bytes() == first[0].path.read_bytes()


@pytest.mark.parametrize("level", [20, 235])
def test_the_texts_of_a_film_are_readable_and_inside_the_picture(
    tmp_path: Path, level: int
) -> None:
    clip = flat_clip(tmp_path / "clip_1.mp4", level)

    film = LocalStudio().generate(
        request("film", "film", tmp_path, [clip], captions=["처음 본 순간 hello"], hook="Now")
    )[0]

    frames = bright_planes(film.path)
    hook, caption = frames[12].astype(int), frames[-14].astype(int)
    for shown in (hook, caption):
        rows = np.flatnonzero((shown > 225).sum(1) * (shown < 140).sum(1)) if level > 200 else (
            np.flatnonzero((shown > 200).any(1))
        )  # fmt: skip
        assert rows.size
        assert rows.min() >= 112
        assert rows.max() < 1280 - 150
        letters = shown[rows.min() : rows.max()]
        assert np.percentile(letters, 99.7) - np.percentile(letters, 50) > 90


def test_a_film_without_texts_shows_none(tmp_path: Path) -> None:
    clip = flat_clip(tmp_path / "clip_1.mp4", 90)

    film = LocalStudio().generate(request("film", "film", tmp_path, [clip], captions=[""]))[0]

    assert film.duration_ms == 1500
    for frame in bright_planes(film.path):
        assert int(frame.max()) - int(frame.min()) <= 3


def test_clips_cross_fade_into_each_other(tmp_path: Path) -> None:
    clips = [flat_clip(tmp_path / f"clip_{n}.mp4", level) for n, level in ((1, 40), (2, 200))]

    film = LocalStudio().generate(request("film", "film", tmp_path, clips, captions=[]))[0]

    levels = [float(frame.mean()) for frame in bright_planes(film.path)]
    steps = np.diff(levels)
    assert levels[0] < 60 < 180 < levels[-1]
    assert steps.min() > -1
    assert steps.max() < 30
    assert 10 <= int((steps > 1).sum()) <= 14


def test_clips_are_joined_by_number_not_by_order(tmp_path: Path) -> None:
    clips = {n: flat_clip(tmp_path / f"clip_{n}.mp4", 10 * n, frames=24) for n in (2, 10)}

    film = LocalStudio().generate(
        request("film", "film", tmp_path, [clips[10], clips[2]], captions=[])
    )[0]

    frames = bright_planes(film.path)
    assert frames[0].mean() < frames[-1].mean() - 30


@pytest.mark.parametrize("kind", ["clip", "film"])
def test_a_source_that_is_no_picture_or_film_is_a_bad_source(tmp_path: Path, kind: str) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x00\x00\x00\x18ftypisom" + b"nothing" * 50)
    key = {"clip": "kf_1", "film": "clip_1"}[kind]

    with pytest.raises(PermanentProviderError) as refused:
        LocalStudio().generate(
            request(kind, "out", tmp_path,
                    [SourceFile(key=key, mime_type="", path=broken)], captions=[])
        )  # fmt: skip

    assert refused.value.error_code == "BAD_SOURCE"


def test_a_film_cut_off_in_the_middle_is_a_bad_source(story: Story, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    whole = story.clips[0].path.read_bytes()
    cut.write_bytes(whole[: len(whole) // 40])

    with pytest.raises(PermanentProviderError) as refused:
        LocalStudio().generate(
            request("film", "film", tmp_path,
                    [SourceFile(key="clip_1", mime_type="", path=cut)], captions=[])
        )  # fmt: skip

    assert refused.value.error_code == "BAD_SOURCE"
