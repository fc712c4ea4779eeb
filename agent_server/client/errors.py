"""What can go wrong on the client's side besides what the agent answers."""

from __future__ import annotations

from agent_server.errors import AgentServerError


class UnsupportedAgent(AgentServerError):
    """The agent speaks no protocol version that we speak."""


class LoginUnavailable(AgentServerError, ValueError):
    """The agent has no such way to log in, or it is one for a terminal, which ``authenticate`` must not name."""


class AgentMisbehaved(AgentServerError):
    """The agent answers in a way that leads nowhere, such as a list that has no end."""


class FormAnswerInvalid(AgentServerError, ValueError):
    """The answer to a form does not fit what was asked. It names the field and never holds what was filled in.

    Attributes:
        field: the name of the field.
        problem: what is wrong with it, as the end of a sentence.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field!r} {problem}")
        self.field = field
        self.problem = problem
