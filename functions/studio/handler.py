"""SQS: tasks for the built-in studio."""

from darkroom.bootstrap.composition import studio_app_from_env
from darkroom.bootstrap.workers import STUDIO
from darkroom.workers.edge import queue_handler
from darkroom.workers.tasks import handle_task_message

handler = queue_handler(
    lambda record: handle_task_message(studio_app_from_env(), record),
    queue=lambda: studio_app_from_env().queues[STUDIO],
)
