"""Our server with models of others behind it, as a program, and a client of ours in front of it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from agent_server.client import ClientServices, LocalFiles, RemoteAgent, approve_all, spawn

COMMAND = (sys.executable, "-P", "-m", "agent_server")
FORMATS = {
    "openai-chat": "/v1",
    "openai-responses": "/v1",
    "anthropic": "",
    "gemini": "",
}
"""Where each format's paths begin."""

LIMIT_S = 45.0


def run(body: Callable[[], Awaitable[None]], limit_s: float = LIMIT_S) -> None:
    """Run a test in a loop of its own, in time."""
    asyncio.run(asyncio.wait_for(_as_coroutine(body), limit_s))


async def _as_coroutine(body: Callable[[], Awaitable[None]]) -> None:
    await body()


def write_config(home: Path, url: str, *, key: str = "sk-mock-7f3a", extra: str = "") -> dict[str, str]:
    """Tell a server of models that is at ``url`` in all formats, as a user would; the environment to start with."""
    directory = home / "agent-server"
    directory.mkdir(parents=True, exist_ok=True)
    tables = "".join(
        f'[providers.{name}]\nformat = "{name}"\nbase_url = "{url}{path}"\nkey_env = ["MOCK_KEY"]\n'
        f'models = ["mock-1"]\n[models."{name}:mock-1"]\nwindow_tokens = 100000\nimages = true\n'
        for name, path in FORMATS.items()
    )
    (directory / "config.toml").write_text(extra + tables)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "AGENT_SERVER_LOCAL_MODELS": "false",
        "MOCK_KEY": key,
    }


@asynccontextmanager
async def our_server(environment: dict[str, str], model: str, *arguments: str) -> AsyncIterator[RemoteAgent]:
    """The server with this model to begin with."""
    services = ClientServices(permissions=approve_all, files=LocalFiles())
    command = [*COMMAND, "--model", model, *arguments]
    async with spawn(command, services, env=environment) as agent:
        yield agent
