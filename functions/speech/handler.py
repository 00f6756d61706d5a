"""SQS: tasks of sound and text for the built-in studio."""

from darkroom.bootstrap.composition import speech_app_from_env
from darkroom.bootstrap.workers import SPEECH
from darkroom.workers.edge import queue_handler
from darkroom.workers.tasks import handle_task_message

handler = queue_handler(
    lambda record: handle_task_message(speech_app_from_env(), record),
    queue=lambda: speech_app_from_env().queues[SPEECH],
)
