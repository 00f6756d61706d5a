"""Whether there is an account with an id."""

from __future__ import annotations

from darkroom.assets.store import AssetItem
from darkroom.credits.store import WalletItem
from darkroom.db.raw import find_raw, page_raw
from darkroom.plans.store import AccountItem


def has_data(account_id: str) -> bool:
    """Whether the account has a wallet, a plan or profile, or a file: one of them is the first
    thing that any account gets."""
    return (
        find_raw(WalletItem, account_id) is not None
        or find_raw(AccountItem, account_id) is not None
        or bool(page_raw(AssetItem, account_id, limit=1))
    )
