"""SQS: tasks for cloud providers, and polls of their runs."""

from darkroom.bootstrap.composition import generate_app_from_env
from darkroom.bootstrap.workers import GENERATE
from darkroom.workers.edge import queue_handler
from darkroom.workers.tasks import handle_task_message

handler = queue_handler(
    lambda record: handle_task_message(generate_app_from_env(), record),
    queue=lambda: generate_app_from_env().queues[GENERATE],
)
