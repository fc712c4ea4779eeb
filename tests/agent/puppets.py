"""Models and tools whose every step a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from agent_server.conversation.messages import ModelMessage
from agent_server.conversation.tool_calls import FileChange, Location, ToolContent, ToolKind, ToolSpec
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
from agent_server.providers.scenario.provider import ScenarioProvider
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import PreparedCall, ToolResult


def scenario(*turns: list[dict[str, Any]], **more: Any) -> ScenarioProvider:
    """A model that plays these responses in order, each a list of steps."""
    return ScenarioProvider.from_dict({"turns": [{"steps": steps} for steps in turns], **more})


def forever(*steps: dict[str, Any]) -> ScenarioProvider:
    """A model that gives the same response to every request."""
    return ScenarioProvider.from_dict({"turns": [{"steps": list(steps), "repeat": True}]})


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, "arguments": arguments}


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"text": text, **more}


WAIT = {"wait_for_cancel": True}


class PuppetModel(SimpleProvider):
    """A model that says what the test tells it to, when it tells it to.

    ``seen`` holds the messages of every request as they were then.
    """

    id = "puppet"

    def __init__(self, *commands: Command) -> None:
        self.seen: list[list[ModelMessage]] = []
        self.models_asked: list[str] = []
        self.closed = 0
        self._commands = commands
        self._words: list[asyncio.Queue[ProviderEvent | BaseException]] = []
        self._news = asyncio.Condition()

    def models(self) -> Sequence[ModelInfo]:
        return (ModelInfo("small", "Small", "Quick", 1000), ModelInfo("large", "Large"))

    def commands(self) -> Sequence[Command]:
        return self._commands

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        words: asyncio.Queue[ProviderEvent | BaseException] = asyncio.Queue()
        self.seen.append(list(request.messages))
        self.models_asked.append(request.model)
        self._words.append(words)
        async with self._news:
            self._news.notify_all()
        try:
            while True:
                word = await words.get()
                if isinstance(word, BaseException):
                    raise word
                yield word
                if isinstance(word, Finished):
                    return
        finally:
            self.closed += 1

    async def asked(self, count: int) -> None:
        """Wait for the ``count``-th request."""
        async with asyncio.timeout(5), self._news:
            await self._news.wait_for(lambda: len(self._words) >= count)

    def say(self, request: int, *events: ProviderEvent | BaseException | str) -> None:
        """Answer the request of that number, counted from 1, with these events."""
        for event in events:
            self._words[request - 1].put_nowait(TextDelta(event) if isinstance(event, str) else event)

    def finish(self, request: int, *events: ProviderEvent | str) -> None:
        self.say(request, *events, Finished())


def wants(name: str, call_id: str = "c", **arguments: Any) -> ToolCallRequested:
    return ToolCallRequested(call_id, name, arguments)


class PuppetTool:
    """A tool that waits for the test: ``begun`` is set when it runs, and it ends when ``go`` is set.

    ``body`` runs then, instead of giving "done".
    """

    def __init__(
        self,
        name: str = "puppet",
        *,
        changes: bool = False,
        kind: ToolKind = ToolKind.OTHER,
        body: Callable[[ToolContext], Awaitable[ToolResult]] | None = None,
        prepare: Callable[[], object] = lambda: None,
        waits: bool = False,
    ) -> None:
        self.spec = ToolSpec(name, "A puppet.", {"type": "object"}, kind, changes)
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.runs = 0
        self._body = body
        self._prepare = prepare
        self._waits = waits

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        self._prepare()
        content: tuple[ToolContent, ...] = ()
        locations: tuple[Location, ...] = ()
        if "shows" in arguments:
            content = (FileChange("modify", "/x", "a", arguments["shows"]),)
            locations = (Location("/x", 1),)
        return PreparedCall(f"Use {self.spec.name}", lambda: self._run(context), content=content, locations=locations)

    async def _run(self, context: ToolContext) -> ToolResult:
        self.runs += 1
        self.begun.set()
        if self._waits:
            await self.go.wait()
        return await self._body(context) if self._body is not None else ToolResult.text("done")
