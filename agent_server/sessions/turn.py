"""One turn: ask the model, run the tools that it asks for, ask again, until it is done.

A turn runs inside its session's task. It writes events and nothing else; the session settles the prompts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from agent_server.conversation import events as conversation_events
from agent_server.conversation.content import encodable
from agent_server.conversation.events import (
    ContextEstimated,
    MessagePart,
    MessageRole,
    ModelResponded,
    PlanUpdated,
    StopReason,
    ToolResultRecorded,
    UsageReported,
)
from agent_server.conversation.reasoning import ReasoningState
from agent_server.conversation.usage import COST_DIGITS, UsageTotals
from agent_server.providers.provider import (
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    Finished,
    ModelRequest,
    NoticeGiven,
    PartDelta,
    PlanProposed,
    ProviderEvent,
    RetryPlanned,
    TextDelta,
    ThoughtDelta,
    ToolCallBegun,
    ToolCallRequested,
    Usage,
    UsageSoFar,
)
from agent_server.sessions.instructions import instructions_of
from agent_server.sessions.model_choice import effort_of
from agent_server.sessions.spending import LimitReached, cost_of, limit_reached, sentence_of
from agent_server.sessions.tool_runner import ToolRun, end_unstarted, run_tools
from agent_server.sessions.turn_scope import TurnCancelled, TurnScope

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_server.providers.provider import ModelInfo
    from agent_server.sessions.compactions import CompactionEvent, Compactions
    from agent_server.sessions.session import Session

FAIRNESS_SLICE: Final = 32
"""Events that a stream may bring before the loop gets its turn, however fast the model is."""

MAX_DELTA_CHARS: Final = 256 * 1024
"""Longer deltas are split, so that no frame comes near 8 MiB."""


class Turn:
    """The work on one prompt. ``usage`` is what its model calls cost so far; None: the provider has not said."""

    def __init__(self, session: Session, turn_id: int) -> None:
        self.turn_id = turn_id
        self._session = session
        self._scope: TurnScope
        self._role: MessageRole | None = None
        self._message_id = 0
        self._compactions: Compactions | None = None
        self._reasoning: ReasoningState | None = None
        self._asked: ModelInfo
        self._call_usage: Usage | None = None
        self._begun: dict[str, ToolRun] = {}
        self.usage: UsageTotals | None = None
        self.limit: LimitReached | None = None

    async def run(self, scope: TurnScope) -> StopReason:
        """Work until the model is done, or the limit of model requests is reached (Req: TN-12).

        Raises:
            ProviderError: the model could not answer.
            TurnCancelled: the turn was cancelled.
        """
        self._scope = scope
        try:
            for _ in range(self._session.limits.max_turn_requests):
                if self._session.record.usage is not None and self._spent():
                    break
                finished, calls = await self._ask_model()
                if calls and finished.reason == "refusal":
                    end_unstarted(self._session, calls, cancelled=True)
                    return "refusal"
                goes_on = bool(calls) or finished.reason == "pause"
                if goes_on or self._reasoning is not None:  # else the end of the turn ends the response too
                    self._end_response(calls)
                if not goes_on:
                    return _stop_reason(finished)
                self._role = None
                if calls:
                    await self._run_tools(calls)
            return "max_turn_requests"
        finally:
            if self._compactions is not None:
                self._compactions.end_open(cancelled=scope.cancelled)

    def _spent(self) -> bool:
        """Whether the session has reached a limit; its people are told (Req: MO-11)."""
        self.limit = limit_reached(self._session)
        if self.limit is None:
            return False
        from agent_server.sessions.notices import raise_notice

        raise_notice(self._session.log, "warning", sentence_of(self._session, self.limit))
        return True

    def _end_response(self, calls: list[ToolRun]) -> None:
        requests = tuple((run.provider_call_id, run.name, run.raw_input) for run in calls)
        self._session.log.append(ModelResponded(requests, self._reasoning))

    async def _ask_model(self) -> tuple[Finished, list[ToolRun]]:
        session = self._session
        if not session.provider.ready:
            await session.provider.wait_ready()
            self._scope.check()
        info = self._asked = session.model_info  # it may be another before the answer ends
        session.model_asked = True
        tools = session.tools.specs
        if not session.provider.self_tests:
            tools = [spec for spec in tools if not spec.testing]
        request = ModelRequest(
            model=info.id,
            messages=session.log.context.messages_for(images=info.images, audio=info.audio),
            tools=tools,
            system=instructions_of(session),
            cwd=session.workspace.cwd,
            trace=session.trace,
            effort=effort_of(session),
            session_id=session.id,
        )
        if session.provider.language_model:
            self._estimate(request)
        calls: list[ToolRun] = []
        self._reasoning = self._call_usage = None
        self._begun.clear()
        try:
            finished = await self._listen(request, calls)
            end_unstarted(session, [*self._begun.values()], cancelled=False)  # those that the response was cut off in
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError | TurnCancelled)
            # Every call that was announced ends (promise P8).
            end_unstarted(session, [*calls, *self._begun.values()], cancelled=cancelled)
            raise
        return finished, calls

    async def _listen(self, request: ModelRequest, calls: list[ToolRun]) -> Finished:
        session = self._session
        delta = session.log.delta
        finished = Finished()
        sent = 0
        stream = session.provider.stream(request)
        exhausted = False
        try:
            async for event in stream:
                kind = type(event)
                if kind is TextDelta:
                    text = event.text  # type: ignore[union-attr]
                    if self._role == "agent" and text.isascii() and 0 < len(text) <= MAX_DELTA_CHARS:
                        delta(text)
                    else:
                        self._say("agent", text)
                elif kind is Finished:
                    finished = event  # type: ignore[assignment]
                else:
                    self._take(event, calls)
                sent += 1
                if sent & (FAIRNESS_SLICE - 1) == 0:
                    await session.breathe()
                    self._scope.check()
            exhausted = True
        finally:
            try:
                if not exhausted:  # an exhausted generator has closed itself
                    await stream.aclose()
            finally:
                if self._call_usage is not None:  # also what was cancelled or broke off has its price
                    self._count(self._call_usage)
        return finished

    def _take(self, event: ProviderEvent, calls: list[ToolRun]) -> None:
        session = self._session
        if isinstance(event, ThoughtDelta):
            self._say("thought", event.text)
        elif isinstance(event, ToolCallRequested):
            calls.append(self._call_of(event))
        elif isinstance(event, ToolCallBegun):
            self._begin_call(event)
        elif isinstance(event, PartDelta):
            self._open_message("agent")
            session.log.append(MessagePart(self._message_id, "agent", event.part))
        elif isinstance(event, PlanProposed):
            session.log.append(PlanUpdated(event.entries))
        elif isinstance(event, UsageSoFar):
            self._call_usage = event
        elif isinstance(event, Usage):
            self._count(event)
        elif isinstance(event, ReasoningState):
            self._reasoning = event
        elif isinstance(event, NoticeGiven):
            from agent_server.sessions.notices import raise_notice

            raise_notice(session.log, event.severity, event.title, event.description)
        elif isinstance(event, RetryPlanned):
            self._plan_retry(event)
        elif isinstance(event, CompactionStarted | CompactionSummary | CompactionEnded):
            self._compact(event)

    def _estimate(self, request: ModelRequest) -> None:
        session, window_tokens = self._session, self._asked.window_tokens
        if window_tokens is None:
            return
        if session.gauge is None:
            from agent_server.sessions.context_gauge import ContextGauge

            session.gauge = ContextGauge()
        session.log.append(ContextEstimated(session.gauge.estimate(request), window_tokens))

    def _plan_retry(self, event: RetryPlanned) -> None:
        if self._call_usage is not None:  # what failed has its price too
            self._count(self._call_usage)
            self._call_usage = None
        delay_ms = round(event.delay_s * 1000)
        retry = conversation_events.RetryPlanned(event.attempt, delay_ms, event.kind, event.details)
        self._session.log.append(retry)

    def _begin_call(self, event: ToolCallBegun) -> None:
        if event.call_id not in self._begun:
            run = ToolRun(self._session.next_tool_call_id(), event.call_id, event.name, {})
            self._begun[event.call_id] = run
            run.announce(self._session, begun=True)

    def _call_of(self, event: ToolCallRequested) -> ToolRun:
        """The call that was asked for; it may have been announced when the model began to ask for it."""
        session = self._session
        run = self._begun.get(event.call_id)
        if run is not None and run.name == event.name:
            del self._begun[event.call_id]
            run.ask(session, event.arguments, event.misread)
            return run
        run = ToolRun(session.next_tool_call_id(), event.call_id, event.name, event.arguments, event.misread)
        run.announce(session)
        return run

    def _count(self, call: Usage) -> None:
        session, asked = self._session, self._asked
        cost_usd = cost_of(call, asked)
        so_far = session.record.cost_usd
        report = UsageReported(
            call.input_tokens,
            call.output_tokens,
            call.cached_read_tokens,
            call.cached_write_tokens,
            call.thought_tokens,
            asked.window_tokens,
            cost_usd,
            so_far if cost_usd is None else round((so_far or 0.0) + cost_usd, COST_DIGITS),
            asked.id,
        )
        self.usage = (self.usage or UsageTotals()).plus(report)
        if session.gauge is not None:
            session.gauge.measured(report.kept_tokens)
        session.log.append(report)

    def _compact(self, event: CompactionEvent) -> None:
        if self._compactions is None:
            from agent_server.sessions.compactions import Compactions

            self._compactions = Compactions(self._session.log, self._session.next_entry_id)
        self._compactions.take(event)
        self._role = None  # what is said next comes behind it, also in a transcript

    def _say(self, role: MessageRole, text: str) -> None:
        if not text.isascii():
            text = encodable(text)
        if text:
            self._open_message(role)
        for start in range(0, len(text), MAX_DELTA_CHARS):
            self._session.log.delta(text[start : start + MAX_DELTA_CHARS])

    def _open_message(self, role: MessageRole) -> None:
        """The message that grows; a change of kind opens a new one (Req: TN-06)."""
        if self._role != role:
            self._role = role
            self._message_id = self._session.next_entry_id()
            self._session.log.begin_message(role, self._message_id)

    async def _run_tools(self, calls: list[ToolRun]) -> None:
        try:
            with self._scope.tools():
                await run_tools(self._session, calls)
        finally:  # also after a cancel: what was done must not be taken for undone
            for run in calls:  # in the order of the requests, whatever order they finished in (Req: TN-16)
                self._session.log.append(
                    ToolResultRecorded(run.tool_call_id, run.provider_call_id, run.name, run.result_parts, run.is_error)
                )


class CommandTurn(Turn):
    """The work on a prompt that the server itself answers: ``command`` gives the answer."""

    def __init__(self, session: Session, turn_id: int, command: Callable[[], str]) -> None:
        super().__init__(session, turn_id)
        self._command = command

    async def run(self, scope: TurnScope) -> StopReason:
        """Say what the command has to say; no model hears of it."""
        self._say("agent", self._command())
        return "end_turn"


def _stop_reason(finished: Finished) -> StopReason:
    return finished.reason if finished.reason in ("max_tokens", "refusal") else "end_turn"
