"""One local cloud: emulator, deployed template, front server; and the handle to one that runs.

    with LocalStack() as stack:
        httpx.get(f"{stack.api_url}/api/health")

Several may run side by side: each has its own state folder and ports.
"""

import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import IO, Any, Self

import boto3
from botocore.config import Config
from botocore.session import Session as BotocoreSession

from local import code, deploy, gateway, leases, logs, users
from local.emulator import Emulator, free_port, move_addresses, require_free
from local.errors import AlreadyRunning, DoesNotStop, NotRunning, PoolIsOld
from local.front import FrontServer
from local.gaps import close_gaps
from local.resolve import Resolver
from local.settings import (
    ACCESS_KEY,
    CONFIRMATION_CODE,
    HOST,
    PARAMETERS,
    REGION,
    RESET_CODE,
    ROOT,
    SECRET_KEY,
    STACK_NAME,
    Places,
    aws_environment,
)

STOP_LIMIT_SECONDS = 60
POLL_SECONDS = 0.1
CLIENT_CONFIG = Config(max_pool_connections=32, retries={"mode": "standard"})


@dataclass(frozen=True)
class Facts:
    """What is known of a deployed stack, kept in its state folder."""

    port: int
    emulator_port: int
    api_id: str
    outputs: dict[str, str]
    functions: dict[str, str]
    """Names of the function folders, such as `confirm`, to physical names."""
    digest: str

    @staticmethod
    def read(places: Places) -> "Facts | None":
        try:
            return Facts(**json.loads(places.facts.read_text()))
        except FileNotFoundError:
            return None

    def write(self, places: Places) -> None:
        whole = places.facts.with_suffix(".new")
        whole.write_text(json.dumps(asdict(self), indent=2))
        whole.replace(places.facts)


class RunningStack:
    """The handle to a running local cloud, whichever process started it."""

    def __init__(self, facts: Facts, places: Places) -> None:
        self.facts = facts
        self.places = places
        self._client = cache(self._new_client)

    @staticmethod
    def attach(state_dir: Path) -> "RunningStack":
        """The local cloud that runs on a state folder."""
        places = Places(state_dir.resolve())
        facts = Facts.read(places)
        if facts is None or not is_running(places):
            raise NotRunning
        return RunningStack(facts, places)

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.facts.port}"

    @property
    def endpoint_url(self) -> str:
        """The endpoint of the emulated AWS services."""
        return f"http://{HOST}:{self.facts.emulator_port}"

    @property
    def for_a_frontend(self) -> dict[str, str]:
        """What a frontend's configuration needs; also in `frontend.json` of the state folder."""
        return {
            "apiUrl": self.api_url,
            "region": REGION,
            "userPoolId": self.outputs["UserPoolId"],
            "userPoolClientId": self.outputs["UserPoolClientId"],
            "cognitoEndpoint": self.endpoint_url,
            "storageEndpoint": self.endpoint_url,
            "confirmationCode": CONFIRMATION_CODE,
            "resetCode": RESET_CODE,
        }

    @property
    def frontend_file(self) -> Path:
        return self.places.frontend

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs of the template."""
        return self.facts.outputs

    @property
    def functions(self) -> dict[str, str]:
        """Names of the function folders, such as `confirm`, to physical names."""
        return self.facts.functions

    @property
    def env(self) -> dict[str, str]:
        """The environment in which code of this process reaches what the functions reach."""
        function = self.client("lambda").get_function_configuration(
            FunctionName=self.functions["api"]
        )
        return {**function["Environment"]["Variables"], **aws_environment(self.endpoint_url)}

    @property
    def physical_ids(self) -> dict[str, str]:
        """Logical names of the template's resources to their physical ones."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for page in pages.paginate(StackName=STACK_NAME)
            for resource in page["StackResourceSummaries"]
        }

    def client(self, service: str) -> Any:
        """A client of an emulated AWS service; safe to share between threads."""
        return self._client(service)

    def token(self, user: str, role: str | None = None) -> str:
        """A bearer token of a user, who is created at need; the only role is `admin`."""
        return users.access_token(
            self.client("cognito-idp"),
            pool_id=self.outputs["UserPoolId"],
            client_id=self.outputs["UserPoolClientId"],
            user=user,
            role=role,
        )

    def account_id(self, user: str) -> str:
        """The account of a user who has had a token."""
        return users.account_id(
            self.client("cognito-idp"), pool_id=self.outputs["UserPoolId"], user=user
        )

    def logs(self, function: str) -> list[str]:
        """What a function logged, oldest first."""
        return logs.lines(self.client("logs"), self.log_group(function))

    def log_group(self, function: str) -> str:
        configuration = self.client("lambda").get_function_configuration(
            FunctionName=self.functions[function]
        )
        group: str = configuration["LoggingConfig"]["LogGroup"]
        return group

    def _new_client(self, service: str) -> Any:
        session = BotocoreSession()
        # Nothing of the user's own AWS settings may matter here.
        session.set_config_variable("config_file", os.devnull)
        session.set_config_variable("credentials_file", os.devnull)
        session.set_config_variable("profile", None)
        # Any, because the types know a client only by a literal name.
        boto_session: Any = boto3.Session(
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            botocore_session=session,
        )
        return boto_session.client(service, endpoint_url=self.endpoint_url, config=CLIENT_CONFIG)


class LocalStack(RunningStack):
    """A local cloud that this process starts, owns and stops.

    state_dir: kept between runs; without one, a temporary folder that goes with the stack.
    port: of the API; 0 takes a free one.
    parameters: of the template, besides those of every local cloud; read when the emulated services
        respond, because a resource that a parameter names may have to be created there first.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        *,
        port: int = 0,
        source: Path = ROOT,
        reload: bool = False,
        report: Callable[[str], None] = lambda message: None,
        parameters: Callable[[RunningStack], Mapping[str, str]] = lambda stack: {},
    ) -> None:
        self.temporary = state_dir is None
        state = state_dir or Path(tempfile.mkdtemp(prefix="darkroom-"))
        self.places = Places(state.resolve())
        self.port = port
        self.source = source.resolve()
        self.reload = reload
        self.report = report
        self.more_parameters = parameters
        self.parameters: Mapping[str, str] = PARAMETERS
        self.lock: IO[str] | None = None
        self.emulator: Emulator | None = None
        self.front: FrontServer | None = None
        self.watcher: code.Watcher | None = None
        self.leases: leases.LeaseWatcher | None = None

    @cached_property
    def template(self) -> dict[str, Any]:
        """The template after the SAM transform."""
        # Imported when needed: the SAM libraries take a second, and a start without changes
        # does not need them.
        from local.template import expand

        return expand(self.source / "template.yaml", self.parameters)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Come up with what the state folder holds; deploy only if the template changed."""
        self.places.create()
        self.lock = _take_lock(self.places)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, keeping the state (unless it is temporary)."""
        if self.watcher:
            self.watcher.stop()
        if self.leases:
            self.leases.stop()
        if self.front:
            self.front.stop()
        if self.emulator:
            self.emulator.stop()
        self.watcher = self.leases = self.front = self.emulator = None
        if self.lock:
            self.lock.close()
            self.lock = None
        if self.temporary:
            shutil.rmtree(self.places.state, ignore_errors=True)

    def _start(self) -> None:
        require_free(self.port)
        before = Facts.read(self.places)
        emulator_port = free_port(before.emulator_port if before else 0)
        if before and before.emulator_port != emulator_port:
            for folder in (self.places.saved, self.places.state):
                move_addresses(folder, before.emulator_port, emulator_port)
            before = Facts.read(self.places)
        self.emulator = Emulator(self.places, self.source, emulator_port)
        self.report("Starting the local cloud")
        self.emulator.start()
        super().__init__(
            Facts(
                port=self.port,
                emulator_port=self.emulator.port,
                api_id=before.api_id if before else "",
                outputs=before.outputs if before else {},
                functions=before.functions if before else {},
                digest=before.digest if before else "",
            ),
            self.places,
        )
        self.parameters = {**PARAMETERS, **self.more_parameters(self)}
        digest = deploy.template_digest(self.source, self.parameters)
        if self.facts.digest != digest:
            self._deploy(digest)
        sources = self._function_folders()
        code.publish(self.client("lambda"), sources)
        api = self.client("apigatewayv2").get_api(ApiId=self.facts.api_id)
        cors = api.get("CorsConfiguration", {})
        self.front = FrontServer(self.port, self.emulator.port, self.facts.api_id, cors)
        self.facts = Facts(**{**asdict(self.facts), "port": self.front.port})
        self.facts.write(self.places)
        self.places.frontend.write_text(json.dumps(self.for_a_frontend, indent=1) + "\n")
        self.leases = self._watch_leases()
        if self.reload:
            self.watcher = code.Watcher(self.source, self.client("lambda"), sources, self.report)

    def _deploy(self, digest: str) -> None:
        from local.template import folder_of

        self.require_kept_pool(self.facts.outputs.get("UserPoolId"))
        self.report("Deploying template.yaml")
        deploy.deploy(
            self.places,
            code=self.source,
            endpoint_url=self.endpoint_url,
            s3=self.client("s3"),
            parameters=self.parameters,
        )
        physical_ids = self.physical_ids
        stack = self.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        close_gaps(self.client, self.template, physical_ids)
        functions = {
            Path(folder_of(resource)).name: physical_ids[name]
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == "AWS::Lambda::Function"
        }
        code.detach_layers(self.client("lambda"), list(functions.values()))
        gateway.configure(
            self.client("apigatewayv2"), physical_ids["Api"], self.api_body(physical_ids)
        )
        self.facts = Facts(
            port=self.port,
            emulator_port=self.facts.emulator_port,
            api_id=physical_ids["Api"],
            outputs={item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]},
            functions=functions,
            digest=digest,
        )

    def require_kept_pool(self, pool_id: str | None) -> None:
        """Refuse a user pool whose users have other names: no pool can be changed in this.

        Raises:
            PoolIsOld: it was made by an earlier version of the template.
        """
        if pool_id is None:
            return
        pool = self.client("cognito-idp").describe_user_pool(UserPoolId=pool_id)["UserPool"]
        wanted = self.template["Resources"]["UserPool"]["Properties"]["UsernameAttributes"]
        if pool.get("UsernameAttributes", []) != wanted:
            raise PoolIsOld(
                "The users of this local cloud were made by an earlier version, which named them"
                f" in another way. Delete {self.places.state} and start again."
            )

    def api_body(self, physical_ids: dict[str, str]) -> dict[str, Any]:
        """The OpenAPI body of the template's API, as AWS would read it."""
        defaults = {
            name: str(value["Default"]) for name, value in self.template["Parameters"].items()
        }
        resolver = Resolver(
            stack_name=STACK_NAME,
            parameters={**defaults, **self.parameters},
            physical_ids=physical_ids,
            conditions=self.template["Conditions"],
        )
        body: dict[str, Any] = resolver.resolve(
            self.template["Resources"]["Api"]["Properties"]["Body"]
        )
        return body

    def _watch_leases(self) -> leases.LeaseWatcher:
        return leases.LeaseWatcher(
            self.places.workers,
            self.client("dynamodb"),
            jobs_table=self.outputs["JobsTable"],
            sweep=lambda: self.client("lambda").invoke(FunctionName=self.functions["sweep"]),
            report=self.report,
        )

    def _function_folders(self) -> dict[str, Path]:
        return {
            physical: self.source / "functions" / name for name, physical in self.functions.items()
        }


def is_running(places: Places) -> bool:
    """Whether a live process holds the state folder; a stale pid file does not fool this."""
    try:
        with places.pid.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def stop_running(state_dir: Path) -> bool:
    """Ask the process that holds a state folder to stop, and wait for it; False if none does."""
    places = Places(state_dir.resolve())
    if not is_running(places):
        return False
    os.kill(int(places.pid.read_text()), signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT_SECONDS
    while is_running(places):
        if time.monotonic() > deadline:
            raise DoesNotStop("The local cloud does not stop; its log: " + str(places.daemon_log))
        time.sleep(POLL_SECONDS)
    return True


def _take_lock(places: Places) -> IO[str]:
    """Hold the state folder for as long as the file stays open, and say in it who we are."""
    file = places.pid.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise AlreadyRunning(f"A local cloud already runs in {places.state}.") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
