"""HTTP: live updates, as server-sent events."""

from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.api.routers import job_stream

handler = http_handler(create_app(job_stream.router))
