"""What is replayed is what was seen: for any session, folding the live updates and folding the history agree."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent_server.agent.connection_handlers import AgentConnection
from agent_server.agent.service import AgentService
from agent_server.cli.compose import LazyTools
from agent_server.client.entries import Entry, Message
from agent_server.client.joining import connect
from agent_server.client.permissions import ask
from agent_server.client.services import ClientServices
from agent_server.client.session import RemoteSession
from agent_server.client.transcript import Transcript
from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.events import PlanEntry
from agent_server.conversation.tool_calls import FileChange, Location, TerminalRef, ToolKind, ToolSpec
from agent_server.errors import ProviderError, RpcError
from agent_server.protocol.v1.content import ContentBlock, ImageContent, ResourceLink, TextContent
from agent_server.protocol.v1.prompt import PromptResponse
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest
from agent_server.providers.provider import (
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    Finished,
    ModelInfo,
    ModelRequest,
    NoticeGiven,
    PartDelta,
    PlanProposed,
    ProviderEvent,
    SimpleProvider,
    TextDelta,
    ThoughtDelta,
    ToolCallRequested,
    Usage,
)
from agent_server.sessions.spec import Limits
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from agent_server.tools.ports import ExitStatus, ToolContext
from agent_server.tools.tool import PreparedCall, ToolResult
from agent_server.tools.toolbox import Toolbox
from agent_server.transport.memory import memory_pair

LIMIT_S = 20


class Cancel:
    """The user cancels when the model gets here, or when asked."""


CANCEL = Cancel()
Step = ProviderEvent | Exception | Cancel
Answer = str | Cancel | None


class Player(SimpleProvider):
    """Plays responses, one after another, and then ends every turn at once."""

    def __init__(self, responses: Sequence[Sequence[Step]]) -> None:
        self._left = list(responses)
        self.cancel: Callable[[], object] = lambda: None

    def models(self) -> Sequence[ModelInfo]:
        return (ModelInfo("m", "M", None, 1000),)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        for step in self._left.pop(0) if self._left else ():
            if isinstance(step, Cancel):
                self.cancel()
                await anyio.sleep_forever()
            elif isinstance(step, Exception):
                raise step
            else:
                yield step
        yield Finished()


class Worker:
    """A tool that shows all that a tool can show."""

    def __init__(self, name: str, *, changes: bool) -> None:
        self.spec = ToolSpec(name, "Works.", {"type": "object"}, ToolKind.EXECUTE, changes)

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        how = arguments.get("how")
        diff = (FileChange("modify", "/x", "a\n", "b\n"), FileChange("add", "/y", None, "c\n"))
        return PreparedCall(
            f"Do {how}",
            lambda: self._run(how, context),
            content=diff if how == "diff" else (),
            locations=(Location("/x", 3),) if how == "diff" else (),
        )

    async def _run(self, how: Any, context: ToolContext) -> ToolResult:
        if how == "break":
            raise ValueError("broken")
        if how == "report":
            context.report(content=(TextPart("half"),), locations=(Location("/z"),))
        if how == "terminal":
            return await self._command(context)
        if how == "permission" and not await context.ask_permission("More?", subject="more"):
            return ToolResult((TextPart("no"),), failed=True)
        image = (ImagePart("AAAA", "image/png"),) if how == "image" else None
        return ToolResult((TextPart("ok"),), content=image, raw_output={"how": how})

    async def _command(self, context: ToolContext) -> ToolResult:
        terminal = context.open_terminal("make", "/")
        shown = (TerminalRef(terminal.terminal_id),)
        context.report(content=shown)
        for data in (b"one\n", "zwei \u00fc\n".encode()[:7], b"\xff three"):
            terminal.write(data)
            await asyncio.sleep(0)
        terminal.close(ExitStatus(2))
        return ToolResult((TextPart("exit code 2"),), content=shown, failed=True)


@dataclass
class Script:
    """``rounds``: the prompts of each are sent together; ``answers``: to the questions, in order, then ``approve``."""

    rounds: list[list[list[ContentBlock]]]
    responses: list[list[Step]]
    answers: list[Answer]
    modes: list[str]
    reopened: bool = True


class User:
    """Who sends the prompts and answers the questions."""

    def __init__(self, script: Script, model: Player) -> None:
        self._script = script
        self._answers = list(script.answers)
        self._model = model
        self.session: RemoteSession

    def services(self) -> ClientServices:
        return ClientServices(permissions=ask(self._decide))

    def _decide(self, _request: RequestPermissionRequest) -> str | None:
        answer = self._answers.pop(0) if self._answers else "approve"
        if isinstance(answer, Cancel):
            self.session.cancel()
            return None
        return answer

    async def play(self) -> list[PromptResponse | None]:
        """Send everything; the answers in the order of the prompts, None for a failed turn."""
        self._model.cancel = self.session.cancel
        answers: list[PromptResponse | None] = []
        for prompts, mode in zip(self._script.rounds, self._script.modes, strict=True):
            await self.session.set_mode(mode)
            answers += await asyncio.gather(*map(self._prompt, prompts))
        return answers

    async def _prompt(self, blocks: list[ContentBlock]) -> PromptResponse | None:
        with suppress(RpcError):
            return await self.session.prompt(blocks)
        return None


@asynccontextmanager
async def agent(model: Player) -> AsyncIterator[AgentService]:
    supervisor = SessionSupervisor(MemoryStore())
    tools = Toolbox([Worker("reader", changes=False), Worker("changer", changes=True)])
    async with supervisor:
        yield AgentService(supervisor, model, LazyTools(lambda: tools), choices_for=lambda _cwd: (None, Limits(8)))


@asynccontextmanager
async def served(service: AgentService, services: ClientServices) -> AsyncIterator[Any]:
    near, far = memory_pair()
    running = asyncio.ensure_future(AgentConnection(far, lambda: service).run(drain_s=0.05))
    async with connect(near, services) as remote:
        yield remote
    await running


async def both_views(script: Script) -> tuple[list[Entry], list[Entry], Transcript, Transcript]:
    """The conversation as it was seen live and as it is told later; and the two transcripts."""
    model = Player(script.responses)
    user = User(script, model)
    with tempfile.TemporaryDirectory() as cwd:
        async with agent(model) as service, served(service, user.services()) as remote:
            user.session = live = await remote.new_session(cwd)
            answers = await user.play()
            if not script.reopened:
                replayed = await remote.load_session(live.id, cwd)
                return (*_compared(live.transcript, replayed.transcript, answers),)
            await live.close()
            async with served(service, ClientServices()) as other:
                replayed = await other.load_session(live.id, cwd)
                return (*_compared(live.transcript, replayed.transcript, answers),)
    raise AssertionError


def _compared(
    live: Transcript, replayed: Transcript, answers: list[PromptResponse | None]
) -> tuple[list[Entry], list[Entry], Transcript, Transcript]:
    """Leave out what is no part of the promise: waiting prompts that were cancelled, and the ids of failed ones."""
    told = replayed.conversation
    ids = {entry.message_id for entry in told if isinstance(entry, Message)}
    begun = sum(1 for answer in answers if answer is None or answer.meta is not None)
    mine = [entry for entry in live.conversation if not _is_nameless(entry)]
    failed = [entry for entry in live.conversation if _is_nameless(entry)]
    assert len([entry for entry in told if isinstance(entry, Message) and entry.role == "user"]) == begun
    seen = {entry.message_id for entry in mine if isinstance(entry, Message)}
    assert seen <= ids
    named = {entry.message_id: entry for entry in told if isinstance(entry, Message) and entry.message_id not in seen}
    assert len(named) == answers.count(None)
    for entry in named.values():
        assert any(entry.blocks == other.blocks for other in failed if isinstance(other, Message))
    return mine, [entry for entry in told if not any(entry is other for other in named.values())], live, replayed


def _is_nameless(entry: Entry) -> bool:
    return isinstance(entry, Message) and entry.role == "user" and entry.message_id is None


texts = st.text(min_size=1, max_size=12)
blocks: st.SearchStrategy[ContentBlock] = st.one_of(
    texts.map(lambda text: TextContent(text=text)),
    st.just(ResourceLink(uri="file:///nowhere", name="nowhere")),
    st.just(ImageContent(data="AAAA", mime_type="image/png")),
)
prompts = st.lists(st.lists(blocks, min_size=1, max_size=3), min_size=1, max_size=3)
compaction_ids = st.sampled_from(["a", "b"])
calls = st.builds(
    lambda tool, how: ToolCallRequested("c", tool, {"how": how}),
    st.sampled_from(["reader", "changer", "changer", "missing"]),
    st.sampled_from(["nothing", "diff", "break", "report", "terminal", "permission", "image"]),
)
said: st.SearchStrategy[Step] = st.one_of(
    texts.map(TextDelta),
    texts.map(TextDelta),
    texts.map(ThoughtDelta),
    calls,
    st.just(PartDelta(ImagePart("AAAA", "image/png"))),
    st.lists(texts.map(PlanEntry), max_size=2).map(lambda entries: PlanProposed(tuple(entries))),
    st.just(NoticeGiven("info", "Look")),
    st.builds(Usage, st.integers(0, 99), st.integers(0, 99)),
    compaction_ids.map(CompactionStarted),
    st.builds(CompactionSummary, compaction_ids, texts),
    st.builds(CompactionEnded, compaction_ids, st.sampled_from(["completed", "failed", "cancelled"]), texts),
)
last: st.SearchStrategy[list[Step]] = st.sampled_from(
    [[], [], [], [], [CANCEL], [ValueError("no")], [ProviderError("raw", "no", provider="p")], [Finished("refusal")]]
)
responses = st.builds(lambda steps, end: [*steps, *end], st.lists(said, max_size=6), last)
answers = st.lists(
    st.sampled_from(["approve", "approve_turn", "approve_session", "reject", None, CANCEL]), max_size=4
)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    rounds = draw(st.lists(prompts, min_size=1, max_size=3))
    modes = draw(st.lists(st.sampled_from(["ask", "ask", "plan"]), min_size=len(rounds), max_size=len(rounds)))
    return Script(rounds, draw(st.lists(responses, max_size=6)), draw(answers), modes, draw(st.booleans()))


EVERYTHING: list[Step] = [
    ThoughtDelta("hm"),
    TextDelta("one "),
    TextDelta("two"),
    CompactionStarted("a"),
    CompactionSummary("a", "short"),
    CompactionEnded("a"),
    TextDelta("three"),
    *(ToolCallRequested("c", tool, {"how": how}) for tool in ("reader", "changer") for how in ("diff", "terminal")),
]
GO: list[ContentBlock] = [TextContent(text="go")]


@pytest.mark.promise("P12")
@pytest.mark.spec("N-29", "N-57", "N-76")
@settings(max_examples=60)
@example(Script([[GO, GO], [GO]], [EVERYTHING, [TextDelta("end")]], ["approve", "reject"], ["ask", "plan"]))
@example(Script([[GO, GO]], [[*EVERYTHING, CANCEL]], [], ["ask"], reopened=False))
@example(Script([[GO]], [EVERYTHING], [CANCEL], ["ask"]))
@given(scripts())
def test_the_history_folds_to_what_was_seen_live(script: Script) -> None:
    seen, told, live, replayed = asyncio.run(asyncio.wait_for(both_views(script), LIMIT_S))
    assert told == seen
    assert (replayed.plan, replayed.usage, replayed.title) == (live.plan, live.usage, live.title)
    assert replayed.notices == []
