"""What all connections of a process share: the sessions, the model, the tools."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agent_server.agent.attachment import ClientAttachment
from agent_server.agent.editor import EditorWorkspace
from agent_server.agent.fitting import encoded
from agent_server.agent.options import config_options
from agent_server.agent.setup import invalid
from agent_server.config.levels import LEVELS
from agent_server.errors import SessionNotFound
from agent_server.providers.provider import Command, Provider
from agent_server.sessions.model_choice import keep_up
from agent_server.sessions.policy import MODES
from agent_server.sessions.spec import Limits, SessionSpec, ToolSet
from agent_server.sessions.supervisor import SessionSupervisor

if TYPE_CHECKING:
    from agent_server.connection.connection import Connection
    from agent_server.conversation.system_prompt import SystemPrompt
    from agent_server.sessions.session import Session


logger = logging.getLogger(__name__)


class AgentService:
    """The composition of one agent process.

    Args:
        tools: the tools of every session.
        choices_for: what a project at this directory may choose for its sessions: a model and limits.
        prune_after_days: after how many days sessions are removed that nobody uses; 0: never.
        env_allow: environment variables that commands get besides the harmless ones.
        thought_level: how much models reason in new sessions; None: as they like.
        rotation: what cycling through models goes through: each a model and, where one is to be set, a level.
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
        thought_level: str | None = None,
        rotation: Sequence[tuple[str, str | None]] = (),
    ) -> None:
        self._thought_level = thought_level
        self._rotation = tuple(rotation)
        self.supervisor = supervisor
        self.provider = provider
        self.tools = tools
        self._choices_for = choices_for
        self._commands_in_editor = commands_in_editor
        self._env_allow = env_allow
        self._prune_after_days = prune_after_days
        self._pruning: asyncio.Task[list[str]] | None = None
        self._commands_updates: dict[Sequence[Command], bytes | None] = {}
        self.drivers: dict[str, Connection] = {}
        """Which connection is coming back to a session just now, by session id."""
        provider.watch(self.models_changed)
        supervisor.on_restarted.add(lambda _former, session, _reason: self.bind(session))

    def prune_once(self) -> None:
        """Begin to remove, in the background, the sessions that nobody used for long; only once (Req: PE-08)."""
        if not self._prune_after_days:
            return
        from agent_server.sessions.pruning import prune

        self._pruning = asyncio.get_running_loop().create_task(prune(self.supervisor, self._prune_after_days))
        self._prune_after_days = 0

    def commands_update(self, session: Session) -> bytes | None:
        """The update that tells the commands that the session understands, as JSON text; None where there are none."""
        commands = tuple(session.provider.commands())
        if self.provider.session_commands:
            from agent_server.sessions.commands import session_commands

            commands += session_commands(session)
        if not commands:
            return None
        update = self._commands_updates.get(commands)
        if update is None:
            update = self._commands_updates[commands] = _commands_update(commands)
        return update

    def models_changed(self) -> None:
        """Other models are offered now: every session keeps up, and its clients are told.

        Where that breaks, it ends neither the others' nor what found the models (promise P4).
        """
        for session in self.supervisor.live():
            try:
                _keep_up(session)
            except Exception:
                logger.exception("session %s could not keep up with the models that are offered", session.id)

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
            RpcError: -32602; a wish names a model, a mode or a level of reasoning that there is not.
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
            provider=self.provider,
            tools=self.tools,
            model=extras.get("model") or model,
            limits=Limits(
                config.get("maxTurnRequests", limits.max_turn_requests),
                config.get("approvalTimeoutS", limits.approval_timeout_s),
                limits.max_cost_usd,
                limits.max_tokens,
            )
            if config
            else limits,
            metadata=extras.get("metadata"),
            llm_config=extras.get("llmConfig"),
            system_prompt=system_prompt,
            persist=extras.get("persist", True),
            thought_level=extras.get("thoughtLevel") or self._thought_level,
            rotation=self._rotation,
        )

    def _check_wishes(self, extras: dict[str, Any]) -> None:
        known = {
            "model": [model.id for model in self.provider.models()],
            "mode": [mode.id for mode in MODES],
            "thoughtLevel": LEVELS,
        }
        for name, words in known.items():
            if extras.get(name) not in (None, *words):
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


def _keep_up(session: Session) -> None:
    keep_up(session)
    update = {"sessionUpdate": "config_option_update", "configOptions": config_options(session)}
    for attachment in session.log.attachments:
        if isinstance(attachment, ClientAttachment):
            attachment.tell(update)
            attachment.tell_commands()


def _commands_update(commands: Sequence[Command]) -> bytes:
    entries = []
    for command in commands:
        entry: dict[str, Any] = {"name": command.name, "description": command.description}
        if command.hint:
            entry["input"] = {"hint": command.hint}
        entries.append(entry)
    return encoded({"sessionUpdate": "available_commands_update", "availableCommands": entries})
