"""Decide whether an address may sign up, before Cognito creates the user and sends a code."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.kernel.limits import SIGN_UPS_PER_DOMAIN_LIMIT, SIGN_UPS_PER_MAILBOX_LIMIT
from darkroom.kernel.signing import seal
from darkroom.signup import model, store
from darkroom.signup.model import Mailbox, SignUpRefused

_PURPOSE = "mailbox"


def admit_sign_up(app: App, email: str, *, account_id: str | None = None) -> None:
    """Count the sign-up, or refuse it. An account that is known already has to claim the bonus of
    the mailbox when it opens.

    A mailbox may try a few times a day, whichever way its address is written. So may a domain,
    except one where many unrelated people have mailboxes.

    Raises:
        SignUpRefused: EMAIL_INVALID, EMAIL_DISPOSABLE, or SIGN_UPS_LIMITED until tomorrow.
    """
    mailbox = model.mailbox_of(email)
    if model.is_disposable(mailbox):
        raise SignUpRefused("use an address that you keep", code="EMAIL_DISPOSABLE")
    now = app.clock.now()
    limited = SignUpRefused("too many sign-ups; try again tomorrow", code="SIGN_UPS_LIMITED")
    writes = [
        store.mailbox_count_write(
            hash_of(app, mailbox), limit=SIGN_UPS_PER_MAILBOX_LIMIT, now=now, refused=limited
        )
    ]
    if not model.is_of_mail_service(mailbox):
        writes.append(
            store.domain_count_write(
                mailbox.domain, limit=SIGN_UPS_PER_DOMAIN_LIMIT, now=now, refused=limited
            )
        )
    if account_id is not None:
        writes.append(store.unclaimed_write(account_id, mailbox=hash_of(app, mailbox)))
    commit(writes)


def hash_of(app: App, mailbox: Mailbox) -> str:
    """The mailbox as it is stored: without the signing secret, a guessed address is no match."""
    return seal(app.signing_secret.value, _PURPOSE, mailbox.address)
