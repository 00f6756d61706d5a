"""What every test gets: an environment without the user's AWS settings, and the local cloud."""

import functools
import os
from collections.abc import Generator

import botocore.session
import pytest

from tests.support.stack import denials, emulator, stack, stub_stack
from tests.support.summary import Summary

__all__ = ["denials", "emulator", "stack", "stub_stack"]

# Every session would read botocore's descriptions of its services from disk anew.
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


LOCAL_CLOUD = {"stack", "stub_stack"}
"""Fixtures that deploy the template. Tests mostly wait for it."""


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Summary())


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Name the group of each test: a group runs in one process, the longest group first.

    All files that use the local cloud are one group, so a run deploys it once; every other file is
    a group of its own, with its world.
    """
    on_cloud = {item.path for item in items if _uses_local_cloud(item)}
    items.sort(key=lambda item: item.path not in on_cloud)
    for item in items:
        own = f"{item.path.parent.name}-{item.path.stem}"
        group = "local-cloud" if item.path in on_cloud else own
        item.add_marker(pytest.mark.xdist_group(group))
    # xdist, which reads the groups here, runs before every hook that is not a wrapper.
    yield


def _uses_local_cloud(item: pytest.Item) -> bool:
    """Whether a test uses one of the stacks, or its module starts one of its own."""
    module = getattr(item, "module", None)
    fixtures = set(getattr(item, "fixturenames", ()))
    return hasattr(module, "LocalStack") or bool(LOCAL_CLOUD & fixtures)
