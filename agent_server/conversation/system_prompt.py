"""What a session's creator tells the model beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """Instructions for the model: added to our own (``append``), or instead of them (``override``)."""

    mode: Literal["append", "override"]
    text: str

    def joined(self, own: str) -> str:
        """The whole instructions, given our own."""
        return f"{own}\n\n{self.text}" if own and self.mode == "append" else self.text
