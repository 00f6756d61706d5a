"""Deploys `template.yaml` into the local cloud with SAM, as it would be deployed to AWS.

The template is deployed unbuilt: the emulator runs functions with its own interpreter and its own
installed libraries, so there is nothing to build. `sam build` is for AWS.
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.emulator import tail
from local.errors import DeployFailed
from local.settings import (
    DEPLOY_LIMIT_SECONDS,
    DEPLOYMENT_BUCKET,
    STACK_NAME,
    Places,
    child_environment,
)


def template_digest(code: Path, parameters: Mapping[str, str]) -> str:
    """A digest by which a changed template is detected."""
    content = (code / "template.yaml").read_bytes() + json.dumps(dict(parameters)).encode()
    return hashlib.sha256(content).hexdigest()


def _quoted(value: str) -> str:
    """As SAM reads it back: quotation marks in a bare value would end it."""
    if '"' not in value and " " not in value:
        return value
    escaped = value.replace('"', '\\"')
    return f'"{escaped}"'


def deploy(
    places: Places, *, code: Path, endpoint_url: str, s3: Any, parameters: Mapping[str, str]
) -> None:
    """Run `sam deploy` on the unbuilt template; idempotent."""
    s3.create_bucket(Bucket=DEPLOYMENT_BUCKET)
    sam = Path(sys.executable).with_name("sam")
    no_config = places.home / "samconfig.toml"
    no_config.touch()  # samconfig.toml is about real accounts.
    # SAM would ask the package index for a newer version of itself.
    metadata = {"telemetryEnabled": False, "lastVersionCheck": time.time()}
    (places.home / "metadata.json").write_text(json.dumps(metadata))
    overrides = [f"{name}={_quoted(value)}" for name, value in parameters.items()]
    command = [
        *(str(sam), "deploy"),
        *("--template-file", str(code / "template.yaml")),
        *("--config-file", str(no_config)),
        *("--stack-name", STACK_NAME),
        *("--s3-bucket", DEPLOYMENT_BUCKET),
        *("--capabilities", "CAPABILITY_IAM"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"),
        *("--parameter-overrides", *overrides),
    ]
    environment = {
        **child_environment(places, endpoint_url),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.3",
        "__SAM_CLI_APP_DIR": str(places.home),
    }
    with places.deploy_log.open("wb") as log:
        done = subprocess.run(
            command,
            cwd=code,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=DEPLOY_LIMIT_SECONDS,
            check=False,
        )
    if done.returncode:
        raise DeployFailed(f"sam deploy failed:\n{tail(places.deploy_log, 40)}")
