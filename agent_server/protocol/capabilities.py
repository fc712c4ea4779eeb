"""What the far end offers, read from the capabilities as they stood on the wire."""

from __future__ import annotations

TYPE_CHECKING = False  # typing is not loaded yet when the first answer is made
if TYPE_CHECKING:
    from typing import Any


def offers(capabilities_wire: dict[str, Any], path: str) -> bool:
    """Whether the capability at a dotted path (``fs.readTextFile``) is offered.

    A flag must be true. An object offers by being there, even empty; null, absent and anything else do not.
    Spec: initialization.
    """
    value: Any = capabilities_wire
    for name in path.split("."):
        if not isinstance(value, dict):
            return False
        value = value.get(name)
    return value is True or isinstance(value, dict)
