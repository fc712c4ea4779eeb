"""Recording every frame, with what may be secret taken out: one JSON object a line, mode 0600."""

from __future__ import annotations

import os
import time
from typing import Any, Final

import orjson

from agent_server.conversation.redaction import REDACTED, is_secret
from agent_server.transport.port import Transport
from agent_server.transport.tap import Direction, TapTransport

MAX_TEXT_CHARS: Final = 16 * 1024


def traced(transport: Transport, path: str) -> Transport:
    """The transport, with every frame recorded in the file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)

    def record(direction: Direction, frame: bytes) -> None:
        os.write(descriptor, trace_line(time.time(), direction, frame))

    return TapTransport(transport, record)


def trace_line(seconds: float, direction: Direction, frame: bytes) -> bytes:
    """One line of a trace: time, direction, size and the redacted frame (or only its size, if it is no JSON)."""
    entry: dict[str, Any] = {"time": round(seconds, 6), "direction": direction, "bytes": len(frame)}
    try:
        entry["frame"] = redacted(orjson.loads(frame))
    except ValueError:
        entry["unreadable"] = True
    return orjson.dumps(entry, default=str) + b"\n"


def redacted(value: Any) -> Any:
    """The value with secrets replaced: by the name of their field, and all of ``env`` and ``headers``."""
    if isinstance(value, dict):
        return {key: _redacted_field(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [redacted(inner) for inner in value]
    if isinstance(value, str) and len(value) > MAX_TEXT_CHARS:
        return f"{value[:MAX_TEXT_CHARS]}[{len(value) - MAX_TEXT_CHARS} more characters]"
    return value


def _redacted_field(key: str, value: Any) -> Any:
    # Malformed ones count too: a secret that was sent in the wrong shape is a secret all the same.
    if key in ("env", "headers"):
        return _redacted_variables(value)
    return REDACTED if is_secret(key, value) else redacted(value)


def _redacted_variables(value: Any) -> Any:
    if isinstance(value, list):
        return [_redacted_variable(inner) for inner in value]
    return dict.fromkeys(value, REDACTED) if isinstance(value, dict) else REDACTED


def _redacted_variable(variable: Any) -> Any:
    if not isinstance(variable, dict):
        return REDACTED
    return {key: value if key == "name" and isinstance(value, str) else REDACTED for key, value in variable.items()}
