"""Sessions whose log is stored live again when they are opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import (
    ApprovalClosed,
    ApprovalOpened,
    Event,
    MessageInserted,
    OptionChanged,
    PromptReceived,
    PromptWithdrawn,
    RootsChanged,
    SessionCreated,
    SystemNote,
    TerminalExited,
    TerminalStarted,
    TextRun,
    TitleChanged,
    ToolCallUpserted,
    TurnEnded,
    TurnFailure,
    TurnStarted,
)
from agent_server.conversation.messages import AssistantMessage, ToolResultMessage, UserMessage
from agent_server.conversation.system_prompt import SystemPrompt
from agent_server.conversation.tool_calls import ToolStatus
from agent_server.errors import SessionNotFound
from agent_server.providers.provider import Finished, ModelInfo, ModelRequest, ProviderEvent
from agent_server.sessions.loose_ends import CALL_INTERRUPTED, INTERRUPTED
from agent_server.sessions.model_choice import set_model
from agent_server.sessions.prompts import PromptFailed, PromptStopped
from agent_server.sessions.session import Session
from agent_server.sessions.status import Lifecycle
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult
from tests.agent.puppets import PuppetModel, PuppetTool, forever, say, wants
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, MortalStore, Silent, events_of, lives_again, spec


async def closed_after(supervisor: SessionSupervisor, session: Session, *prompts: str) -> None:
    for prompt in prompts:
        assert isinstance(await Asked(supervisor, session, prompt).outcome(), PromptStopped)
    await supervisor.stop(session.id)


@pytest.mark.req("SM-07", "SM-08")
@in_loop
async def test_a_closed_session_lives_again_as_another_instance_and_remembers(tmp_path: Path) -> None:
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        first = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, first, "who are you?")
        await model.asked(1)
        model.finish(1, "a puppet")
        await asked.outcome()
        await supervisor.stop(first.id)
        before = events_of(store, first.id)

        second = await supervisor.open(first.id, spec(tmp_path, model))
        assert second is not first
        assert (second.id, second.created_at) == (first.id, first.created_at)
        assert second.instance_id != first.instance_id
        assert (first.alias, second.alias) == ("session-1", "session-2")
        assert second.lifecycle is Lifecycle.LIVE
        assert supervisor.live() == [second]
        assert events_of(store, first.id) == before  # nothing to repair, nothing to say

        asked = Asked(supervisor, second, "what did I ask?")
        await model.asked(2)
        assert model.seen[1] == [
            UserMessage((TextPart("who are you?"),)),
            AssistantMessage("a puppet"),
            UserMessage((TextPart("what did I ask?"),)),
        ]
        model.finish(2, "who I am")
        await asked.outcome()
        assert events_of(store, first.id)[: len(before)] == before


@in_loop
async def test_numbers_go_on_and_none_is_given_twice(tmp_path: Path) -> None:
    async def shows_a_terminal(context: ToolContext) -> ToolResult:
        context.open_terminal("true", str(tmp_path))
        return ToolResult.text("done")

    model, tool, store = PuppetModel(), PuppetTool(body=shows_a_terminal), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        session_id = supervisor.create(spec(tmp_path, model, tool)).id
        for number in (1, 3, 5):
            session = await supervisor.open(session_id, spec(tmp_path, model, tool))
            asked = Asked(supervisor, session)
            await model.asked(number)
            model.say(number, "let me look", wants("puppet"), Finished("tool_use"))
            await model.asked(number + 1)
            model.finish(number + 1, "done")
            await asked.outcome()
            await supervisor.stop(session_id)
        events = events_of(store, session_id)

    def numbers(kind: type, name: str) -> list[Any]:
        return [getattr(event, name) for event in events if type(event) is kind]

    entries = numbers(SystemNote, "entry_id") + numbers(MessageInserted, "message_id") + numbers(TextRun, "message_id")
    assert sorted(entries) == list(range(1, 11))
    assert numbers(PromptReceived, "prompt_id") == numbers(TurnStarted, "turn_id") == [1, 2, 3]
    assert list(dict.fromkeys(numbers(ToolCallUpserted, "tool_call_id"))) == ["call_1", "call_2", "call_3"]
    assert numbers(TerminalStarted, "terminal_id") == ["term_1", "term_2", "term_3"]


@in_loop
async def test_opening_a_live_session_gives_that_session_and_writes_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        before = events_of(store, session.id)
        elsewhere = spec(tmp_path / "other", PuppetModel())
        assert await supervisor.open(session.id, elsewhere) is session
        assert events_of(store, session.id) == before


@pytest.mark.req("SM-12")
@pytest.mark.parametrize("session_id", ["session_none", "", "../../etc/passwd", "a\0b"])
@in_loop
async def test_what_has_no_log_cannot_be_opened(tmp_path: Path, session_id: str) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        with pytest.raises(SessionNotFound):
            await supervisor.open(session_id, spec(tmp_path, PuppetModel()))
        assert supervisor.create(spec(tmp_path, PuppetModel())).alias == "session-1"


@in_loop
async def test_a_session_is_opened_in_its_own_directory_only_and_a_refusal_harms_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, forever(say("hi"))))
        await supervisor.stop(session.id)
        before = events_of(store, session.id)
        with pytest.raises(ValueError, match="another directory"):
            await supervisor.open(session.id, spec(tmp_path / "other", forever(say("hi"))))
        assert supervisor.live() == []
        assert store._logs[session.id].owner is None
        again = await supervisor.open(session.id, spec(tmp_path, forever(say("hi"))))
        assert events_of(store, session.id) == before
        assert isinstance(await Asked(supervisor, again).outcome(), PromptStopped)


@pytest.mark.req("SM-02")
@in_loop
async def test_opening_many_times_at_once_makes_one_session(tmp_path: Path) -> None:
    created: list[Session] = []
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, forever(say("hi"))))
        await closed_after(supervisor, session, "hi")
        supervisor.on_created.add(created.append)
        opened = await asyncio.gather(
            *(supervisor.open(session.id, spec(tmp_path, forever(say("hi")))) for _ in range(5))
        )
        assert len({id(one) for one in opened}) == 1
        assert created == supervisor.live() == opened[:1]
        assert opened[0].alias == "session-2"


class Unhurried(PuppetModel):
    """A model that ends only when it is let go, whatever is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.release = asyncio.Event(), asyncio.Event()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        self.begun.set()
        while not self.release.is_set():
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                pass
        yield Finished()


@pytest.mark.req("SM-23")
@in_loop
async def test_opening_a_session_that_is_being_stopped_waits_for_the_end_of_its_turn(tmp_path: Path) -> None:
    model, store = Unhurried(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        first = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, first)
        await model.begun.wait()
        stopping = asyncio.ensure_future(supervisor.stop(first.id))
        opening = asyncio.ensure_future(supervisor.open(first.id, spec(tmp_path, model)))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not stopping.done()
        assert not opening.done()
        with pytest.raises(SessionNotFound):
            supervisor.get(first.id)
        model.release.set()
        await stopping
        second = await opening
        assert second.instance_id != first.instance_id
        outcome = await asked.outcome()
        assert isinstance(outcome, PromptStopped)
        assert outcome.stop_reason == "cancelled"
        assert events_of(store, first.id)[-1] == TurnEnded(1, "cancelled")
        assert isinstance(await Asked(supervisor, second).outcome(), PromptStopped)


@in_loop
async def test_a_stop_behind_an_open_that_waits_for_an_earlier_stop_finds_nothing(tmp_path: Path) -> None:
    model = Unhurried()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        Asked(supervisor, session)
        await model.begun.wait()
        stopping = asyncio.ensure_future(supervisor.stop(session.id))
        opening = asyncio.ensure_future(supervisor.open(session.id, spec(tmp_path, model)))
        await asyncio.sleep(0)
        with pytest.raises(SessionNotFound):
            await supervisor.stop(session.id)
        model.release.set()
        await asyncio.gather(stopping, opening)
        assert supervisor.live() == [opening.result()]


@pytest.mark.promise("P4")
@in_loop
async def test_what_a_former_instance_still_does_reaches_neither_its_successor_nor_the_log(tmp_path: Path) -> None:
    model, store = Unhurried(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        first = supervisor.create(spec(tmp_path, model))
        Asked(supervisor, first)
        await model.begun.wait()
        await first.close(grace_s=0.01)  # it does not end
        await supervisor.stop(first.id)
        second = await supervisor.open(first.id, spec(tmp_path, forever(say("hi"))))
        written = events_of(store, first.id)
        entry = await supervisor.entries.get(first.id)
        model.release.set()
        for _ in range(50):
            await asyncio.sleep(0)
        assert supervisor.live() == [second]
        assert events_of(store, first.id) == written
        assert await supervisor.entries.get(first.id) == entry
        assert isinstance(await Asked(supervisor, second).outcome(), PromptStopped)


@pytest.mark.promise("P4")
@in_loop
async def test_a_turn_in_which_the_session_crashed_ends_as_interrupted(tmp_path: Path) -> None:
    async def shows_a_terminal(context: ToolContext) -> ToolResult:
        context.open_terminal("sleep", str(tmp_path))
        assert await context.ask_permission("Really?", subject="sleeping")
        return ToolResult.text("done")

    model, store = PuppetModel(), MortalStore()
    store.dies_at = ApprovalClosed
    tool = PuppetTool(body=shows_a_terminal)
    async with SessionSupervisor(store) as supervisor:
        first = supervisor.create(spec(tmp_path, model, tool))
        asked, waiting = Asked(supervisor, first, "one"), Asked(supervisor, first, "two")
        await model.asked(1)
        model.say(1, "I will", wants("puppet", "c1"), wants("missing", "c2"), Finished("tool_use"))
        for one in (asked, waiting):
            assert isinstance(await one.outcome(), PromptFailed)
        assert supervisor.live() == []
        store.mended()

        second = await lives_again(supervisor, first.id)
        events = events_of(store, first.id)
        repairs = events[max(i for i, event in enumerate(events) if type(event) is ApprovalOpened) + 1 :]
        why = (TextPart(CALL_INTERRUPTED),)
        assert repairs == [
            TerminalExited("term_1", None, None),
            ApprovalClosed("call_1", "cancelled"),
            ToolCallUpserted("call_1", status=ToolStatus.FAILED, content=why),
            ToolCallUpserted("call_2", status=ToolStatus.FAILED, content=why),
            TitleChanged("I will", "agent"),
            TurnEnded(1, None, TurnFailure("internal", INTERRUPTED)),
            PromptWithdrawn(2),
        ]
        assert not second.turn_active
        assert second.snapshot().pending_approvals == ()

        asked = Asked(supervisor, second, "three")
        await model.asked(2)
        calls = {message.call_id for message in model.seen[1] if isinstance(message, ToolResultMessage)}
        assert calls == {"c1", "c2"}  # a model is never shown a call without its result
        model.finish(2, "fine")
        await asked.outcome()


@in_loop
async def test_a_repaired_log_needs_no_second_repair(tmp_path: Path) -> None:
    model, store = PuppetModel(), MortalStore()
    store.dies_at = TurnEnded
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await model.asked(1)
        model.finish(1, "words")
        assert isinstance(await asked.outcome(), PromptFailed)
        store.mended()
        logs: list[list[Event]] = []
        await lives_again(supervisor, session.id)
        for _ in range(2):
            await supervisor.open(session.id, spec(tmp_path, model))
            logs.append(events_of(store, session.id))
            await supervisor.stop(session.id)
        assert logs[0] == logs[1]
        assert isinstance(logs[0][-1], TurnEnded)


@pytest.mark.req("ST-06")
@in_loop
async def test_a_session_comes_back_in_the_mode_plan_if_it_was_in_it_and_trusts_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        first = supervisor.create(spec(tmp_path, PuppetModel()))
        first.set_mode("plan")
        first.policy.session_trust.add("write_file")
        await supervisor.stop(first.id)
        second = await supervisor.open(first.id, spec(tmp_path, PuppetModel()))
        assert (second.snapshot().mode, second.status) == ("plan", "plan")
        assert second.policy.session_trust == set()
        second.set_mode("ask")
        second.log.append(OptionChanged("mode", "of a later version"))
        await supervisor.stop(first.id)
        third = await supervisor.open(first.id, spec(tmp_path, PuppetModel()))
        assert third.snapshot().mode == "ask"
        assert events_of(store, first.id)[-1] == OptionChanged("mode", "ask")  # the log says so too


@in_loop
async def test_the_model_is_kept_while_it_is_offered(tmp_path: Path) -> None:
    class OnlyTiny(PuppetModel):
        def models(self) -> list[ModelInfo]:
            return [ModelInfo("tiny", "Tiny")]

    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        set_model(session, "large")
        await supervisor.stop(session.id)
        for model, expected in ((PuppetModel(), "large"), (OnlyTiny(), "tiny"), (PuppetModel(), "large")):
            session = await supervisor.open(session.id, spec(tmp_path, model))
            assert session.model == expected
            await supervisor.stop(session.id)


@in_loop
async def test_the_model_that_a_session_began_with_outlives_a_change_of_the_default(tmp_path: Path) -> None:
    class OtherOrder(PuppetModel):
        def models(self) -> list[ModelInfo]:
            return [ModelInfo("large", "Large"), ModelInfo("small", "Small")]

    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        await supervisor.stop(session.id)
        assert (await supervisor.open(session.id, spec(tmp_path, OtherOrder()))).model == "small"


@in_loop
async def test_a_system_prompt_stays_until_another_is_given(tmp_path: Path) -> None:
    heard: list[str] = []

    class Listening(PuppetModel):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
            heard.append(request.system)
            yield Finished()

    model = Listening()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model, system_prompt=SystemPrompt("append", "Be brief.")))
        for prompt in (None, None, SystemPrompt("override", "Be kind.")):
            await closed_after(supervisor, session, "hi")
            session = await supervisor.open(session.id, spec(tmp_path, model, system_prompt=prompt))
        await closed_after(supervisor, session, "hi")
        plain = supervisor.create(spec(tmp_path, model))
        await closed_after(supervisor, plain, "hi")
    assert heard == ["Be brief.", "Be brief.", "Be brief.", "Be kind.", ""]


@pytest.mark.parametrize(("mode", "whole"), [("append", "ours\n\ntheirs"), ("override", "theirs")])
def test_a_system_prompt_is_added_to_ours_or_replaces_it(mode: str, whole: str) -> None:
    prompt = SystemPrompt("append" if mode == "append" else "override", "theirs")
    assert prompt.joined("ours") == whole
    assert prompt.joined("") == "theirs"


@in_loop
async def test_other_roots_are_written_down_and_the_same_ones_are_not(tmp_path: Path) -> None:
    store, extra = MemoryStore(), tmp_path / "extra"
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        for roots, written in (([], 0), ([extra], 1), ([extra], 1), ([], 2)):
            await supervisor.stop(session.id)
            session = await supervisor.open(session.id, spec(tmp_path, PuppetModel(), roots=roots))
            expected = (str(tmp_path), *(str(root) for root in roots))
            assert session.info().roots == expected
            changes = [event for event in events_of(store, session.id) if isinstance(event, RootsChanged)]
            assert len(changes) == written
            assert not changes or changes[-1] == RootsChanged(expected)


@in_loop
async def test_a_live_session_can_be_adopted_by_another_workspace_in_the_same_directory(tmp_path: Path) -> None:
    store, used = MemoryStore(), []

    async def notes(context: ToolContext) -> ToolResult:
        used.append(context.workspace)
        return ToolResult.text("done")

    model, extra = PuppetModel(), tmp_path / "extra"
    async with SessionSupervisor(store) as supervisor:
        first = spec(tmp_path, model, PuppetTool(body=notes))
        same, wider = spec(tmp_path, model), spec(tmp_path, model, roots=[extra])
        session = supervisor.create(first)
        before = len(events_of(store, session.id))
        with pytest.raises(ValueError, match="working directory"):
            session.adopt(spec(extra, model).workspace)
        session.adopt(same.workspace)
        assert len(events_of(store, session.id)) == before
        session.adopt(wider.workspace)
        assert events_of(store, session.id)[before:] == [RootsChanged((str(tmp_path), str(extra)))]
        entry = await supervisor.entries.get(session.id)
        assert entry is not None
        assert entry.roots == (str(tmp_path), str(extra))
        asked = Asked(supervisor, session)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await model.asked(2)
        model.finish(2)
        await asked.outcome()
        assert used == [wider.workspace]


@in_loop
async def test_who_joins_in_the_middle_of_a_message_is_told_which_one_it_is(tmp_path: Path) -> None:
    class Joining(Silent):
        def __init__(self) -> None:
            self.heard: list[object] = []

        def begin_message(self, role: object, message_id: int) -> None:
            self.heard.append((role, message_id))

        def text_delta(self, seq: int, text: str) -> None:
            self.heard.append((seq, text))

    model, joining = PuppetModel(), Joining()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await model.asked(1)
        model.say(1, "one")
        while session.log.head < 6:
            await asyncio.sleep(0)
        session.attach(joining)
        assert [type(event) for _, event in session.log.read(after=5)] == [TextRun]
        model.finish(1, "two")
        await asked.outcome()
        assert joining.heard == [("agent", 3), (7, "two")]


@in_loop
async def test_opening_a_long_log_lets_others_run(tmp_path: Path) -> None:
    store = MemoryStore()
    epoch = store.create("long")
    created = SessionCreated(str(tmp_path), (str(tmp_path),), "2026-11-20T10:00:00.000Z")
    store.append("long", epoch, [created, *(SystemNote(number, "info", "x") for number in range(1, 10_001))])
    store.release("long", epoch)
    async with SessionSupervisor(store) as supervisor:
        opening = asyncio.ensure_future(supervisor.open("long", spec(tmp_path, PuppetModel())))
        turns = 0
        while not opening.done():
            await asyncio.sleep(0)
            turns += 1
        session = opening.result()
        assert turns >= 10_000 // 512
        assert session.next_entry_id() == 10_001
        assert session.updated_at == session.created_at == "2026-11-20T10:00:00.000Z"


@in_loop
async def test_a_session_that_is_being_opened_when_everything_ends_does_not_live(tmp_path: Path) -> None:
    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        await supervisor.stop(session.id)
        opening = asyncio.ensure_future(supervisor.open(session.id, spec(tmp_path, PuppetModel())))
        await asyncio.sleep(0)
    with pytest.raises(SessionNotFound):
        await opening
    assert supervisor.live() == []
    assert store.append(session.id, store.acquire(session.id), []) == len(events_of(store, session.id))


@in_loop
async def test_an_abandoned_opening_leaves_the_session_to_be_opened(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        await supervisor.stop(session.id)
        opening = asyncio.ensure_future(supervisor.open(session.id, spec(tmp_path, PuppetModel())))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert supervisor.live() == []
        assert (await supervisor.open(session.id, spec(tmp_path, PuppetModel()))).id == session.id


@in_loop
async def test_a_log_that_does_not_begin_like_one_cannot_be_opened(tmp_path: Path) -> None:
    store = MemoryStore()
    store.release("odd", store.create("odd"))
    async with SessionSupervisor(store) as supervisor:
        with pytest.raises(SessionNotFound):
            await supervisor.open("odd", spec(tmp_path, PuppetModel()))
