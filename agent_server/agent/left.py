"""Sessions that a client knows and has left: what brings them back when it prompts them again.

There may be thousands for hours, so as little as possible is kept of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agent_server.agent.service import AgentService
    from agent_server.connection.connection import Connection
    from agent_server.sessions.session import Session
    from agent_server.sessions.spec import Limits, SessionSpec


class LeftSession(NamedTuple):
    """What the log of a session does not say, and where it works."""

    cwd: str
    roots: tuple[str, ...]
    limits: Limits

    @classmethod
    def of(cls, session: Session) -> LeftSession:
        """What is to be remembered of it."""
        return cls(session.cwd, session.record.roots[1:], session.spec.limits)

    def spec(self, service: AgentService, connection: Connection) -> SessionSpec:
        """What it is made from when it comes back for this client."""
        spec = service.spec(connection, self.cwd, self.roots, {}, None)
        spec.limits = self.limits
        return spec
