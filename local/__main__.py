"""The commands of the local cloud: `python -m local up | down | token | logs | audit`."""

import argparse
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from local.deploy import DeployFailed
from local.emulator import EmulatorFailed, PortInUse, tail
from local.settings import DEFAULT_PORT, ROOT, Places

START_LIMIT_SECONDS = 300
POLL_SECONDS = 0.1


def main() -> int:
    arguments = parse_arguments()
    # Imported after the arguments are understood: the AWS and SAM libraries take a second.
    from local import audit, stack

    refusals = (
        audit.AuditFailed,
        stack.NotRunning,
        stack.AlreadyRunning,
        PortInUse,
        EmulatorFailed,
        DeployFailed,
        TimeoutError,
    )
    try:
        match arguments.command:
            case "up":
                up(arguments.state, arguments.port)
            case "serve":
                serve(arguments.state, arguments.port)
            case "down":
                stopped = stack.stop_running(arguments.state)
                print("Stopped; the data is kept." if stopped else "Nothing was running.")
            case "token":
                print(
                    stack.RunningStack.attach(arguments.state).token(arguments.user, arguments.role)
                )
            case "logs":
                show_logs(arguments.state)
            case "audit":
                running = stack.RunningStack.attach(arguments.state)
                return 0 if audit.audit(running, arguments.account) else 1
    except refusals as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parse_arguments() -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default="main", help="which local cloud; each keeps its own data")
    common.add_argument("--state", type=Path, help="its state folder (default: .darkroom/NAME)")
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in {
        "up": "start in the background, reload code on change",
        "serve": "the same in the foreground",
    }.items():
        command = commands.add_parser(name, parents=[common], help=words)
        command.add_argument("--port", type=port, default=DEFAULT_PORT, help="0 or auto: any free")
    commands.add_parser("down", parents=[common], help="stop, keeping the data")
    token = commands.add_parser("token", parents=[common], help="print a user's bearer token")
    token.add_argument("--user", required=True)
    token.add_argument("--role", choices=["admin"])
    commands.add_parser("logs", parents=[common], help="follow what the functions log")
    audit = commands.add_parser("audit", parents=[common], help="prove the books; 1 if wrong")
    audit.add_argument("--account", help="only this account's")
    arguments = parser.parse_args()
    arguments.state = arguments.state or ROOT / ".darkroom" / arguments.name
    return arguments


def port(text: str) -> int:
    return 0 if text == "auto" else int(text)


def up(state: Path, wanted_port: int) -> None:
    """Start the daemon and return when the API answers."""
    from local.emulator import require_free
    from local.stack import RunningStack, is_running

    places = Places(state.resolve())
    if is_running(places):
        print_addresses(RunningStack.attach(state), "Already running")
        return
    require_free(wanted_port)
    places.create()
    started = time.monotonic()
    ready = places.state / "ready"
    ready.unlink(missing_ok=True)
    with places.daemon_log.open("w") as log:
        daemon = subprocess.Popen(
            [
                *(sys.executable, "-m", "local", "serve"),
                *("--state", str(places.state), "--port", str(wanted_port)),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_ready(daemon, ready, places.daemon_log)
    except BaseException:
        daemon.terminate()
        raise
    seconds = time.monotonic() - started
    print_addresses(RunningStack.attach(state), f"Ready after {seconds:.0f} seconds")


def wait_until_ready(daemon: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    shown = 0
    while not ready.exists():
        shown = show_progress(log, shown)
        if daemon.poll() is not None:
            raise EmulatorFailed(tail(log))
        if time.monotonic() > deadline:
            raise TimeoutError("The local cloud did not come up.")
        time.sleep(POLL_SECONDS)


def show_progress(log: Path, shown: int) -> int:
    """Print the lines of the daemon's log that are new; returns how many there are."""
    lines = log.read_text().splitlines()
    for line in lines[shown:]:
        print(line, flush=True)
    return len(lines)


def serve(state: Path, wanted_port: int) -> None:
    """Run a local cloud until told to stop."""
    from local.stack import LocalStack

    stopping = threading.Event()

    def stop(signal_number: int, frame: FrameType | None) -> None:
        stopping.set()
        if not started:
            raise KeyboardInterrupt

    started = False
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    stack = LocalStack(
        state, port=wanted_port, reload=True, report=lambda message: print(message, flush=True)
    )
    with stack:
        started = True
        ready = stack.places.state / "ready"
        ready.touch()
        stopping.wait()
        ready.unlink(missing_ok=True)


def print_addresses(stack: object, headline: str) -> None:
    from local.stack import RunningStack

    assert isinstance(stack, RunningStack)
    print(f"{headline}: {stack.api_url}")
    print(f"  API description  {stack.api_url}/docs")
    print(f"  emulated AWS     {stack.endpoint_url}")
    print("  make token USER=alice · make logs · make down")


def show_logs(state: Path) -> None:
    from local.logs import follow
    from local.stack import RunningStack

    stack = RunningStack.attach(state)
    groups = {name: stack.log_group(name) for name in sorted(stack.functions)}
    since_ms = int((time.time() - 600) * 1000)
    for line in follow(stack.client("logs"), groups, since_ms):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
