"""Sends one prompt with our client library, and asks for all that is optional: ``library_client.py AGENT [--cancel]``.

What the agent did not advertise the library refuses to send; then it is left out. With ``--cancel`` nobody answers the
agent's questions, and the prompt is cancelled after a moment.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys

from agent_server.client import (
    ClientServices,
    LocalFiles,
    LocalTerminals,
    RemoteAgent,
    RemoteSession,
    approve_all,
    log_in_at_terminal,
    spawn,
)
from agent_server.client.permissions import Outcome
from agent_server.errors import AgentServerError, CapabilityMissing, RpcError
from agent_server.protocol.errors import ErrorCode
from agent_server.protocol.v1.content import ContentBlock, ImageContent, TextContent
from agent_server.protocol.v1.initialize import AuthMethodTerminal
from agent_server.protocol.v1.session import McpServerHttp
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest

CANCEL_AFTER_S = 0.3


class LoggedIn(Exception):
    """The user has logged in, in a terminal; the agent has to be started anew."""


async def nobody(request: RequestPermissionRequest) -> Outcome:
    """Leave the question open."""
    await asyncio.Event().wait()
    raise AssertionError


async def converse(agent: RemoteAgent, argv: list[str], *, cancels: bool) -> None:
    """Send one prompt, after a login if the agent wants one."""
    try:
        session = await make_session(agent)
    except RpcError as error:
        if error.code != ErrorCode.AUTH_REQUIRED:
            raise
        method = agent.answer.auth_methods[0]
        if isinstance(method, AuthMethodTerminal):
            await log_in_at_terminal(argv, method)
            raise LoggedIn from None
        await agent.authenticate(method.id)
        session = await make_session(agent)
    if cancels:
        asyncio.get_running_loop().call_later(CANCEL_AFTER_S, session.cancel)
    await prompt(session)
    try:
        await session.close()
    except CapabilityMissing:
        pass


async def make_session(agent: RemoteAgent) -> RemoteSession:
    """Make a session with further directories, an MCP server and instructions, or a plain one."""
    server = McpServerHttp(name="nobody", url="http://127.0.0.1:9/")
    above = os.path.dirname(os.getcwd())
    try:
        return await agent.new_session(
            ".", additional_directories=[above], mcp_servers=[server], system_prompt="Be brief."
        )
    except CapabilityMissing:
        return await agent.new_session(".")


async def prompt(session: RemoteSession) -> None:
    """Send a text with an image, or without."""
    text = TextContent(text="hello")
    blocks: list[ContentBlock] = [text, ImageContent(data="AAAA", mime_type="image/png")]
    try:
        await session.prompt(blocks)
    except CapabilityMissing:
        await session.prompt([text])


async def main(agent: str, *options: str) -> int:
    """Run it; 0 if the turn ended, 1 if anything went wrong."""
    cancels = "--cancel" in options
    argv = shlex.split(agent)
    services = ClientServices(
        permissions=nobody if cancels else approve_all,
        files=LocalFiles(),
        terminals=LocalTerminals(),
        terminal_logins=True,
    )
    while True:
        try:
            async with spawn(argv, services) as remote:
                await converse(remote, argv, cancels=cancels)
            return 0
        except LoggedIn:
            continue
        except AgentServerError as error:
            print(error, file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
