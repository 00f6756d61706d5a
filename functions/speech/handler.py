"""SQS: tasks of sound and text for the built-in studio."""

from darkroom.bootstrap import LOCAL_SPEECH, speech_app_from_env
from darkroom.workers.edge import queue_handler
from darkroom.workers.tasks import handle_task_message

handler = queue_handler(
    lambda record: handle_task_message(speech_app_from_env(), record),
    queue=lambda: speech_app_from_env().queues[LOCAL_SPEECH],
)
