"""Links to small pictures, which pages show as they are."""

from __future__ import annotations

from pathlib import PurePosixPath

from darkroom.adapters.storage import SignedLink
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso

_JPEG = "image/jpeg"
_TYPES = {".png": "image/png", ".webp": "image/webp"}
"""Of pictures that are their own small picture; all others are JPEG."""


def picture_link(app: App, key: str, *, stem: str) -> SignedLink:
    """A link that shows a small picture; it stays the same while links of this window live."""
    suffix = PurePosixPath(key).suffix
    mime_type = _TYPES.get(suffix, _JPEG)
    return app.storage.download_link(
        key, file_name=f"{stem}{suffix}", mime_type=mime_type, inline=True
    )


def expiry(link: SignedLink | None) -> str | None:
    return None if link is None else to_iso(link.expires_at)
