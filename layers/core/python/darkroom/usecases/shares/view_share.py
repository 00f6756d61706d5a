"""View a shared job by its link."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.events.store import record_write
from darkroom.jobs import share_store
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import JobFamily
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.kernel.limits import VIEWS_PER_ADDRESS_LIMIT
from darkroom.kernel.signing import seal
from darkroom.usecases.accounts.check_account import is_erased
from darkroom.usecases.projections.project_share import share_event

_PURPOSE = "visitor"
_IPV6_NETWORK_BITS = 56
"""What providers give one home."""


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who opens a link, as far as the request says. Only a keyed hash of it and of the day is
    stored: so visitors are not recognized on another day, and addresses cannot be found out."""

    address: str
    user_agent: str

    @property
    def marks(self) -> tuple[str, ...]:
        """What distinguishes visitors: the network, and which of a few groups the browser is in.

        A caller may send any user agent, so there are only so many groups for an address.
        """
        group = zlib.crc32(self.user_agent.encode()) % VIEWS_PER_ADDRESS_LIMIT
        return _network(self.address), str(group)


def _network(address: str) -> str:
    """The address; of IPv6 the network, within which a caller may choose any address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        return str(int(parsed) >> (128 - _IPV6_NETWORK_BITS))
    return str(parsed)


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


def view_share(app: App, token: str, visitor: Visitor) -> JobFamily:
    """The shared job; counts as a view, once for each link, visitor and day.

    Raises:
        what ``find_shared`` raises.
    """
    family, now = find_shared(app, token), app.clock.now()
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    secret = app.signing_secret.value
    mark = seal(secret, _PURPOSE, token, f"{day:%Y-%m-%d}", *visitor.marks)
    # A view changes no item, so its event is written directly and not by a projection. Its key has
    # no time of the day: so the first view of the day is recorded, and the others change nothing.
    event = share_event(family.job, "share_viewed", at=now, mark=mark, key_at=day)
    with suppress(Conflict):
        commit([record_write(event, retention_days=app.settings.event_retention_days)])
    return family
