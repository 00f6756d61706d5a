"""SQS: storage events; each new video or sound is checked and remuxed."""

from darkroom.bootstrap.composition import app_from_env
from darkroom.workers.edge import queue_handler
from darkroom.workers.ingest import handle_ingest_message

handler = queue_handler(
    lambda record: handle_ingest_message(app_from_env(), record),
    queue=lambda: app_from_env().ingest_queues["media"],
)
