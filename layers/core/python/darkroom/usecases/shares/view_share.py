"""View a shared job by its link."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.events.store import record_write
from darkroom.jobs import share_store
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import JobFamily
from darkroom.kernel.errors import NotFound
from darkroom.usecases.accounts.check_account import is_erased
from darkroom.usecases.projections.project_share import share_event


def find_shared(app: App, token: str) -> JobFamily:
    """The shared job; this does not count as a view.

    Raises:
        NotFound: the link is malformed, unknown, expired or revoked, or its job or account is
        gone; the error does not say which.
    """
    now = app.clock.now()
    read = share_store.from_token(token)
    share = share_store.find_share(*read) if read else None
    if share is None or not share.is_open(now):
        raise NotFound("no such share")
    family = jobs_store.find_family(share.job_id)
    if family is None or is_erased(app, family.job.account_id):
        raise NotFound("no such share")
    return family


def view_share(app: App, token: str) -> JobFamily:
    """The shared job; each call counts as a view.

    Raises:
        what ``find_shared`` raises.
    """
    family, now = find_shared(app, token), app.clock.now()
    # A view changes no item, so its event is written directly and not by a projection.
    event = share_event(family.job, "share_viewed", at=now, mark=app.ids.token())
    commit([record_write(event, retention_days=app.settings.event_retention_days)])
    return family
