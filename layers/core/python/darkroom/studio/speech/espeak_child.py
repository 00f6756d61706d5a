"""espeak-ng in a process of its own: a request on standard input, speech on standard output.

Owns the library's calls. Its random numbers (breath, and the small unsteadiness of a voice) run on
from one text to the next, and are seeded once: in a new process the same texts always give the
same samples. Knows nothing of files, languages or tasks.

In: one JSON object, ``{"voice", "wordsAMinute", "texts": […]}`` to speak, or
``{"voice", "phonemes": […]}`` for the pronunciation of texts. Out: a line of JSON, and for
speech the samples behind it, 16-bit mono, one text after the other.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any, Final

import espeakng_loader

_SYNCHRONOUS: Final = 2
_NO_EXIT: Final = 0x8000
"""Do not end the process when data is missing; the call says so."""
_UTF8: Final = 1
_CHARACTERS: Final = 1
"""Positions count characters."""
_RATE: Final = 1
_SEED: Final = 1
_LAST_EVENT: Final = 0
_WORD_EVENT: Final = 1
_UNDERSCORE_BETWEEN: Final = ord("_") << 8
"""Phonemes in espeak's own letters, with ``_`` between them."""


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def main() -> None:
    """Handle one request and exit."""
    request = json.load(sys.stdin)
    library, rate_hz = _open(request["voice"])
    if "phonemes" in request:
        response = {"phonemes": [_phonemes(library, text) for text in request["phonemes"]]}
        sys.stdout.write(json.dumps(response))
        return
    if library.espeak_SetParameter(_RATE, request["wordsAMinute"], 0) != 0:
        sys.exit("espeak-ng does not take the rate")
    speeches = [_say(library, text) for text in request["texts"]]
    texts = [{"bytes": len(samples), "words": words} for samples, words in speeches]
    out = sys.stdout.buffer
    out.write(json.dumps({"rateHz": rate_hz, "texts": texts}).encode() + b"\n")
    for samples, _ in speeches:
        out.write(samples)


def _open(voice: str) -> tuple[ctypes.CDLL, int]:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _NO_EXIT)
    if rate_hz <= 0:
        sys.exit("espeak-ng finds no data")
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    library.espeak_ng_SetRandSeed(_SEED)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        sys.exit(f"espeak-ng has no voice {voice}")
    return library, rate_hz


def _say(library: Any, text: str) -> tuple[bytes, list[tuple[int, int]]]:
    """The samples, and where words begin: (character, sample), both from 0."""
    parts: list[bytes] = []
    words: list[tuple[int, int]] = []

    def receive(wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            parts.append(ctypes.string_at(wave, count * 2))
        place = 0
        while events[place].type != _LAST_EVENT:
            if events[place].type == _WORD_EVENT:
                words.append((events[place].text_position - 1, events[place].sample))
            place += 1
        return 0

    callback = _Callback(receive)  # Named, so that it lives until the text is spoken.
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode()
    failed = library.espeak_Synth(encoded, len(encoded) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
    if failed or library.espeak_Synchronize():
        sys.exit("espeak-ng does not speak")
    return b"".join(parts), words


def _phonemes(library: Any, text: str) -> str:
    """All clauses of the text, a space between words."""
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    rest = ctypes.c_char_p(text.encode())
    clauses = []
    while rest.value:
        clause = library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _UNDERSCORE_BETWEEN)
        clauses.append((clause or b"").decode("utf-8", errors="replace"))
    return " ".join(clauses)
