"""The routers that each function mounts, and which paths are open without a token.

The function ``api`` also mounts ``routers.docs``, whose pages are made from this table.
"""

from __future__ import annotations

from fastapi import APIRouter

from darkroom.api.routers import (
    accounts,
    admin,
    admin_erasure,
    admin_purchases,
    albums,
    analytics,
    assets,
    bulk_jobs,
    catalog,
    confirm,
    credits,
    downloads,
    endpoints,
    erasure,
    events,
    generate_image,
    job_lists,
    job_stream,
    jobs,
    plans,
    purchase,
    reference_photos,
    regenerate,
    share_page,
    shares,
    uploads,
    usage,
    webhooks,
)

BY_FUNCTION: dict[str, tuple[APIRouter, ...]] = {
    "confirm": (confirm.router,),
    "account": (accounts.router, usage.router),
    "purchase": (purchase.router, plans.router),
    "hooks": (webhooks.router,),
    "endpoints": (endpoints.router,),
    "uploads": (uploads.router,),
    "stream": (job_stream.router,),
    # If all are mounted together, bulk routes and the stream come before the routes of one job,
    # whose {jobId} would match their words.
    "jobs": (
        bulk_jobs.router,
        downloads.router,
        job_stream.ticket_router,
        job_lists.router,
        shares.router,
        share_page.router,
        generate_image.router,
        jobs.router,
        erasure.router,
    ),
    "api": (
        credits.router,
        assets.router,
        reference_photos.router,
        albums.router,
        catalog.router,
        events.router,
    ),
    "admin": (
        admin.router,
        admin_purchases.router,
        admin_erasure.router,
        analytics.router,
    ),
    # After the bulk routes, whose "bulk" must not match {jobId} if all are mounted together.
    "regenerate": (regenerate.router,),
}
ROUTERS: tuple[APIRouter, ...] = tuple(
    router for routers in BY_FUNCTION.values() for router in routers
)
# Without an authorizer at the gateway, because EventSource cannot send headers: the function
# verifies a ticket or a token itself.
SELF_CHECKED_PATHS = frozenset({"/api/jobs/stream"})
PUBLIC_PATHS = frozenset(
    {
        "/api/health",
        "/api/plans",
        "/api/pricing",
        "/api/recipes",
        "/api/shares/{token}",
        "/api/templates",
        "/api/webhooks/stripe",
        "/api/webhooks/{provider}",
        "/docs",
        "/openapi.json",
        "/s/{token}",
        "/s/{token}/{number}",
    }
)
