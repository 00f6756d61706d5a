"""The composition root: settings → a frozen ``App``. The only place that wires the parts."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from darkroom.adapters.clients import Clients
from darkroom.adapters.fetch import Fetcher
from darkroom.adapters.identity import TokenVerifier
from darkroom.adapters.post import Poster
from darkroom.adapters.queues import Queue
from darkroom.adapters.secrets import Secret
from darkroom.adapters.storage import Storage
from darkroom.adapters.user_pool import UserPool
from darkroom.bootstrap.registry import cloud_providers, face_finder_of, moderator_of
from darkroom.bootstrap.tables import bind_tables
from darkroom.bootstrap.workers import GENERATE, SPEECH, STUDIO, worker_of
from darkroom.generation.routing.routes import LOCAL_SPEECH, LOCAL_STUDIO
from darkroom.kernel.clock import Clock, SystemClock
from darkroom.kernel.ids import Ids
from darkroom.kernel.object_keys import IMAGE_PIPELINE, MEDIA_PIPELINE
from darkroom.kernel.settings import Settings
from darkroom.payments.gateways.stripe import StripeGateway
from darkroom.payments.ports import PaymentGateway

if TYPE_CHECKING:
    from darkroom.generation.ports import AsyncProvider, ImageModerator, Previewer, Provider
    from darkroom.uploads.ports import FindFaces


@dataclass(frozen=True, kw_only=True)
class App:
    """All dependencies of use cases."""

    settings: Settings
    clock: Clock
    ids: Ids
    jitter: random.Random
    storage: Storage
    queues: Mapping[str, Queue]
    """Worker (``STUDIO``, ``SPEECH``, ``GENERATE``) → the queue of its tasks."""
    ingest_queues: Mapping[str, Queue]
    """Pipeline of a kind of file → the queue of the worker that checks such uploads."""
    archive_queue: Queue
    deliver_queue: Queue
    """Attempts to deliver events to webhook endpoints."""
    signing_secret: Secret
    endpoint_key: Secret
    """From it the secrets of webhook endpoints derive."""
    tokens: TokenVerifier
    """Used by the one route without an authorizer."""
    payments: PaymentGateway | None
    """The gateway for real payments; None with the test gateway."""
    providers: Mapping[str, Provider | AsyncProvider]
    moderator: ImageModerator | None
    """Checks the pictures of cloud providers; None if no moderator is configured."""
    previews: Previewer | None
    """Makes small pictures of outputs; None in functions without the media libraries."""
    face_finder: FindFaces | None
    """The service that finds faces in uploaded pictures; None for the built-in models."""
    fetcher: Fetcher
    """Fetches the files of providers."""
    poster: Poster
    """Posts events to webhook endpoints."""
    users: UserPool | None
    """The stack's own user pool, in functions that may delete its users; else None."""
    known_erased: set[str] = field(default_factory=set)
    """Pseudonyms of erased accounts that this process has met."""

    def task_queue(self, provider: str) -> Queue:
        """The queue of the worker that runs this provider's tasks."""
        return self.queues[worker_of(provider)]


def build_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    providers: Mapping[str, Provider | AsyncProvider] | None = None,
    previews: Previewer | None = None,
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
        storage=Storage(clients, settings.media_bucket, clock),
        queues={
            STUDIO: Queue(clients, settings.studio_queue_url),
            SPEECH: Queue(clients, settings.speech_queue_url),
            GENERATE: Queue(clients, settings.generate_queue_url),
        },
        ingest_queues={
            IMAGE_PIPELINE: Queue(clients, settings.ingest_queue_url),
            MEDIA_PIPELINE: Queue(clients, settings.ingest_media_queue_url),
        },
        archive_queue=Queue(clients, settings.archive_queue_url),
        deliver_queue=Queue(clients, settings.deliver_queue_url),
        signing_secret=Secret(clients, settings.signing_secret_arn),
        endpoint_key=Secret(clients, settings.endpoint_key_arn),
        tokens=TokenVerifier(settings.jwt_issuer, clock=clock, endpoint_url=settings.endpoint_url),
        payments=_payment_gateway(settings, clients, clock),
        providers={**cloud_providers(settings, clients), **(providers or {})},
        moderator=moderator_of(settings, clients),
        previews=previews,
        face_finder=face_finder_of(settings, clients),
        fetcher=Fetcher(allow_loopback=settings.test_hooks),
        poster=Poster(allow_loopback=settings.test_hooks),
        users=UserPool(clients, settings.user_pool_id) if settings.user_pool_id else None,
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
    """The App of the process, for handlers that make no media."""
    return build_app(Settings.from_env())


@cache
def studio_app_from_env() -> App:
    """The App of the studio worker."""
    from darkroom.studio.local_previews import LocalPreviews
    from darkroom.studio.local_studio import LocalStudio

    providers = {LOCAL_STUDIO: LocalStudio()}
    return build_app(Settings.from_env(), providers=providers, previews=LocalPreviews())


@cache
def generate_app_from_env() -> App:
    """The App of the worker for cloud providers, which itself makes small pictures only."""
    from darkroom.studio.local_previews import LocalPreviews

    return build_app(Settings.from_env(), previews=LocalPreviews())


@cache
def speech_app_from_env() -> App:
    """The App of the speech worker: the studio for the kinds without pictures."""
    from darkroom.studio.local_studio import LocalStudio

    return build_app(Settings.from_env(), providers={LOCAL_SPEECH: LocalStudio()})
