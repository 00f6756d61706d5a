"""Advance the attempt of a purchase whose idempotency key the gateway has stored a failure for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.payments import store
from darkroom.payments.store import Purchase


def count_attempt(app: App, spent: Purchase) -> None:
    """Move the purchase past the spent attempt, unless another request has done so.

    It is unknown whether the failed request had an effect, and it does not matter: only the
    recorded checkout is returned to the client, and a refund covers only what is left.
    """
    found = store.find_purchase(spent.account_id, spent.purchase_id)
    if found is None or found[0].attempt != spent.attempt:
        return
    purchase, creation = found
    after = replace(purchase, attempt=purchase.attempt + 1)
    with suppress(ConcurrentUpdate):
        commit([store.save_write(purchase, after, operation=app.ids.token(), creation=creation)])
