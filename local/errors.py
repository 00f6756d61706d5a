"""What the commands of the local cloud say in one sentence, instead of a traceback.

LocalCloudError
├── NotRunning          no local cloud runs on the state folder
├── AlreadyRunning      one runs there, and two would spoil it
├── PortInUse           another process listens on the requested port
├── EmulatorFailed      the emulator did not start; its log says why
├── DeployFailed        SAM could not deploy the template; ends with what SAM printed
├── DoesNotStop         the process that holds the state folder does not end
├── PoolIsOld           an earlier version made the user pool, which cannot be changed
├── BadParameter        PARAMS or .env name something that the template does not take
└── AuditFailed         the API did not respond to the audit
"""


class LocalCloudError(Exception):
    """An error that the user of the local cloud can understand and fix."""


class NotRunning(LocalCloudError):
    def __init__(self) -> None:
        super().__init__("The local cloud is not running: `make up` starts it.")


class AlreadyRunning(LocalCloudError):
    pass


class PortInUse(LocalCloudError):
    pass


class EmulatorFailed(LocalCloudError):
    pass


class DeployFailed(LocalCloudError):
    pass


class DoesNotStop(LocalCloudError):
    pass


class PoolIsOld(LocalCloudError):
    pass


class BadParameter(LocalCloudError):
    pass


class AuditFailed(LocalCloudError):
    pass
