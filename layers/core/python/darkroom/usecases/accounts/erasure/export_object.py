"""Where the zip of an export is stored, and the marker of one that could not be made."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.kernel.object_keys import export_key, owner_tag

MIME_TYPE = "application/zip"
_FAILED_SUFFIX = ".failed"


def key_of(app: App, account_id: str, export_id: str) -> str:
    return export_key(owner_tag(app.signing_secret.value, account_id), export_id)


def has_failed(app: App, key: str) -> bool:
    return app.storage.find(key + _FAILED_SUFFIX) is not None


def mark_failed(app: App, key: str) -> None:
    app.storage.write(key + _FAILED_SUFFIX, b"", mime_type="text/plain")


def forget_failure(app: App, key: str) -> None:
    app.storage.delete(key + _FAILED_SUFFIX)
