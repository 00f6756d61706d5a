"""SQS: the files of a job into one zip."""

from darkroom.bootstrap.composition import app_from_env
from darkroom.workers.archive import handle_archive_message
from darkroom.workers.edge import queue_handler

handler = queue_handler(
    lambda record: handle_archive_message(app_from_env(), record),
    queue=lambda: app_from_env().archive_queue,
)
