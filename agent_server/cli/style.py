"""How human output looks: plain words anywhere, colours and a spinner on a terminal that wants them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Final, Literal, TypeAlias

from agent_server.conversation.visible import visible

if TYPE_CHECKING:
    from rich.style import Style as RichStyle

Look: TypeAlias = Literal["dim", "bold", "green", "red", "yellow", "cyan"]

_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def safe(text: str) -> str:
    """Text that cannot steer a terminal: control and direction characters as escapes, line breaks and tabs as they are.

    Unlike `visible`, which is for what a person must judge, it leaves the joiners of scripts and emoji alone.
    """
    return _UNSAFE.sub(lambda match: visible(match[0]), text.replace("\r\n", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """Text of others as one line of at most ``limit`` characters, with nothing hidden in it."""
    shown = visible(" ".join(text[: 4 * limit].split()))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


class Style:
    """Plain words."""

    fancy = False
    spinner: Sequence[str] = ()
    marks: Mapping[str, str] = {"pending": "-", "in_progress": "-", "completed": "+", "failed": "!"}
    boxes: Mapping[str, str] = {"pending": "[ ]", "in_progress": "[~]", "completed": "[x]"}

    def paint(self, text: str, look: Look) -> str:
        """The text in that look."""
        return text


class TerminalStyle(Style):
    """Colours and symbols, by rich."""

    fancy = True
    marks: Mapping[str, str] = {"pending": "○", "in_progress": "●", "completed": "✓", "failed": "✗"}
    boxes: Mapping[str, str] = {"pending": "☐", "in_progress": "◐", "completed": "☑"}

    def __init__(self) -> None:
        from rich.spinner import Spinner

        self.spinner = list(Spinner("dots").frames)
        self._looks: dict[Look, RichStyle] = {}

    def paint(self, text: str, look: Look) -> str:
        """The text with the codes of that look around it."""
        from rich.color import ColorSystem
        from rich.style import Style as RichStyle

        style = self._looks.get(look)
        if style is None:
            style = self._looks[look] = RichStyle.parse(look)
        return style.render(text, color_system=ColorSystem.STANDARD)


def style_for(stream: IO[str], environment: Mapping[str, str] = os.environ) -> Style:
    """Colours for a terminal, unless NO_COLOR is set or it cannot show them. Spec: no-color.org."""
    plain = environment.get("NO_COLOR") or environment.get("TERM") in (None, "", "dumb")
    return Style() if plain or not stream.isatty() else TerminalStyle()
