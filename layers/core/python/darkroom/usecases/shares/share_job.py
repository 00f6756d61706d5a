"""Share a job's outputs by public links, and revoke the links."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import commit, commit_one
from darkroom.jobs import share_store
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.jobs.share_store import Share
from darkroom.jobs.states import JobStatus
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS, SHARE_SECRET_BYTES

SHARED_STATES = frozenset({JobStatus.SUCCEEDED, JobStatus.PARTIAL})


def share_secret(app: App, command: Command) -> bytes:
    """The secret of this request's link.

    With an Idempotency-Key, it is derived from account, route and key with the service's own
    secret, so that a repeat returns the same response although the secret is not stored.
    """
    if command.key is None:
        return bytes.fromhex(app.ids.token(SHARE_SECRET_BYTES))
    cause = "\x1f".join(("share", command.account_id, command.route, command.key)).encode()
    return hmac.new(app.signing_secret.value, cause, hashlib.sha256).digest()[:SHARE_SECRET_BYTES]


def check_shareable(job: Job) -> None:
    """Raises: Conflict JOB_NOT_FINAL: there is nothing to show."""
    if job.status not in SHARED_STATES:
        raise Conflict("only what a job made is shared", code="JOB_NOT_FINAL")


def share_job(
    app: App, command: Command, *, job_id: str, secret: bytes, expires_in_days: int | None
) -> Share:
    """Create a link to the job's outputs.

    Raises:
        NotFound; Conflict JOB_NOT_FINAL: there is nothing to show yet.
        KeyReused.
    """
    check_shareable(_own_job(command.account_id, job_id))
    now = app.clock.now()
    share = Share(
        job_id=job_id,
        digest=share_store.digest_of(secret),
        created_at=now,
        expires_at=now + timedelta(days=expires_in_days) if expires_in_days else None,
    )
    check_at = now + timedelta(seconds=PROJECTION_CHECK_SECONDS)
    commit([share_store.create_write(share, operation=command.operation, check_at=check_at)])
    # A repeat after the stored response has expired finds the link that the request created.
    return share_store.find_share(job_id, secret) or share


def unshare_job(app: App, *, account_id: str, job_id: str) -> None:
    """Revoke every link to the job. Safe to repeat.

    Raises:
        NotFound.
    """
    _own_job(account_id, job_id)
    for share in share_store.list_shares(job_id):
        if share.revoked_at is None:
            commit_one(share_store.revoke_write(share, app.clock.now()))


def _own_job(account_id: str, job_id: str) -> Job:
    job = jobs_store.find_job(job_id)
    if job is None or job.account_id != account_id:
        raise NotFound("no such job")
    return job
