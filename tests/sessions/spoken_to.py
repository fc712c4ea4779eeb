"""Sessions without a protocol: a supervisor, and prompts that are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import Event
from agent_server.conversation.system_prompt import SystemPrompt
from agent_server.providers.provider import Provider
from agent_server.sessions.prompts import Prompt, PromptOutcome
from agent_server.sessions.session import Session
from agent_server.sessions.spec import Limits, SessionSpec
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from agent_server.store.store import EventStore
from agent_server.tools.local_workspace import LocalWorkspace
from agent_server.tools.tool import Tool
from agent_server.tools.toolbox import Toolbox


def spec(
    cwd: Path,
    provider: Provider,
    *tools: Tool,
    limits: Limits | None = None,
    roots: Sequence[Path] = (),
    system_prompt: SystemPrompt | None = None,
) -> SessionSpec:
    workspace = LocalWorkspace(str(cwd), [str(root) for root in roots])
    return SessionSpec(workspace, provider, Toolbox(tools), limits=limits or Limits(), system_prompt=system_prompt)


def events_of(store: EventStore, session_id: str) -> list[Event]:
    return [event for _, event in store.read(session_id)]


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


async def lives_again(supervisor: SessionSupervisor, session_id: str) -> Session:
    """The next instance of a session that has just crashed."""
    await asyncio.wait_for(supervisor.restarts.decided(session_id), 5)
    return supervisor.get(session_id)


class MortalStore(MemoryStore):
    """A store that takes nothing for a session any more from an event of this type on, until it is `mended`."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at: type | None = None
        self._dead = False

    def append(self, session_id: str, epoch: int, events: Sequence[Event]) -> int:
        self._dead = self._dead or any(type(event) is self.dies_at for event in events)
        if self._dead:
            raise OSError("the disk is gone")
        return super().append(session_id, epoch, events)

    def mended(self) -> None:
        self._dead, self.dies_at = False, None


class Silent:
    """A client that never answers."""

    congested = False
    can_ask: frozenset[str] = frozenset()

    def own_prompt(self, prompt_id: int) -> None: ...

    def succeeded(self, session: object) -> None: ...

    def begin_message(self, role: object, message_id: int) -> None: ...

    def text_delta(self, seq: int, text: str) -> None: ...

    def events(self, first_seq: int, events: object) -> None: ...

    def released(self, seq: int) -> None: ...

    async def drained(self) -> None: ...

    async def ask_approval(self, question: object) -> str | None:
        await asyncio.Event().wait()
        return None

    async def ask_user(self, form: object) -> None: ...

    async def ask_to_visit(self, visit: object) -> None: ...

    def visit_completed(self, elicitation_id: str) -> None: ...
