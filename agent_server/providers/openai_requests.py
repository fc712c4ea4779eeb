"""What requests in both of OpenAI's formats have in common. Pure."""

from __future__ import annotations

import re
from typing import Final

from agent_server.providers.turns import fitting_name

SHOWN_BELOW: Final = "(see below)"
"""Said as the result of a tool that gave nothing but what must be shown elsewhere."""

FROM_TOOLS: Final = "What the tools gave besides text:"

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 64


def tool_name(name: str) -> str:
    """The name of a tool that was asked for, as it may be sent."""
    return fitting_name(name, _NOT_IN_NAMES, _LONGEST_NAME)
