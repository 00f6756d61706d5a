"""SQS: tasks for cloud providers, and looks at what they make meanwhile."""

from darkroom.bootstrap import REPLICATE, app_from_env
from darkroom.workers.edge import queue_handler
from darkroom.workers.tasks import handle_task_message

handler = queue_handler(
    lambda record: handle_task_message(app_from_env(), record),
    queue=lambda: app_from_env().queues[REPLICATE],
)
