"""The prompts of one session: the one that runs, those that wait, and the task that works on them.

State changes only in the synchronous parts of its own methods. The worker begins with the first prompt and then waits
for the next one; a turn runs inside it, in a cancel scope of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import anyio

from agent_server.conversation.content import Part
from agent_server.conversation.events import (
    MessageInserted,
    PromptReceived,
    PromptWithdrawn,
    StopReason,
    TurnEnded,
    TurnFailure,
    TurnOrigin,
    TurnStarted,
)
from agent_server.conversation.usage import UsageTotals
from agent_server.errors import SessionConflict
from agent_server.sessions.ports import Attachment
from agent_server.sessions.prompts import (
    Prompt,
    PromptFailed,
    PromptOutcome,
    PromptStopped,
    PromptWithdrawnOutcome,
)
from agent_server.sessions.spending import check_limits
from agent_server.sessions.turn import CommandTurn, Turn
from agent_server.sessions.turn_boundary import guarded
from agent_server.sessions.turn_scope import TurnCancelled, TurnScope

if TYPE_CHECKING:
    from agent_server.sessions.session import Session

logger = logging.getLogger(__name__)


class PromptQueue:
    """Prompts from their acceptance to their one answer."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._log = session.log
        self._waiting: deque[Prompt] = deque()
        self.running: Prompt | None = None
        self._scope: TurnScope | None = None
        self._cancelling = False
        self._wake: asyncio.Future[None] | None = None
        self._turn_over: asyncio.Event | None = None

    def __len__(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether a prompt was accepted that has not been answered."""
        return self.running is not None or bool(self._waiting)

    def accept(
        self,
        parts: tuple[Part, ...],
        on_settled: Callable[[PromptOutcome], None],
        sender: Attachment | None,
        trace: Mapping[str, str] | None,
    ) -> Prompt:
        """Take a prompt in. It starts at once when nothing runs, and waits its turn otherwise.

        Raises:
            SessionConflict: the session may not spend any more (see `check_limits`).
        """
        origin: TurnOrigin = "prompt"
        run, may_go_on = None, False
        if self._session.spec.provider.session_commands:
            from agent_server.sessions.commands import CONTINUE, command_of

            command = command_of(self._session, parts)
            if command is not None:
                name, run = command
                origin, may_go_on = "command", name == CONTINUE
        record = self._session.record
        if (origin != "command" or may_go_on) and record.usage is not None:
            check_limits(self._session)
        record.prompts += 1
        prompt = Prompt(record.prompts, parts, on_settled, trace, origin, run, may_go_on=may_go_on)
        if sender is not None:
            sender.own_prompt(prompt.prompt_id)
        received = PromptReceived(prompt.prompt_id, parts)
        if self.running is None and not self._waiting:
            self._begin_turn(prompt, received)
        else:
            self._log.append(received)
            self._waiting.append(prompt)
        self._awake()
        return prompt

    def go_on(self, on_settled: Callable[[PromptOutcome], None], trace: Mapping[str, str] | None) -> Prompt:
        """Let the model go on with the answer that broke off last; nobody says anything (Req: TN-10).

        Raises:
            SessionConflict: ``turn_active``, ``nothing_to_continue``, or it may not spend any more.
        """
        if self.busy:
            raise SessionConflict("turn_active", "a turn is running")
        if not self._session.record.continuable:
            raise SessionConflict("nothing_to_continue", "the last answer did not break off")
        check_limits(self._session)
        prompt = Prompt(0, (), on_settled, trace, "continue")
        self._begin_turn(prompt)
        self._awake()
        return prompt

    def _awake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def withdraw(self, prompt: Prompt) -> None:
        """Its asker no longer wants it: a waiting prompt is removed, a running one cancelled."""
        if prompt.state == "waiting":
            self._waiting.remove(prompt)
            self._drop([prompt], PromptWithdrawnOutcome())
        elif prompt.state == "running":
            self._cancel_running()

    def cancel(self) -> None:
        """Cancel the running prompt and all that wait; each is answered ``cancelled``."""
        waiting, self._waiting = self._waiting, deque()
        self._cancel_running()
        self._drop(waiting, PromptStopped("cancelled"))

    async def turn_over(self, grace_s: float) -> None:
        """Wait until the turn that runs now has ended, at most so long."""
        if self.running is not None:
            self._turn_over = asyncio.Event()
            with anyio.move_on_after(grace_s, shield=True):
                await self._turn_over.wait()

    def settle_all(self, outcome: PromptOutcome) -> None:
        """Answer every prompt that is still open: there is nobody left to work on it."""
        unanswered = [*([self.running] if self.running is not None else []), *self._waiting]
        self._waiting.clear()
        for prompt in unanswered:
            prompt.settle(outcome)

    def _drop(self, waiting: Collection[Prompt], outcome: PromptOutcome) -> None:
        try:
            if waiting:
                self._log.append(*(PromptWithdrawn(prompt.prompt_id) for prompt in waiting))
        finally:  # nobody knows of them any more, so they are answered even where the log is broken (promise P1)
            for prompt in waiting:
                prompt.settle(outcome)

    def _cancel_running(self) -> None:
        if self.running is not None:
            self._cancelling = True
            if self._scope is not None:
                self._scope.cancel()

    # The worker

    async def work(self) -> None:
        """Run the prompts, one after another, until cancelled."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        while True:
            while self.running is not None or self._waiting:
                if self.running is None:
                    self._begin_turn(self._waiting.popleft())
                await self._run_turn(task)
            self._wake = loop.create_future()
            try:
                await self._wake
            finally:
                self._wake = None

    def _begin_turn(self, prompt: Prompt, *received: PromptReceived) -> None:
        """The prompt is running from now on; the worker takes it from here."""
        session = self._session
        session.record.turns += 1
        prompt.state = "running"
        self.running = prompt  # before the log, which may break: a crash answers the running prompt (promise P1)
        if prompt.may_go_on and session.record.continuable:
            prompt.origin, prompt.command = "continue", None
        started = TurnStarted(session.record.turns, prompt.origin)
        if prompt.parts or received or prompt.prompt_id:
            prompt.message_id = session.next_entry_id()
            said = MessageInserted(prompt.message_id, "user", prompt.parts, prompt.prompt_id)
            self._log.append(*received, started, said)
        else:
            self._log.append(started)
        session.turn_begun()

    async def _run_turn(self, task: asyncio.Task[Any]) -> None:
        prompt = self.running
        assert prompt is not None
        turn = _turn_of(prompt, self._session)
        stop_reason: StopReason | None = "cancelled"
        failure: TurnFailure | None = None
        try:
            if not self._cancelling:  # it may have been cancelled before it got here
                self._scope = scope = TurnScope(task)
                stop_reason, failure = await scope.run(guarded(turn, scope))
        except TurnCancelled:
            pass
        finally:
            if self._cancelling:  # whatever the abort made of the turn, it was cancelled (promise P8)
                stop_reason, failure = "cancelled", None
            self._scope = None
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
        session = self._session
        if failure is not None:
            self._log.flush()
            failure.interrupted = session.record.broke_off
        outcome: PromptOutcome = (
            PromptFailed(failure)
            if failure is not None
            else PromptStopped(stop_reason or "cancelled", prompt.message_id, turn.usage, turn.limit)
        )
        session.turn_ending(failure)
        seq = self._log.append(TurnEnded(turn.turn_id, stop_reason, failure))
        self._log.sync_soon()
        self.running = None  # behind the log, which may break: a crash answers the running prompt (promise P1)
        session.turn_ended(failed=failure is not None)
        if logger.isEnabledFor(logging.INFO):
            used = turn.usage or UsageTotals()
            tokens = f"{used.input_tokens} input tokens, {used.output_tokens} output tokens"
            logger.info("turn %s of %s: %s, %s", turn.turn_id, session.alias, stop_reason or failure, tokens)
        if seq <= self._log.visible:
            prompt.settle(outcome)
        else:
            self._log.when_visible(seq, lambda: prompt.settle(outcome))
        session.entry_changed()


def _turn_of(prompt: Prompt, session: Session) -> Turn:
    if prompt.command is None:
        return Turn(session, session.record.turns)
    return CommandTurn(session, session.record.turns, prompt.command)
