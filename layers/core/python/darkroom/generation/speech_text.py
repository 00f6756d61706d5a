"""The text of a speech request: its own text, or that of its script."""

from __future__ import annotations

from darkroom.generation.captions.characters import clean_text
from darkroom.generation.ports import GenerationRequest
from darkroom.generation.script import MAX_BYTES, ScriptRejected, read_script
from darkroom.generation.vendor_errors import bad_source

SCRIPT_KEY = "script"


def speech_text_of(request: GenerationRequest) -> str:
    """``params.text``, or else the text of the source ``script``; a paragraph a line, none empty.

    Raises:
        PermanentProviderError: ``BAD_SOURCE``; there is neither, or the source is no script.
    """
    text = request.params.get("text")
    source = text if isinstance(text, str) and text.strip() else _text_of_script(request)
    lines = [clean_text(line) for line in source.splitlines()]
    speech = "\n\n".join(line for line in lines if line)
    if not speech:
        raise bad_source("there is nothing to say")
    return speech


def _text_of_script(request: GenerationRequest) -> str:
    source = next((source for source in request.sources if source.key == SCRIPT_KEY), None)
    if source is None:
        raise bad_source("speech needs a text or a script")
    try:
        with source.path.open("rb") as file:
            return read_script(file.read(MAX_BYTES + 1)).spoken_text
    except (OSError, ScriptRejected) as error:
        raise bad_source("the script cannot be read") from error
