"""The confirm request as API Gateway hands it to a function (payload format 2.0)."""

from __future__ import annotations

import json
import secrets
from typing import Any

from bench.cloud import STORY

PATH = "/api/jobs/confirm"


def confirm_event(account_id: str, photo: str, *, expires: int) -> dict[str, Any]:
    """expires: of the caller's token, in Unix seconds."""
    claims = {
        "sub": account_id,
        "token_use": "access",
        "exp": str(expires),
    }
    return {
        "version": "2.0",
        "routeKey": f"POST {PATH}",
        "rawPath": PATH,
        "rawQueryString": "",
        "headers": {
            "content-type": "application/json",
            "idempotency-key": secrets.token_hex(8),
        },
        "requestContext": {
            "http": {"method": "POST", "path": PATH, "sourceIp": "127.0.0.1"},
            "requestId": "bench",
            "stage": "$default",
            "authorizer": {"jwt": {"claims": claims}},
        },
        "body": json.dumps({"mode": "story", **STORY, "photoAssetIds": [photo]}),
        "isBase64Encoded": False,
    }
