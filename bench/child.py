"""Run as a script in a fresh interpreter: imports one handler and prints how long that took.

    child.py <module> <packages to do without, by commas> [<file of events>]

Prints one line of JSON. With events, the handler is also called with each, because what is
opened lazily is paid for by the first request.
"""

import resource
import sys


def user_ms() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime * 1000


def main() -> None:
    name, unwanted = sys.argv[1:3]
    # Python takes a module that is None here for one that is not installed.
    sys.modules.update(dict.fromkeys(filter(None, unwanted.split(","))))  # type: ignore[arg-type]
    before, known = user_ms(), len(sys.modules)
    module = __import__(name, fromlist=["handler"])
    figures = {
        "init_ms": user_ms() - before,
        "modules": len(sys.modules) - known,
        "boto3": int(sys.modules.get("boto3") is not None),
        "tracer": int("aws_xray_sdk.core" in sys.modules),
    }
    # Imported after the measurement, so that neither handler gets them for nothing.
    import json
    from pathlib import Path

    if len(sys.argv) > 3:
        for number, event in enumerate(json.loads(Path(sys.argv[3]).read_text()), start=1):
            before = user_ms()
            response = module.handler(event, Context())
            figures[f"request_{number}_ms"] = user_ms() - before
            if response["statusCode"] != 202:
                raise SystemExit(f"HTTP {response['statusCode']}: {response['body']}")
    print(json.dumps(figures))


class Context:
    """What Powertools reads of Lambda's context."""

    function_name = "bench"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
    aws_request_id = "bench"


if __name__ == "__main__":
    main()
