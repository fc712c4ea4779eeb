"""The real server with a model and a tool that write wherever they can, and that read what is not theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import agent_server.__main__ as program
import agent_server.cli.compose as compose
import agent_server.cli.serve as serve
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.provider import (
    Command,
    Finished,
    ModelInfo,
    ModelRequest,
    ProviderEvent,
    SimpleProvider,
    TextDelta,
    ToolCallRequested,
)
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import PreparedCall, ToolResult
from agent_server.tools.toolbox import Toolbox

NOISE = "NOISE"
CHILD = "import os; os.write(1, b'NOISE from a child\\n'); print('NOISE', len(os.read(0, 10)))"


def make_noise() -> None:
    """Write to every way out that code may take for stdout."""
    print(NOISE, flush=True)
    sys.stdout.write(f"{NOISE}\n")
    os.write(1, f"{NOISE} without a line end".encode())
    if sys.__stdout__ is not None:
        sys.__stdout__.write(f"{NOISE}\n")
        sys.__stdout__.flush()
    subprocess.run([sys.executable, "-c", CHILD], check=True)
    os.system("echo NOISE from a shell")


class NoisyModel(SimpleProvider):
    """Makes noise, reads stdin, and says what it read."""

    id = "noisy"

    def models(self) -> Sequence[ModelInfo]:
        return (ModelInfo("noisy", "Noisy"),)

    def commands(self) -> Sequence[Command]:
        return ()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        if len(request.messages) == 1:
            make_noise()
            yield TextDelta(f"read {os.read(0, 100)!r} and {sys.stdin.read()!r}")
            yield ToolCallRequested("1", "noisy", {})
        else:
            yield TextDelta("done")
        yield Finished()


class NoisyTool:
    """Makes noise."""

    spec = ToolSpec("noisy", "Makes noise.", {"type": "object"})

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        make_noise()
        return PreparedCall("Make noise", self._run)

    async def _run(self) -> ToolResult:
        make_noise()
        return ToolResult.text("made")


def main() -> None:
    """Start the server with these two in the places of its own."""
    for module, name, replacement in (
        (serve, "make_provider", lambda model: NoisyModel()),
        (compose, "_toolbox", lambda settings, provider: Toolbox([NoisyTool()])),
    ):
        assert hasattr(module, name)
        setattr(module, name, replacement)
    program.main()


if __name__ == "__main__":
    main()
