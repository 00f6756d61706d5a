"""A long text in chunks that a service accepts, split at the coarsest boundary that fits.

Pure. The joined chunks are the text: nothing is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from darkroom.generation.captions.characters import clusters

_PARAGRAPH: Final = re.compile(r".*?\n\s*|.+", re.DOTALL)
_SENTENCE: Final = re.compile(r".*?(?:[.!?…]+[\"'”’)\]]*\s+|[。！？]+[」』”’）]*\s*)|.+", re.DOTALL)
_WORD: Final = re.compile(r"\S*\s+|\S+")
_COARSE_TO_FINE: Final = (_PARAGRAPH, _SENTENCE, _WORD)


def chunks_of(text: str, limit: int, size: Callable[[str], int] = len) -> list[str]:
    """``text`` in order, each chunk of at most ``limit``; a larger character stands alone.

    ``size`` of two texts joined is at most the sum of their sizes.
    """
    return list(_filled(_parts(text, limit, size, level=0), limit, size))


def _parts(text: str, limit: int, size: Callable[[str], int], *, level: int) -> Iterator[str]:
    if size(text) <= limit:
        yield text
        return
    if level == len(_COARSE_TO_FINE):
        yield from clusters(text)
        return
    for match in _COARSE_TO_FINE[level].finditer(text):
        yield from _parts(match[0], limit, size, level=level + 1)


def _filled(parts: Iterator[str], limit: int, size: Callable[[str], int]) -> Iterator[str]:
    """As many parts in a chunk as fit."""
    chunk, chunk_size = "", 0
    for part in parts:
        part_size = size(part)
        if chunk and chunk_size + part_size > limit:
            yield chunk
            chunk, chunk_size = "", 0
        chunk, chunk_size = chunk + part, chunk_size + part_size
    if chunk:
        yield chunk
