"""SQS: ends the subjects of messages that kept failing."""

from darkroom.bootstrap.composition import app_from_env
from darkroom.workers.dead_letters import handle_dead_letter
from darkroom.workers.edge import queue_handler

handler = queue_handler(lambda record: handle_dead_letter(app_from_env(), record))
