"""What the agent of the mutants knows about a session, and what it accepts in params."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from conformance.mutants.wire import INVALID_PARAMS, Json, Params, Refused

if TYPE_CHECKING:
    from conformance.mutants.turns import Turn

MODES = {"ask": "Ask first", "code": "Write code"}
MODELS = {"small": "Small", "large": "Large"}
DRAFTS = {"off": "Off", "on": "On"}


class Session:
    """One conversation. ``history``: the updates that a load replays. ``turns``: the running one first."""

    def __init__(self, session_id: str, cwd: str) -> None:
        self.id = session_id
        self.cwd = cwd
        self.roots: Sequence[str] = ()
        self.title: str | None = None
        self.live = True
        self.archived = False
        self.history: list[Json] = []
        self.turns: list[Turn] = []
        self.values: dict[str, Any] = {"mode": "ask", "model": "small", "drafts": "off", "verbose": False}

    def info(self) -> Json:
        """Its row in a list of sessions."""
        row: Json = {"sessionId": self.id, "cwd": self.cwd, "updatedAt": "2026-01-01T00:00:00Z"}
        if self.roots:
            row["additionalDirectories"] = list(self.roots)
        if self.title is not None:
            row["title"] = self.title
        return row

    def modes(self) -> Json:
        available = [{"id": key, "name": name} for key, name in MODES.items()]
        return {"currentModeId": self.values["mode"], "availableModes": available}

    def options(self, *, booleans: bool) -> list[Json]:
        """The config options; those that are on or off only for clients that can show them."""
        rows = [
            self._select("mode", "Mode", "mode", MODES),
            self._select("model", "Model", "model", MODELS),
            self._select("drafts", "Drafts", "_drafts", DRAFTS),
        ]
        if booleans:
            rows.append({"type": "boolean", "id": "verbose", "name": "Verbose", "currentValue": self.values["verbose"]})
        return rows

    def _select(self, option_id: str, name: str, category: str, values: dict[str, str]) -> Json:
        return {
            "type": "select",
            "id": option_id,
            "name": name,
            "category": category,
            "currentValue": self.values[option_id],
            "options": [{"value": value, "name": label} for value, label in values.items()],
        }


BLOCKS: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "image": {"data": str, "mimeType": str},
    "audio": {"data": str, "mimeType": str},
    "resource_link": {"uri": str, "name": str},
    "resource": {"resource": dict},
}


def text_of(params: Params, key: str) -> str:
    """A text that has to be there.

    Raises:
        Refused: it is not.
    """
    value = params.get(key)
    if not isinstance(value, str):
        raise Refused(INVALID_PARAMS, f"{key} has to be a text")
    return value


def path_of(params: Params, key: str) -> str:
    """An absolute path that has to be there.

    Raises:
        Refused: it is not, or is relative.
    """
    return absolute(text_of(params, key))


def absolute(path: object) -> str:
    if not isinstance(path, str) or not path.startswith("/"):
        raise Refused(INVALID_PARAMS, "a path has to be absolute")
    return path


def roots_of(params: Params) -> list[str]:
    roots = params.get("additionalDirectories")
    if not isinstance(roots, list | None):
        raise Refused(INVALID_PARAMS, "additionalDirectories has to be an array")
    return [absolute(root) for root in roots or ()]


def servers_of(params: Params, *, needed: bool) -> list[Json]:
    """The MCP servers on stdio.

    Raises:
        Refused: they are missing where they are needed, or are of another kind.
    """
    servers = params.get("mcpServers", None if needed else [])
    if not isinstance(servers, list):
        raise Refused(INVALID_PARAMS, "mcpServers has to be an array")
    for server in servers:
        if not isinstance(server, dict) or server.get("type") not in (None, "stdio"):
            raise Refused(INVALID_PARAMS, "only MCP servers on stdio are supported")
        text_of(server, "name"), text_of(server, "command")
    return servers


def check_system_prompt(params: Params) -> None:
    """Refuse a system prompt that cannot be applied."""
    prompt = params.get("systemPrompt")
    if prompt is None:
        return
    if not isinstance(prompt, dict) or prompt.get("mode") not in ("append", "override"):
        raise Refused(INVALID_PARAMS, "this mode of a system prompt is unknown")
    content = prompt.get("content")
    if not isinstance(content, list) or not content or any(block.get("type") != "text" for block in content):
        raise Refused(INVALID_PARAMS, "a system prompt is text")


def check_block(block: Any) -> None:
    """Refuse a content block that is none."""
    needed = BLOCKS.get(str(block.get("type"))) if isinstance(block, dict) else None
    if needed is None:
        raise Refused(INVALID_PARAMS, "a content block of this type is unknown")
    for key, kind in needed.items():
        if not isinstance(block.get(key), kind):
            raise Refused(INVALID_PARAMS, f"a content block lacks its {key}")
