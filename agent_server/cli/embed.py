"""An agent of one's own in one call: the whole server around a provider that the caller wrote."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from agent_server.agent.login import login_asked_for
from agent_server.cli.serve import serve_stdio
from agent_server.cli.stdio import divert_stdio
from agent_server.config.settings import Settings, resolve
from agent_server.providers.provider import Provider

if TYPE_CHECKING:
    from agent_server.agent.login import Login, TerminalLogin


def serve(provider: Provider, settings: Settings | None = None, *, login: Login | None = None) -> NoReturn:
    """Serve ACP on stdin and stdout with this provider, until the client has gone; then end the process.

    ``settings``: what holds for the server; by default what the environment and the user's file say. ``login``: how to
    log in, where sessions need that. Whatever the provider prints goes to stderr.

    On a command line that ends in the arguments of a login of the terminal, that login is done instead, in this
    terminal; the exit code says whether it worked. Spec: authentication.
    """
    asked = login_asked_for(login, sys.argv[1:])
    if asked is not None:
        sys.exit(0 if asyncio.run(_logged_in(asked)) else 1)
    wire = divert_stdio(prints_to_stderr=True)
    os._exit(serve_stdio(settings or resolve().settings, wire, provider=provider, login=login))


async def _logged_in(asked: TerminalLogin) -> bool:
    return await asked.run()
