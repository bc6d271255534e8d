"""A process that applies a description to a double: `python -m tests.azure.applying HOME JSON`. Tests kill it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from orchestration.azure.deployment import Deployment
from orchestration.deployment.description import parse


def main(home: str, said: str) -> None:
    """Apply."""
    deployment = Deployment(
        parse(json.loads(said)), home=Path(home), environment=os.environ, ask_web=lambda host, ca_bundle: ""
    )
    deployment.apply()


if __name__ == "__main__":
    main(*sys.argv[1:])
