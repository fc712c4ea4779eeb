"""The official schemas, from the TypeScript SDK that the interop tests install."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def official(sdk_root: Path) -> dict[str, dict[str, Any]]:
    """Return the published schemas of version 1: ``stable`` and ``unstable``."""
    files = {"stable": "schema.json", "unstable": "schema.unstable.json"}
    directory = sdk_root / "node_modules" / "@agentclientprotocol/sdk" / "schema" / "v1"
    return {name: json.loads((directory / file).read_bytes()) for name, file in files.items()}
