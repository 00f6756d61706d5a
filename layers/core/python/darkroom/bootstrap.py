"""The composition root: settings → a frozen ``App``. The only place that wires the parts."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from darkroom import db
from darkroom.adapters.clients import Clients
from darkroom.adapters.fetch import Fetcher
from darkroom.adapters.identity import TokenVerifier
from darkroom.adapters.queues import Queue
from darkroom.adapters.secrets import Secret
from darkroom.adapters.storage import IMAGE_LANE, MEDIA_LANE, Storage
from darkroom.albums import store as albums_store
from darkroom.assets import list_store as asset_lists
from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.credits import store as credits_store
from darkroom.events import store as events_store
from darkroom.generation.routing import store as providers_store
from darkroom.generation.routing.routes import CLOUD
from darkroom.generation.routing.routes import LOCAL_SPEECH as LOCAL_SPEECH
from darkroom.generation.routing.routes import LOCAL_STUDIO as LOCAL_STUDIO
from darkroom.generation.routing.routes import REPLICATE as REPLICATE
from darkroom.idempotency import store as idempotency_store
from darkroom.jobs import items as jobs_items
from darkroom.kernel.clock import Clock, SystemClock
from darkroom.kernel.ids import Ids
from darkroom.kernel.settings import Settings
from darkroom.payments import store as payments_store
from darkroom.payments.gateways.stripe import StripeGateway
from darkroom.payments.ports import PaymentGateway
from darkroom.plans import storage_store
from darkroom.plans import store as plans_store
from darkroom.roster import cloud_providers, face_finder_of, moderator_of
from darkroom.templates import store as templates_store
from darkroom.uploads import owner_store, session_store
from darkroom.webhooks import store as webhooks_store

if TYPE_CHECKING:
    from darkroom.generation.ports import AsyncProvider, ImageModerator, Provider
    from darkroom.uploads.ports import FindFaces


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything a use case may reach for."""

    settings: Settings
    clock: Clock
    ids: Ids
    jitter: random.Random
    storage: Storage
    queues: Mapping[str, Queue]
    """Name of the provider → the queue of the worker that it needs."""
    ingest_queues: Mapping[str, Queue]
    """``storage.lane_of`` a kind → the queue of the worker that checks such uploads."""
    archive_queue: Queue
    signing_secret: Secret
    tokens: TokenVerifier
    """For the one route that no authorizer stands before."""
    payments: PaymentGateway | None
    """Who takes real money; None with the test gateway."""
    providers: Mapping[str, Provider | AsyncProvider]
    moderator: ImageModerator | None
    """Looks at pictures that cloud providers made; None where nobody does."""
    face_finder: FindFaces | None
    """The service that finds faces in uploaded pictures; None where the built-in models do."""
    fetcher: Fetcher
    """Fetches what providers made."""


def build_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    providers: Mapping[str, Provider | AsyncProvider] | None = None,
) -> App:
    """Bind the tables and wire the adapters; opens no connection yet."""
    bind_tables(settings)
    clock = clock or SystemClock()
    clients = Clients(settings)
    return App(
        settings=settings,
        clock=clock,
        ids=ids or Ids(clock),
        jitter=random.Random(),
        storage=Storage(clients, settings.media_bucket),
        queues={
            LOCAL_STUDIO: Queue(clients, settings.studio_queue_url),
            LOCAL_SPEECH: Queue(clients, settings.speech_queue_url),
            **dict.fromkeys(CLOUD, Queue(clients, settings.generate_queue_url)),
        },
        ingest_queues={
            IMAGE_LANE: Queue(clients, settings.ingest_queue_url),
            MEDIA_LANE: Queue(clients, settings.ingest_media_queue_url),
        },
        archive_queue=Queue(clients, settings.archive_queue_url),
        signing_secret=Secret(clients, settings.signing_secret_arn),
        tokens=TokenVerifier(settings.jwt_issuer, clock=clock, endpoint_url=settings.endpoint_url),
        payments=_payment_gateway(settings, clients, clock),
        providers={**cloud_providers(settings, clients), **(providers or {})},
        moderator=moderator_of(settings, clients),
        face_finder=face_finder_of(settings, clients),
        fetcher=Fetcher(allow_loopback=settings.test_hooks),
    )


def _payment_gateway(settings: Settings, clients: Clients, clock: Clock) -> PaymentGateway | None:
    if settings.payment_gateway != "stripe":
        return None
    secret = Secret(clients, settings.stripe_secret_arn)
    return StripeGateway(
        secret.read,
        api_base=settings.stripe_api_base,
        return_url=settings.checkout_return_url,
        clock=clock,
    )


@cache
def app_from_env() -> App:
    """The process's App. Handlers that make no media use this one."""
    return build_app(Settings.from_env())


@cache
def studio_app_from_env() -> App:
    """The App of the studio worker, which alone loads the media wheels."""
    from darkroom.studio.local_studio import LocalStudio

    return build_app(Settings.from_env(), providers={LOCAL_STUDIO: LocalStudio()})


@cache
def speech_app_from_env() -> App:
    """The App of the speech worker: the same studio, for the kinds that need no pictures."""
    from darkroom.studio.local_studio import LocalStudio

    return build_app(Settings.from_env(), providers={LOCAL_SPEECH: LocalStudio()})


def bind_tables(settings: Settings) -> None:
    classes: dict[str, tuple[type[db.BaseItem], ...]] = {
        "wallets": (credits_store.WalletItem,),
        "ledger": (credits_store.LedgerItem,),
        "jobs": jobs_items.ITEM_CLASSES,
        "assets": (
            assets_store.AssetItem,
            assets_store.GraveItem,
            reference_store.ReferencePhotoItem,
        ),
        "assetlists": (asset_lists.AssetEntryItem,),
        "albums": albums_store.ITEM_CLASSES,
        "templates": (templates_store.AssignmentItem,),
        "accounts": (plans_store.AccountItem,),
        "usage": (storage_store.StorageItem, session_store.SessionItem, owner_store.OwnerItem),
        "providers": providers_store.ITEM_CLASSES,
        "costs": providers_store.COST_CLASSES,
        "purchases": (payments_store.PurchaseItem,),
        "events": (events_store.EventItem,),
        "webhooks": (webhooks_store.ReceivedItem,),
        "idempotency": (idempotency_store.IdempotencyItem,),
    }
    for name, item_classes in classes.items():
        # A function is told only of the tables it uses; the others stay unbound.
        table = settings.tables.get(name)
        if table is None:
            continue
        for item_class in item_classes:
            db.bind(item_class, table, region=settings.region, endpoint_url=settings.endpoint_url)
    db.configure(region=settings.region, endpoint_url=settings.endpoint_url)
