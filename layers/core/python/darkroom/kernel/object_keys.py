"""Keys of objects, all made here: prefixes ``quarantine/``, ``clean/``, ``outputs/`` and
``exports/``. Pure.

``quarantine/<pipeline>/<owner>/<asset>`` what a client sent, never served; the pipeline (``image``
                                     or ``media``) decides which worker inspects it;
``clean/<owner>/<asset>/…``          the checked copy without metadata, and what ingest made of it;
``outputs/<owner>/<job>/…``          what tasks made, and the small pictures of it;
``exports/<owner>/<export>.zip``     everything of an account, for a few days.

The owner is an opaque tag of the account (``owner_tag``), because links to files carry their keys
and reach other people and providers. Assets and jobs store the tag of their keys, so a new signing
secret changes no key that exists. Those of the first version have no tag: their keys name the
account.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import PurePosixPath
from typing import Final

IMAGE_PIPELINE, MEDIA_PIPELINE = "image", "media"
PIPELINES: Final = (IMAGE_PIPELINE, MEDIA_PIPELINE)
_TAG_PURPOSE: Final = b"object-owner\x00"
_TAG_CHARS: Final = 32


def pipeline_of(kind: str) -> str:
    """The pipeline that inspects an upload of this kind.

    Pictures and media have workers of their own, because the libraries of one are too heavy beside
    those of the other. S3 chooses the queue by the beginning of a key.
    """
    return IMAGE_PIPELINE if kind == "image" else MEDIA_PIPELINE


def owner_tag(secret: bytes, account_id: str) -> str:
    """The opaque name of an account in new object keys.

    Without the secret it looks random, and cannot confirm a guessed account.
    """
    digest = hmac.new(secret, _TAG_PURPOSE + account_id.encode(), hashlib.sha256)
    return digest.hexdigest()[:_TAG_CHARS]


def is_owner_tag(owner: str) -> bool:
    """Whether a part of a key has the form of a tag, and not of an account's own id."""
    return len(owner) == _TAG_CHARS and set(owner) <= set("0123456789abcdef")


def quarantine_key(pipeline: str, owner: str, asset_id: str) -> str:
    return f"quarantine/{pipeline}/{owner}/{asset_id}"


def clean_folder(owner: str) -> str:
    return f"clean/{owner}/"


def clean_prefix(owner: str, asset_id: str) -> str:
    return f"clean/{owner}/{asset_id}/"


def clean_key(owner: str, asset_id: str, name: str) -> str:
    return f"clean/{owner}/{asset_id}/{name}"


def outputs_prefix(owner: str, job_id: str) -> str:
    return f"outputs/{owner}/{job_id}/"


def export_key(owner: str, export_id: str) -> str:
    return f"exports/{owner}/{export_id}.zip"


def owner_prefixes(owner: str) -> tuple[str, ...]:
    """The prefixes of all keys of an owner."""
    uploads = (f"quarantine/{pipeline}/{owner}/" for pipeline in PIPELINES)
    return (*uploads, clean_folder(owner), f"outputs/{owner}/", f"exports/{owner}/")


def output_key(owner: str, job_id: str, *, key: str, attempt: int, suffix: str) -> str:
    """The attempt is part of the name: a stray earlier attempt never overwrites the result."""
    return f"{outputs_prefix(owner, job_id)}{key}-{attempt}{suffix}"


def thumbnail_key_of(storage_key: str) -> str:
    """The key of an output's thumbnail or poster, beside the output itself."""
    return str(PurePosixPath(storage_key).with_suffix(".thumbnail.jpg"))


def jpeg_key_of(storage_key: str) -> str:
    """The key of an output's copy as a JPEG of the same size."""
    return str(PurePosixPath(storage_key).with_suffix(".copy.jpg"))
