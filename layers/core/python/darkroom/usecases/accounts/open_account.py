"""Open the wallet of a new account, with the one signup bonus of its mailbox."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.credits import model, store
from darkroom.credits.model import Wallet
from darkroom.db import commit
from darkroom.kernel.errors import ConcurrentUpdate, Conflict
from darkroom.kernel.pseudonyms import is_pseudonym
from darkroom.signup.store import Bonus, BonusTaken, claim_bonus_write, find_bonus
from darkroom.usecases.accounts.check_account import check_not_erased


def ensure_wallet(app: App, account_id: str) -> Wallet:
    """Return the account's wallet; open it if the account is new."""
    wallet = store.find_wallet(account_id)
    return wallet or open_account(app, account_id)


def open_account(app: App, account_id: str) -> Wallet:
    """Open the wallet. A concurrent request that opens it first has the same effect.

    Raises:
        Gone: the account is erased; its books are under its pseudonym.
    """
    bonus = Bonus(is_due=False)
    if not is_pseudonym(account_id):
        check_not_erased(app, account_id)
        bonus = find_bonus(account_id)
    try:
        return _open(app, account_id, bonus)
    except BonusTaken:
        return _open(app, account_id, Bonus(is_due=False))


def _open(app: App, account_id: str, bonus: Bonus) -> Wallet:
    """One transaction opens the wallet and claims the bonus of the mailbox, so that no two accounts
    have it, whatever the sign-up hook does meanwhile."""
    change = model.open_wallet(account_id, app.clock.now(), is_returning=not bonus.is_due)
    writes = store.change_writes(change, before=None, operation=app.ids.token())
    if bonus.mailbox is not None:
        writes.append(claim_bonus_write(bonus.mailbox, account_id=account_id))
    try:
        commit(writes)
    except (ConcurrentUpdate, Conflict):
        wallet = store.find_wallet(account_id)
        if wallet is None:
            raise
        return wallet
    return change.wallet
