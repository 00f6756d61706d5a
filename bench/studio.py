"""Time and memory of each step of the built-in studio, against the ffmpeg command doing the same.

Both make the same shape with the same encoder, preset and quality on one thread, and take turns.
Ours is the step in a process that has loaded its modules, as a running function has; ffmpeg's is
the whole command. What our step does beyond the command is said in the row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.table import Row
from local.run_demo import PHOTO
from local.settings import ROOT

SECTION = "studio"
RUNS = 5
CHILD_LIMIT_SECONDS = 300
INSTALL_LIMIT_SECONDS = 120
CHILD = ROOT / "bench" / "studio_child.py"
FFMPEG_REQUIREMENT = "imageio-ffmpeg==0.8.1"
SPOKEN = (
    "There are seven people waiting outside the station. Many people believe that money will make "
    "them happy. My brother works in a small hospital near the river. The children were playing "
    "in the garden all afternoon."
)
LOOK = {"grade": "golden_hour", "framing": "medium", "effect": "light_leak", "motion": "push_in"}
SCENE = {"mode": "story", "stage": "spark", "genre": "romance", "sceneCount": 3}
WORDS = {
    "genre": "romance",
    "captions": ["One umbrella.", "Two strangers.", "It stopped."],
    "hook": "The forecast never mentioned you.",
    "ending": "I still hope for rain.",
}

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One request to the studio, and what the command line has to do to deserve the comparison."""

    what: str
    """Empty: not measured, others need its file."""
    kind: str
    key: str
    params: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    """Source → the key of the step whose file it is, or a path."""
    command: Callable[[Mapping[str, Path]], Sequence[str]] | None = None
    more: str = ""


def _encoder(crf: int) -> list[str]:
    return [
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), "-profile:v", "high"),
        *("-g", "48", "-threads", "1", "-x264-params", "threads=1:lookahead-threads=1"),
        *("-pix_fmt", "yuv420p", "-r", "24", "-movflags", "+faststart"),
    ]


def _clip_command(made: Mapping[str, Path], *, finer: int = 1) -> list[str]:
    """zoompan moves by whole pixels of what it is given; an enlarged picture moves ``finer``."""
    zoom = "zoompan=z='1+0.143*on/71':x='(iw-iw/zoom)/2':y='(ih-ih/zoom)/2':d=72:s=720x1280:fps=24"
    moves = f"scale={720 * finer}:{1280 * finer},{zoom},noise=c0s=3:c0f=t"
    return ["-i", str(made["kf_1"]), "-vf", moves, "-frames:v", "72", *_encoder(20)]


def _smooth_clip_command(made: Mapping[str, Path]) -> list[str]:
    return _clip_command(made, finer=4)


def _film_command(made: Mapping[str, Path]) -> list[str]:
    """As long as ours: the first and the last clip slowed down by a second and a half."""
    clips = [word for number in (1, 2, 3) for word in ("-i", str(made[f"clip_{number}"]))]
    graph = (
        "[0:v]setpts=1.5*PTS,fps=24[a];[1:v]fps=24[b];[2:v]setpts=1.5*PTS,fps=24[c];"
        "[a][b]xfade=transition=fade:duration=0.5:offset=4[ab];"
        "[ab][c]xfade=transition=fade:duration=0.5:offset=6.5[v]"
    )
    sound = ["-f", "lavfi", "-i", "sine=frequency=220:sample_rate=44100:duration=11"]
    return [
        *("-filter_complex_threads", "1"),
        *(*clips, *sound, "-filter_complex", graph, "-map", "[v]", "-map", "3:a", "-ac", "2"),
        *("-c:a", "aac", "-b:a", "128k", "-shortest", *_encoder(22)),
    ]


def _extract_command(made: Mapping[str, Path]) -> list[str]:
    sound = ["-vn", "-ac", "1", "-ar", "16000", "-c:a", "aac", "-b:a", "48k"]
    return ["-i", str(made["speech"]), *sound]


STEPS = (
    Step(
        "keyframe", "keyframe", "kf_1", {**SCENE, "sceneNo": 1, "look": LOOK}, {"photo_1": "photo"}
    ),
    Step(
        "clip: a move and grain",
        "clip",
        "clip_0",
        {**SCENE, "sceneNo": 1, "durationSec": 3, "look": {**LOOK, "effect": "none"}},
        {"kf_1": "kf_1"},
        _clip_command,
        "ffmpeg moves by whole pixels, which trembles",
    ),
    Step(
        "the same, smoothly",
        "clip",
        "clip_0",
        {**SCENE, "sceneNo": 1, "durationSec": 3, "look": {**LOOK, "effect": "none"}},
        {"kf_1": "kf_1"},
        _smooth_clip_command,
        "ffmpeg moves by quarters of a pixel",
    ),
    *(
        Step(
            "clip with an effect" if number == 1 else "",
            "clip",
            f"clip_{number}",
            {**SCENE, "sceneNo": number, "durationSec": 3, "look": LOOK},
            {f"kf_{number}": "kf_1"},
        )
        for number in (1, 2, 3)
    ),
    Step(
        "film of three clips",
        "film",
        "film",
        WORDS,
        {f"clip_{number}": f"clip_{number}" for number in (1, 2, 3)},
        _film_command,
        "slow motion by mixing frames, words, and music; ffmpeg: xfade, a sine",
    ),
    Step("portrait", "portrait", "img_01", {"style": "CLASSIC"}, {"photo_1": "photo"}),
    Step("speech", "speech", "speech", {"text": SPOKEN}),
    Step("align", "align", "align", {"text": SPOKEN}, {"speech": "speech"}),
    Step(
        "extract",
        "extract",
        "media_01",
        {"fromMs": 0},
        {"media_1": "speech"},
        _extract_command,
    ),
    Step(
        "transcribe", "transcribe", "transcribe", {"sourceLang": "en"}, {"media_1": "speech"}
    ),
    Step(
        "captions", "captions", "srt", {"format": "srt", "language": "en"},
        {"transcribe": "transcribe"},
    ),
)  # fmt: skip


def run(progress: Callable[[str], None]) -> list[Row]:
    if not PHOTO.exists():
        progress("studio: skipped, because the demo's photo is missing")
        return []
    progress("studio: each step, and ffmpeg's way of doing it")
    with tempfile.TemporaryDirectory(prefix="bench-studio-") as folder:
        scratch = Path(folder)
        ffmpeg = _ffmpeg(scratch / "ffmpeg", progress)
        made = {"photo": PHOTO}
        rows: list[Row] = []
        for step in STEPS:
            rows += _measure(step, made, scratch, ffmpeg)
        return rows


def _measure(step: Step, made: dict[str, Path], scratch: Path, ffmpeg: Path | None) -> list[Row]:
    """Ours and theirs by turns, after one run of each that does not count."""
    ours, theirs = [], []
    for number in range(RUNS + 1 if step.what else 1):
        figures = _ours(step, made, scratch)
        made[step.key] = Path(figures["path"])
        if number:
            ours.append(figures)
        if step.command and ffmpeg:
            took = _theirs([str(ffmpeg), *step.command(made)], scratch, made[step.key].suffix)
            if number:
                theirs.append(took)
    return list(_rows(step, ours, theirs)) if step.what else []


def _rows(step: Step, ours: Sequence[Figures], theirs: Sequence[Figures]) -> list[Row]:
    length = ours[0]["durationMs"]
    how = [f"{length / 1000:.1f} s of media" if length else "", step.more]
    rows = []
    for name, unit in (("cpuSeconds", "s CPU"), ("seconds", "s"), ("peakMb", "MB peak")):
        ratios = [a[name] / b[name] for a, b in zip(ours, theirs, strict=False)]
        rows.append(
            Row(
                section=SECTION,
                what=step.what,
                ours=median(figures[name] for figures in ours),
                peer=median(figures[name] for figures in theirs) if theirs else None,
                ratio=median(ratios) if ratios else None,
                unit=unit,
                how="; ".join(filter(None, how)) if name == "cpuSeconds" else f"median of {RUNS}",
            )
        )
    return rows


def _ours(step: Step, made: Mapping[str, Path], scratch: Path) -> Figures:
    workdir = scratch / step.key
    workdir.mkdir(exist_ok=True)
    request = {
        "key": step.key,
        "kind": step.kind,
        "params": step.params,
        "sources": {key: str(made[of]) for key, of in step.sources.items()},
        "workdir": str(workdir),
    }
    done = subprocess.run(
        [sys.executable, str(CHILD), json.dumps(request)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "layers" / "core" / "python")},
        check=True,
        capture_output=True,
        text=True,
        timeout=CHILD_LIMIT_SECONDS,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _theirs(command: Sequence[str], scratch: Path, suffix: str) -> Figures:
    """The whole command: the system's own account of the process that has ended."""
    quiet = ["-y", "-nostdin", "-loglevel", "error", "-filter_threads", "1"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [command[0], *quiet, *command[1:], str(scratch / f"ffmpeg-made{suffix}")],
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"ffmpeg ended with {process.returncode}")
    return {
        "seconds": seconds,
        "cpuSeconds": used.ru_utime + used.ru_stime,
        "peakMb": used.ru_maxrss / 1024,
    }


def _ffmpeg(target: Path, progress: Callable[[str], None]) -> Path | None:
    """The command line tool out of a package, in a folder that goes with the run."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    try:
        subprocess.run(
            [*command, "--python", sys.executable, FFMPEG_REQUIREMENT],
            check=True,
            capture_output=True,
            timeout=INSTALL_LIMIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        progress("studio: ffmpeg cannot be installed; our steps are measured alone")
        return None
    return next((target / "imageio_ffmpeg" / "binaries").glob("ffmpeg-*"), None)
