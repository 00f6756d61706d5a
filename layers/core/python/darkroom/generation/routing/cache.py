"""The cache key of a request. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

SHARED = frozenset({"script"})
"""Made from words alone, which are part of the key: equal requests of any accounts share a result.
Everything else is cached per account, so no account sees another's photo."""
_SHAPE = 1


def cache_key(
    *,
    provider: str,
    model: str,
    kind: str,
    account_id: str,
    params: Mapping[str, Any],
    seed: int,
    language: str,
    sources: Sequence[tuple[str, str]],
) -> str:
    """SHA-256 of everything that the result depends on, in hex.

    ``sources`` are (name, storage key): a stored file never changes under its key.
    """
    scope = "" if kind in SHARED and not sources else account_id
    parts = [
        _SHAPE, provider, model, kind, scope, dict(params), seed, language,
        [list(source) for source in sources],
    ]  # fmt: skip
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
