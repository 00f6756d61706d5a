"""What every test gets: an environment without the user's AWS settings, and the local cloud."""

import os

from tests.support.stack import denials, stack, stub_stack

__all__ = ["denials", "stack", "stub_stack"]

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
