from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.events import TitleChanged, TurnEnded
from agent_server.errors import SessionNotFound
from agent_server.providers.provider import Finished, TextDelta, ThoughtDelta
from agent_server.sessions.session import MAX_TITLE_CHARS
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import PuppetModel, PuppetTool, forever, say, wants
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, events_of, spec


async def title_after(cwd: Path, prompt: str, *deltas: str) -> str | None:
    """The title after one turn in which the model says this."""
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(cwd, model))
        asked = Asked(supervisor, session, prompt)
        await model.asked(1)
        model.finish(1, *deltas)
        await asked.outcome()
        *_, last, end = events_of(store, session.id)
        assert isinstance(end, TurnEnded)
        title = session.info().title
        assert (last == TitleChanged(title, "agent")) == (title is not None)
        return title


@pytest.mark.req("ST-16")
@pytest.mark.parametrize(
    ("prompt", "answer", "title"),
    [
        ("hi", ["Hello."], "Hello."),
        ("hi", ["\n \n  Hel", "lo you \nand more"], "Hello you"),
        ("  first\nsecond", [], "first"),
        ("first", [" \n\t"], "first"),
        ("hi", ["a\x1b[31m\u202eb"], "a\\x1b[31m\\u202eb"),
        ("hi", ["x" * 99, "yz"], "x" * 99 + "y"),
        (" ", [], None),
    ],
)
@in_loop
async def test_a_title_is_the_first_line_of_the_answer_else_of_the_prompt(
    tmp_path: Path, prompt: str, answer: list[str], title: str | None
) -> None:
    assert await title_after(tmp_path, prompt, *answer) == title


@pytest.mark.req("ST-16")
@in_loop
async def test_thoughts_and_later_answers_make_no_title(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model, tool))
        asked = Asked(supervisor, session, "hi")
        await model.asked(1)
        model.say(1, ThoughtDelta("hm"), TextDelta("I will"), ThoughtDelta("so"), TextDelta(" look"))
        model.say(1, wants("puppet"), Finished("tool_use"))
        await model.asked(2)
        model.finish(2, "found it")
        await asked.outcome()
        assert session.info().title == "I will"
        asked = Asked(supervisor, session, "and?")
        await model.asked(3)
        model.finish(3, "something else")
        await asked.outcome()
        assert session.info().title == "I will"


@pytest.mark.req("ST-16")
@in_loop
async def test_a_title_waits_for_the_first_words(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        session.prompt((ImagePart("", "image/png"),), lambda _: None)
        supervisor.ensure_working(session)
        await model.asked(1)
        model.finish(1)
        asked = Asked(supervisor, session, "what is it?")
        await model.asked(2)
        assert session.info().title is None
        model.say(2, ThoughtDelta("hm"))
        session.cancel()
        await asked.outcome()
        assert session.info().title == "what is it?"


@pytest.mark.req("ST-16")
@in_loop
async def test_a_title_of_the_users_is_never_replaced_by_ours(tmp_path: Path) -> None:
    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, forever(say("hi"))))
        before = session.updated_at
        session.set_title("  My work \n")
        assert session.updated_at > before
        await Asked(supervisor, session).outcome()
        assert session.info().title == "My work"
        assert session.record.title_by_user
        entry = await supervisor.entries.get(session.id)
        assert entry is not None
        assert entry.title == "My work"
        titles = [event for event in events_of(store, session.id) if isinstance(event, TitleChanged)]
        assert titles == [TitleChanged("My work", "user")]
        await supervisor.stop(session.id)
        again = await supervisor.open(session.id, spec(tmp_path, forever(say("hi"))))
        await Asked(supervisor, again).outcome()
        assert again.info().title == "My work"


@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_any_stored_session_can_be_named(tmp_path: Path, live: bool) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, forever(say("hi"))))
        await Asked(supervisor, session).outcome()
        if not live:
            await supervisor.stop(session.id)
        before = await supervisor.entries.get(session.id)
        assert await supervisor.set_title(session.id, " mine ") == "mine"
        after = await supervisor.entries.get(session.id)
        assert before is not None and after is not None
        assert (before.title, after.title) == ("hi", "mine")
        assert after.updated_at > before.updated_at
        opened = await supervisor.open(session.id, spec(tmp_path, forever(say("hi"))))
        assert opened.info().title == "mine"
        with pytest.raises(SessionNotFound):
            await supervisor.set_title("session_none", "mine")


@pytest.mark.parametrize("title", ["", " \n", "x" * (MAX_TITLE_CHARS + 1)])
@in_loop
async def test_what_is_no_title_is_refused_and_changes_nothing(tmp_path: Path, title: str) -> None:
    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        before = events_of(store, session.id)
        with pytest.raises(ValueError, match="a title has"):
            session.set_title(title)
        with pytest.raises(ValueError, match="a title has"):
            await supervisor.set_title(session.id, title)
        assert events_of(store, session.id) == before
        session.set_title(" " + "x" * MAX_TITLE_CHARS)
        assert session.info().title == "x" * MAX_TITLE_CHARS


@pytest.mark.req("ST-16")
@in_loop
async def test_the_first_prompt_is_kept_short(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, forever(say("hi"))))
        parts = (TextPart("  one "), ImagePart("", "image/png"), TextPart("two" + "." * 500))
        session.prompt(parts, lambda _: None)
        supervisor.ensure_working(session)
        assert session.info().first_prompt == "one two" + "." * 193
        await Asked(supervisor, session, "another").outcome()
        assert session.info().first_prompt == "one two" + "." * 193
