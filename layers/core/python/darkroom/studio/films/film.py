"""One film: clips joined by transitions, with a hook, captions, an ending, a voice and music.

Owns the assembly. Frames stream through, a dozen at most are held for a transition; the plan of
time is ``timeline``'s and the setting of words ``text``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from av.error import FFmpegError
from PIL import Image, ImageFilter

from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.studio.films.overlay import Overlay, chroma_planes
from darkroom.studio.films.sound import ambient, under_voice
from darkroom.studio.films.text import (
    CAPTION_STYLE,
    ENDING_STYLE,
    HOOK_STYLE,
    TextStyle,
    clean_text,
    draw_block,
    set_text,
)
from darkroom.studio.films.timeline import (
    CROSS_FRAMES,
    Cue,
    CueKind,
    FilmPlan,
    Shot,
    plan_film,
)
from darkroom.studio.films.video import (
    AUDIO_RATE_HZ,
    FPS,
    Mp4Writer,
    Yuv,
    probe,
    read_frames,
    read_voice,
)
from darkroom.studio.pictures.photo import bad_source
from darkroom.studio.pictures.raster import HEIGHT

TRANSITIONS: Final = ("crossfade", "dip_to_black", "cut")
MAX_CLIPS: Final = 20
_CLIP_KEY: Final = re.compile(r"^clip_(\d+)$")
_VOICE_KEY: Final = "speech"
_CRF: Final = 22
_END_DIM: Final = 0.42
_STYLES: Final[dict[CueKind, TextStyle]] = {
    CueKind.HOOK: HOOK_STYLE,
    CueKind.CAPTION: CAPTION_STYLE,
    CueKind.ENDING: ENDING_STYLE,
}
_ACCENTS: Final = {
    "romance": (255, 150, 160),
    "comedy": (255, 210, 64),
    "noir": (214, 40, 48),
}
_PLAIN_ACCENT: Final = (255, 255, 255)


def make_film(request: GenerationRequest) -> list[Artifact]:
    """The film of all clips; a source ``speech`` is mixed over the music, as far as the film goes.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``; no clips, or a source that cannot be decoded.
    """
    params = request.params
    clips = _clips_of(request.sources)
    transition = params.get("transition")
    plan = plan_film(
        [_frame_count(clip) for clip in clips],
        captions=_captions(params),
        hook=clean_text(params.get("hook")),
        ending=clean_text(params.get("ending")),
        cross_frames=0 if transition == "cut" else CROSS_FRAMES,
    )
    genre = str(params.get("genre", ""))
    path = request.workdir / f"{request.key}.mp4"
    sound = ambient(genre, plan.length / FPS, request.seed, AUDIO_RATE_HZ)
    for voice in _voices_of(request.sources):
        sound = under_voice(sound, read_voice(voice, sound.shape[1]), AUDIO_RATE_HZ)
    words = _Words(plan.cues, _ACCENTS.get(genre, _PLAIN_ACCENT))
    with Mp4Writer(path, crf=_CRF, with_audio=True) as writer:
        sent = 0
        for index, frame in enumerate(_joined(clips, plan, str(transition))):
            words.draw(frame, index)
            writer.add(frame)
            # Sound follows its picture, so that a player can start before it has the whole file.
            due = min(round(writer.seconds * AUDIO_RATE_HZ), sound.shape[1])
            writer.add_sound(sound[:, sent:due])
            sent = due
    facts = probe(path)
    return [
        Artifact(
            type="film",
            mime_type="video/mp4",
            path=path,
            width=facts.width,
            height=facts.height,
            duration_ms=facts.duration_ms,
        )
    ]


def _clips_of(sources: tuple[SourceFile, ...]) -> list[SourceFile]:
    """The clips by their scenes' numbers."""
    numbered = []
    for source in sources:
        match = _CLIP_KEY.match(source.key)
        if match:
            numbered.append((int(match.group(1)), source))
    if not 1 <= len(numbered) <= MAX_CLIPS:
        raise PermanentProviderError(f"a film needs 1 to {MAX_CLIPS} clips", code="BAD_SOURCE")
    return [source for _, source in sorted(numbered, key=lambda pair: pair[0])]


def _voices_of(sources: tuple[SourceFile, ...]) -> list[SourceFile]:
    """The voice-over, if there is one."""
    return [source for source in sources if source.key == _VOICE_KEY][:1]


def _captions(params: Any) -> list[str]:
    captions = params.get("captions")
    return [clean_text(text) for text in captions] if isinstance(captions, list | tuple) else []


def _frame_count(clip: SourceFile) -> int:
    """How many frames of film the clip is at normal speed; at least three."""
    try:
        facts = probe(Path(clip.path))
    except (FFmpegError, OSError, ValueError, IndexError) as error:
        raise bad_source(clip.key) from error
    return max(3, round(facts.duration_ms / 1000 * FPS))


class _Words:
    """The cues as layers, each drawn when first needed and dropped when over."""

    def __init__(self, cues: Sequence[Cue], accent: tuple[int, int, int]) -> None:
        self._cues = list(cues)
        self._accent = accent
        self._current: tuple[Cue, Overlay] | None = None

    def draw(self, frame: Yuv, index: int) -> None:
        for cue in self._cues:
            opacity = cue.opacity(index)
            if opacity <= 0:
                continue
            if cue.kind is CueKind.ENDING:
                opacity = _closing_opacity(cue, index)
                _soften(frame, opacity)
            overlay = self._overlay(cue)
            if overlay is not None:
                overlay.blend(frame, opacity)

    def _overlay(self, cue: Cue) -> Overlay | None:
        if self._current is not None and self._current[0] is cue:
            return self._current[1]
        style = _STYLES[cue.kind]
        block = set_text(cue.text, style)
        if block is None:
            return None
        overlay = Overlay(draw_block(block, style, self._accent))
        self._current = (cue, overlay)
        return overlay


def _closing_opacity(cue: Cue, index: int) -> float:
    """The ending fades in and then stays: the film's last frame is its closing card."""
    if index - cue.start < (cue.end - cue.start) // 2:
        return cue.opacity(index)
    return 1.0


def _soften(frame: Yuv, amount: float) -> None:
    """Blurs and dims a frame in place, as a quiet ground for the closing words."""
    for plane, base in ((frame[:HEIGHT], 16.0), *((p, 128.0) for p in chroma_planes(frame))):
        height, width = plane.shape
        small = Image.fromarray(plane, "L").reduce(4 if base == 128.0 else 8)
        soft = small.filter(ImageFilter.GaussianBlur(2.2)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        dim = _END_DIM if base == 16.0 else 0.75
        target = (np.asarray(soft, dtype=np.float32) - base) * dim + base
        mixed = plane + (target - plane) * np.float32(amount) + np.float32(0.5)
        plane[:] = mixed.astype(np.uint8)


def _joined(clips: Sequence[SourceFile], plan: FilmPlan, transition: str) -> Iterator[Yuv]:
    """All frames of the film without words."""
    tail: list[Yuv] = []
    cross = plan.cross_frames
    for number, (clip, shot) in enumerate(zip(clips, plan.shots, strict=True)):
        is_last = number == len(clips) - 1
        held: list[Yuv] = []
        for index, frame in enumerate(_play(clip, shot)):
            if index < len(tail):
                frame = _transition(tail[index], frame, (index + 1) / (cross + 1), transition)
            if is_last or index < shot.length - cross:
                yield frame
            else:
                held.append(frame)
        tail = held


def _play(clip: SourceFile, shot: Shot) -> Iterator[Yuv]:
    """The clip's frames at the shot's speed; between two frames lies their mixture."""
    source = read_frames(Path(clip.path), clip.key)
    before = after = next(source)
    reached = 0
    for position in shot.positions():
        whole = int(position)
        while reached < whole + 1:
            # A file a frame shorter than it says: its last frame stays.
            before, after = after, next(source, after)
            reached += 1
        part = float(position - whole)
        yield before.copy() if part < 0.02 else _mix(before, after, part)
    source.close()  # type: ignore[attr-defined]


def _mix(first: Yuv, second: Yuv, part: float) -> Yuv:
    """``part`` of the second frame and the rest of the first, by integers."""
    weight = round(part * 256)
    mixed = first.astype(np.uint16) * np.uint16(256 - weight)
    mixed += second.astype(np.uint16) * np.uint16(weight)
    mixed += np.uint16(127)
    return (mixed >> 8).astype(np.uint8)


def _transition(first: Yuv, second: Yuv, part: float, transition: str) -> Yuv:
    if transition == "dip_to_black":
        black = np.full_like(first, 128)
        black[:HEIGHT] = 16
        if part < 0.5:
            return _mix(first, black, part * 2)
        return _mix(black, second, part * 2 - 1)
    eased = part * part * (3 - 2 * part)
    return _mix(first, second, eased)
