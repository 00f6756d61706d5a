"""Project a purchase: write its event."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.events.store import Event, record_write
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Conflict
from darkroom.kernel.pseudonyms import is_pseudonym
from darkroom.payments.store import Purchase, PurchaseStatus


def project_purchase(app: App, purchase: Purchase) -> None:
    """Write ``credit_purchase_test`` once, for a settled purchase through the test gateway."""
    if is_pseudonym(purchase.account_id):
        return  # It moved there when its account was erased.
    if purchase.gateway != "test" or purchase.status is not PurchaseStatus.SETTLED:
        return
    event = Event(
        event_id=f"{to_iso(purchase.created_at)}#credit_purchase_test",
        name="credit_purchase_test",
        entity_type="purchase",
        entity_id=purchase.purchase_id,
        account_id=purchase.account_id,
        created_at=purchase.created_at,
        props={"amount": purchase.credits},
    )
    try:
        commit([record_write(event, retention_days=app.settings.event_retention_days)])
    except Conflict:
        return
