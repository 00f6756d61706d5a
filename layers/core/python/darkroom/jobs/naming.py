"""Public keys, types and file names of outputs. Pure.

Tasks that transcribe and translate are named after their action; their output is a transcript.
Stored outputs keep the name of their task, and get their public name here.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from darkroom.jobs.model import Job, Output
from darkroom.kernel.limits import SOURCE_NAME_LIMIT_CHARS

TRANSCRIPT = "transcript"
OUTPUT_TYPES = (
    "image", "clip", "film", "srt", "vtt", "txt", "json", TRANSCRIPT, "audio", "thumbnail",
)  # fmt: skip
"""All types of outputs that clients see."""
_NOT_IN_NAMES = str.maketrans(dict.fromkeys('/\\:*?"<>|', " "))
_MAKES_TRANSCRIPTS = re.compile(r"(?:transcribe|translate)(?=_|$)")
_SPOKEN = frozenset({"srt", "vtt", "txt", "json"})
"""Formats whose file names contain the language."""


def shown_key(output: Output) -> str:
    """``transcribe`` → ``transcript``, ``translate_ko`` → ``transcript_ko``."""
    return _MAKES_TRANSCRIPTS.sub(TRANSCRIPT, output.key, count=1)


def shown_type(output: Output) -> str:
    return TRANSCRIPT if _MAKES_TRANSCRIPTS.match(output.key) else output.type


def source_name_of(file_name: str) -> str | None:
    """The base name for files that are made from this one: without its extension, and without
    characters that some file systems refuse. None if nothing is left."""
    stem = PurePosixPath(file_name).stem.translate(_NOT_IN_NAMES)
    return " ".join(stem.split())[:SOURCE_NAME_LIMIT_CHARS].strip(" .") or None


def shortened(file_name: str, limit_chars: int) -> str:
    """The name, with ``…`` for the middle of one that is longer; the extension stays."""
    if len(file_name) <= limit_chars:
        return file_name
    tail = file_name[-(limit_chars // 5) :]
    return f"{file_name[: limit_chars - len(tail) - 1]}…{tail}"


def file_name_of(job: Job, output: Output) -> str:
    """The file name of an output: after its source if the recipe says so, ``interview.en.srt``,
    else after recipe and key."""
    suffix = output.storage_key.rpartition(".")[2]
    key = shown_key(output)
    if job.source_name is None:
        return f"{job.recipe}-{key}.{suffix}"
    format_, _, language = key.partition("_")
    middle = language if format_ in _SPOKEN and language else key
    return f"{job.source_name}.{middle}.{suffix}"
