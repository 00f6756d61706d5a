"""Init CPU of the confirm function against a plain handler, each in fresh interpreters.

User CPU, because that is what a starting function waits for; other processes disturb it little.
*Warm* finds compiled bytecode (as shipping ``__pycache__`` does), *cold* compiles everything,
third-party code included. The first request then opens what was left for later.

The interpreters see only what the dependency layer ships: several libraries load whatever else
is installed, and this machine has the tools of development as well.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from statistics import median
from typing import Any

from bench.cloud import add_account, open_world
from bench.events import confirm_event
from bench.peers import naive_confirm
from bench.peers.naive_confirm import NaiveConfirm
from bench.table import Row
from local.settings import ROOT, aws_environment
from tests.support.world import World

SECTION = "init"
PEER_PACKAGES = {"aws_xray_sdk", "wrapt"}
WARM_RUNS = 9
COLD_RUNS = 7
REQUEST_RUNS = 7
CHILD_LIMIT_SECONDS = 60
INSTALL_LIMIT_SECONDS = 90
TOKEN_EXPIRES = 4_102_444_800
"""Unix seconds, far ahead: the functions in the children see the real time."""
XRAY_MARK = Path("/tmp/.aws-xray")
CHILD = ROOT / "bench" / "child.py"
LAYER_REQUIREMENTS = ROOT / "layers" / "deps" / "requirements.txt"
PEER_REQUIREMENTS = ROOT / "bench" / "peers" / "requirements.txt"

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Side:
    """One handler and the environment that it is imported in."""

    module: str
    environment: Mapping[str, str]
    account_id: str
    photo: str

    def start(self, *, bytecode: Path | None, with_requests: bool = False) -> Figures:
        """Import it once in a fresh interpreter; without a folder for bytecode, compile."""
        unwanted = ",".join(development_packages())
        command = [sys.executable, "-P", str(CHILD), self.module, unwanted]
        with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
            scratch = Path(folder)
            if with_requests:
                command.append(str(self._write_requests(scratch / "events.json")))
            prefix = bytecode or scratch / "bytecode"
            done = subprocess.run(
                command,
                env={**self.environment, "PYTHONPYCACHEPREFIX": str(prefix)},
                check=True,
                capture_output=True,
                text=True,
                timeout=CHILD_LIMIT_SECONDS,
            )
        # The handler logs one line per call before the figures.
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures

    def _write_requests(self, path: Path) -> Path:
        """Two requests with new keys: a repeated one would only get its stored response."""
        events = [
            confirm_event(self.account_id, self.photo, expires=TOKEN_EXPIRES) for _ in range(2)
        ]
        path.write_text(json.dumps(events), encoding="utf-8")
        return path


@cache
def development_packages() -> tuple[str, ...]:
    """Top-level packages of this environment that the dependency layer does not ship."""
    shipped = set(re.findall(r"^([\w.-]+)==", LAYER_REQUIREMENTS.read_text(), re.MULTILINE))
    known = {name.lower().replace("_", "-") for name in shipped}
    return tuple(
        sorted(
            package
            for package, owners in packages_distributions().items()
            if package not in PEER_PACKAGES
            and known.isdisjoint(owner.lower().replace("_", "-") for owner in owners)
        )
    )


def run(progress: Callable[[str], None]) -> list[Row]:
    progress("init: importing the handlers in fresh interpreters")
    with (
        open_world() as world,
        tempfile.TemporaryDirectory(prefix="bench-init-") as folder,
        without_traces(),
    ):
        scratch = Path(folder)
        ours, peer = _our_side(world), _peer_side(world, scratch, progress)
        bytecode = scratch / "bytecode"
        sides = (ours, peer)
        for side in sides:
            side.start(bytecode=bytecode, with_requests=True)
        warm = _by_turns(sides, WARM_RUNS, bytecode=bytecode)
        cold = _by_turns(sides, COLD_RUNS, bytecode=None)
        used = _by_turns(sides, REQUEST_RUNS, bytecode=bytecode, with_requests=True)
        return list(_rows(warm, cold, used))


@contextmanager
def without_traces() -> Iterator[None]:
    """Remove the mark that the X-Ray SDK leaves where Lambda would look for it."""
    was_there = XRAY_MARK.exists()
    try:
        yield
    finally:
        if not was_there:
            shutil.rmtree(XRAY_MARK, ignore_errors=True)


def _by_turns(sides: tuple[Side, Side], runs: int, **options: Any) -> list[list[Figures]]:
    rounds = [[side.start(**options) for side in sides] for _ in range(runs)]
    return [list(of_side) for of_side in zip(*rounds, strict=True)]


def _rows(
    warm: list[list[Figures]], cold: list[list[Figures]], used: list[list[Figures]]
) -> Iterator[Row]:
    ours, peer = warm[0][0], warm[1][0]
    tracer = "its" if peer["tracer"] else "NO (the X-Ray SDK cannot be installed)"
    yield _row(
        "import, warm bytecode",
        warm,
        "init_ms",
        f"median of {WARM_RUNS}; peer with {tracer} Tracer",
    )
    yield _row("import, no bytecode", cold, "init_ms", f"median of {COLD_RUNS}; compiles it all")
    yield _row("first request after it", used, "request_1_ms", "opens clients; warm bytecode")
    yield _row("second request", used, "request_2_ms", "user CPU of one confirm over HTTP")
    loads = ("does not load boto3", "LOADS BOTO3")[int(ours["boto3"])]
    yield _row("modules loaded at import", warm, "modules", f"ours {loads}", unit="modules")


def _row(
    what: str, sides: list[list[Figures]], name: str, how: str, *, unit: str = "ms CPU"
) -> Row:
    ours, peer = (median(figures[name] for figures in side) for side in sides)
    return Row(section=SECTION, what=what, ours=ours, peer=peer, unit=unit, how=how)


def _our_side(world: World) -> Side:
    settings = world.settings
    photo = add_account(world, "fresh", credits=1000)
    environment = {
        **_environment(settings.endpoint_url or ""),
        "PYTHONPATH": _path(ROOT / "functions" / "confirm", ROOT / "layers" / "core" / "python"),
        "STAGE": settings.stage,
        "MEDIA_BUCKET": settings.media_bucket,
        "QUEUE_STUDIO_URL": settings.studio_queue_url,
        "QUEUE_INGEST_URL": settings.ingest_queue_url,
        "QUEUE_INGEST_MEDIA_URL": settings.ingest_media_queue_url,
        "SIGNING_SECRET_ARN": settings.signing_secret_arn,
    }
    environment |= {f"TABLE_{name.upper()}": table for name, table in settings.tables.items()}
    return Side("handler", environment, "fresh", photo)


def _peer_side(world: World, scratch: Path, progress: Callable[[str], None]) -> Side:
    peer: NaiveConfirm = naive_confirm.deploy(
        world.client("dynamodb"), world.client("sqs"), f"peer{secrets.token_hex(3)}"
    )
    photo = naive_confirm.add_account(peer, "fresh", credits=1000)
    environment = {
        **_environment(world.settings.endpoint_url or ""),
        "PYTHONPATH": _path(ROOT, _xray_sdk(scratch / "xray", progress)),
        "PLAIN_QUEUE_URL": peer.queue_url,
    }
    environment |= {f"PLAIN_{name.upper()}": table for name, table in peer.tables.items()}
    return Side("bench.peers.plain_handler", environment, "fresh", photo)


def _environment(endpoint_url: str) -> dict[str, str]:
    """What Lambda sets, as far as the libraries look; and the emulator instead of AWS."""
    return {
        **aws_environment(endpoint_url),
        "PATH": os.environ.get("PATH", ""),
        "LAMBDA_TASK_ROOT": str(ROOT),
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "Bench",
        # The peer's Tracer is enabled as in Lambda, for a request that is not sampled.
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;"
        "Sampled=0",
    }


def _path(*folders: Path) -> str:
    return os.pathsep.join(map(str, folders))


def _xray_sdk(target: Path, progress: Callable[[str], None]) -> Path:
    """A folder with what the peer's Tracer imports; empty when it cannot be installed."""
    target.mkdir()
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    try:
        subprocess.run(
            [*command, "--python", sys.executable, "-r", str(PEER_REQUIREMENTS)],
            check=True,
            capture_output=True,
            timeout=INSTALL_LIMIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        progress("init: the X-Ray SDK cannot be installed; the peer goes without its Tracer")
    return target
