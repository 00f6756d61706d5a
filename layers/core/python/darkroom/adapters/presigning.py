"""Presigned links of AWS Signature Version 4, signed for a given moment.

boto3 signs for the moment of the call, so each of its links is another text. A link that is signed
for a time window stays the same while the window lasts, and browsers' caches hold.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "s3"


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str
    token: str | None
    """The session token of temporary credentials; it is a part of each link."""


def presigned_get(
    base_url: str,
    key: str,
    *,
    credentials: Credentials,
    region: str,
    query: Mapping[str, str],
    signed_at: datetime,
    seconds: int,
) -> str:
    """A link to GET the object, valid for ``seconds`` from ``signed_at``.

    ``base_url`` is the address of the bucket, without a slash at its end; ``query`` has the
    parameters of the request. The same arguments give the same link.
    """
    at = signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{at[:8]}/{region}/{_SERVICE}/aws4_request"
    parameters = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": at,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token is not None:
        parameters["X-Amz-Security-Token"] = credentials.token
    address = urlsplit(base_url)
    path = f"{address.path}/{quote(key, safe='/~')}"
    text = "&".join(f"{name}={_encoded(parameters[name])}" for name in sorted(parameters))
    request = "\n".join(("GET", path, text, f"host:{address.netloc}\n", "host", "UNSIGNED-PAYLOAD"))
    digest = hashlib.sha256(request.encode()).hexdigest()
    signed = "\n".join((_ALGORITHM, at, scope, digest)).encode()
    signature = hmac.new(
        _signing_key(credentials.secret_key, at[:8], region), signed, hashlib.sha256
    ).hexdigest()
    return f"{address.scheme}://{address.netloc}{path}?{text}&X-Amz-Signature={signature}"


def _encoded(value: str) -> str:
    return quote(value, safe="~")


@lru_cache(maxsize=4)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, _SERVICE, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
