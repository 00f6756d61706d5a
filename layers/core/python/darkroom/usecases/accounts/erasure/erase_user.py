"""Delete the account's user in the stack's own pool, and keep the claim to its mailbox's bonus."""

from __future__ import annotations

from contextlib import suppress

from darkroom.bootstrap.composition import App
from darkroom.credits.store import WalletItem
from darkroom.db import commit_one
from darkroom.db.raw import find_raw
from darkroom.kernel.errors import AlreadyHappened
from darkroom.signup import store as signup_store
from darkroom.signup.model import SignUpRefused, mailbox_of
from darkroom.usecases.accounts.admit_sign_up import hash_of
from darkroom.usecases.accounts.erasure.steps import Left, Subject


def erase_user(app: App, subject: Subject) -> Left:
    """Delete the user, so that nothing signs it in any more.

    First, its mailbox is left to the pseudonym: an erased account that returns gets no second
    bonus. Only a keyed hash of the mailbox is stored.
    """
    user = app.users.find(subject.account_id) if app.users is not None else None
    if app.users is None or user is None:
        return Left.NOTHING
    email = user.attributes.get("email", "")
    if email and find_raw(WalletItem, subject.pseudonym) is not None:
        # Another account of the mailbox may have the bonus. An address that is none has no mailbox.
        with suppress(AlreadyHappened, SignUpRefused):
            commit_one(
                signup_store.leave_bonus_write(
                    hash_of(app, mailbox_of(email)),
                    account_id=subject.account_id,
                    left_to=subject.pseudonym,
                )
            )
    app.users.delete(user)
    return Left.MORE
