"""Why an upload failed: the codes of assets, and the messages for their owners."""

from __future__ import annotations

from enum import StrEnum


class UploadNote(StrEnum):
    """A limitation of a usable file."""

    NO_THUMBNAIL = "NO_THUMBNAIL"
    """No frame could be decoded for the thumbnail; it is a placeholder."""
    METADATA_KEPT = "METADATA_KEPT"
    """The file is too large to be remuxed, and not all metadata could be erased from its copy:
    places, dates and names that a camera wrote may be left."""
    TRACKS_LEFT_OUT = "TRACKS_LEFT_OUT"
    """A picture, sound or subtitle track that cannot be used is not in the clean copy."""


class UploadFailure(StrEnum):
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    IMAGE_TOO_SMALL = "IMAGE_TOO_SMALL"
    CORRUPT_FILE = "CORRUPT_FILE"
    UPLOAD_EXPIRED = "UPLOAD_EXPIRED"
    UPLOAD_INCOMPLETE = "UPLOAD_INCOMPLETE"


_MESSAGES: dict[UploadFailure, tuple[str, str]] = {
    UploadFailure.UNSUPPORTED_TYPE: (
        (
            "We cannot read this type of file. Please upload a JPEG, PNG, WebP, HEIC, AVIF, MP4, "
            "MOV, WebM, MP3, WAV, M4A or AAC file."
        ),
        (
            "읽을 수 없는 형식입니다. JPEG, PNG, WebP, HEIC, AVIF, MP4, MOV, WebM, MP3, WAV, M4A, "
            "AAC 파일을 올려 주세요."
        ),
    ),
    UploadFailure.TYPE_MISMATCH: (
        "The type of this file does not match its name.",
        "파일의 실제 형식이 이름과 다릅니다.",
    ),
    UploadFailure.FILE_TOO_LARGE: (
        "The file is larger than the allowed size.",
        "파일이 허용된 크기보다 큽니다.",
    ),
    UploadFailure.IMAGE_TOO_LARGE: (
        "The resolution is too high. Please upload a smaller file.",
        "해상도가 너무 높습니다. 더 작은 파일을 올려 주세요.",
    ),
    UploadFailure.IMAGE_TOO_SMALL: (
        "The resolution is too low. Please upload a larger file.",
        "해상도가 너무 낮습니다. 더 큰 파일을 올려 주세요.",
    ),
    UploadFailure.CORRUPT_FILE: (
        "The file is damaged. Please upload it again.",
        "파일이 손상되었습니다. 다시 올려 주세요.",
    ),
    UploadFailure.UPLOAD_EXPIRED: (
        "The file was not uploaded in time. Please upload it again.",
        "제한 시간 안에 파일이 도착하지 않았습니다. 다시 올려 주세요.",
    ),
    UploadFailure.UPLOAD_INCOMPLETE: (
        "The upload was incomplete. Please upload the file again.",
        "파일이 끝까지 올라오지 않았습니다. 다시 올려 주세요.",
    ),
}


def failure_of(code: str) -> UploadFailure:
    """The failure with this code; an unknown code counts as a corrupt file."""
    try:
        return UploadFailure(code)
    except ValueError:
        return UploadFailure.CORRUPT_FILE


def message_of(failure: UploadFailure, language: str = "en") -> str:
    english, korean = _MESSAGES[failure]
    return korean if language == "ko" else english
