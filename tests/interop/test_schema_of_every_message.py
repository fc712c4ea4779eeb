"""What the TypeScript SDK's client saw of our agent's sessions fits the official schemas, message by message."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance.installing import INSTALL_S

from .client_program import Report

# The first test pays for the installation and for the whole run of the program.
pytestmark = pytest.mark.timeout(INSTALL_S + 120)


@pytest.mark.parametrize(
    ("name", "schema"), [("typescript-sessions", "schema.json"), ("typescript-unstable", "schema.unstable.json")]
)
def test_every_message_of_our_agent_fits_the_schema(
    name: str, schema: str, report_of: Callable[[str], Report], sdk_root: Path
) -> None:
    frames = report_of(name).directory / "frames"
    directory = sdk_root / "node_modules" / "@agentclientprotocol/sdk" / "schema" / "v1"
    _check_messages(frames, json.loads((directory / schema).read_bytes()))


def _check_messages(frames: Path, schema: Mapping[str, Any]) -> None:
    definitions = {
        (definition["x-method"], kind): jsonschema.Draft202012Validator(
            {**schema, "anyOf": [{"$ref": f"#/$defs/{name}"}]}
        )
        for name, definition in schema["$defs"].items()
        for kind in ("Request", "Response", "Notification")
        if "x-method" in definition and name.endswith(kind)
    }
    seen: set[str] = set()
    for method, kind, value in _sent_by_the_agent(frames):
        # Thousands of chunks differ in nothing that a schema looks at.
        key = f"{method} {kind} {json.dumps(value, sort_keys=True)}"
        if key not in seen:
            seen.add(key)
            definitions[method, kind].validate(value)
    methods = {key.split()[0] for key in seen}
    assert {"session/load", "session/list", "session/resume", "elicitation/create", "session/update"} <= methods


def _sent_by_the_agent(frames: Path) -> Iterator[tuple[str, str, Any]]:
    """The method, the kind and the params or result of each message; errors are looked at in the steps."""
    asked: dict[Any, str] = {}
    for line in frames.read_text(encoding="utf-8").splitlines():
        seen = json.loads(line)
        message = seen["message"]
        if not seen["ofAgent"]:
            if "method" in message and "id" in message:
                asked[message["id"]] = message["method"]
        elif "method" in message:
            yield message["method"], "Request" if "id" in message else "Notification", message["params"]
        elif "result" in message:
            yield asked[message["id"]], "Response", message["result"]
