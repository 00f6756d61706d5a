"""Give the welcome bonus of a mailbox to the account that confirms it first."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.kernel.errors import AlreadyHappened
from darkroom.kernel.pseudonyms import is_pseudonym
from darkroom.signup import model, store
from darkroom.signup.model import SignUpRefused
from darkroom.usecases.accounts.admit_sign_up import hash_of


def claim_bonus(app: App, account_id: str, *, email: str) -> bool:
    """Claim the bonus; False if another account of the mailbox has it. Safe to repeat.

    The claim outlives the account: who deletes an account and returns, or signs up with another
    spelling of the same address, gets an account without a bonus.
    """
    mailbox = hash_of(app, model.mailbox_of(email))
    try:
        commit_one(store.claim_bonus_write(mailbox, account_id=account_id))
    except AlreadyHappened:
        commit_one(store.no_bonus_write(account_id))
        return False
    return True


def mark_returning(app: App, account_id: str, *, email: str) -> None:
    """Let the account open without a bonus if an erased account of its mailbox had one; for a user
    whom an operator creates, who confirms nothing."""
    try:
        mailbox = hash_of(app, model.mailbox_of(email))
    except SignUpRefused:
        return
    owner = store.find_bonus_owner(mailbox)
    if owner is not None and is_pseudonym(owner):
        commit_one(store.no_bonus_write(account_id))
