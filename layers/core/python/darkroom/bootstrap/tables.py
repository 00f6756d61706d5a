"""Which item classes each table holds, and their binding to the tables of this stack."""

from __future__ import annotations

from darkroom import db
from darkroom.albums import store as albums_store
from darkroom.analytics import store as analytics_store
from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.assets.lists import store as asset_lists
from darkroom.credits import store as credits_store
from darkroom.endpoints import items as endpoints_items
from darkroom.erasures import store as erasures_store
from darkroom.events import store as events_store
from darkroom.exports import store as exports_store
from darkroom.generation.routing import store as providers_store
from darkroom.idempotency import store as idempotency_store
from darkroom.jobs import items as jobs_items
from darkroom.kernel.settings import Settings
from darkroom.limits import store as limits_store
from darkroom.payments import store as payments_store
from darkroom.payments import subscription_store
from darkroom.plans import storage_store
from darkroom.plans import store as plans_store
from darkroom.signup import store as signup_store
from darkroom.templates import store as templates_store
from darkroom.uploads import owner_store, session_store
from darkroom.usage import store as usage_store
from darkroom.webhooks import store as webhooks_store


def bind_tables(settings: Settings) -> None:
    """Bind every item class to its table, for the tables that the settings name."""
    classes: dict[str, tuple[type[db.BaseItem], ...]] = {
        "wallets": (credits_store.WalletItem,),
        "ledger": (credits_store.LedgerItem,),
        "jobs": jobs_items.ITEM_CLASSES,
        "assets": (
            assets_store.AssetItem,
            assets_store.TombstoneItem,
            reference_store.ReferencePhotoItem,
        ),
        "assetlists": (asset_lists.AssetEntryItem,),
        "albums": albums_store.ITEM_CLASSES,
        "templates": (templates_store.AssignmentItem,),
        "accounts": (plans_store.AccountItem,),
        "usage": (
            storage_store.StorageItem,
            session_store.SessionItem,
            owner_store.OwnerItem,
            exports_store.ExportItem,
            signup_store.SignUpsItem,
            signup_store.BonusItem,
            *usage_store.ITEM_CLASSES,
        ),
        "limits": limits_store.ITEM_CLASSES,
        "providers": providers_store.ITEM_CLASSES,
        "costs": providers_store.COST_CLASSES,
        "purchases": (payments_store.PurchaseItem,),
        "subscriptions": (subscription_store.SubscriptionItem,),
        "events": (events_store.EventItem,),
        "erasures": (erasures_store.ErasureItem,),
        "analytics": analytics_store.ITEM_CLASSES,
        "webhooks": (webhooks_store.ReceivedItem,),
        "endpoints": endpoints_items.ITEM_CLASSES,
        "idempotency": (idempotency_store.IdempotencyItem,),
    }
    for name, item_classes in classes.items():
        # A function's settings name only the tables it uses; the others stay unbound.
        table = settings.tables.get(name)
        if table is None:
            continue
        for item_class in item_classes:
            db.bind(item_class, table, region=settings.region, endpoint_url=settings.endpoint_url)
    db.configure(region=settings.region, endpoint_url=settings.endpoint_url)
