"""Captions as files: SubRip, WebVTT, plain text and JSON.

Owns each format's grammar and what is done with text that looks like grammar. All are UTF-8
without a byte order mark. SubRip ends its lines with CR LF, as the program that named the format
wrote them: old players need it and new ones accept it; the others end them with LF.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from darkroom.generation.captions.characters import clean_text
from darkroom.generation.captions.cues import Cue, make_cues
from darkroom.generation.captions.transcript import Segment, Transcript

MIME_TYPES: Final = {
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "txt": "text/plain",
    "json": "application/json",
}
_WORD_JOINER: Final = "\u2060"
_SRT_LOOKALIKE: Final = re.compile(r"-->|<(?=[/a-zA-Z])|\{(?=\\)|(?<=\d):(?=\d\d[:.,])")
_PARAGRAPH_PAUSE_MS: Final = 2000
_PARAGRAPH_CHARACTERS: Final = 600


def write_captions(transcript: Transcript, *, format: str, language: str) -> bytes:
    """The whole file; ``format`` is a key of ``MIME_TYPES``."""
    text = _WRITERS[format](transcript, language)
    return text.encode("utf-8")


def has_words(transcript: Transcript) -> bool:
    """Whether there is anything to read. Without it a SubRip or text file is empty, WebVTT has its
    header and JSON an empty list of cues; all are valid."""
    return next(_paragraphs(transcript), None) is not None


def _srt(transcript: Transcript, language: str) -> str:
    blocks = []
    for number, cue in enumerate(make_cues(transcript, language), start=1):
        label = f"{_srt_text(cue.speaker)}: " if cue.speaker and cue.is_new_speaker else ""
        lines = label + "\r\n".join(map(_srt_text, cue.lines))
        times = f"{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}"
        blocks.append(f"{number}\r\n{times}\r\n{lines}\r\n")
    return "\r\n".join(blocks)


def _srt_text(text: str) -> str:
    """SubRip has no escape. An invisible word joiner breaks up what readers would take for an
    arrow, a time, a tag, a style or the number of the next cue."""
    safe = _SRT_LOOKALIKE.sub(lambda match: match[0][0] + _WORD_JOINER + match[0][1:], text)
    return safe + _WORD_JOINER if re.fullmatch(r"[\d\s]+", safe) else safe


def _vtt(transcript: Transcript, language: str) -> str:
    blocks = ["WEBVTT\n"]
    for number, cue in enumerate(make_cues(transcript, language), start=1):
        voice = f"<v {_vtt_text(cue.speaker)}>" if cue.speaker else ""
        lines = voice + "\n".join(map(_vtt_text, cue.lines))
        times = f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}"
        blocks.append(f"{number}\n{times}\n{lines}\n")
    return "\n".join(blocks)


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(time_ms: int, point: str) -> str:
    seconds, ms = divmod(time_ms, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{point}{ms:03}"


def _txt(transcript: Transcript, _language: str) -> str:
    """Paragraphs: a new one for another speaker, after a pause, and when one grows long."""
    return "\n".join(f"{paragraph}\n" for paragraph in _paragraphs(transcript))


def _paragraphs(transcript: Transcript) -> Iterator[str]:
    ordered = sorted(transcript.segments, key=lambda segment: (segment.start_ms, segment.end_ms))
    paragraph, before = "", None
    last_named: str | None = None
    for segment in ordered:
        text = clean_text(segment.text) or clean_text(" ".join(w.text for w in segment.words))
        if not text:
            continue
        speaker = clean_text(segment.speaker or "") or None
        if before is not None and _starts_paragraph(paragraph, before, segment):
            yield paragraph
            paragraph = ""
        if not paragraph and speaker and speaker != last_named:
            paragraph = f"{speaker}: {text}"
        else:
            paragraph = f"{paragraph} {text}".strip()
        last_named, before = speaker, segment
    if paragraph:
        yield paragraph


def _starts_paragraph(paragraph: str, before: Segment, segment: Segment) -> bool:
    return (
        clean_text(before.speaker or "") != clean_text(segment.speaker or "")
        or segment.start_ms - before.end_ms >= _PARAGRAPH_PAUSE_MS
        or len(paragraph) >= _PARAGRAPH_CHARACTERS
    )


def _json(transcript: Transcript, language: str) -> str:
    document = {
        "language": language,
        "durationMs": transcript.duration_ms,
        "cues": [
            _cue_json(number, cue)
            for number, cue in enumerate(make_cues(transcript, language), start=1)
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _cue_json(number: int, cue: Cue) -> dict[str, Any]:
    return {
        "index": number,
        "startMs": cue.start_ms,
        "endMs": cue.end_ms,
        "lines": list(cue.lines),
        **({"speaker": cue.speaker} if cue.speaker else {}),
        "words": [
            {"startMs": word.start_ms, "endMs": word.end_ms, "text": word.text}
            for word in cue.words
        ],
    }


_WRITERS: Final[dict[str, Callable[[Transcript, str], str]]] = {
    "srt": _srt,
    "vtt": _vtt,
    "txt": _txt,
    "json": _json,
}
