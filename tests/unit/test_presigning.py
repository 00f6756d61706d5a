"""Presigned links: those of boto3, but for a given moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from botocore.config import Config

from darkroom.adapters.presigning import Credentials, presigned_get
from darkroom.adapters.storage import link_end
from darkroom.kernel.limits import DOWNLOAD_URL_SECONDS, LINK_WINDOW_SECONDS

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
KEYS = ["outputs/0f/job_1/film-1.mp4", "a b/ü+&=~%/한 글'(1)*.jpg"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("token", [None, "a/session+token=="])
@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:4566"])
def test_a_link_is_the_one_that_boto3_signs_at_that_moment(
    key: str, token: str | None, endpoint: str | None
) -> None:
    client = boto3.client(
        "s3",
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        aws_session_token=token,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if endpoint else "virtual"},
        ),
    )
    disposition, mime_type = "attachment; filename*=UTF-8''%ED%95%9C%20a.mp4", "video/mp4"
    expected = client.generate_presigned_url(
        "get_object",
        Params={
            "Bucket": "media",
            "Key": key,
            "ResponseContentDisposition": disposition,
            "ResponseContentType": mime_type,
        },
        ExpiresIn=900,
    )
    query = dict(parse_qsl(urlsplit(expected).query))
    at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    base = "http://127.0.0.1:4566/media" if endpoint else "https://media.s3.eu-west-1.amazonaws.com"

    link = presigned_get(
        base,
        key,
        credentials=Credentials("AKID", "secret", token),
        region="eu-west-1",
        query={
            "response-content-disposition": disposition,
            "response-content-type": mime_type,
        },
        signed_at=at,
        seconds=900,
    )

    assert (urlsplit(link).netloc, urlsplit(link).path) == (
        urlsplit(expected).netloc,
        urlsplit(expected).path,
    )
    assert dict(parse_qsl(urlsplit(link).query)) == query


@pytest.mark.parametrize("seconds", [0, 0.001, 1, 450, 899, 899.999, 900, 901])
def test_a_link_lives_at_least_15_minutes_and_less_than_30(seconds: float) -> None:
    now = AT + timedelta(seconds=seconds)

    left = (link_end(now) - now).total_seconds()

    assert DOWNLOAD_URL_SECONDS <= left < DOWNLOAD_URL_SECONDS + LINK_WINDOW_SECONDS


def test_links_end_together_within_a_window() -> None:
    ends = {link_end(AT + timedelta(seconds=second)) for second in range(1, 901)}

    assert ends == {AT + timedelta(minutes=30)}
