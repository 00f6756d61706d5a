"""An HTTP server on the loopback address for stand-ins of vendors."""

from http.server import ThreadingHTTPServer
from typing import Final

BACKLOG: Final = 128


class ThreadedServer(ThreadingHTTPServer):
    """Takes as many connections at once as a real service would.

    The standard library queues five. On a busy machine a client with more threads than that has a
    connection dropped, and waits a second before it tries again: longer than its time limit.
    """

    request_queue_size = BACKLOG
    daemon_threads = True
