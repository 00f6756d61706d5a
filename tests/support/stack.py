"""Local clouds for tests: the real one, once for a session, and one of stub functions.

The real one is shared by all integration tests, so each test uses its own accounts.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.emulator import Emulator, free_port
from local.settings import PARAMETERS, ROOT, Places
from local.stack import LocalStack, RunningStack
from local.template import expand, folder_of

STUB_LAYER = 'VALUE = "first"\n'
STUB_HANDLER = '''"""Returns the event and the values of its layer."""

import json

import darkroom

WORD = "one"


def handler(event, context):
    print(json.dumps({"message": "called", "event": event}))
    if "routeKey" not in event:
        return {"batchItemFailures": []}
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "x-path": event["rawPath"]},
        "body": json.dumps({"word": WORD, "layer": darkroom.VALUE, "event": event}),
    }
'''


@contextmanager
def without_denials(running: LocalStack) -> Iterator[None]:
    """Fails at its end when a function has called something that its role does not allow."""
    yield
    assert running.emulator is not None
    denials = running.emulator.denials()
    assert denials == [], "\n".join(denials)


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The template with its real functions, in a folder that goes when the tests end.

    Fails the last test when a function has called something that its role does not allow, also
    when the function made nothing of it.
    """
    with LocalStack(parameters=_not_about_rates) as running, without_denials(running):
        yield running


def _not_about_rates(_stack: RunningStack) -> dict[str, str]:
    """Tests send more requests than a user does; those of rate limits have tables of their own."""
    return {"RateLimitFactor": "1000"}


@pytest.fixture
def denials(stack: LocalStack) -> Callable[[], list[str]]:
    """The calls that roles have denied since the test began."""
    assert stack.emulator is not None
    emulator, before = stack.emulator, len(stack.emulator.denials())
    return lambda: emulator.denials()[before:]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The emulator alone, without a deployed template: for worlds of tests, which make their own
    tables. Several times faster than a backend inside this process."""
    running = Emulator(Places(tmp_path_factory.mktemp("emulator")), ROOT, free_port())
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def stub_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The template with functions that only return their event; tests may change code and state."""
    folder = tmp_path_factory.mktemp("stubs")
    write_stub_source(folder / "source")
    running = LocalStack(folder / "state", source=folder / "source", reload=True)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def write_stub_source(folder: Path) -> None:
    """A copy of the project whose functions and layer are stubs."""
    folder.mkdir()
    shutil.copy(ROOT / "template.yaml", folder)
    for requirements in (ROOT / "layers").glob("*/requirements.txt"):
        layer = folder / "layers" / requirements.parent.name
        layer.mkdir(parents=True)
        (layer / "requirements.txt").touch()
    core = folder / "layers" / "core" / "python" / "darkroom"
    core.mkdir(parents=True)
    (core / "__init__.py").write_text(STUB_LAYER)
    template = expand(folder / "template.yaml", PARAMETERS)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            function = folder / folder_of(resource)
            function.mkdir(parents=True)
            (function / "handler.py").write_text(STUB_HANDLER)
