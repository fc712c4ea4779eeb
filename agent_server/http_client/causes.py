"""Which failure stands behind an exception of httpx."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from types import ModuleType

from agent_server.http_client.failures import (
    AnswerUnreadable,
    BadRequest,
    ConnectionFailed,
    ConnectionLost,
    HttpFailure,
    Phase,
)


def failure_of(error: Exception, http: ModuleType, host: str, phase: Phase) -> HttpFailure:
    """The failure of ours that says the same."""
    answered = phase == "body"
    if isinstance(error, http.ConnectError | http.ConnectTimeout | http.ProxyError | http.UnsupportedProtocol):
        return _no_connection(error, http, host, phase)
    if isinstance(error, http.LocalProtocolError | http.InvalidURL):
        return BadRequest("url", host=host)
    if isinstance(error, http.RemoteProtocolError) and not _is_disconnect(error):
        return AnswerUnreadable(f"{host} does not speak HTTP", host=host, phase=phase, answered=answered)
    if answered:
        return ConnectionLost(f"{host} broke off in its answer", host=host, phase=phase, answered=True)
    return ConnectionLost(f"{host} closed the connection without an answer", host=host, phase=phase)


def _is_disconnect(error: Exception) -> bool:
    """Whether the connection ended early; h11 says that in the same class as everything that is no HTTP."""
    text = str(error)
    return "disconnected" in text or "peer closed" in text


def _no_connection(error: Exception, http: ModuleType, host: str, phase: Phase) -> ConnectionFailed:
    if isinstance(error, http.ProxyError):
        return ConnectionFailed(f"the proxy does not let through to {host}", host=host, phase=phase, why="proxy")
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = f"the certificate of {host} is not trusted: {cause.verify_message}"
            return ConnectionFailed(why, host=host, phase="tls", why="tls")
        if isinstance(cause, ssl.SSLError):
            return ConnectionFailed(f"no safe connection to {host} could be made", host=host, phase="tls", why="tls")
        if isinstance(cause, socket.gaierror):
            return ConnectionFailed(f"the name {host} is not known", host=host, phase=phase, why="unknown_host")
        if isinstance(cause, ConnectionRefusedError):
            return ConnectionFailed(f"{host} refuses the connection", host=host, phase=phase, why="refused")
    if phase == "tls":
        return ConnectionFailed(f"{host} broke off while a safe connection was made", host=host, phase=phase, why="tls")
    return ConnectionFailed(f"{host} cannot be reached", host=host, phase=phase, why="other")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that led to it."""
    seen: set[int] = set()
    left: list[BaseException] = [error]
    while left:
        one = left.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions
