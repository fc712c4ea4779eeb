"""An agent of one's own in one call: the whole server around a provider that the caller wrote."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from agent_server.cli.serve import serve_stdio
from agent_server.cli.stdio import divert_stdio
from agent_server.config.settings import Settings, resolve
from agent_server.providers.provider import Provider

if TYPE_CHECKING:
    from agent_server.agent.login import Login


def serve(provider: Provider, settings: Settings | None = None, *, login: Login | None = None) -> NoReturn:
    """Serve ACP on stdin and stdout with this provider, until the client has gone; then end the process.

    ``settings``: what holds for the server; by default what the environment and the user's file say. ``login``: how to
    log in, where sessions need that. Whatever the provider prints goes to stderr.
    """
    wire = divert_stdio(prints_to_stderr=True)
    os._exit(serve_stdio(settings or resolve().settings, wire, provider=provider, login=login))
