"""The emulator's process: `ministack`, which ends with the process that started it.

Run as a script by `local.emulator`, never imported. Standard input is a pipe that the owner holds
open and never writes to: its end means that the owner stopped or crashed.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

# Begins the lines that `Emulator.denials` reads.
DENIED = "Denied:"


def end_with_the_owner() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def report_denials() -> None:
    """Print every call that a role does not allow; a function may hide that it was refused."""
    from ministack.core import iam_actions

    real = iam_actions.access_denied_response

    def denied(
        service: str, action: str, principal_arn: str, *args: Any, **kwargs: Any
    ) -> tuple[Any, ...]:
        resource = kwargs.get("resource_arn", "*")
        print(f"{DENIED} {action} on {resource} by {principal_arn}", flush=True)
        response: tuple[Any, ...] = real(service, action, principal_arn, *args, **kwargs)
        return response

    iam_actions.access_denied_response = denied


def correct_user_pools() -> None:
    # At the end, so that nothing of this repository hides a library.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    from ministack.services import cognito

    from local.cognito import correct

    correct(cognito)


def main() -> None:
    threading.Thread(target=end_with_the_owner, daemon=True).start()
    report_denials()
    correct_user_pools()
    sys.argv = ["ministack"]
    # Imported here: importing it reads the environment and takes a second.
    from ministack.app import main as serve

    serve()


if __name__ == "__main__":
    main()
