"""What all connections of a process share: the sessions, the model, the tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agent_server.agent.attachment import ClientAttachment
from agent_server.agent.editor import EditorWorkspace
from agent_server.agent.fitting import encoded
from agent_server.agent.setup import invalid
from agent_server.errors import SessionNotFound
from agent_server.providers.provider import Command, Provider
from agent_server.sessions.policy import MODES
from agent_server.sessions.spec import Limits, SessionSpec, ToolSet
from agent_server.sessions.supervisor import SessionSupervisor

if TYPE_CHECKING:
    from agent_server.connection.connection import Connection
    from agent_server.conversation.system_prompt import SystemPrompt
    from agent_server.sessions.session import Session


class AgentService:
    """The composition of one agent process.

    Args:
        tools: the tools of every session.
        choices_for: what a project at this directory may choose for its sessions: a model and limits.
        prune_after_days: after how many days sessions are removed that nobody uses; 0: never.
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
        prune_after_days: int = 0,
        env_allow: Sequence[str] = (),
    ) -> None:
        self.supervisor = supervisor
        self._provider = provider
        self.tools = tools
        self._choices_for = choices_for
        self._commands_in_editor = commands_in_editor
        self._env_allow = env_allow
        self._prune_after_days = prune_after_days
        self._pruning: asyncio.Task[list[str]] | None = None
        self._told_commands: Sequence[Command] | None = None
        self._commands_update: bytes | None = None
        self.drivers: dict[str, Connection] = {}
        """Which connection is coming back to a session just now, by session id."""
        supervisor.on_restarted.add(lambda _former, session, _reason: self.bind(session))

    def prune_once(self) -> None:
        """Begin to remove, in the background, the sessions that nobody used for long; only once (Req: PE-08)."""
        if not self._prune_after_days:
            return
        from agent_server.sessions.pruning import prune

        self._pruning = asyncio.get_running_loop().create_task(prune(self.supervisor, self._prune_after_days))
        self._prune_after_days = 0

    def commands_update(self) -> bytes | None:
        """The update that tells the provider's commands, as JSON text; None where there are none."""
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
            self._commands_update = encoded(update) if entries else None
        return self._commands_update

    def spec(
        self,
        connection: Connection,
        cwd: str,
        roots: Sequence[str],
        extras: dict[str, Any],
        system_prompt: SystemPrompt | None,
    ) -> SessionSpec:
        """What a session that works for the client of this connection is made from.

        ``extras`` are the client's own wishes, which win over a project's (Req: ST-17).

        Raises:
            RpcError: -32602; a wish names a model or a mode that there is not.
        """
        if extras:
            self._check_wishes(extras)
        workspace = EditorWorkspace(
            connection, cwd, roots, commands_in_editor=self._commands_in_editor, env_allow=self._env_allow
        )
        model, limits = self._choices_for(cwd)
        config = extras.get("config") or {}
        return SessionSpec(
            workspace=workspace,
            provider=self._provider,
            tools=self.tools,
            model=extras.get("model") or model,
            limits=Limits(
                config.get("maxTurnRequests", limits.max_turn_requests),
                config.get("approvalTimeoutS", limits.approval_timeout_s),
            )
            if config
            else limits,
            metadata=extras.get("metadata"),
            llm_config=extras.get("llmConfig"),
            system_prompt=system_prompt,
            persist=extras.get("persist", True),
        )

    def _check_wishes(self, extras: dict[str, Any]) -> None:
        offered = {"model": [model.id for model in self._provider.models()], "mode": [mode.id for mode in MODES]}
        for name, ids in offered.items():
            if extras.get(name) not in (None, *ids):
                raise invalid(f"params._meta.agent_server.{name} is none of the {name}s that are offered")

    def is_driven(self, session_id: str, connection: Connection) -> bool:
        """Whether a client that is there, over another connection than this, sees the live session of that id."""
        try:
            session = self.supervisor.get(session_id)
        except SessionNotFound:
            return False
        others = [other for other in session.log.attachments if isinstance(other, ClientAttachment)]
        return any(other.serves_other(connection) for other in others)

    def bind(self, session: Session) -> None:
        """Where the session works asks the client about this session's files."""
        workspace = session.workspace
        if isinstance(workspace, EditorWorkspace):
            workspace.bind(session.id, lambda: session.trace)
