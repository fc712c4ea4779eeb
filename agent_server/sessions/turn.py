"""One turn: ask the model, run the tools that it asks for, ask again, until it is done.

A turn runs inside its session's task. It writes events and nothing else; the session settles the prompts.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from agent_server.conversation.events import (
    MessagePart,
    MessageRole,
    ModelResponded,
    PlanUpdated,
    StopReason,
    ToolResultRecorded,
    UsageReported,
)
from agent_server.providers.provider import (
    Finished,
    ModelRequest,
    PartDelta,
    PlanProposed,
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    ToolCallRequested,
    Usage,
)
from agent_server.sessions.tool_runner import ToolRun, run_tools

if TYPE_CHECKING:
    from agent_server.sessions.session import Session

FAIRNESS_SLICE: Final = 32
"""Events that a stream may bring before the loop gets its turn, however fast the model is."""

MAX_DELTA_CHARS: Final = 256 * 1024
"""Longer deltas are split, so that no frame comes near 8 MiB."""


class Turn:
    """The work on one prompt."""

    def __init__(self, session: Session, turn_id: int) -> None:
        self.turn_id = turn_id
        self._session = session
        self._message: tuple[MessageRole, int] | None = None
        self._sent = 0

    async def run(self) -> StopReason:
        """Work until the model is done, or the limit of model requests is reached (Req: TN-12).

        Raises:
            ProviderError: the model could not answer.
        """
        for _ in range(self._session.limits.max_turn_requests):
            finished, calls = await self._ask_model()
            self._session.log.append(
                ModelResponded(tuple((run.provider_call_id, run.name, run.arguments) for run in calls))
            )
            self._message = None
            if not calls:
                return _stop_reason(finished)
            await self._run_tools(calls)
        return "max_turn_requests"

    async def _ask_model(self) -> tuple[Finished, list[ToolRun]]:
        session = self._session
        request = ModelRequest(
            model=session.model,
            messages=session.log.context.messages,
            tools=session.tools.specs,
            cwd=session.cwd,
        )
        calls: list[ToolRun] = []
        finished = Finished()
        async with aclosing(session.provider.stream(request)) as stream:  # type: ignore[type-var]
            async for event in stream:
                kind = type(event)
                if kind is TextDelta:
                    self._say("agent", event.text)  # type: ignore[union-attr]
                elif kind is Finished:
                    finished = event  # type: ignore[assignment]
                else:
                    self._take(event, calls)
                self._sent += 1
                if self._sent & (FAIRNESS_SLICE - 1) == 0:
                    await session.breathe()
        return finished, calls

    def _take(self, event: ProviderEvent, calls: list[ToolRun]) -> None:
        session = self._session
        if isinstance(event, ThoughtDelta):
            self._say("thought", event.text)
        elif isinstance(event, ToolCallRequested):
            run = ToolRun(session.next_tool_call_id(), event.call_id, event.name, event.arguments)
            calls.append(run)
            run.announce(session)
        elif isinstance(event, PartDelta):
            session.log.append(MessagePart(self._message_id("agent"), "agent", event.part))
        elif isinstance(event, PlanProposed):
            session.log.append(PlanUpdated(event.entries))
        elif isinstance(event, Usage):
            session.log.append(
                UsageReported(
                    event.input_tokens,
                    event.output_tokens,
                    event.cached_read_tokens,
                    event.cached_write_tokens,
                    event.thought_tokens,
                    session.window_tokens,
                    event.cost_usd,
                )
            )

    def _say(self, role: MessageRole, text: str) -> None:
        if not text.isascii():
            text = _encodable(text)
        message_id = self._message_id(role)
        if len(text) <= MAX_DELTA_CHARS:
            if text:
                self._session.log.text(role, message_id, text)
            return
        for start in range(0, len(text), MAX_DELTA_CHARS):
            self._session.log.text(role, message_id, text[start : start + MAX_DELTA_CHARS])

    def _message_id(self, role: MessageRole) -> int:
        """The id of the message that grows; a change of kind opens a new one (Req: TN-06)."""
        if self._message is None or self._message[0] != role:
            self._message = (role, self._session.next_entry_id())
        return self._message[1]

    async def _run_tools(self, calls: list[ToolRun]) -> None:
        await run_tools(self._session, calls)
        for run in calls:  # in the order of the requests, whatever order they finished in (Req: TN-16)
            self._session.log.append(
                ToolResultRecorded(run.tool_call_id, run.provider_call_id, run.name, run.result_parts, run.is_error)
            )


def _stop_reason(finished: Finished) -> StopReason:
    return finished.reason if finished.reason in ("max_tokens", "refusal") else "end_turn"


def _encodable(text: str) -> str:
    """Lone surrogates cannot be written as UTF-8; everything that enters the log can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


