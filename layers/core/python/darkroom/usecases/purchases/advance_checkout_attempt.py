"""The gateway has kept a failure for an idempotency key: the next request gets another key."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.payments import store
from darkroom.payments.store import Purchase


def count_attempt(app: App, spent: Purchase) -> None:
    """Move the purchase on from the attempt that is spent, unless another request has.

    Whether the failed request has done something is unknown. It does not matter: of several
    checkouts only the recorded one is handed out, and a refund is of what is left.
    """
    found = store.find_purchase(spent.account_id, spent.purchase_id)
    if found is None or found[0].attempt != spent.attempt:
        return
    purchase, creation = found
    after = replace(purchase, attempt=purchase.attempt + 1)
    with suppress(ConcurrentUpdate):
        commit([store.save_write(purchase, after, app.ids.token(), creation=creation)])
