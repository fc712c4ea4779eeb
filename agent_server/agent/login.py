"""Logins: what an embedding program brings when its agent needs one. Spec: authentication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TerminalLogin:
    """A login in a real terminal: the client runs the agent's program once more, with these added."""

    args: Sequence[str] = ("--login",)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class LoginMethod:
    """One way to log in. With ``terminal`` the client runs it; without, the agent does it on ``authenticate``."""

    id: str
    name: str
    description: str | None = None
    terminal: TerminalLogin | None = None

    def to_wire(self) -> dict[str, Any]:
        """As clients are told of it."""
        wire: dict[str, Any] = {"id": self.id, "name": self.name}
        if self.description is not None:
            wire["description"] = self.description
        if self.terminal is not None:
            wire |= {"type": "terminal", "args": list(self.terminal.args), "env": dict(self.terminal.env)}
        return wire


class Login(Protocol):
    """Who is logged in, and how to change that."""

    @property
    def methods(self) -> Sequence[LoginMethod]:
        """The ways to log in, the best first."""

    @property
    def logged_in(self) -> bool:
        """Whether sessions may be started and prompted."""

    async def authenticate(self, method_id: str) -> None:
        """Log in by a method that the client may use (never one of the terminal).

        Raises:
            RpcError: it did not work.
        """

    async def logout(self) -> None:
        """Forget the login. Idempotent."""
