"""Why a request came to nothing, without a word that the server said: those may hold anything."""

from __future__ import annotations

from typing import Literal, TypeAlias

from agent_server.errors import AgentServerError

Phase: TypeAlias = Literal["connect", "tls", "sending", "first_byte", "body"]
"""How far a request came: ``first_byte`` is the wait for the answer's head."""


class HttpFailure(AgentServerError):
    """A request came to nothing.

    Attributes:
        host: whom it was sent to, with the port where that is not the usual one.
        phase: how far it came.
        answered: whether the head of an answer came.
        stale: whether a connection that had been kept was found to be dead: worth another try at once.
    """

    def __init__(self, text: str, *, host: str, phase: Phase = "connect", answered: bool = False) -> None:
        super().__init__(text)
        self.host = host
        self.phase: Phase = phase
        self.answered = answered
        self.stale = False


class ConnectionFailed(HttpFailure):
    """There is no connection. ``why`` says what stood against it, as far as that is known."""

    def __init__(
        self, text: str, *, host: str, phase: Phase, why: Literal["refused", "unknown_host", "tls", "proxy", "other"]
    ) -> None:
        super().__init__(text, host=host, phase=phase)
        self.why = why


class ConnectionLost(HttpFailure):
    """The connection broke before the answer was complete."""


class DeadlinePassed(HttpFailure):
    """The server took too long. ``deadline`` is the field of `Deadlines` that says so, ``seconds`` what it holds."""

    def __init__(self, deadline: str, seconds: float, *, host: str, phase: Phase, answered: bool = False) -> None:
        said = {
            "connect_s": f"no connection to {host} within {seconds:g} s",
            "first_byte_s": f"{host} did not begin to answer within {seconds:g} s",
            "idle_s": f"{host} stopped in its answer for {seconds:g} s",
            "total_s": f"{host} did not finish its answer within {seconds:g} s",
        }
        super().__init__(said[deadline], host=host, phase=phase, answered=answered)
        self.deadline = deadline
        self.seconds = seconds


class RedirectRefused(HttpFailure):
    """The server points elsewhere. That is never followed: the key would go there too.

    ``target`` is the host that it points to; its own where it names none.
    """

    def __init__(self, target: str, *, host: str, status: int) -> None:
        super().__init__(f"{host} redirects to {target}", host=host, phase="body", answered=True)
        self.target = target
        self.status = status


class AnswerUnreadable(HttpFailure):
    """What came is no answer: not HTTP, or packed in a way that cannot be undone."""


class AnswerTooLarge(AnswerUnreadable):
    """The answer is larger than is allowed."""


class StatusRefused(HttpFailure):
    """The answer has a status that stands for a failure."""

    def __init__(self, status: int, *, host: str) -> None:
        super().__init__(f"{host} answered with the status {status}", host=host, phase="body", answered=True)
        self.status = status


class BadRequest(HttpFailure):
    """The request cannot be written. ``field`` names the header that is wrong, or ``url``; never its value."""

    def __init__(self, field: str, *, host: str = "") -> None:
        what = "the URL is none" if field == "url" else f"the header {field} holds characters that no header may hold"
        super().__init__(what, host=host)
        self.field = field
