"""``python -m darkroom.api.openapi`` prints the content of ``docs/openapi.json``."""

from __future__ import annotations

import json
import sys

from darkroom.api.openapi.document import public_openapi


def main() -> None:
    json.dump(public_openapi(), sys.stdout, indent=2, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
