"""Logins that happen in the agent's own program, in a real terminal. Spec: authentication."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from agent_server.protocol.v1.initialize import AuthMethodTerminal


async def log_in_at_terminal(
    argv: Sequence[str],
    method: AuthMethodTerminal,
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
) -> bool:
    """Run the agent once more in our terminal, to log in by this method; whether it says that it worked.

    ``argv``, ``cwd`` and ``env`` are those that the agent was started with (see `spawn`). Start the agent anew
    afterwards: only then does it know of the login.

    Raises:
        OSError: the program is missing or may not be used.
    """
    variables = {**os.environ, **(env or {}), **method.env}
    process = await asyncio.create_subprocess_exec(*argv, *method.args, cwd=cwd, env=variables)
    try:
        return await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
