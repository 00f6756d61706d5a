"""The built-in maker of small pictures, whose libraries are loaded at the first one."""

from __future__ import annotations

from pathlib import Path


class LocalPreviews:
    """Implements ``darkroom.generation.ports.Previewer``; holds no state."""

    def thumbnail(self, path: Path, mime_type: str) -> bytes | None:
        from darkroom.studio.previews import thumbnail_of

        return thumbnail_of(path, mime_type)

    def jpeg(self, path: Path, mime_type: str) -> bytes | None:
        from darkroom.studio.previews import jpeg_of

        return jpeg_of(path, mime_type)
