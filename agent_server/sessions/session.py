"""One session: its state, its queue of prompts, and the task that works on them.

State changes only in the synchronous parts of its own methods. The worker task begins with the first prompt and then
waits for the next one; a turn runs inside it, in a cancel scope of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

import anyio

from agent_server.conversation.content import Part
from agent_server.conversation.events import (
    MessageInserted,
    OptionChanged,
    PromptReceived,
    PromptWithdrawn,
    SessionCreated,
    StopReason,
    SystemNote,
    TurnEnded,
    TurnFailure,
    TurnStarted,
)
from agent_server.errors import SessionNotFound
from agent_server.providers.provider import ModelInfo
from agent_server.sessions.approvals import Approvals
from agent_server.sessions.log import SessionLog
from agent_server.sessions.loop_turn import LoopTurn
from agent_server.sessions.policy import MODES, Policy
from agent_server.sessions.ports import Attachment
from agent_server.sessions.prompts import (
    Prompt,
    PromptFailed,
    PromptOutcome,
    PromptStopped,
    PromptWithdrawnOutcome,
    TurnUsage,
)
from agent_server.sessions.spec import SessionSpec, Snapshot, choose_model
from agent_server.sessions.status import LIFECYCLE_MOVES, Activity, Lifecycle, agent_status, manager_status
from agent_server.sessions.turn import Turn
from agent_server.sessions.turn_boundary import guarded
from agent_server.sessions.turn_scope import TurnCancelled, TurnScope
from agent_server.store.store import EventStore

logger = logging.getLogger(__name__)

StatusListener = Callable[["Session", str, str], None]


class Session:
    """A live conversation. Made by the supervisor, which also runs `work` when the first prompt comes."""

    def __init__(
        self,
        session_id: str,
        instance_id: str,
        alias: str,
        spec: SessionSpec,
        store: EventStore,
        loop_turn: LoopTurn,
        on_status: StatusListener | None = None,
    ) -> None:
        self.id = session_id
        self.instance_id = instance_id
        self.alias = alias
        self.spec = spec
        self.workspace = spec.workspace
        self.provider = spec.provider
        self.tools = spec.tools
        self.limits = spec.limits
        self.created_at = _rfc3339(time.time())
        self._updated_s = time.time()
        self.lifecycle = Lifecycle.INITIALIZING
        self.activity = Activity.IDLE
        self.last_error: str | None = None
        self.policy = Policy()
        self.model_info: ModelInfo = choose_model(spec)
        self.log = SessionLog(store, session_id, loop_turn)
        self.approvals = Approvals(self.log, self.policy, spec.limits.approval_timeout_s, self._touch)
        self._on_status = on_status
        self._entries = 0
        self._prompts = 0
        self._turns = 0
        self._tool_calls = 0
        self._terminals = 0
        self._active_tools: dict[str, str] = {}
        self._queue: deque[Prompt] = deque()
        self._running: Prompt | None = None
        self.turn_scope: TurnScope | None = None
        self._cancelling = False
        self._wake: asyncio.Future[None] | None = None
        self._turn_over: asyncio.Event | None = None
        self.log.append(
            SessionCreated(self.cwd, tuple(self.workspace.roots), self.created_at),
            SystemNote(self.next_entry_id(), "info", f"Session started at {self.created_at}."),
        )
        self._move(Lifecycle.LIVE)

    # What it is

    @property
    def cwd(self) -> str:
        """Its working directory, absolute."""
        return self.workspace.cwd

    @property
    def updated_at(self) -> str:
        """When its state last changed, as RFC 3339."""
        return _rfc3339(self._updated_s)

    @property
    def model(self) -> str:
        """The id of the model that answers the next request."""
        return self.model_info.id

    @property
    def window_tokens(self) -> int | None:
        """The context size of the model, where known."""
        return self.model_info.window_tokens

    @property
    def status(self) -> str:
        """The one word that an editor shows (Req: ST-01)."""
        return agent_status(self.activity, self.policy.mode)

    @property
    def manager_status(self) -> str:
        """The one word that a list of sessions shows (Req: SM-24)."""
        return manager_status(self.lifecycle, self.activity)

    @property
    def turn_active(self) -> bool:
        """Whether a prompt was accepted that has not been answered (Req: ST-09)."""
        return self._running is not None or bool(self._queue)

    @property
    def trace(self) -> Mapping[str, str] | None:
        """The trace context of the running prompt, for what is sent on its behalf."""
        return self._running.trace if self._running is not None else None

    def snapshot(self) -> Snapshot:
        """Its state now; holds no handles."""
        tools = tuple(self._active_tools.items())
        return Snapshot(
            status=self.status,
            activity=self.activity,
            mode=self.policy.mode,
            lifecycle=self.lifecycle,
            turn_active=self.turn_active,
            waiting_for_user=self.approvals.waiting,
            active_tool_calls=tools,
            active_tool_name=tools[-1][1] if tools else None,
            pending_approvals=tuple(self.approvals.pending),
            last_error=self.last_error,
            queued_prompts=len(self._queue),
        )

    # Counters: never reused within a session

    def next_entry_id(self) -> int:
        """A new id for a message or note; its text is the wire's messageId."""
        self._entries += 1
        return self._entries

    def next_tool_call_id(self) -> str:
        """A new tool call id."""
        self._tool_calls += 1
        return f"call_{self._tool_calls}"

    def next_terminal_id(self) -> str:
        """A new id for a terminal of ours."""
        self._terminals += 1
        return f"term_{self._terminals}"

    # Clients

    def attach(self, attachment: Attachment) -> None:
        """Publish events to one more client, from now on."""
        self.log.attach(attachment)

    def detach(self, attachment: Attachment) -> None:
        """Publish to it no more; a running turn goes on."""
        self.log.detach(attachment)

    async def breathe(self) -> None:
        """Let others run; where the client does not read, wait until it does (promise P6)."""
        self.log.flush_now()
        await asyncio.sleep(0)
        for attachment in self.log.attachments[:1]:
            if attachment.congested:
                await attachment.drained()

    # Prompts

    def prompt(
        self,
        parts: tuple[Part, ...],
        on_settled: Callable[[PromptOutcome], None],
        sender: Attachment | None = None,
        trace: Mapping[str, str] | None = None,
    ) -> Prompt:
        """Accept a prompt. It starts at once when the session is idle, and waits its turn otherwise.

        ``sender`` is not told what it said; everybody else is. ``trace`` is its trace context, see `trace_context`.

        Raises:
            SessionNotFound: the session is being closed.
        """
        if self.lifecycle is not Lifecycle.LIVE:
            raise SessionNotFound(self.id)
        self._prompts += 1
        prompt = Prompt(self._prompts, parts, on_settled, trace)
        if sender is not None:
            sender.own_prompt(prompt.prompt_id)
        received = PromptReceived(prompt.prompt_id, parts)
        if self._running is None and not self._queue:
            self._begin_turn(prompt, received)
        else:
            self.log.append(received)
            self._queue.append(prompt)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        return prompt

    def withdraw(self, prompt: Prompt) -> None:
        """Its asker no longer wants it: a waiting prompt is removed, a running one cancelled."""
        if prompt.state == "waiting":
            self._queue.remove(prompt)
            self._drop([prompt], PromptWithdrawnOutcome())
        elif prompt.state == "running":
            self._cancel_running()

    def cancel(self) -> None:
        """Cancel the running prompt and all that wait; each is answered ``cancelled``. Safe when idle (TN-08, 09)."""
        waiting, self._queue = self._queue, deque()
        self._cancel_running()
        self._drop(waiting, PromptStopped("cancelled"))

    def _drop(self, waiting: Collection[Prompt], outcome: PromptOutcome) -> None:
        try:
            if waiting:
                self.log.append(*(PromptWithdrawn(prompt.prompt_id) for prompt in waiting))
        finally:  # nobody knows of them any more, so they are answered even where the log is broken (promise P1)
            for prompt in waiting:
                prompt.settle(outcome)

    def _cancel_running(self) -> None:
        if self._running is not None:
            self._cancelling = True
            if self.turn_scope is not None:
                self.turn_scope.cancel()

    # Options

    def set_mode(self, mode: str) -> None:
        """Change the mode; applies to the next tool call, also in a running turn.

        Raises:
            ValueError: there is no such mode.
        """
        if mode not in {known.id for known in MODES}:
            raise ValueError("unknown mode")
        if mode == self.policy.mode:
            return
        before = self.status
        self.policy.mode = mode
        self.log.append(OptionChanged("mode", mode))
        self._announce(before)

    def set_model(self, model: str) -> None:
        """Change the model; applies from the next model request, the conversation stays.

        Raises:
            ValueError: the model is not offered.
        """
        for info in self.provider.models():
            if info.id == model:
                break
        else:
            raise ValueError("unknown model")
        if model != self.model_info.id:
            self.model_info = info
            self.log.append(OptionChanged("model", model))

    # Tools

    def tool_announced(self, tool_call_id: str, name: str) -> None:
        """A tool call began its life (Req: ST-04, ST-08)."""
        self._active_tools[tool_call_id] = name
        self._set_activity(Activity.TOOL_EXECUTING)

    def tool_ended(self, tool_call_id: str) -> None:
        """A tool call ended; after the last one the model thinks again."""
        self._active_tools.pop(tool_call_id, None)
        if not self._active_tools:
            self._set_activity(Activity.THINKING)

    def tool_is_open(self, tool_call_id: str) -> bool:
        """Whether the call was announced and has not ended."""
        return tool_call_id in self._active_tools

    # Work

    async def work(self) -> None:
        """Run the prompts, one after another, until cancelled. The supervisor's task for this session."""
        loop = asyncio.get_running_loop()
        while True:
            while self._running is not None or self._queue:
                if self._running is None:
                    self._begin_turn(self._queue.popleft())
                await self._run_turn()
            self._wake = loop.create_future()
            try:
                await self._wake
            finally:
                self._wake = None

    def _begin_turn(self, prompt: Prompt, *received: PromptReceived) -> None:
        """The prompt is running from now on; the worker takes it from here."""
        self._turns += 1
        prompt.message_id = self.next_entry_id()
        prompt.state = "running"
        self._running = prompt  # before the log, which may break: a crash answers the running prompt (promise P1)
        self.log.append(
            *received,
            TurnStarted(self._turns, "prompt"),
            MessageInserted(prompt.message_id, "user", prompt.parts, prompt.prompt_id),
        )
        self._set_activity(Activity.THINKING)

    async def _run_turn(self) -> None:
        prompt, turn = self._running, Turn(self, self._turns)
        assert prompt is not None
        stop_reason: StopReason | None = "cancelled"
        failure: TurnFailure | None = None
        task = asyncio.current_task()
        assert task is not None
        try:
            if not self._cancelling:  # it may have been cancelled before it got here
                self.turn_scope = scope = TurnScope(task)
                stop_reason, failure = await scope.run(guarded(turn, scope))
        except TurnCancelled:
            pass
        finally:
            if self._cancelling:  # whatever the abort made of the turn, it was cancelled (promise P8)
                stop_reason, failure = "cancelled", None
            self.turn_scope = None
            self._cancelling = False
            try:
                self._end_turn(turn, prompt, stop_reason, failure)
            finally:
                if self._turn_over is not None:
                    self._turn_over.set()

    def _end_turn(
        self,
        turn: Turn,
        prompt: Prompt,
        stop_reason: StopReason | None,
        failure: TurnFailure | None,
    ) -> None:
        """The single place where a turn ends, whichever way (Req: TN-07)."""
        outcome: PromptOutcome = (
            PromptFailed(failure)
            if failure is not None
            else PromptStopped(stop_reason or "cancelled", prompt.message_id, turn.usage)
        )
        self._active_tools.clear()
        self.policy.end_turn()
        self.last_error = failure.details if failure is not None else None
        seq = self.log.append(TurnEnded(turn.turn_id, stop_reason, failure))
        self._running = None  # behind the log, which may break: a crash answers the running prompt (promise P1)
        self._set_activity(Activity.ERROR if failure is not None else Activity.IDLE)
        if logger.isEnabledFor(logging.INFO):
            used = turn.usage or TurnUsage()
            tokens = f"{used.input_tokens} input tokens, {used.output_tokens} output tokens"
            logger.info("turn %s of %s: %s, %s", turn.turn_id, self.alias, stop_reason or failure, tokens)
        if seq <= self.log.visible:
            prompt.settle(outcome)
        else:
            self.log.when_visible(seq, lambda: prompt.settle(outcome))

    # End

    async def close(self, grace_s: float = 5.0) -> None:
        """Cancel everything and wait until the running turn has answered, at most ``grace_s``."""
        if self.lifecycle is not Lifecycle.LIVE:
            return
        self._move(Lifecycle.TERMINATING)
        self.cancel()
        if self._running is not None:
            self._turn_over = asyncio.Event()
            with anyio.move_on_after(grace_s, shield=True):
                await self._turn_over.wait()

    def terminated(self, error: str | None = None) -> None:
        """The supervisor took it out of the registry. Prompts that are still open fail, or are cancelled by a close."""
        self.last_error = error or self.last_error
        if self.lifecycle is not Lifecycle.TERMINATED:
            self._move(Lifecycle.TERMINATED)
        outcome = PromptFailed(TurnFailure("internal", error)) if error is not None else PromptStopped("cancelled")
        open_prompts = [*([self._running] if self._running is not None else []), *self._queue]
        self._queue.clear()
        for prompt in open_prompts:
            prompt.settle(outcome)

    # State

    def _move(self, lifecycle: Lifecycle) -> None:
        if lifecycle not in LIFECYCLE_MOVES[self.lifecycle]:
            raise RuntimeError(f"invalid transition {self.lifecycle} -> {lifecycle}")
        self.lifecycle = lifecycle
        self._touch()

    def _set_activity(self, activity: Activity) -> None:
        if activity is self.activity or (self._running is None and activity is Activity.THINKING):
            return
        if self._on_status is None:
            self.activity = activity
            return
        before = self.status
        self.activity = activity
        self._announce(before)

    def _announce(self, before: str) -> None:
        """Tell of a change of status, once (Req: ST-07)."""
        status = self.status
        if self._on_status is not None and status != before:
            try:
                self._on_status(self, status, before)
            except Exception:
                logger.exception("a listener for the status of sessions failed")

    def _touch(self) -> None:
        self._updated_s = time.time()


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
