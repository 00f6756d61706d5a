"""Object storage: one private bucket, prefixes ``quarantine/``, ``clean/`` and ``outputs/``.

Keys are always made by the server:
``quarantine/<lane>/<account>/<asset>`` what a client sent, never served; the lane (``image`` or
                                 ``media``) decides which worker is told of it;
``clean/<account>/<asset>/…``    what ingest checked and wrote anew;
``outputs/<account>/<job>/…``    what tasks made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from darkroom.adapters.clients import Clients
from darkroom.kernel.errors import NotFound
from darkroom.kernel.limits import DOWNLOAD_URL_SECONDS, UPLOAD_URL_SECONDS

IMAGE_LANE, MEDIA_LANE = "image", "media"
LANES = (IMAGE_LANE, MEDIA_LANE)
_CHUNK_BYTES = 1 << 20
_MISSING = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True)
class ObjectFacts:
    size_bytes: int
    etag: str
    mime_type: str


class Storage:
    def __init__(self, clients: Clients, bucket: str) -> None:
        self._clients = clients
        self._bucket = bucket

    def find(self, key: str) -> ObjectFacts | None:
        """What stands under the key, by HEAD."""
        from botocore.exceptions import ClientError

        try:
            head = self._clients.s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        return ObjectFacts(
            size_bytes=head["ContentLength"],
            etag=head["ETag"].strip('"'),
            mime_type=head.get("ContentType", ""),
        )

    def read(self, key: str, *, limit_bytes: int) -> bytes:
        """The object's bytes, at most ``limit_bytes`` + 1 of them.

        Raises:
            NotFound: there is no such object.
        """
        body = self._get(key)["Body"]
        with body:
            return body.read(limit_bytes + 1)

    def download(self, key: str, path: Path, *, limit_bytes: int | None = None) -> None:
        """Stream the object to a file; with a limit, not much more than that of it.

        Raises:
            NotFound: there is no such object.
        """
        body = self._get(key)["Body"]
        written = 0
        with body, path.open("wb") as file:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                written += file.write(chunk)
                if limit_bytes is not None and written > limit_bytes:
                    return

    def chunks(self, key: str) -> Iterator[bytes]:
        """The object's bytes, bit by bit.

        Raises:
            NotFound: there is no such object.
        """
        body = self._get(key)["Body"]
        with body:
            yield from body.iter_chunks(_CHUNK_BYTES)

    def _get(self, key: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._clients.s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise NotFound(f"no object {key}") from error
            raise

    def write(self, key: str, body: bytes, *, mime_type: str) -> None:
        self._clients.s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=mime_type)

    def upload(self, key: str, path: Path, *, mime_type: str) -> None:
        with path.open("rb") as file:
            self._clients.s3.put_object(
                Bucket=self._bucket, Key=key, Body=file, ContentType=mime_type
            )

    def delete(self, key: str) -> None:
        self._clients.s3.delete_object(Bucket=self._bucket, Key=key)

    def delete_all(self, prefix: str) -> None:
        """Delete every object under the prefix; safe to repeat."""
        pages = self._clients.s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            keys = [{"Key": found["Key"]} for found in page.get("Contents", [])]
            if keys:
                self._clients.s3.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True}
                )

    def upload_url(self, key: str, *, mime_type: str, size_bytes: int) -> str:
        """A link to PUT exactly this key, type and length."""
        return self._clients.s3.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ContentType": mime_type,
                "ContentLength": size_bytes,
            },
            ExpiresIn=UPLOAD_URL_SECONDS,
        )

    def download_url(self, key: str, *, file_name: str, mime_type: str) -> str:
        """A short-lived link that saves under ``file_name``."""
        disposition = f"attachment; filename*=UTF-8''{quote(file_name)}"
        return self._clients.s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ResponseContentDisposition": disposition,
                "ResponseContentType": mime_type,
            },
            ExpiresIn=DOWNLOAD_URL_SECONDS,
        )


def lane_of(kind: str) -> str:
    """Pictures and media have workers of their own: what reads one is too heavy beside the other,
    and S3 tells queues apart by the beginning of a key."""
    return IMAGE_LANE if kind == "image" else MEDIA_LANE


def quarantine_key(lane: str, account_id: str, asset_id: str) -> str:
    return f"quarantine/{lane}/{account_id}/{asset_id}"


def clean_prefix(account_id: str, asset_id: str) -> str:
    return f"clean/{account_id}/{asset_id}/"


def clean_key(account_id: str, asset_id: str, name: str) -> str:
    return f"clean/{account_id}/{asset_id}/{name}"


def outputs_prefix(account_id: str, job_id: str) -> str:
    return f"outputs/{account_id}/{job_id}/"


def output_key(account_id: str, job_id: str, key: str, attempt: int, suffix: str) -> str:
    """The attempt is part of the name: a stray earlier attempt never overwrites the result."""
    return f"{outputs_prefix(account_id, job_id)}{key}-{attempt}{suffix}"
