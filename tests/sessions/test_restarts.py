"""A session that crashes lives again from its log, within a budget, and those who saw it see it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import (
    Event,
    MessageInserted,
    OptionChanged,
    SystemNote,
    ToolCallUpserted,
    TurnEnded,
    TurnStarted,
)
from agent_server.conversation.messages import UserMessage
from agent_server.conversation.system_prompt import SystemPrompt
from agent_server.conversation.tool_calls import ToolStatus
from agent_server.errors import SessionConflict, SessionNotFound
from agent_server.providers.provider import Finished
from agent_server.sessions.beginnings import LOG_LOST
from agent_server.sessions.identity import id_for_directory
from agent_server.sessions.instructions import instructions_of
from agent_server.sessions.model_choice import set_model
from agent_server.sessions.prompts import PromptFailed, PromptStopped
from agent_server.sessions.session import Session
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from agent_server.store.store import SessionBusy
from tests.agent.puppets import PuppetModel, PuppetTool, forever, say, wants
from tests.agent.scripted_client import in_loop

from .scripted_user import ScriptedUser
from .spoken_to import Asked, MortalStore, events_of, lives_again, spec

pytestmark = pytest.mark.promise("P4")

BROKEN = RuntimeError("it broke")


class News:
    """What a supervisor tells of its sessions' lives, in order."""

    def __init__(self, supervisor: SessionSupervisor) -> None:
        self.told: list[tuple[str, ...]] = []
        self._more = asyncio.Event()
        supervisor.on_created.add(lambda session: self._tell("created", session.id))
        supervisor.on_restarted.add(self._restarted)
        supervisor.on_stopped.add(lambda session, reason: self._tell("stopped", session.instance_id, reason))

    def _restarted(self, former: Session, session: Session, reason: str) -> None:
        self._tell("restarted", former.instance_id, session.instance_id, reason)

    def _tell(self, *news: str) -> None:
        self.told.append(news)
        self._more.set()

    async def number(self, count: int) -> tuple[str, ...]:
        """The news of that number, beginning with 1, when there is so much."""
        async with asyncio.timeout(5):
            while len(self.told) < count:
                self._more.clear()
                await self._more.wait()
        return self.told[count - 1]


@pytest.mark.req("SM-15", "SM-17")
@in_loop
async def test_a_crashed_session_lives_again_under_its_id_and_alias_as_another_instance(tmp_path: Path) -> None:
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        other = supervisor.create(spec(tmp_path, model))
        first = supervisor.create(spec(tmp_path, model, system_prompt=SystemPrompt("append", "Be brief.")))
        set_model(first, "large")
        first.set_title("Mine")
        asked = Asked(supervisor, first, "remember me")
        await model.asked(1)
        model.finish(1, "yes")
        await asked.outcome()
        log, news = events_of(store, first.id), News(supervisor)
        supervisor.crash(first, BROKEN)
        assert supervisor.live() == [other]
        second = await lives_again(supervisor, first.id)
        assert (second.id, second.alias, second.restarts) == (first.id, first.alias, 1)
        assert second.instance_id != first.instance_id
        assert (second.model, second.record.title, instructions_of(second)) == ("large", "Mine", "Be brief.")
        assert news.told == [("restarted", first.instance_id, second.instance_id, "crash")]
        assert events_of(store, first.id) == log  # nothing was open, so there is nothing to say
        Asked(supervisor, second, "what did I say?")
        await model.asked(2)
        assert isinstance(model.seen[1][0], UserMessage)
        assert len(model.seen[1]) == 3
        assert supervisor.create(spec(tmp_path, model)).alias == "session-3"


@pytest.mark.req("SM-15")
@in_loop
async def test_three_restarts_in_a_minute_take_longer_each_and_a_fourth_is_not_made(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        news = News(supervisor)
        for number, least_s in enumerate((0.01, 0.02, 0.04), 1):
            began = time.monotonic()
            supervisor.crash(supervisor.get(session.id), BROKEN)
            assert (await news.number(number))[0] == "restarted"
            assert time.monotonic() - began >= least_s * 0.99
        last = supervisor.get(session.id)
        assert last.restarts == 3
        supervisor.crash(last, BROKEN)
        assert news.told[3:] == [("stopped", last.instance_id, "restart_exhausted")]
        assert supervisor.live() == []
        opened = await supervisor.open(session.id, spec(tmp_path, PuppetModel()))
        supervisor.crash(opened, BROKEN)  # the minute is not over
        assert news.told[-1] == ("stopped", opened.instance_id, "restart_exhausted")


@pytest.mark.req("SM-15")
@in_loop
async def test_a_minute_later_there_are_restarts_again(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session_id = supervisor.create(spec(tmp_path, PuppetModel())).id
        for _ in range(2):
            for _ in range(3):
                supervisor.crash(supervisor.get(session_id), BROKEN)
                await lives_again(supervisor, session_id)
            supervisor.clock.advance(61)
        assert supervisor.get(session_id).restarts == 6


@pytest.mark.req("SM-15", "SM-16")
@in_loop
async def test_a_crash_in_a_tool_call_fails_the_prompts_at_once_and_is_marked_once(tmp_path: Path) -> None:
    model, tool, store = PuppetModel(), PuppetTool(waits=True), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        first = supervisor.create(spec(tmp_path, model, tool))
        user = ScriptedUser()
        first.attach(user)
        running, waiting = Asked(supervisor, first, "one"), Asked(supervisor, first, "two")
        await model.asked(1)
        model.say(1, "let me", wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        supervisor.crash(first, BROKEN)
        assert [type(asked.outcomes[0]) for asked in (running, waiting)] == [PromptFailed] * 2
        second = await lives_again(supervisor, first.id)
        assert second.log.attachments == [user]
        assert first.log.attachments == []
        assert not second.turn_active
        for events in (events_of(store, first.id), user.told):
            ends = [event for event in events if type(event) is ToolCallUpserted and event.status is ToolStatus.FAILED]
            assert [end.tool_call_id for end in ends] == ["call_1"]
            assert len([event for event in events if type(event) is TurnEnded]) == 1
        written = len(events_of(store, first.id))
        supervisor.crash(second, BROKEN)
        third = await lives_again(supervisor, first.id)
        assert len(events_of(store, first.id)) == written  # it was marked already
        asked = Asked(supervisor, third, "three")
        await model.asked(2)
        model.finish(2, "fine")
        assert isinstance(await asked.outcome(), PromptStopped)
        assert type(user.told[-1]) is TurnEnded


@pytest.mark.req("ST-14")
@in_loop
async def test_a_model_that_breaks_costs_its_turn_and_hears_everything_again(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session, "remember me")
        await model.asked(1)
        model.say(1, BROKEN)
        assert isinstance(await asked.outcome(), PromptFailed)
        assert (session.status, session.restarts) == ("error", 0)
        assert session.last_error
        asked = Asked(supervisor, session, "and now?")
        await model.asked(2)
        texts = [message.parts[0] for message in model.seen[1] if isinstance(message, UserMessage)]
        assert texts == [TextPart("remember me"), TextPart("and now?")]
        model.finish(2)
        assert isinstance(await asked.outcome(), PromptStopped)
        assert session.status == "idle"


@pytest.mark.req("SM-20")
@in_loop
async def test_what_the_crashed_instance_still_streams_reaches_neither_the_client_nor_the_log(tmp_path: Path) -> None:
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        first = supervisor.create(spec(tmp_path, model))
        user = ScriptedUser()
        first.attach(user)
        Asked(supervisor, first)
        await model.asked(1)
        supervisor.crash(first, BROKEN)
        second = await lives_again(supervisor, first.id)
        written, told = len(events_of(store, first.id)), len(user.told)
        first.log.delta("late")
        with pytest.raises(Exception, match="no longer owns"):
            first.log.flush()
        await asyncio.sleep(0)
        assert supervisor.live() == [second]
        assert (len(events_of(store, first.id)), len(user.told)) == (written, told)


@pytest.mark.req("ST-06")
@in_loop
async def test_the_mode_plan_outlives_a_crash_and_trust_does_not(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        first = supervisor.create(spec(tmp_path, PuppetModel()))
        first.set_mode("plan")
        first.policy.session_trust.add("write_file")
        supervisor.crash(first, BROKEN)
        second = await lives_again(supervisor, first.id)
        assert second.policy.mode == "plan"
        assert second.policy.session_trust == set()


@pytest.mark.req("SM-16")
@pytest.mark.parametrize("how", ["gone", "unreadable"])
@in_loop
async def test_a_session_whose_log_is_lost_goes_on_and_says_so(tmp_path: Path, how: str) -> None:
    class Unreadable(MemoryStore):
        victim = ""

        def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
            if session_id == self.victim:
                raise OSError("the disk is on fire")
            return super().read(session_id, after, limit)

    model, store = PuppetModel(), Unreadable()
    async with SessionSupervisor(store) as supervisor:
        first = supervisor.create(spec(tmp_path, model))
        first.set_mode("plan")
        user = ScriptedUser()
        first.attach(user)
        asked = Asked(supervisor, first, "before")
        await model.asked(1)
        model.finish(1, "words")
        await asked.outcome()
        numbers = first.record.entries
        supervisor.crash(first, BROKEN)
        if how == "gone":
            store.purge(first.id)
        else:
            store.victim = first.id
        second = await lives_again(supervisor, first.id)
        store.victim = ""
        (note,) = [event for event in user.told if isinstance(event, SystemNote) and event.level == "error"]
        assert (note.text, note.entry_id) == (LOG_LOST, numbers + 2)  # no number is given twice
        assert second.policy.mode == "plan"
        assert OptionChanged("mode", "plan") in events_of(store, first.id)
        asked = Asked(supervisor, second, "after")
        await model.asked(2)
        assert [message for message in model.seen[1] if isinstance(message, UserMessage)] == model.seen[1]
        assert len(model.seen[1]) == 1
        model.finish(2)
        assert isinstance(await asked.outcome(), PromptStopped)
        kept = [event for event in events_of(store, first.id) if isinstance(event, MessageInserted)]
        assert len(kept) == (1 if how == "gone" else 2)  # what cannot be read is not overwritten


@pytest.mark.req("SM-15")
@in_loop
async def test_a_session_that_another_process_has_by_then_is_given_up(tmp_path: Path) -> None:
    class Taken(MemoryStore):
        def acquire(self, session_id: str) -> int:
            raise SessionBusy(session_id, 1, "2026-11-20T10:00:00.000Z")

    async with SessionSupervisor(Taken()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        news = News(supervisor)
        supervisor.crash(session, BROKEN)
        assert await news.number(1) == ("stopped", session.instance_id, "crash")
        assert supervisor.live() == []


@pytest.mark.req("SM-15")
@in_loop
async def test_a_restart_that_fails_is_tried_again_and_each_attempt_counts(tmp_path: Path) -> None:
    class Reluctant(MemoryStore):
        refusals = 2

        def acquire(self, session_id: str) -> int:
            if self.refusals:
                self.refusals -= 1
                raise OSError("not now")
            return super().acquire(session_id)

    store = Reluctant()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        user, news = ScriptedUser(), News(supervisor)
        session.attach(user)
        supervisor.crash(session, BROKEN)
        second = await lives_again(supervisor, session.id)
        assert second.log.attachments == [user]
        store.refusals = 100
        supervisor.crash(second, BROKEN)
        assert await news.number(2) == ("stopped", second.instance_id, "restart_exhausted")
        assert store.refusals == 100  # three attempts were made already


@pytest.mark.parametrize("at", [TurnStarted, ToolCallUpserted, TurnEnded])
@in_loop
async def test_a_log_that_breaks_and_is_mended_costs_one_turn(tmp_path: Path, at: type) -> None:
    model, store = PuppetModel(), MortalStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, model, PuppetTool()))
        store.dies_at = at
        try:
            asked = Asked(supervisor, session)
        except OSError:
            assert at is TurnStarted
        else:
            await model.asked(1)
            model.say(1, wants("puppet"), Finished("tool_use"))
            if at is TurnEnded:
                await model.asked(2)
                model.finish(2)
            assert isinstance(await asked.outcome(), PromptFailed)
        store.mended()
        await asyncio.sleep(0)  # the log tells of it behind its exception
        second = await lives_again(supervisor, session.id)
        before = len(model.seen)
        again = Asked(supervisor, second)
        await model.asked(before + 1)
        model.finish(before + 1)
        assert isinstance(await again.outcome(), PromptStopped)


@pytest.mark.req("SM-05")
@in_loop
async def test_a_session_that_is_about_to_live_again_cannot_be_opened_by_hand(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        supervisor.crash(session, BROKEN)
        with pytest.raises(SessionConflict) as caught:
            await supervisor.open_or_create(session.id, spec(tmp_path, PuppetModel()))
        assert caught.value.reason == "restart_pending"
        second = await supervisor.open(session.id, spec(tmp_path, PuppetModel()))
        assert second is await lives_again(supervisor, session.id)
        assert await supervisor.open_or_create(session.id, spec(tmp_path, PuppetModel())) is second


@pytest.mark.req("SM-15", "SM-14")
@pytest.mark.parametrize("reason", ["closed", "deleted", "archived", "shutdown"])
@in_loop
async def test_an_end_that_somebody_wants_comes_before_a_restart_and_is_told_once(tmp_path: Path, reason: str) -> None:
    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        news = News(supervisor)
        supervisor.crash(session, BROKEN)
        if reason == "closed":
            await supervisor.stop(session.id)
        elif reason == "deleted":
            await supervisor.delete(session.id)
        elif reason == "archived":
            await supervisor.set_archived(session.id, True)
        if reason != "shutdown":
            await asyncio.sleep(0.05)  # longer than the restart would have taken
            assert supervisor.live() == []
            if reason == "closed":
                with pytest.raises(SessionNotFound):
                    await supervisor.stop(session.id)
    assert news.told == [("stopped", session.instance_id, reason)]


@pytest.mark.req("SM-15")
@in_loop
async def test_ends_that_are_in_order_are_never_followed_by_a_restart(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        news = News(supervisor)
        await supervisor.stop(session.id)
        supervisor.crash(session, BROKEN)
        await asyncio.sleep(0.03)
        assert news.told == [("stopped", session.instance_id, "closed")]


@in_loop
async def test_a_session_that_is_kept_nowhere_outlives_a_crash_too(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        given = spec(tmp_path, model)
        given.persist = False
        first = supervisor.create(given)
        asked = Asked(supervisor, first, "remember")
        await model.asked(1)
        model.finish(1, "yes")
        await asked.outcome()
        supervisor.crash(first, BROKEN)
        second = await lives_again(supervisor, first.id)
        assert second.record.user_messages == 1
        await supervisor.stop(first.id)
        with pytest.raises(SessionNotFound):
            await supervisor.open(first.id, given)


@pytest.mark.req("SM-20")
@in_loop
async def test_neighbours_notice_nothing_of_crashes(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        other, victim = [supervisor.create(spec(tmp_path, model)) for _ in range(2)]
        asked = Asked(supervisor, other)
        await model.asked(1)
        for _ in range(3):
            supervisor.crash(supervisor.get(victim.id), BROKEN)
            await lives_again(supervisor, victim.id)
        model.finish(1, "unharmed")
        assert isinstance(await asked.outcome(), PromptStopped)
        assert (supervisor.get(other.id), other.restarts) == (other, 0)


@pytest.mark.req("SM-30", "SM-31")
@in_loop
async def test_status_walks_only_allowed_moves_over_crashes_and_ends_with_the_error(tmp_path: Path) -> None:
    moves: dict[str, list[tuple[str, str]]] = {}
    model = forever(say("hi"))
    async with SessionSupervisor(MemoryStore()) as supervisor:
        supervisor.on_status.add(lambda one, now, before: moves.setdefault(one.instance_id, []).append((before, now)))
        session_id = supervisor.create(spec(tmp_path, model)).id
        for _ in range(4):
            session = supervisor.get(session_id)
            await Asked(supervisor, session).outcome()
            supervisor.crash(session, BROKEN)
            assert (session.status, session.last_error) == ("terminated", "the session crashed (RuntimeError)")
            await supervisor.restarts.decided(session_id)
        assert supervisor.live() == []
        assert supervisor.description(session_id).last_error == "the session crashed (RuntimeError)"
    steps = [("initializing", "idle"), ("idle", "thinking"), ("thinking", "idle"), ("idle", "terminated")]
    assert list(moves.values()) == [steps] * 4


@in_loop
async def test_two_sessions_that_crash_at_once_both_live_again(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        sessions = [supervisor.create(spec(tmp_path, PuppetModel())) for _ in range(5)]
        for session in sessions:
            supervisor.crash(session, BROKEN)
        again = [await lives_again(supervisor, session.id) for session in sessions]
        assert [one.restarts for one in again] == [1] * 5
        assert sorted(one.alias for one in again) == sorted(one.alias for one in sessions)


@in_loop
async def test_a_crash_before_the_supervisor_runs_ends_the_session(tmp_path: Path) -> None:
    supervisor = SessionSupervisor(MemoryStore())
    session = supervisor.create(spec(tmp_path, PuppetModel()))
    news = News(supervisor)
    supervisor.crash(session, BROKEN)
    assert news.told == [("stopped", session.instance_id, "crash")]


@pytest.mark.req("SM-14")
@in_loop
async def test_a_session_that_is_closed_while_its_log_is_read_again_does_not_live(tmp_path: Path) -> None:
    class Read(MemoryStore):
        closing: asyncio.Future[None] | None = None

        def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
            if self.closing is None:
                self.closing = asyncio.ensure_future(supervisor.stop(session_id))
            return super().read(session_id, after, limit)

    store = Read()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        news = News(supervisor)
        supervisor.crash(session, BROKEN)
        assert await news.number(1) == ("stopped", session.instance_id, "closed")
        assert store.closing is not None
        await store.closing
        opened = await supervisor.open(session.id, spec(tmp_path, PuppetModel()))  # behind what was under way
        assert supervisor.live() == [opened]
        assert news.told[1:] == [("created", session.id)]


@pytest.mark.req("SM-06")
def test_ids_of_directories_are_the_same_for_every_spelling() -> None:
    spellings = ("/p/app", "/p/x/../app", "/p//app/", "//p/app", "/p/./app/.")
    assert len({id_for_directory(path) for path in spellings}) == 1
    assert id_for_directory("/p/app") == "workdir-f69650730a96c0d3"
    assert id_for_directory("/p/App") != id_for_directory("/p/app")
