"""Object storage: one private bucket behind boto3. ``kernel.object_keys`` makes its keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aws_lambda_powertools import Logger

from darkroom.adapters.clients import Clients
from darkroom.adapters.presigning import presigned_get
from darkroom.kernel.clock import Clock, to_epoch_seconds
from darkroom.kernel.edits import UNCHANGED, Edits, Part, parts_of
from darkroom.kernel.errors import NotFound, Unavailable
from darkroom.kernel.limits import (
    COPIES_AT_ONCE,
    COPY_PART_BYTES,
    DOWNLOAD_URL_SECONDS,
    EDITED_PART_BYTES,
    EXPORT_PART_BYTES,
    LINK_WINDOW_SECONDS,
    PARTS_LIMIT,
    SOURCE_URL_SECONDS,
    UPLOAD_URL_SECONDS,
)

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_CHUNK_BYTES = 1 << 20
logger = Logger()
_MISSING = {"404", "NoSuchKey", "NotFound"}
_GONE = {*_MISSING, "PreconditionFailed", "412"}
_READS_LIMIT = 3
_PAGE_OF_PARTS = 1000
_DELETED_AT_ONCE = 1000
_OVER = "NoSuchUpload"
_CHANGED = {"InvalidPart", "InvalidPartOrder"}


@dataclass(frozen=True)
class ObjectFacts:
    size_bytes: int
    etag: str
    mime_type: str


@dataclass(frozen=True)
class StoredPart:
    """A part of a multipart upload that has arrived."""

    part_number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True)
class SignedLink:
    """A presigned link to download an object, and its end."""

    url: str
    expires_at: datetime


def link_end(now: datetime) -> datetime:
    """The end of all links that are handed out now: the first end of a window that is at least
    ``DOWNLOAD_URL_SECONDS`` away, so less than a window more."""
    soonest = to_epoch_seconds(now) + bool(now.microsecond) + DOWNLOAD_URL_SECONDS
    windows = -(-soonest // LINK_WINDOW_SECONDS)
    return datetime.fromtimestamp(windows * LINK_WINDOW_SECONDS, UTC)


class PartsChanged(Exception):
    """A part was sent again while the parts were being joined."""


class Storage:
    def __init__(self, clients: Clients, bucket: str, clock: Clock) -> None:
        self._clients = clients
        self._bucket = bucket
        self._clock = clock

    def find(self, key: str) -> ObjectFacts | None:
        """The facts of the object with this key, by HEAD."""
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
            return bytes(body.read(limit_bytes + 1))

    def download(self, key: str, path: Path, *, limit_bytes: int | None = None) -> None:
        """Stream the object to a file; with a limit, only little more than that.

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
                self._delete(keys)

    def delete_versions(self, prefix: str) -> int:
        """Delete up to a thousand objects under the prefix for good, with their older versions;
        returns how many were found."""
        page = self._clients.s3.list_object_versions(
            Bucket=self._bucket, Prefix=prefix, MaxKeys=_DELETED_AT_ONCE
        )
        found = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for one in page.get(kind, [])
        ]
        if found:
            self._delete(found)
        return len(found)

    def abort_uploads(self, prefix: str) -> int:
        """Abort the multipart uploads in progress under the prefix; returns how many were found."""
        page = self._clients.s3.list_multipart_uploads(Bucket=self._bucket, Prefix=prefix)
        found = page.get("Uploads", [])
        for upload in found:
            self.abort_parts(upload["Key"], upload["UploadId"])
        return len(found)

    def _delete(self, objects: list[dict[str, str]]) -> None:
        response = self._clients.s3.delete_objects(
            Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
        )
        # The request succeeds even if single objects were not deleted.
        if errors := response.get("Errors"):
            raise Unavailable(f"{len(errors)} objects were not deleted: {errors[0].get('Code')}")

    @contextmanager
    def writing(self, key: str, *, mime_type: str) -> Iterator[ObjectWriter]:
        """A file-like object that writes this object in parts. It appears when it is complete; if
        the block raises, nothing is stored."""
        upload_id = self.begin_parts(key, mime_type=mime_type)
        writer = ObjectWriter(self._clients, self._bucket, key, upload_id)
        try:
            yield writer
            if not self.join_parts(key, upload_id, writer.finish()) and self.find(key) is None:
                raise NotFound(f"the upload of {key} was ended by another process")
        except BaseException:
            self._abort_quietly(key, upload_id)
            raise

    def copy(self, key: str, to_key: str) -> None:
        """Copy a stored file of at most 5 GB within the bucket.

        Raises:
            NotFound: it does not exist any more.
        """
        from botocore.exceptions import ClientError

        source = {"Bucket": self._bucket, "Key": key}
        try:
            self._clients.s3.copy_object(Bucket=self._bucket, Key=to_key, CopySource=source)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise NotFound(f"no object {key}") from error
            raise

    def uri(self, key: str) -> str:
        """The URI of a stored file for services that read our bucket."""
        return f"s3://{self._bucket}/{key}"

    def source_url(self, key: str) -> str:
        """A link from which a provider fetches a source file."""
        url: str = self._clients.s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": key},
            ExpiresIn=SOURCE_URL_SECONDS,
        )
        return url

    def begin_parts(self, key: str, *, mime_type: str) -> str:
        """Start a multipart upload; returns its id. The bucket's lifecycle rule ends one that is
        neither completed nor aborted."""
        begun = self._clients.s3.create_multipart_upload(
            Bucket=self._bucket, Key=key, ContentType=mime_type
        )
        return str(begun["UploadId"])

    def list_parts(self, key: str, upload_id: str) -> list[StoredPart] | None:
        """The parts that have arrived, in order; None if the upload was completed or aborted."""
        parts: list[StoredPart] = []
        after = 0
        for _ in range(PARTS_LIMIT // _PAGE_OF_PARTS + 1):
            page = self._parts_after(key, upload_id, after)
            if page is None:
                return None
            for part in page.get("Parts", []):
                etag = part["ETag"].strip('"')
                parts.append(StoredPart(part["PartNumber"], part["Size"], etag))
            if not page.get("IsTruncated"):
                break
            after = page["NextPartNumberMarker"]
        return parts

    def _parts_after(self, key: str, upload_id: str, after: int) -> Any:
        return self._unless_over(
            lambda: self._clients.s3.list_parts(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MaxParts=_PAGE_OF_PARTS,
                PartNumberMarker=after,
            )
        )

    def join_parts(self, key: str, upload_id: str, parts: Iterable[StoredPart]) -> bool:
        """Join the parts into one object; False if the upload had ended already. Safe to repeat.

        Raises:
            PartsChanged: the parts are not those that were listed.
        """
        from botocore.exceptions import ClientError

        listed = [{"PartNumber": part.part_number, "ETag": part.etag} for part in parts]
        try:
            joined = self._unless_over(
                lambda: self._clients.s3.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": listed},
                )
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _CHANGED:
                raise PartsChanged from error
            raise
        return joined is not None

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Discard the parts that have arrived; safe to repeat, and without effect after the end.

        A part that is being sent at this moment may still arrive; to be sure, repeat the call.
        """
        self._unless_over(
            lambda: self._clients.s3.abort_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload_id
            )
        )

    def copy_large(
        self,
        source: str,
        target: str,
        *,
        facts: ObjectFacts,
        mime_type: str,
        edits: Edits = UNCHANGED,
    ) -> None:
        """Copy an object of any size within the storage, if it still has these facts.

        The copy is made in concurrent parts. The storage copies the parts without an edit; the
        others pass through this process, a few megabytes at a time. A copy that fails is aborted;
        the bucket's lifecycle rule removes the parts of a process that dies.

        Raises:
            NotFound: it does not exist any more, or was replaced.
        """
        from botocore.exceptions import ClientError

        upload_id = self.begin_parts(target, mime_type=mime_type)
        copy = _Copy(self._clients, self._bucket, source, target, upload_id, facts.etag, edits)
        parts = parts_of(
            facts.size_bytes, edits, cell_bytes=EDITED_PART_BYTES, copied_bytes=COPY_PART_BYTES
        )
        try:
            with ThreadPoolExecutor(COPIES_AT_ONCE) as copies:
                stored = list(copies.map(copy.store, range(1, len(parts) + 1), parts))
            if not self.join_parts(target, upload_id, stored) and self.find(target) is None:
                raise NotFound(f"the copy of {source} was ended by another process")
        except BaseException as error:
            self._abort_quietly(target, upload_id)
            if isinstance(error, ClientError) and _code_of(error) in _GONE:
                raise NotFound(f"no object {source} like that") from error
            raise

    def _abort_quietly(self, key: str, upload_id: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.abort_parts(key, upload_id)
        except (BotoCoreError, ClientError):
            # The lifecycle rule removes the parts; what failed before matters more.
            logger.exception("abort_failed", key=key)

    @staticmethod
    def _unless_over(call: Any) -> Any:
        """The response, or None if the multipart upload does not exist any more."""
        from botocore.exceptions import ClientError

        try:
            return call()
        except ClientError as error:
            if error.response["Error"]["Code"] in {_OVER, "404"}:
                return None
            raise

    def part_url(self, key: str, upload_id: str, part_number: int, *, size_bytes: int) -> str:
        """A link to PUT exactly this part of this length."""
        url: str = self._clients.s3.generate_presigned_url(
            "upload_part",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "UploadId": upload_id,
                "PartNumber": part_number,
                "ContentLength": size_bytes,
            },
            ExpiresIn=UPLOAD_URL_SECONDS,
        )
        return url

    def upload_url(self, key: str, *, mime_type: str, size_bytes: int) -> str:
        """A link to PUT exactly this key, type and length."""
        url: str = self._clients.s3.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ContentType": mime_type,
                "ContentLength": size_bytes,
            },
            ExpiresIn=UPLOAD_URL_SECONDS,
        )
        return url

    def download_link(
        self, key: str, *, file_name: str, mime_type: str, inline: bool = False
    ) -> SignedLink:
        """A link that saves under ``file_name``, or shows the file (``inline``).

        It is the same text until less than ``DOWNLOAD_URL_SECONDS`` of it are left, so a client
        that asks again can use its cache. The credentials are a part of it: on Lambda each
        execution environment has its own session token, so links of two environments differ, and
        are valid side by side.
        """
        shown = "inline" if inline else "attachment"
        expires_at = link_end(self._clock.now())
        seconds = DOWNLOAD_URL_SECONDS + LINK_WINDOW_SECONDS
        url = presigned_get(
            self._base_url,
            key,
            credentials=self._clients.credentials(),
            region=self._clients.region,
            query={
                "response-content-disposition": f"{shown}; filename*=UTF-8''{quote(file_name)}",
                "response-content-type": mime_type,
            },
            signed_at=expires_at - timedelta(seconds=seconds),
            seconds=seconds,
        )
        return SignedLink(url, expires_at)

    @cached_property
    def _base_url(self) -> str:
        """The address of the bucket, as boto3 makes it for this region or emulator."""
        return self.source_url("x").partition("?")[0].removesuffix("/x")


class ObjectWriter:
    """Writes an object in parts, one after the other; it can only be appended to."""

    def __init__(self, clients: Clients, bucket: str, key: str, upload_id: str) -> None:
        self._clients, self._bucket, self._key = clients, bucket, key
        self._upload_id = upload_id
        self._pending = bytearray()
        self._parts: list[StoredPart] = []

    def write(self, content: bytes) -> int:
        self._pending += content
        while len(self._pending) >= EXPORT_PART_BYTES:
            part = bytes(self._pending[:EXPORT_PART_BYTES])
            del self._pending[:EXPORT_PART_BYTES]
            self._send(part)
        return len(content)

    def flush(self) -> None:
        """Nothing: the storage takes no smaller parts, except at the end."""

    def finish(self) -> list[StoredPart]:
        """Send the rest; returns all parts."""
        if self._pending or not self._parts:
            self._send(bytes(self._pending))
            self._pending.clear()
        return self._parts

    def _send(self, content: bytes) -> None:
        number = len(self._parts) + 1
        sent = self._clients.s3.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=content,
        )
        self._parts.append(StoredPart(number, len(content), sent["ETag"].strip('"')))


@dataclass(frozen=True)
class _Copy:
    """A multipart copy of an object, in progress."""

    clients: Clients
    bucket: str
    source: str
    target: str
    upload_id: str
    etag: str
    edits: Edits

    def store(self, number: int, part: Part) -> StoredPart:
        etag = self._edited(number, part) if part.is_edited else self._copied(number, part)
        return StoredPart(number, part.end - part.start, etag.strip('"'))

    def _copied(self, number: int, part: Part) -> str:
        copied = self.clients.s3.upload_part_copy(
            Bucket=self.bucket,
            Key=self.target,
            UploadId=self.upload_id,
            PartNumber=number,
            CopySource={"Bucket": self.bucket, "Key": self.source},
            CopySourceIfMatch=self.etag,
            CopySourceRange=f"bytes={part.start}-{part.end - 1}",
        )
        return str(copied["CopyPartResult"]["ETag"])

    def _edited(self, number: int, part: Part) -> str:
        uploaded = self.clients.s3.upload_part(
            Bucket=self.bucket,
            Key=self.target,
            UploadId=self.upload_id,
            PartNumber=number,
            Body=self.edits.apply(self._read(part), part.start),
        )
        return str(uploaded["ETag"])

    def _read(self, part: Part) -> bytes:
        """Read a part. The client retries a failed request, but not a response that breaks off."""
        from botocore.exceptions import BotoCoreError

        for tries_left in reversed(range(_READS_LIMIT)):
            try:
                found = self.clients.s3.get_object(
                    Bucket=self.bucket,
                    Key=self.source,
                    IfMatch=self.etag,
                    Range=f"bytes={part.start}-{part.end - 1}",
                )
                body = found["Body"]
                # As a context manager it would be the connection, which does not compare lengths.
                with body:
                    return bytes(body.read())
            except BotoCoreError:
                if tries_left == 0:
                    raise
        raise AssertionError("the last try returns or raises")


def _code_of(error: ClientError) -> str:
    return error.response["Error"]["Code"]
