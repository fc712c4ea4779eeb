"""The tool port: a tool first says exactly what it will do, and then does exactly that.

`Tool.prepare` validates the arguments, resolves paths and reads what it needs to show (a diff, a command). Nothing
has changed by then. The session decides whether the prepared call may run, asking the user if it must, and only then
awaits `PreparedCall.run`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from agent_server.conversation.content import Part, TextPart
from agent_server.conversation.tool_calls import Location, ToolContent, ToolSpec
from agent_server.tools.ports import ToolContext


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave: ``parts`` go to the model; ``content`` is shown to people (None: the parts themselves).

    ``failed`` ends the call as failed though the tool worked: a command that exited non-zero, say.
    """

    parts: tuple[Part, ...]
    content: tuple[ToolContent, ...] | None = None
    locations: tuple[Location, ...] | None = None
    raw_output: Any = None
    failed: bool = False

    @classmethod
    def text(cls, text: str) -> ToolResult:
        """A result that is one text, for the model and for people."""
        return cls((TextPart(text),))


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A call that is ready to run. ``title`` is made from the real arguments, never from model text alone.

    ``trust_key`` names what "for the session" would cover (the tool's name, or for commands the exact command);
    ``trust_label`` says it in words. Both are used only when the tool's spec says that it changes things.
    """

    title: str
    run: Callable[[], Awaitable[ToolResult]]
    content: tuple[ToolContent, ...] = ()
    locations: tuple[Location, ...] = ()
    trust_key: str = ""
    trust_label: str = ""


class Tool(Protocol):
    """One thing that a model may do."""

    @property
    def spec(self) -> ToolSpec:
        """How models see it."""

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Say what a call with these arguments would do.

        Raises:
            ToolError: the arguments are wrong, or the call cannot work; the model reads the text.
        """
