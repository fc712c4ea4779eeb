"""Sessions without a protocol: a supervisor, and prompts that are waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent_server.conversation.content import TextPart
from agent_server.providers.provider import Provider
from agent_server.sessions.prompts import Prompt, PromptOutcome
from agent_server.sessions.session import Session
from agent_server.sessions.spec import Limits, SessionSpec
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.tools.local_workspace import LocalWorkspace
from agent_server.tools.tool import Tool
from agent_server.tools.toolbox import Toolbox


def spec(cwd: Path, provider: Provider, *tools: Tool, limits: Limits | None = None) -> SessionSpec:
    return SessionSpec(LocalWorkspace(str(cwd)), provider, Toolbox(tools), limits=limits or Limits())


class Asked:
    """A prompt and what came of it."""

    def __init__(self, supervisor: SessionSupervisor, session: Session, text: str = "go") -> None:
        self.outcomes: list[PromptOutcome] = []
        self._settled = asyncio.Event()
        self.prompt: Prompt = session.prompt((TextPart(text),), self._settle)
        supervisor.ensure_working(session)

    def _settle(self, outcome: PromptOutcome) -> None:
        self.outcomes.append(outcome)
        self._settled.set()

    async def outcome(self) -> PromptOutcome:
        """The one outcome."""
        await asyncio.wait_for(self._settled.wait(), 5)
        (outcome,) = self.outcomes
        return outcome
