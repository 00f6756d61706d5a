"""The words of the OpenAPI document that no route or type has."""

from __future__ import annotations

from typing import Any

SUMMARY = "Back end of an AI photo and video app"
DESCRIPTION = """\
Upload photos and recordings, make stories, trailers, portraits, pictures and captions from them,
watch the jobs, and pay with credits.

**Tokens.** Send `Authorization: Bearer <access token>` of the user pool. The account is the
token's `sub`. Operations without a lock need no token.

**Errors** of the functions are `{"error", "code", …, "requestId"}`: `code` never changes, `error`
is a sentence in the language of `Accept-Language` (English or Korean), and other fields are facts
about the code. API Gateway's own errors are `{"message"}`. New codes may be added; treat an unknown
code by its status.

**Repeating.** A `GET`, a `DELETE`, or a request with an `Idempotency-Key` can always be repeated;
wait for `Retry-After` seconds after 429 and 503.

**Lists** have `items` and `nextCursor`. Send the cursor with the same filters until it is null. A
page may be short, or even empty, before the last one.

**Values.** Times are ISO 8601 in UTC with milliseconds, credits integers, sizes bytes, durations
milliseconds.

**Changes.** New operations, new fields and new values in responses may come at any time. Anything
else is a new major version. What is to be removed is first announced by the headers `Deprecation`
(RFC 9745) and `Sunset` (RFC 8594).
"""
SERVERS: list[dict[str, Any]] = [
    {"url": "/", "description": "The origin that serves this document"}
]
TAGS: list[dict[str, str]] = [
    {
        "name": "Jobs",
        "description": "Quote, draft, confirm, watch, cancel, retry, regenerate and download jobs.",
    },
    {
        "name": "Uploads",
        "description": "Send files directly to storage, in one request or in parts that resume.",
    },
    {"name": "Assets", "description": "The account's files: uploads, and pictures made by jobs."},
    {
        "name": "Reference photos",
        "description": "Pictures of one person each, from which portraits are made.",
    },
    {"name": "Albums", "description": "Collections of outputs, in an order of the user's choice."},
    {"name": "Shares", "description": "Public links to the outputs of a job."},
    {"name": "Events", "description": "What users do in the frontend, for analytics."},
    {
        "name": "Account",
        "description": "The caller's own account: profile, plan, usage, export and erasure.",
    },
    {
        "name": "Credits",
        "description": "The wallet, its transactions, purchases, and what things cost.",
    },
    {
        "name": "Catalog",
        "description": "What can be made: recipes, templates, limits. Public.",
    },
    {
        "name": "Webhook endpoints",
        "description": "Where the account's events are sent, and the log of what was sent.",
    },
    {
        "name": "Webhooks",
        "description": "Signed calls of payment gateways and providers; not for frontends.",
    },
    {
        "name": "Admin",
        "description": "For operators: members of the user pool's group `admin`.",
    },
]
SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of the user pool (not an ID token).",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "From `POST /api/jobs/stream-ticket`: EventSource cannot send a token.",
    },
}
SUCCESSES = {
    200: "Done",
    201: "Created",
    202: "Accepted; the work goes on",
    204: "Done; there is no body",
    304: "Not changed since; there is no body",
}
_JOB = "job_01KE6P4YM0DW25PDBDE1K4KS00"
PARAMETERS: dict[str, tuple[str, Any]] = {
    "accountId": ("The account: the `sub` of its tokens.", "5b0e0b4e-7a0b-4c8e-9a53-6a1d2c7f1f10"),
    "albumId": ("The album.", "alb_01KE6P4YM0DW25PDBDE1K4KS00"),
    "assetId": ("The file.", "ast_01KE6P4YM0DW25PDBDE1K4KS00"),
    "cursor": ("The `nextCursor` of the page before; without it, the first page.", None),
    "exportId": ("The export.", "exp_01KE6P4YM0DW25PDBDE1K4KS00"),
    "jobId": ("The job.", _JOB),
    "limit": ("The most items in a page.", None),
    "outputId": ("The output.", "out_01KE6P4YM0DW25PDBDE1K4KS00_clip_1_1"),
    "purchaseId": ("The purchase.", "pur_01KE6P4YM0DW25PDBDE1K4KS00"),
    "referencePhotoId": ("The reference photo.", "ref_01KE6P4YM0DW25PDBDE1K4KS00"),
    "token": ("The secret of the link: the last part of its URL.", None),
}
"""Descriptions and examples of parameters, where the route itself has none."""
