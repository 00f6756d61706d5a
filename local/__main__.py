"""The commands of the local cloud: `python -m local up | down | token | logs | audit`."""

import argparse
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from local.emulator import tail
from local.errors import AlreadyRunning, BadParameter, EmulatorFailed, LocalCloudError
from local.parameters import Choices, check, read_choices
from local.settings import DEFAULT_PORT, ROOT, Places

if TYPE_CHECKING:
    from local.stack import RunningStack

START_LIMIT_SECONDS = 300
POLL_SECONDS = 0.1


def main() -> int:
    arguments = parse_arguments()
    # Imported after the arguments are understood: the AWS and SAM libraries take a second.
    from botocore.exceptions import BotoCoreError, ClientError

    from local import audit, stack

    try:
        match arguments.command:
            case "up":
                up(arguments)
            case "serve":
                serve(arguments)
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
            case "rebuild-wallet":
                audit.rebuild(stack.RunningStack.attach(arguments.state), arguments.account)
            case "rebuild-projections":
                audit.rebuild_projections(stack.RunningStack.attach(arguments.state))
    except LocalCloudError as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        # It stopped during the command, or refuses the arguments (a user name).
        print(f"The local cloud does not do this: {error}", file=sys.stderr)
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
        command.add_argument("--params", default="", help="of the template: Name=value …")
        command.add_argument("--env-file", type=Path, help="the same, a line each (default: .env)")
    commands.add_parser("down", parents=[common], help="stop, keeping the data")
    token = commands.add_parser("token", parents=[common], help="print a user's bearer token")
    token.add_argument("--user", type=user, required=True)
    token.add_argument("--role", choices=["admin"])
    commands.add_parser("logs", parents=[common], help="follow what the functions log")
    audit = commands.add_parser("audit", parents=[common], help="prove the books; 1 if wrong")
    audit.add_argument("--account", help="only this account's")
    rebuild = commands.add_parser(
        "rebuild-wallet", parents=[common], help="derive a wallet from its ledger again"
    )
    rebuild.add_argument("--account", type=account, required=True)
    commands.add_parser(
        "rebuild-projections", parents=[common], help="count the log of events again"
    )
    arguments = parser.parse_args()
    arguments.state = arguments.state or ROOT / ".darkroom" / arguments.name
    return arguments


def port(text: str) -> int:
    number = 0 if text == "auto" else int(text)
    if not 0 <= number < 2**16:
        raise ValueError(text)
    return number


def user(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("name one: make token USER=alice")
    return text


def account(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("name one: make rebuild-wallet ACCOUNT=…")
    return text


def choices_of(arguments: argparse.Namespace) -> Choices:
    """The user's parameters of the template; they are checked before anything is started.

    Raises:
        BadParameter.
    """
    env_file: Path = arguments.env_file or ROOT / ".env"
    if arguments.env_file and not env_file.is_file():
        raise BadParameter(f"There is no file {env_file}.")
    choices = read_choices(arguments.params, env_file if env_file.is_file() else None)
    if choices != Choices():
        # Imported at need: the SAM libraries take a second.
        from local.template import parse

        check(choices, parse(ROOT / "template.yaml"))
    return choices


def up(arguments: argparse.Namespace) -> None:
    """Start the daemon and return when the API responds."""
    from local.emulator import require_free
    from local.stack import RunningStack, is_running

    choices = choices_of(arguments)
    places = Places(arguments.state.resolve())
    if is_running(places):
        if arguments.params:
            raise AlreadyRunning("It runs with other parameters: `make down` first.")
        print_addresses(RunningStack.attach(places.state), "Already running", Choices())
        return
    require_free(arguments.port)
    places.create()
    started = time.monotonic()
    ready = places.state / "ready"
    ready.unlink(missing_ok=True)
    with places.daemon_log.open("w") as log:
        daemon = subprocess.Popen(
            [
                *(sys.executable, "-m", "local", "serve"),
                *("--state", str(places.state), "--port", str(arguments.port)),
                *("--params", arguments.params),
                *(("--env-file", str(arguments.env_file)) if arguments.env_file else ()),
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
    print_addresses(
        RunningStack.attach(places.state), f"Ready after {seconds:.0f} seconds", choices
    )


def wait_until_ready(daemon: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    shown = 0
    while not ready.exists():
        shown = show_progress(log, shown)
        if daemon.poll() is not None:
            raise EmulatorFailed(tail(log))
        if time.monotonic() > deadline:
            raise EmulatorFailed("The local cloud did not come up; its log: " + str(log))
        time.sleep(POLL_SECONDS)


def show_progress(log: Path, shown: int) -> int:
    """Print the lines of the daemon's log that are new; returns how many there are."""
    lines = log.read_text().splitlines()
    for line in lines[shown:]:
        print(line, flush=True)
    return len(lines)


def serve(arguments: argparse.Namespace) -> None:
    """Run a local cloud until SIGTERM or SIGINT."""
    from local.stack import LocalStack

    choices = choices_of(arguments)

    stopping = threading.Event()

    def stop(_signal_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        if not started:
            raise KeyboardInterrupt

    started = False
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    stack = LocalStack(
        arguments.state,
        port=arguments.port,
        reload=True,
        report=lambda message: print(message, flush=True),
        parameters=lambda running: choices.apply(running.client("secretsmanager")),
    )
    with stack:
        started = True
        ready = stack.places.state / "ready"
        ready.touch()
        stopping.wait()
        ready.unlink(missing_ok=True)


def print_addresses(stack: "RunningStack", headline: str, choices: Choices) -> None:
    needed = stack.for_a_frontend
    print(f"{headline}: {stack.api_url}")
    print(f"  API description  {stack.api_url}/docs")
    print(f"  emulated AWS     {stack.endpoint_url} (Cognito, storage), {needed['region']}")
    print(f"  user pool        {needed['userPoolId']}, client {needed['userPoolClientId']}")
    print(
        f"  codes            {needed['confirmationCode']} after a sign-up,"
        f" {needed['resetCode']} for a new password; nothing is sent"
    )
    print(f"  for a frontend   {stack.frontend_file}")
    if choices.parameters:
        print(f"  set by you       {', '.join(sorted(choices.parameters))}")
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
