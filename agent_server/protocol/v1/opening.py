"""The plainest ``initialize``, read with nothing imported: the first answer is given before anything else is there.

See `agent_server.protocol.v1.plain`, which does the same for the messages behind it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself is not loaded yet, and would take longer than the answer
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

_FLAGS: Final = {"readTextFile": bool, "writeTextFile": bool}
_MARKERS: Final = {"compaction": dict, "notices": dict}
_CAPABILITIES: Final[Mapping[str, Any]] = {
    "fs": _FLAGS,
    "terminal": bool,
    "auth": {"terminal": bool},
    "session": {**_MARKERS, "configOptions": {"boolean": dict}},
    "elicitation": {"form": dict, "url": dict},
}


class PlainCapabilities:
    """Client capabilities in which every known field has its own type."""

    __slots__ = ("_wire",)

    def __init__(self, wire: dict[str, Any]) -> None:
        self._wire = wire

    def to_wire(self) -> dict[str, Any]:
        """The capabilities as they came."""
        return self._wire


class PlainInitialize:
    """Reads like an InitializeRequest."""

    __slots__ = ("client_capabilities", "client_info", "meta", "protocol_version")

    def __init__(self, protocol_version: int, capabilities: dict[str, Any]) -> None:
        self.protocol_version = protocol_version
        self.client_capabilities = PlainCapabilities(capabilities)
        self.client_info = None
        self.meta = None


def plain_initialize(raw: dict[str, Any]) -> PlainInitialize | None:
    """An ``initialize`` whose known fields all have their own types, and that says nothing in ``_meta``."""
    version = raw.get("protocolVersion")
    capabilities = raw.get("clientCapabilities", {})
    if type(version) is not int or version < 0 or "_meta" in raw or not _plain(capabilities, _CAPABILITIES):
        return None
    return PlainInitialize(version, capabilities)


def _plain(value: Any, shape: Any) -> bool:
    """Whether every known field has exactly its type; unknown fields are nobody's business."""
    if isinstance(shape, type):
        return type(value) is shape
    if type(value) is not dict:
        return False
    return all(_plain(value[name], inner) for name, inner in shape.items() if name in value)
