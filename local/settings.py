"""Names, places and limits of the local cloud, and the environments of its processes."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
DEFAULT_PORT = 8787
REGION = "us-east-1"
ACCOUNT = "000000000000"
STACK_NAME = "darkroom-local"
DEPLOYMENT_BUCKET = "darkroom-local-deployments"
# Dummies: the emulator takes any key, and nothing here may ever reach a real account.
ACCESS_KEY = "test"
SECRET_KEY = "test"

EMULATOR_START_LIMIT_SECONDS = 30
EMULATOR_STOP_LIMIT_SECONDS = 30
DEPLOY_LIMIT_SECONDS = 300

# The template's parameters, as the local cloud sets them.
PARAMETERS = {
    "Stage": "local",
    "TestHooks": "true",
    "AllowedOrigins": "*",
    "SignInDomain": "darkroom-local",
    "SignInCallbackUrls": "http://localhost:5173/,http://localhost:3000/",
}

# Users of `make token` have an e-mail here, which no mail can reach (RFC 2606).
LOCAL_USERS_DOMAIN = "local.example"
LOCAL_PASSWORD = "Darkroom-local-1"
# No mail is sent here: the emulator's codes are always these.
CONFIRMATION_CODE = "123456"
RESET_CODE = "654321"


@dataclass(frozen=True)
class Places:
    """Where one local cloud keeps its state; everything lies below one folder."""

    state: Path

    @property
    def facts(self) -> Path:
        return self.state / "stack.json"

    @property
    def frontend(self) -> Path:
        """What a frontend needs to talk to this local cloud."""
        return self.state / "frontend.json"

    @property
    def pid(self) -> Path:
        return self.state / "pid"

    @property
    def daemon_log(self) -> Path:
        return self.state / "daemon.log"

    @property
    def emulator_log(self) -> Path:
        return self.state / "emulator.log"

    @property
    def deploy_log(self) -> Path:
        return self.state / "deploy.log"

    @property
    def saved(self) -> Path:
        return self.state / "saved"

    @property
    def objects(self) -> Path:
        return self.state / "objects"

    @property
    def tmp(self) -> Path:
        return self.state / "tmp"

    @property
    def workers(self) -> Path:
        """A file for each process of the functions, locked while it runs."""
        return self.tmp / "workers"

    @property
    def home(self) -> Path:
        return self.state / "home"

    def create(self) -> None:
        for folder in (self.saved, self.objects, self.workers, self.home):
            folder.mkdir(parents=True, exist_ok=True)


def aws_environment(endpoint_url: str) -> dict[str, str]:
    """What makes any AWS client talk to the local cloud, and to nothing else."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def child_environment(places: Places, endpoint_url: str) -> dict[str, str]:
    """The environment of the local cloud's processes: ours, without the user's AWS settings."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "SAM_", "PYTEST_"))
        and name not in ("PYTHONPATH", "PYTHONHOME")
    }
    return {
        **inherited,
        **aws_environment(endpoint_url),
        "HOME": str(places.home),
        "TMPDIR": str(places.tmp),
        "PYTHONUNBUFFERED": "1",
    }
