"""P12 for any session: what was seen live is what a later process tells, whatever happened to it (Req: JR-22)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from copy import deepcopy
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_server.client.entries import CompactionEntry, Entry, Message, ToolCallEntry
from agent_server.client.transcript import Transcript
from agent_server.conversation.content import ImagePart
from agent_server.conversation.events import PlanEntry
from agent_server.conversation.reasoning import ReasoningState
from agent_server.errors import ProviderError
from agent_server.protocol.v1.content import ContentBlock, ImageContent, ResourceLink, TextContent
from agent_server.providers.provider import (
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    Finished,
    NoticeGiven,
    PartDelta,
    PlanProposed,
    RetryPlanned,
    TextDelta,
    ThoughtDelta,
    ToolCallBegun,
    ToolCallRequested,
    Usage,
    UsageSoFar,
)

from .played_session import (
    LIMIT_S,
    STUCK,
    Action,
    Answer,
    Choose,
    Crash,
    Do,
    FileStores,
    MemoryStores,
    Prompt,
    Script,
    Stage,
    Step,
    Stores,
    Turns,
    told,
)

STORES: list[Callable[[str], Stores]] = [MemoryStores, FileStores]
some_scripts = settings(max_examples=settings().max_examples // 2)
every_store = pytest.mark.parametrize("make", STORES, ids=lambda make: make.__name__)

# What was said


def agree(seen: list[Entry], history: list[Entry], *, whole: bool = True) -> None:
    """What was seen is what is told; or, where the client went away in between, the beginning of it."""
    names = {entry.message_id for entry in seen if isinstance(entry, Message)}
    rest = list(history)
    for entry in seen:
        if _is_nameless(entry):  # its prompt failed; it may never have begun
            if rest and _is_users(rest[0]) and rest[0].message_id not in names and rest[0].blocks == entry.blocks:  # type: ignore[union-attr]
                rest.pop(0)
            continue
        assert rest, f"not told: {entry}"
        if whole:
            assert rest.pop(0) == entry
        else:
            _goes_on(entry, rest.pop(0))
    assert not (whole and rest), f"never seen: {rest}"


def _goes_on(seen: Entry, later: Entry) -> None:
    assert type(seen) is type(later)
    if isinstance(seen, Message) and isinstance(later, Message):
        assert (seen.role, seen.message_id) == (later.role, later.message_id)
        *before, last = seen.blocks
        assert later.blocks[: len(before)] == before
        assert str(getattr(later.blocks[len(before)], "text", "")).startswith(getattr(last, "text", ""))
    elif isinstance(seen, ToolCallEntry) and isinstance(later, ToolCallEntry):
        assert (seen.tool_call_id, seen.name, seen.raw_input) == (later.tool_call_id, later.name, later.raw_input)
        assert seen.open or seen == later
    elif isinstance(seen, CompactionEntry) and isinstance(later, CompactionEntry):
        assert seen.compaction_id == later.compaction_id
        assert seen.status == "in_progress" or seen == later


def _is_users(entry: Entry) -> bool:
    return isinstance(entry, Message) and entry.role == "user"


def _is_nameless(entry: Entry) -> bool:
    return isinstance(entry, Message) and entry.role == "user" and entry.message_id is None


def state(transcript: Transcript) -> tuple[object, ...]:
    return transcript.plan, transcript.usage, transcript.title


# What happens

texts = st.text(min_size=1, max_size=12)
blocks: st.SearchStrategy[ContentBlock] = st.one_of(
    texts.map(lambda text: TextContent(text=text)),
    st.just(ResourceLink(uri="file:///nowhere", name="nowhere")),
    st.just(ImageContent(data="AAAA", mime_type="image/png")),
)
compaction_ids = st.sampled_from(["a", "b"])
pauses = st.integers(0, 6)
work = st.builds(
    lambda tool, how, pause: ToolCallRequested("c", tool, {"how": how, "pause": pause, "api_key": "k"}),
    st.sampled_from(["reader", "reader", "changer", "missing"]),
    st.sampled_from(["nothing", "diff", "break", "report", "terminal", "permission", "image"]),
    pauses,
)
files = st.one_of(
    st.builds(lambda path: ToolCallRequested("r", "read_file", {"path": path}), st.sampled_from(["a", "none"])),
    st.builds(lambda text: ToolCallRequested("w", "write_file", {"path": "a", "content": text}), texts),
)
said: st.SearchStrategy[Step] = st.one_of(
    texts.map(TextDelta),
    texts.map(TextDelta),
    texts.map(ThoughtDelta),
    work,
    work,
    files,
    st.just(PartDelta(ImagePart("AAAA", "image/png"))),
    st.lists(texts.map(PlanEntry), max_size=2).map(lambda entries: PlanProposed(tuple(entries))),
    st.just(NoticeGiven("info", "Look")),
    st.builds(Usage, st.integers(0, 99), st.integers(0, 99)),
    st.builds(UsageSoFar, st.integers(0, 99), st.integers(0, 99), cost_usd=st.sampled_from([None, 0.5])),
    st.just(RetryPlanned(1, 0.5, "overloaded", "It is overloaded.")),
    st.just(ReasoningState("p:m", [{"kind": "thought", "chars": 1, "extra": {"signature": "s"}}])),
    st.just(ToolCallRequested("m", "reader", {}, "its arguments are not valid JSON")),
    st.builds(ToolCallBegun, st.sampled_from(["c", "m"]), st.sampled_from(["reader", "changer"])),
    compaction_ids.map(CompactionStarted),
    st.builds(CompactionSummary, compaction_ids, texts),
    st.builds(CompactionEnded, compaction_ids, st.sampled_from(["completed", "failed", "cancelled"]), texts),
)
last: st.SearchStrategy[list[tuple[int, Step]]] = st.sampled_from(
    [[], [], [], [], [(1, STUCK)], [(1, ValueError("no"))], [(1, ProviderError("raw", "no", provider="p"))]]
)
refused: st.SearchStrategy[list[tuple[int, Step]]] = st.sampled_from(
    [[], [], [], [], [(0, Finished("refusal"))], [(0, Finished("max_tokens"))], [(0, Finished("pause"))]]
)
responses = st.builds(
    lambda steps, end, refusal: (*steps, *end, *refusal), st.lists(st.tuples(pauses, said), max_size=6), last, refused
)
answers: st.SearchStrategy[Answer] = st.sampled_from(
    ["approve", "approve_turn", "approve_session", "reject", "cancel", None, STUCK]
)
commands = st.sampled_from(["/continue", "/model l", "/model next", "/thinking high", "/thinking next", "/usage"])
prompts = st.one_of(
    st.lists(blocks, min_size=1, max_size=3).map(lambda parts: Prompt(tuple(parts))),
    st.lists(blocks, min_size=1, max_size=3).map(lambda parts: Prompt(tuple(parts))),
    commands.map(lambda text: Prompt((TextContent(text=text),))),
)
turns = st.builds(Turns, st.integers(1, 40))
actions: st.SearchStrategy[Action] = st.one_of(
    prompts,
    prompts,
    turns,
    turns,
    st.builds(Do, st.sampled_from(["cancel", "settle", "reload", "swap", "intrude", "reopen"])),
    st.builds(Crash, st.sampled_from(["task", "store"])),
    st.builds(Choose, st.just("title"), texts.filter(str.strip)),
    st.builds(Choose, st.just("mode"), st.sampled_from(["ask", "plan"])),
    st.builds(Choose, st.just("model"), st.sampled_from(["m", "l"])),
    st.builds(Choose, st.just("thought_level"), st.sampled_from(["off", "high"])),
)
scripts = st.builds(
    Script,
    st.tuples(prompts, st.lists(actions, max_size=8)).map(lambda both: (both[0], *both[1])),
    st.lists(responses, max_size=6).map(tuple),
    st.lists(answers, max_size=4).map(tuple),
)


async def play_to_the_end(script: Script, stores: Stores, cwd: str) -> None:
    stage = Stage(script, stores.first(), cwd)
    async with stage.open():
        live = await stage.play()
    history = await told(stores.again(), stage.session.id, cwd)
    agree(live.conversation, history.conversation)
    assert state(history) == state(live)
    assert history.notices == []
    for view in stage.views:
        agree(view.conversation, history.conversation, whole=False)


async def play_until_killed(script: Script, stores: Stores, cwd: str) -> None:
    """The process is killed behind the last action, whatever runs then."""
    stage = Stage(script, stores.first(), cwd)
    async with stage.open():
        await stage.join(None)
        for action in script.actions:
            await stage.act(action)
        left = stores.killed()
        seen = [deepcopy(view.conversation) for view in (*stage.views, stage.session.transcript)]
        stage.session.cancel()
    history = (await told(left, stage.session.id, cwd)).conversation
    for entries in seen:
        agree(entries, history, whole=False)
    assert not any(entry.open for entry in history if isinstance(entry, ToolCallEntry))
    assert (await told(left, stage.session.id, cwd)).conversation == history


Play: TypeAlias = Callable[[Script, Stores, str], Coroutine[None, None, None]]


def run(make: Callable[[str], Stores], play: Play, script: Script) -> None:
    with tempfile.TemporaryDirectory() as directory:
        cwd = Path(directory, "cwd")
        cwd.mkdir()
        (cwd / "a").write_text("first\n")
        stores = make(str(Path(directory, "store")))
        try:
            asyncio.run(asyncio.wait_for(play(script, stores, str(cwd)), LIMIT_S))
        finally:
            stores.close()


@pytest.mark.promise("P12")
@pytest.mark.req("JR-22")
@every_store
@some_scripts
@given(script=scripts)
def test_a_later_process_tells_what_was_seen_live(make: Callable[[str], Stores], script: Script) -> None:
    run(make, play_to_the_end, script)


@pytest.mark.promise("P9", "P12")
@pytest.mark.req("JR-22")
@every_store
@some_scripts
@given(script=scripts)
def test_after_a_kill_everything_that_was_seen_is_told_and_nothing_is_open(
    make: Callable[[str], Stores], script: Script
) -> None:
    run(make, play_until_killed, script)
