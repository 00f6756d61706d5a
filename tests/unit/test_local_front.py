"""The local front server: the headers that let a page read a response of the gateway."""

from __future__ import annotations

import pytest

from local.front import cors_headers

OPEN = {"AllowOrigins": ["*"], "ExposeHeaders": ["etag", "retry-after"]}
ONE = {"AllowOrigins": ["https://app.example"]}


@pytest.mark.parametrize(
    ("cors", "origin", "expected"),
    [
        (OPEN, None, {}),
        (
            OPEN,
            "http://localhost:5173",
            {
                "Access-Control-Allow-Origin": "*",
                "Access-Control-Expose-Headers": "etag,retry-after",
            },
        ),
        (
            ONE,
            "https://app.example",
            {"Access-Control-Allow-Origin": "https://app.example", "Vary": "Origin"},
        ),
        (ONE, "https://other.example", {}),
        ({}, "https://app.example", {}),
    ],
)
def test_only_allowed_origins_may_read(
    cors: dict[str, list[str]], origin: str | None, expected: dict[str, str]
) -> None:
    assert dict(cors_headers(cors, origin)) == expected
