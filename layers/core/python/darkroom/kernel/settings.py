"""The environment, typed. The only module that reads ``os.environ``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

USER_AGENT = "darkroom"
"""The name of our calls of AWS. botocore's own is put together of 40 parts again for each call,
which takes a tenth of the call's processor time."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The variables that the template sets; a missing table is an error at its first use."""

    stage: str
    tables: Mapping[str, str]
    media_bucket: str
    studio_queue_url: str
    speech_queue_url: str
    ingest_queue_url: str
    ingest_media_queue_url: str
    archive_queue_url: str
    deliver_queue_url: str
    payment_gateway: str
    jwt_issuer: str
    jwt_audience: str
    test_hooks: bool
    event_retention_days: int
    signing_secret_arn: str
    endpoint_key_arn: str
    """The secret from which the secrets of webhook endpoints derive."""
    stripe_secret_arn: str
    stripe_api_base: str | None
    """Another base URL of Stripe's API, for tests; None means Stripe's own."""
    checkout_return_url: str
    """Where a checkout returns to: by default, the console's page for it."""
    generate_queue_url: str
    provider_config: Mapping[str, Mapping[str, Any]]
    """The cloud providers to use, by name; see ``bootstrap.registry``."""
    provider_routes: Mapping[str, Sequence[str]]
    """Providers by kind of task, in the order to try; see ``generation.routing.routes``. The
    built-in studio does what is not listed."""
    provider_secret_prefix: str
    """The first part of the names of secrets; the name of the provider follows."""
    face_provider: str
    """The face detector for uploaded pictures: ``local`` or ``rekognition``."""
    callback_base_url: str
    """The base URL at which providers reach this API."""
    console_url: str
    """The base URL of the console, for links to it; empty means the host of the request."""
    currency: str
    """ISO 4217: the currency of purchases unless the client names another."""
    region: str
    endpoint_url: str | None
    rate_limit_factor: int = 1
    """By how much the rate limits of accounts are multiplied."""
    file_retention_days: Mapping[str, int] = field(default_factory=dict)
    """For how many days outputs and files are kept, by plan; forever for a plan without a
    number."""
    user_pool_id: str = ""
    """The stack's own user pool, in functions that may delete its users; else empty."""
    log_stream: str = ""
    """The log stream of this process, unique in Lambda; empty outside Lambda."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        env = os.environ if environ is None else environ
        return cls(
            stage=env.get("STAGE", "local"),
            tables={
                name.removeprefix("TABLE_").lower(): value
                for name, value in env.items()
                if name.startswith("TABLE_")
            },
            media_bucket=env.get("MEDIA_BUCKET", ""),
            studio_queue_url=env.get("QUEUE_STUDIO_URL", ""),
            speech_queue_url=env.get("QUEUE_SPEECH_URL", ""),
            ingest_queue_url=env.get("QUEUE_INGEST_URL", ""),
            ingest_media_queue_url=env.get("QUEUE_INGEST_MEDIA_URL", ""),
            archive_queue_url=env.get("QUEUE_ARCHIVE_URL", ""),
            deliver_queue_url=env.get("QUEUE_DELIVER_URL", ""),
            payment_gateway=env.get("PAYMENT_GATEWAY", "test"),
            jwt_issuer=env.get("JWT_ISSUER", ""),
            jwt_audience=env.get("JWT_AUDIENCE", ""),
            test_hooks=env.get("TEST_HOOKS", "false") == "true",
            event_retention_days=int(env.get("EVENT_RETENTION_DAYS", "400")),
            signing_secret_arn=env.get("SIGNING_SECRET_ARN", ""),
            endpoint_key_arn=env.get("ENDPOINT_KEY_ARN", ""),
            stripe_secret_arn=env.get("STRIPE_SECRET_ARN", ""),
            stripe_api_base=env.get("STRIPE_API_BASE") or None,
            checkout_return_url=env.get("CHECKOUT_RETURN_URL") or _return_page(env),
            generate_queue_url=env.get("QUEUE_GENERATE_URL", ""),
            provider_config=json.loads(env.get("PROVIDER_CONFIG") or "{}"),
            provider_routes=json.loads(env.get("PROVIDER_ROUTES") or "{}"),
            provider_secret_prefix=env.get("PROVIDER_SECRET_PREFIX", ""),
            face_provider=env.get("FACE_PROVIDER") or "local",
            callback_base_url=env.get("CALLBACK_BASE_URL", ""),
            console_url=env.get("CONSOLE_URL", ""),
            currency=env.get("CURRENCY", "USD"),
            region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1",
            endpoint_url=env.get("AWS_ENDPOINT_URL") or None,
            rate_limit_factor=int(env.get("RATE_LIMIT_FACTOR") or 1),
            file_retention_days=_days_by_plan(env.get("FILE_RETENTION_DAYS") or "{}"),
            user_pool_id=env.get("USER_POOL_ID", ""),
            log_stream=env.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
        )


def _return_page(env: Mapping[str, str]) -> str:
    console_url = env.get("CONSOLE_URL", "").rstrip("/")
    return f"{console_url}/pricing/return" if console_url else ""


def _days_by_plan(text: str) -> Mapping[str, int]:
    """Raises: ValueError: not an object of whole numbers of days, from 1."""
    days: Mapping[str, int] = json.loads(text)
    if not all(isinstance(number, int) and number >= 1 for number in days.values()):
        raise ValueError("FILE_RETENTION_DAYS needs whole days for each plan")
    return days
