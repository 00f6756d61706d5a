"""Reads the catalog: packs, prices, labels and templates as JSON files, shipped with the code."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent / "catalog"


@functools.cache
def read(name: str) -> Any:
    """The parsed JSON file ``name`` (for example ``packs.json``); read once per process.

    Raises:
        FileNotFoundError: the catalog has no such file.
    """
    return json.loads((_ROOT / name).read_text(encoding="utf-8"))


def names(folder: str) -> list[str]:
    """The JSON files in a folder of the catalog, as names for ``read``, sorted."""
    return sorted(str(path.relative_to(_ROOT)) for path in (_ROOT / folder).rglob("*.json"))
