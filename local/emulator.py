"""Starts and stops the emulator, and waits until it responds."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from local.emulate import DENIED
from local.errors import EmulatorFailed, PortInUse
from local.settings import (
    ACCOUNT,
    EMULATOR_START_LIMIT_SECONDS,
    EMULATOR_STOP_LIMIT_SECONDS,
    HOST,
    REGION,
    Places,
    child_environment,
)

POLL_SECONDS = 0.05
WORKER_FOLDER = Path(__file__).with_name("worker")


def free_port(wanted: int = 0) -> int:
    """A free port: the wanted one if it is free, else any."""
    for candidate in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, candidate))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
    raise PortInUse("This machine has no free port.")


def require_free(port: int) -> None:
    """Refuse a port that is in use; 0 means any, and is never refused."""
    if port and free_port(port) != port:
        raise PortInUse(
            f"Port {port} is in use. Stop what listens there (`make down`, if it is Darkroom),"
            f" or choose another: `make up PORT=8788`, or PORT=auto."
        )


class Emulator:
    """One emulator process, its port, and its state folder."""

    def __init__(self, places: Places, code: Path, port: int) -> None:
        self.places = places
        self.code = code
        self.port = port
        self.endpoint_url = f"http://{HOST}:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # What a crash left behind: worker processes unpack their code here.
        shutil.rmtree(self.places.tmp, ignore_errors=True)
        self.places.create()
        forget_stream_positions(self.places.saved / "lambda.json")
        script = Path(__file__).with_name("emulate.py")
        with self.places.emulator_log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", str(script)],
                cwd=self.places.state,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches the owner, who then stops the emulator in order.
                start_new_session=True,
            )
        self._wait_until_healthy()

    def stop(self) -> None:
        """Stop cleanly, so that the state is saved; kill only if that takes too long."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(EMULATOR_STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()
        shutil.rmtree(self.places.tmp, ignore_errors=True)

    def denials(self) -> list[str]:
        """The calls since the start that the caller's role does not allow."""
        lines = self.places.emulator_log.read_text(errors="replace").splitlines()
        return [line for line in lines if line.startswith(DENIED)]

    def _environment(self) -> dict[str, str]:
        return {
            **child_environment(self.places, self.endpoint_url),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            # Enforce every role as AWS would, so that a missing permission shows here first.
            "AUTH": "true",
            "COGNITO_EMAIL_ENABLED": "false",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.places.saved),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.places.objects),
            # Functions run as children of the emulator. They read the core layer from where it
            # is edited, and so need no new layer version for every change (see `local.code`);
            # and they say that they live (see `local.leases`).
            "PYTHONPATH": os.pathsep.join(
                [str(self.code / "layers" / "core" / "python"), str(WORKER_FOLDER)]
            ),
            "DARKROOM_WORKERS": str(self.places.workers),
        }

    def _wait_until_healthy(self) -> None:
        assert self.process
        deadline = time.monotonic() + EMULATOR_START_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.endpoint_url}/_ministack/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(POLL_SECONDS)
        self.stop()
        raise EmulatorFailed(
            f"The emulator did not start; the end of its log:\n{tail(self.places.emulator_log)}"
        )


def forget_stream_positions(saved: Path) -> None:
    """Reset the positions of streams after a restart.

    The emulator saves how far each mapping has read, but not the records: without this, as many
    new records would be skipped as there were old ones. What was unread at the stop is lost, and
    found again by the sweeper.
    """
    try:
        state = json.loads(saved.read_text())
    except FileNotFoundError:
        return
    if state["payload"].pop("dynamodb_stream_positions", None) is not None:
        saved.write_text(json.dumps(state))


def move_addresses(folder: Path, before: int, after: int) -> None:
    """Let saved state name the emulator's new port.

    The address is part of every queue's URL, by which the emulator finds the queue itself.
    """
    for saved in folder.glob("*.json"):
        text = saved.read_text()
        moved = text.replace(f"http://{HOST}:{before}/", f"http://{HOST}:{after}/")
        if moved != text:
            saved.write_text(moved)


def tail(path: Path, lines: int = 30) -> str:
    """The last lines of a log, or a word that there is none."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"
