"""The film as RenderScript, the JSON that Creatomate renders.

Owns what the film shows and when, in the vendor's format: a card with the hook, the clips in
the order of their scenes with their captions, a card with the ending; one fades into the next. The
cards lie over the first and the last clip, dimmed and blurred. Pure: knows no HTTP.

Sources: https://creatomate.com/llms/durations.md (``null``, ``"media"``, ``"end"``; a composition
is as long as what is in it), https://creatomate.com/llms/animations.md (``fade``),
https://creatomate.com/how-to/api/merge-videos (``transition``),
https://creatomate.com/docs/api/render-script/element-properties,
https://creatomate.com/docs/api/render-script/text-element,
https://creatomate.com/docs/api/render-script/video-element.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from darkroom.generation.captions.characters import clean_text
from darkroom.generation.ports import GenerationRequest
from darkroom.generation.vendor_errors import bad_source

WIDTH: Final = 720
HEIGHT: Final = 1280
FPS: Final = 24
MAX_CLIPS: Final = 20
MAX_TEXT_CHARACTERS: Final = 300
CROSS_SECONDS: Final = 0.5
TEXT_FADE_SECONDS: Final = 0.33
HOOK_SECONDS: Final = 2.0
ENDING_SECONDS: Final = 2.5
FONT: Final = "Noto Sans KR"
"""Has Hangul as well as Latin letters."""
_CLIP_KEY: Final = re.compile(r"clip_(\d{1,3})")
_CLIP_URL: Final = re.compile(r"https?://\S{1,4000}")
_DIM: Final = "rgba(0,0,0,0.55)"

Json = dict[str, Any]


def clip_urls(request: GenerationRequest) -> list[str]:
    """Where the clips can be fetched, by their scenes' numbers.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``; there are none, or one cannot be fetched.
    """
    numbered = []
    for source in request.sources:
        match = _CLIP_KEY.fullmatch(source.key)
        if match is None:
            continue
        if _CLIP_URL.fullmatch(source.url) is None:
            raise bad_source(f"{source.key} has no link")
        numbered.append((int(match[1]), source.url))
    if not 1 <= len(numbered) <= MAX_CLIPS:
        raise bad_source(f"a film needs 1 to {MAX_CLIPS} clips")
    return [url for _, url in sorted(numbered)]


def film_source(urls: Sequence[str], params: Mapping[str, Any]) -> Json:
    """The film of these clips as RenderScript."""
    hook, ending = _text(params.get("hook")), _text(params.get("ending"))
    captions = _captions(params, len(urls))
    scenes = [
        _scene(f"Scene-{number}", _clip(url), _caption(text, is_first=number == 1 and not hook))
        for number, (url, text) in enumerate(zip(urls, captions, strict=True), start=1)
    ]
    if hook:
        card = _scene("Hook", _ground(urls[0]), _title(hook, y="68%", largest="10.5 vmin"))
        scenes.insert(0, card | {"duration": HOOK_SECONDS})
    if ending:
        card = _scene("Ending", _ground(urls[-1]), _title(ending, y="50%", largest="8.9 vmin"))
        scenes.append(card | {"duration": ENDING_SECONDS})
    _join(scenes, str(params.get("transition")))
    return {
        "output_format": "mp4",
        "width": WIDTH,
        "height": HEIGHT,
        "frame_rate": FPS,
        "fill_color": "#000000",
        "elements": scenes,
    }


def film_modifications(urls: Sequence[str], params: Mapping[str, Any]) -> Json:
    """What is filled into a template: its elements ``Clip-n``, ``Caption-n``, ``Hook``,
    ``Ending``."""
    captions = _captions(params, len(urls))
    return {
        **{f"Clip-{number}": url for number, url in enumerate(urls, start=1)},
        **{f"Caption-{number}": text for number, text in enumerate(captions, start=1)},
        "Hook": _text(params.get("hook")),
        "Ending": _text(params.get("ending")),
    }


def _join(scenes: Sequence[Json], transition: str) -> None:
    """Lets every scene but the first follow from the one before it."""
    if transition == "cut":
        return
    for scene in scenes[1:]:
        if transition == "dip_to_black":
            scene["animations"] = [_fade("start", CROSS_SECONDS / 2)]
        else:
            scene["animations"] = [_fade("start", CROSS_SECONDS) | {"transition": True}]
    if transition == "dip_to_black":
        for scene in scenes[:-1]:
            leaving = _fade("end", CROSS_SECONDS / 2) | {"reversed": True}
            scene.setdefault("animations", []).append(leaving)


def _scene(name: str, picture: Json, words: Json | None) -> Json:
    elements = [picture] if words is None else [picture, words]
    return {"name": name, "type": "composition", "track": 1, "elements": elements}


def _clip(url: str) -> Json:
    """A clip as long as it is; its scene takes its length from it."""
    return {"type": "video", "track": 1, "source": url, "duration": "media", "fit": "cover"}


def _ground(url: str) -> Json:
    """A clip as a quiet ground for words: it fills its card, however short it is."""
    return {
        "type": "video",
        "track": 1,
        "source": url,
        "duration": None,
        "loop": True,
        "fit": "cover",
        "volume": "0%",
        "blur_radius": 12,
        "color_overlay": _DIM,
    }


def _caption(text: str, *, is_first: bool) -> Json | None:
    """A caption belongs to its clip alone: not while the one before still shines through."""
    if not text:
        return None
    style = _words(text, y="80%", height="16%", largest="6.4 vmin", smallest="4.2 vmin")
    return style | {"time": 0 if is_first else CROSS_SECONDS}


def _title(text: str, *, y: str, largest: str) -> Json:
    return _words(text, y=y, height="30%", largest=largest, smallest="5 vmin") | {"time": 0}


def _words(text: str, *, y: str, height: str, largest: str, smallest: str) -> Json:
    return {
        "type": "text",
        "track": 2,
        "duration": None,
        "text": text,
        "x": "50%",
        "y": y,
        "width": "84%",
        "height": height,
        "x_alignment": "50%",
        "y_alignment": "50%",
        "font_family": FONT,
        "font_weight": 700,
        "font_size": None,
        "font_size_minimum": smallest,
        "font_size_maximum": largest,
        "line_height": "130%",
        "fill_color": "#ffffff",
        "shadow_color": "rgba(0,0,0,0.65)",
        "shadow_blur": "1.6 vmin",
        "animations": [
            _fade("start", TEXT_FADE_SECONDS),
            _fade("end", TEXT_FADE_SECONDS) | {"reversed": True},
        ],
    }


def _fade(time: str, seconds: float) -> Json:
    return {"type": "fade", "time": time, "duration": seconds}


def _captions(params: Mapping[str, Any], count: int) -> list[str]:
    captions = params.get("captions")
    texts = [_text(text) for text in captions] if isinstance(captions, list | tuple) else []
    return (texts + [""] * count)[:count]


def _text(text: object) -> str:
    return clean_text(text)[:MAX_TEXT_CHARACTERS].rstrip() if isinstance(text, str) else ""
