"""Logins: what an embedding program brings when its agent needs one. Spec: authentication."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TerminalLogin:
    """A login in a real terminal: the client runs the agent's program once more, with these added behind its own.

    ``run`` does it there, on the terminal's stdin and stdout, and says whether it worked.
    """

    run: Callable[[], Awaitable[bool]]
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


def login_asked_for(login: Login | None, arguments: Sequence[str]) -> TerminalLogin | None:
    """The login of the terminal whose arguments end this command line; None: it is to serve."""
    for method in () if login is None else login.methods:
        terminal = method.terminal
        if terminal is not None and terminal.args and list(arguments[-len(terminal.args) :]) == list(terminal.args):
            return terminal
    return None
