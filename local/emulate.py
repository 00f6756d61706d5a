"""The emulator's process: `ministack`, which ends when whoever started it is gone.

Run as a script by `local.emulator`, never imported. Standard input is a pipe that the owner holds
open and never writes to: its end means that the owner stopped or crashed.
"""

import os
import signal
import sys
import threading


def end_with_the_owner() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    threading.Thread(target=end_with_the_owner, daemon=True).start()
    sys.argv = ["ministack"]
    # Imported here: importing it reads the environment and takes a second.
    from ministack.app import main as serve

    serve()


if __name__ == "__main__":
    main()
