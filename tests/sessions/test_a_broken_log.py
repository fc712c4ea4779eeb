"""A log that its store once refused takes nothing more, so that it never has a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agent_server.conversation.events import Event, SystemNote
from agent_server.sessions.log import SessionLog
from agent_server.sessions.loop_turn import LoopTurn
from agent_server.store.memory import MemoryStore
from agent_server.store.store import Fenced
from tests.agent.scripted_client import in_loop


class OnceBroken(MemoryStore):
    """Refuses one append."""

    refusing = True

    def append(self, session_id: str, epoch: int, events: Sequence[Event]) -> int:
        if self.refusing:
            self.refusing = False
            raise OSError("not now")
        return super().append(session_id, epoch, events)


@pytest.mark.promise("P4")
@in_loop
async def test_what_comes_behind_a_refused_event_is_refused_too_and_the_log_is_given_back() -> None:
    store = OnceBroken()
    log = SessionLog(store, "a", store.create("a"), LoopTurn())
    heard: list[BaseException] = []
    log.on_broken = heard.append
    with pytest.raises(OSError, match="not now"):
        log.append(SystemNote(1, "info", "lost"))
    with pytest.raises(Fenced):
        log.append(SystemNote(2, "info", "late"))
    log.delta("late too")
    log.close()
    await asyncio.sleep(0)
    assert isinstance(heard[0], OSError)
    assert store.read("a") == []
    assert store.append("a", store.acquire("a"), [SystemNote(1, "info", "next")]) == 1
