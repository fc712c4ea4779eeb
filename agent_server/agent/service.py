"""What all connections of a process share: the sessions, the model, the tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from orjson import dumps

from agent_server.agent.editor import EditorWorkspace
from agent_server.protocol.capabilities import offers
from agent_server.providers.provider import Command, Provider
from agent_server.sessions.session import Session
from agent_server.sessions.spec import Limits, SessionSpec, ToolSet
from agent_server.sessions.supervisor import SessionSupervisor

if TYPE_CHECKING:
    from agent_server.connection.connection import Connection


class AgentService:
    """The composition of one agent process.

    Args:
        tools: the tools of every session.
        model: what new sessions start with; None: the provider's first.
        choices_for: what a project at this directory may choose for its sessions: a model and limits.
        env_allow: environment variables that commands get besides the harmless ones.
    """

    def __init__(
        self,
        supervisor: SessionSupervisor,
        provider: Provider,
        tools: ToolSet,
        *,
        choices_for: Callable[[str], tuple[str | None, Limits]],
        commands_in_editor: bool = False,
        env_allow: Sequence[str] = (),
    ) -> None:
        self.supervisor = supervisor
        self._provider = provider
        self.tools = tools
        self._choices_for = choices_for
        self._commands_in_editor = commands_in_editor
        self._env_allow = env_allow
        self._told_commands: Sequence[Command] | None = None
        self._commands_update: bytes | None = None

    def commands_update(self) -> bytes | None:
        """The update that tells the provider's commands, encoded; None where there are none."""
        commands = self._provider.commands()
        if commands is not self._told_commands:
            self._told_commands = commands
            entries = []
            for command in commands:
                entry: dict[str, Any] = {"name": command.name, "description": command.description}
                if command.hint:
                    entry["input"] = {"hint": command.hint}
                entries.append(entry)
            update = {"sessionUpdate": "available_commands_update", "availableCommands": entries}
            self._commands_update = dumps(update) if entries else None
        return self._commands_update

    def create_session(
        self,
        connection: Connection,
        cwd: str,
        roots: Sequence[str],
        capabilities: dict[str, Any],
        extras: dict[str, Any],
    ) -> Session:
        """A session that works for the client of this connection, in these directories."""
        workspace = EditorWorkspace(
            connection,
            cwd,
            roots,
            reads=offers(capabilities, "fs.readTextFile"),
            writes=offers(capabilities, "fs.writeTextFile"),
            terminals=offers(capabilities, "terminal"),
            commands_in_editor=self._commands_in_editor,
            env_allow=self._env_allow,
        )
        model, limits = self._choices_for(cwd)
        session = self.supervisor.create(
            SessionSpec(
                workspace=workspace,
                provider=self._provider,
                tools=self.tools,
                model=model,
                limits=limits,
                metadata=extras.get("metadata"),
                llm_config=extras.get("llmConfig"),
            )
        )
        workspace.bind(session.id)
        return session
