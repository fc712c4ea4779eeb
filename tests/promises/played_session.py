"""A session that a script plays over the wire: clients come and go, prompts are cancelled, the session crashes.

Nothing in it depends on time, so a script gives the same run each time.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from agent_server.agent.connection_handlers import AgentConnection
from agent_server.agent.service import AgentService
from agent_server.cli.compose import LazyTools
from agent_server.client.client import RemoteAgent
from agent_server.client.joining import connect
from agent_server.client.permissions import ask
from agent_server.client.services import ClientServices
from agent_server.client.session import RemoteSession
from agent_server.client.transcript import Transcript
from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.events import Event
from agent_server.conversation.tool_calls import FileChange, Location, TerminalRef, ToolKind, ToolSpec
from agent_server.errors import AgentServerError
from agent_server.protocol.v1.content import ContentBlock, TextContent
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest
from agent_server.providers.provider import Finished, ModelInfo, ModelRequest, ProviderEvent, SimpleProvider
from agent_server.sessions.spec import Limits
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.files import FileStore
from agent_server.store.memory import MemoryStore
from agent_server.store.store import EventStore
from agent_server.tools.ports import ExitStatus, ToolContext
from agent_server.tools.tool import PreparedCall, ToolResult
from agent_server.tools.toolbox import Toolbox, default_toolbox
from agent_server.transport.memory import memory_pair

LIMIT_S = 20


class Stuck:
    """The model, or the user, does nothing more until the prompt is cancelled."""


STUCK = Stuck()
Step: TypeAlias = ProviderEvent | Exception | Stuck
Answer: TypeAlias = Literal["approve", "approve_turn", "approve_session", "reject", "cancel"] | Stuck | None


@dataclass(frozen=True)
class Prompt:
    """The client sends this and does not wait."""

    blocks: tuple[ContentBlock, ...]


@dataclass(frozen=True)
class Turns:
    """The loop turns so often."""

    count: int


@dataclass(frozen=True)
class Do:
    """``settle``: wait for every prompt; ``reload``: the client loads the session again; ``swap``: it goes and another
    comes; ``intrude``: another comes and is refused; ``reopen``: the client closes the session and loads it.
    """

    what: Literal["cancel", "settle", "reload", "swap", "intrude", "reopen"]


@dataclass(frozen=True)
class Crash:
    """The session's task dies now, or with the next event that it stores."""

    how: Literal["task", "store"]


@dataclass(frozen=True)
class Choose:
    """``title``, ``mode`` or ``model`` gets another value."""

    option: str
    value: str


Action: TypeAlias = Prompt | Turns | Do | Crash | Choose


@dataclass(frozen=True)
class Script:
    """``responses``: what the model says to one request after another, each step after so many turns of the loop;
    ``answers``: to the questions, in order, then ``approve``.
    """

    actions: tuple[Action, ...]
    responses: tuple[tuple[tuple[int, Step], ...], ...]
    answers: tuple[Answer, ...] = ()


class Stores(Protocol):
    """One kind of store."""

    def first(self) -> EventStore:
        """An empty one."""

    def again(self) -> EventStore:
        """The same one, as a later process finds it."""

    def killed(self) -> EventStore:
        """As a later process finds it when this one is killed now."""

    def close(self) -> None:
        """Nothing is needed of any of them any more."""


class MemoryStores:
    """The store in memory, which later processes do not really find."""

    def __init__(self, _directory: str) -> None:
        self._store = MemoryStore()

    def first(self) -> EventStore:
        return self._store

    def again(self) -> EventStore:
        return self._store

    def killed(self) -> EventStore:
        copy = MemoryStore()
        for session_id in self._store._logs:
            events = [event for _, event in self._store.read(session_id)]
            copy.append(session_id, copy.create(session_id), events)
        return copy

    def close(self) -> None:
        pass


class FileStores:
    """The store in files."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._stores = [FileStore(directory)]

    def first(self) -> EventStore:
        return self._stores[0]

    def again(self) -> EventStore:
        self._stores[-1].close()
        return self._at(self._directory)

    def killed(self) -> EventStore:
        copy = f"{self._directory}-killed"
        if os.path.exists(self._directory):
            shutil.copytree(self._directory, copy)
        return self._at(copy)

    def close(self) -> None:
        for store in self._stores:
            store.close()

    def _at(self, directory: str) -> FileStore:
        self._stores.append(FileStore(directory))
        return self._stores[-1]


class MortalStore:
    """The store of a session that dies with an event."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.dies = False

    def append(self, session_id: str, epoch: int, events: Sequence[Event]) -> int:
        if self.dies:
            self.dies = False
            raise RuntimeError("the session dies here")
        return self._store.append(session_id, epoch, events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Model(SimpleProvider):
    """Plays the responses, one after another, and then ends every turn at once."""

    session_commands = True
    language_model = True

    def __init__(self, script: Script, stuck: asyncio.Event) -> None:
        self._left = list(script.responses)
        self._stuck = stuck

    def models(self) -> Sequence[ModelInfo]:
        return (
            ModelInfo("m", "M", None, 1000, efforts=("low", "high")),
            ModelInfo("l", "L", None, 2000, efforts=("high",)),
        )

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        for pause, step in self._left.pop(0) if self._left else ():
            await turns(pause)
            if isinstance(step, Stuck):
                self._stuck.set()
                await asyncio.Event().wait()
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
            lambda: self._run(how, context, arguments.get("pause", 0)),
            content=diff if how == "diff" else (),
            locations=(Location("/x", 3),) if how == "diff" else (),
        )

    async def _run(self, how: Any, context: ToolContext, pause: int) -> ToolResult:
        await turns(pause)
        if how == "break":
            raise ValueError("broken")
        if how == "report":
            context.report(content=(TextPart("half"),), locations=(Location("/z"),))
            await turns(pause)
        if how == "terminal":
            return await self._command(context, pause)
        if how == "permission" and not await context.ask_permission("More?", subject="more"):
            return ToolResult((TextPart("no"),), failed=True)
        image = (ImagePart("AAAA", "image/png"),) if how == "image" else None
        return ToolResult((TextPart("ok"),), content=image, raw_output={"how": how, "token": "t"})

    async def _command(self, context: ToolContext, pause: int) -> ToolResult:
        terminal = context.open_terminal("make", "/")
        shown = (TerminalRef(terminal.terminal_id),)
        context.report(content=shown)
        try:
            for data in (b"one\n", "zwei \u00fc\n".encode()[:7], b"\xff three"):
                terminal.write(data)
                await turns(pause)
        finally:
            terminal.close(ExitStatus(2))
        return ToolResult((TextPart("exit code 2"),), content=shown, failed=True)


def tools() -> Toolbox:
    real = [tool for name in ("read_file", "write_file") if (tool := default_toolbox().get(name)) is not None]
    return Toolbox([Worker("reader", changes=False), Worker("changer", changes=True), *real])


class Stage:
    """One agent process over a store, and the client that is there now.

    ``views`` are what clients before it had seen when they went, or when the session crashed.
    """

    def __init__(self, script: Script, store: EventStore, cwd: str) -> None:
        self.cwd = cwd
        self.mortal = MortalStore(store)
        self.stuck = asyncio.Event()
        self.views: list[Transcript] = []
        self.session: RemoteSession
        self._instance: str | None = None
        self._script = script
        self._answers = list(script.answers)
        self._prompts: list[asyncio.Task[None]] = []
        self._client = AsyncExitStack()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        model = Model(self._script, self.stuck)
        self.supervisor = SessionSupervisor(self.mortal)
        lazy = LazyTools(tools)
        async with self.supervisor:
            self.service = AgentService(self.supervisor, model, lazy, choices_for=lambda _cwd: (None, Limits(8)))
            try:
                yield
            finally:
                await self._client.aclose()
                await asyncio.gather(*self._prompts)

    # Clients

    async def join(self, session_id: str | None) -> RemoteSession:
        """The client of another connection: it begins a session, or loads this one."""
        await self._client.aclose()
        self._client, self.remote = await self._connected()
        if session_id is not None:
            return await self._load(session_id)
        self.session = await self.remote.new_session(self.cwd)
        self._instance = self._living()
        return self.session

    async def _load(self, session_id: str) -> RemoteSession:
        for chances in (2, 1, 0):
            try:
                self.session = await self.remote.load_session(session_id, self.cwd)
                break
            except AgentServerError:  # it crashed meanwhile
                if not chances:
                    raise
        self._instance = self._living()
        return self.session

    def _living(self) -> str | None:
        """The instance of the session that lives now."""
        living = [session.instance_id for session in self.supervisor.live() if session.id == self.session.id]
        return living[0] if living else None

    async def _connected(self) -> tuple[AsyncExitStack, RemoteAgent]:
        near, far = memory_pair()
        running = asyncio.ensure_future(AgentConnection(far, lambda: self.service).run(drain_s=0))
        stack = AsyncExitStack()
        stack.push_async_callback(asyncio.wait, [running])
        return stack, await stack.enter_async_context(connect(near, ClientServices(permissions=ask(self._decide))))

    async def _decide(self, _request: RequestPermissionRequest) -> str | None:
        answer = self._answers.pop(0) if self._answers else "approve"
        if isinstance(answer, Stuck):
            self.stuck.set()
            await asyncio.Event().wait()
        if answer == "cancel":
            self.session.cancel()
            return None
        return answer  # type: ignore[return-value]

    # Actions

    async def play(self) -> Transcript:
        """Take every action and wait for the end of every prompt; what the last client has seen."""
        await self.join(None)
        for action in self._script.actions:
            await self.act(action)
        await self.settle()
        await self._return_after_a_crash()
        await self.remote.list_page()  # behind everything that was told
        return self.session.transcript

    async def act(self, action: Action) -> None:
        if isinstance(action, Turns):
            await turns(action.count)
            return
        if isinstance(action, Crash):
            self._crash(action.how)
            return
        await self._return_after_a_crash()
        if isinstance(action, Prompt):
            number = TextContent(text=f"{len(self._prompts)} ")  # a client can only tell apart what differs
            self._prompts.append(asyncio.ensure_future(self._prompt((number, *action.blocks))))
            await turns(1)  # it is sent
        elif isinstance(action, Choose):
            await self._choose(action)
        elif action.what == "cancel":
            self.session.cancel()
        elif action.what == "settle":
            await self.settle()
        else:
            await self._come_and_go(action.what)

    async def settle(self) -> None:
        """Wait for the end of every prompt; what is stuck is cancelled."""
        while open_prompts := [prompt for prompt in self._prompts if not prompt.done()]:
            stuck = asyncio.ensure_future(self.stuck.wait())
            await asyncio.wait([*open_prompts, stuck], return_when=asyncio.FIRST_COMPLETED)
            stuck.cancel()
            if self.stuck.is_set():
                self.stuck.clear()
                self.session.cancel()

    async def _prompt(self, blocks: Sequence[ContentBlock]) -> None:
        with suppress(AgentServerError):
            await self.session.prompt(blocks)

    async def _choose(self, action: Choose) -> None:
        with suppress(AgentServerError, RuntimeError):  # it may be dying
            if action.option == "title":
                await self.supervisor.set_title(self.session.id, action.value)
            else:
                await self.session.set_config_option(action.option, action.value)

    async def _come_and_go(self, what: str) -> None:
        session = self.session
        if what == "intrude":
            stack, other = await self._connected()
            async with stack:
                with suppress(AgentServerError):
                    await other.load_session(session.id, self.cwd)
                    assert self._living() != self._instance, "a session has one driver"
            return
        if what == "reopen":
            with suppress(AgentServerError):
                await session.close()
        if what == "swap":
            self.views.append(session.transcript)
            await self.join(session.id)
        else:
            await self._load(session.id)

    def _crash(self, how: str) -> None:
        if how == "store":
            self.mortal.dies = True
            return
        for session in self.supervisor.live():
            for task in asyncio.all_tasks():
                begun = inspect.getcoroutinestate(task.get_coro()) == inspect.CORO_SUSPENDED  # type: ignore[arg-type]
                if begun and task.get_name() == session.alias:
                    task.cancel()

    async def _return_after_a_crash(self) -> None:
        while self._living() is None or self._living() != self._instance:
            self.views.append(self.session.transcript)
            await self._load(self.session.id)


async def told(store: EventStore, session_id: str, cwd: str) -> Transcript:
    """What another process tells of the session."""
    stage = Stage(Script((), ()), store, cwd)
    async with stage.open():
        return (await stage.join(session_id)).transcript
