"""The tools that a session offers to its model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent_server.conversation.tool_calls import ToolSpec
from agent_server.tools.tool import Tool


class Toolbox:
    """Tools by name, in the order in which models see them.

    Raises:
        ValueError: two tools have one name.
    """

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.spec.name in self._tools:
                raise ValueError(f"two tools are called {tool.spec.name}")
            self._tools[tool.spec.name] = tool
        self.specs: tuple[ToolSpec, ...] = tuple(tool.spec for tool in self._tools.values())
        """How models see the tools."""

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def get(self, name: str) -> Tool | None:
        """The tool of that name; None if there is none, which the model is told (Req: TL-11)."""
        return self._tools.get(name)


def default_toolbox(*, in_editor: bool = False, command_timeout_s: float = 120.0) -> Toolbox:
    """All tools that need nothing but a workspace.

    ``in_editor`` runs commands in terminals of the client's; ``command_timeout_s`` holds for calls that name no time.

    Req: TL-01
    """
    from agent_server.tools.ask_user import AskUser
    from agent_server.tools.delete_file import DeleteFile
    from agent_server.tools.edit_file import EditFile
    from agent_server.tools.find import Find
    from agent_server.tools.grep import Grep
    from agent_server.tools.list_directory import ListDirectory
    from agent_server.tools.move_file import MoveFile
    from agent_server.tools.read_file import ReadFile
    from agent_server.tools.run_command import RunCommand
    from agent_server.tools.write_file import WriteFile

    reading: tuple[Tool, ...] = (ReadFile(), ListDirectory(), Find(), Grep())
    changing: tuple[Tool, ...] = (WriteFile(), EditFile(), DeleteFile(), MoveFile())
    running = RunCommand(in_editor=in_editor, timeout_s=command_timeout_s)
    return Toolbox((*reading, *changing, running, AskUser()))
