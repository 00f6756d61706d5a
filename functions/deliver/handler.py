"""SQS: one attempt to deliver an event to a webhook endpoint."""

from darkroom.bootstrap.composition import app_from_env
from darkroom.workers.deliver import handle_delivery_message
from darkroom.workers.edge import queue_handler

handler = queue_handler(
    lambda record: handle_delivery_message(app_from_env(), record),
    queue=lambda: app_from_env().deliver_queue,
)
