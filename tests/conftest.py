"""What every test gets: an environment without the user's AWS settings, and the local cloud."""

import functools
import os
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.stack import denials, emulator, stack, stub_stack
from tests.support.summary import Summary

ROOT = Path(__file__).resolve().parents[1]
__all__ = ["denials", "emulator", "stack", "stub_stack"]

# Otherwise every session reads botocore's service models from disk again.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# Before anything imports an AWS library: no test may find real credentials or another profile.
for name in [name for name in os.environ if name.startswith(("AWS_", "SAM_"))]:
    if name != "AWS_CA_BUNDLE":
        del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Summary())


LOCAL_CLOUD = {"denials", "stack", "stub_stack"}
"""Fixtures that deploy the template."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first: those of the local cloud, which mostly wait, then the
    other integration tests."""
    items.sort(key=lambda item: _is_short(item.path))
    for item in items:
        if LOCAL_CLOUD & set(getattr(item, "fixturenames", ())):
            assert uses_local_cloud(str(item.path)), f"{item.path.name} does not name LocalStack"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Ours for ``--dist loadscope``; other ways stay as they are."""
    return FileScheduling(config, log) if config.getvalue("dist") == "loadscope" else None


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A file of tests runs in one process, and all files of the local cloud in the same one.

    So no two processes deploy the template at the same time. (The groups of
    xdist's own ``loadgroup`` are lost in pytest 9, which names tests in another way.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "local cloud" if uses_local_cloud(file) else file


@functools.cache
def _is_short(file: Path) -> tuple[bool, bool]:
    return not uses_local_cloud(str(file)), file.parent.name != "integration"


@functools.cache
def uses_local_cloud(file: str) -> bool:
    """Whether tests of this file deploy the template: they all name the class that does."""
    path = ROOT / file
    return path.parent.name == "integration" and "LocalStack" in path.read_text(encoding="utf-8")
