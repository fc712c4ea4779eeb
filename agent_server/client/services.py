"""What a client does for an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent_server import __version__
from agent_server.client.extensions import OUR_NAME
from agent_server.client.files import FileService
from agent_server.client.permissions import PermissionPolicy, reject_all
from agent_server.client.terminals import TerminalService
from agent_server.protocol.v1.initialize import (
    AuthCapabilities,
    ClientCapabilities,
    ClientSessionCapabilities,
    FileSystemCapabilities,
    Implementation,
    SessionConfigOptionsCapabilities,
    Supported,
)

if TYPE_CHECKING:
    from agent_server.client.elicitation import ElicitationService

_CLIENT_INFO: Final = Implementation(name="agent-server-client", title="agent-server client", version=__version__)


@dataclass(frozen=True, slots=True)
class ClientServices:
    """What the client does for an agent; only what is here is advertised.

    Attributes:
        permissions: who answers when the agent asks.
        files: serves ``fs/*``, None for not at all.
        terminals: serves ``terminal/*``, None for not at all.
        elicitation: puts the agent's other questions to the user, None for not at all.
        terminal_logins: whether the user can be given a terminal in which the agent logs in (`log_in_at_terminal`).
        notices: whether notices are shown to somebody.
        compactions: whether somebody is told that the agent shortened its context.
        extensions: whether the notifications of agent-server's own extensions are wanted, from agents that have them.
        info: what we call ourselves.
    """

    permissions: PermissionPolicy = reject_all
    files: FileService | None = None
    terminals: TerminalService | None = None
    elicitation: ElicitationService | None = None
    terminal_logins: bool = False
    notices: bool = True
    compactions: bool = True
    extensions: bool = False
    info: Implementation = _CLIENT_INFO

    def capabilities(self) -> ClientCapabilities:
        """What we tell the agent that we can do."""
        fs = FileSystemCapabilities(
            read_text_file=self.files is not None and self.files.reads,
            write_text_file=self.files is not None and self.files.writes,
        )
        session = ClientSessionCapabilities(
            config_options=SessionConfigOptionsCapabilities(boolean=Supported()),
            notices=Supported() if self.notices else None,
            compaction=Supported() if self.compactions else None,
        )
        return ClientCapabilities(
            fs=fs,
            terminal=self.terminals is not None,
            session=session,
            auth=AuthCapabilities(terminal=self.terminal_logins),
            elicitation=None if self.elicitation is None else self.elicitation.capabilities(),
            meta={OUR_NAME: {}} if self.extensions else None,
        )
