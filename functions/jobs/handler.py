"""HTTP: jobs, one by one and many at once."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import (
    bulk_jobs,
    downloads,
    erasure,
    generate_image,
    job_lists,
    job_stream,
    jobs,
    share_page,
    shares,
)

handler = http_handler(
    create_app(
        # Before the routes of one job, whose id would swallow their words.
        bulk_jobs.router,
        downloads.router,
        job_stream.ticket_router,
        job_lists.router,
        shares.router,
        share_page.router,
        generate_image.router,
        jobs.router,
        erasure.router,
    )
)
