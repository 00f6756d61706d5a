"""Runs first in every process of the local cloud's functions: holds a lock while it lives.

The lock is on a file named after the process's log stream. The system gives it back however the
process ends, so `local.leases` can detect dead processes. Python imports this module by
its name; anywhere but in a function it does nothing.
"""

import fcntl
import os
from pathlib import Path

_stream = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
if _stream and "DARKROOM_WORKERS" in os.environ:
    # Taken out of the environment: processes that the function starts would wait for its lock.
    _held = Path(os.environ.pop("DARKROOM_WORKERS"), _stream).open("w")  # noqa: SIM115
    fcntl.flock(_held, fcntl.LOCK_EX)
    _held.write(str(os.getpid()))
    _held.flush()
