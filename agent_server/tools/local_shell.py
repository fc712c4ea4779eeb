"""A shell command on this machine, in a process tree of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agent_server.errors import ToolError
from agent_server.processes.environment import command_environment
from agent_server.processes.run import run_program
from agent_server.tools.ports import CommandObserver, ExitStatus

SHELL = "/bin/sh"


async def run_shell(
    command: str,
    *,
    cwd: str,
    timeout_s: float,
    observer: CommandObserver,
    env: Mapping[str, str] | None = None,
    env_allow: Collection[str] = (),
) -> ExitStatus:
    """Run ``/bin/sh -c command`` until it ends or ``timeout_s`` is over; its whole process tree is gone after.

    stdin is empty, stdout and stderr come merged in order. The environment is `command_environment` with ``env``
    laid over it; variables that look like secrets pass in neither way, unless ``env_allow`` names them.

    Raises:
        ToolError: it cannot be started.

    Req: TL-07
    """
    is_started = False

    def on_start() -> None:
        nonlocal is_started
        is_started = True
        observer.started(None)

    try:
        finished = await run_program(
            (SHELL, "-c", command),
            cwd=cwd,
            env=command_environment(env, allow=env_allow),
            timeout_s=timeout_s,
            on_output=observer.output,
            on_start=on_start,
        )
    except (OSError, ValueError) as error:
        if is_started:  # then it is the observer's
            raise
        raise ToolError(f"the command cannot be started: {error}") from error
    return ExitStatus(finished.exit.exit_code, finished.exit.signal, finished.timed_out)
