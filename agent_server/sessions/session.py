"""One session: what it is, its state and its options. Its prompts are in a queue of its own.

State changes only in the synchronous parts of its own methods.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

from agent_server.conversation.content import Part
from agent_server.conversation.events import (
    ArchivedChanged,
    OptionChanged,
    RootsChanged,
    SystemPromptSet,
    TitleChanged,
    TurnFailure,
)
from agent_server.errors import SessionNotFound
from agent_server.providers.provider import ModelInfo
from agent_server.sessions.approvals import Approvals
from agent_server.sessions.entries import Entries
from agent_server.sessions.listeners import Listeners
from agent_server.sessions.log import SessionLog
from agent_server.sessions.policy import MODES, Policy
from agent_server.sessions.ports import Attachment
from agent_server.sessions.prompt_queue import PromptQueue
from agent_server.sessions.prompts import Prompt, PromptFailed, PromptOutcome, PromptStopped
from agent_server.sessions.spec import SessionSpec
from agent_server.sessions.status import LIFECYCLE_MOVES, Activity, Lifecycle, agent_status, manager_status
from agent_server.sessions.timestamps import later, now_ms, rfc3339

if TYPE_CHECKING:
    from agent_server.conversation.system_prompt import SystemPrompt
    from agent_server.sessions.context_gauge import ContextGauge
    from agent_server.sessions.description import Description, Snapshot
    from agent_server.tools.ports import Workspace

logger = logging.getLogger(__name__)

MAX_TITLE_CHARS: Final = 200


class Session:
    """A live conversation. Made by the supervisor, which also runs `work` when the first prompt comes.

    It becomes live in one of the ways in `beginnings`.
    """

    def __init__(
        self,
        session_id: str,
        instance_id: str,
        alias: str,
        spec: SessionSpec,
        model: ModelInfo,
        log: SessionLog,
        entries: Entries,
        on_status: Listeners[[Session, str, str]],
    ) -> None:
        self.id = session_id
        self.instance_id = instance_id
        self.alias = alias
        self.spec = spec
        self.workspace = spec.workspace
        self.provider = spec.provider.provider_of(model.id)
        self.model_chosen = spec.model is not None
        self.model_asked = False  # the running turn has sent it a request
        self.tools = spec.tools
        self.limits = spec.limits
        self.restarts = 0
        self.crashed = False
        self.clients_coming = 0  # they are told its history just now
        self.on_unattended: Callable[[str], None] | None = None
        self.updated_ms = now_ms()
        self.lifecycle = Lifecycle.INITIALIZING
        self.activity = Activity.IDLE
        self.last_error: str | None = None
        self.policy = Policy()
        self.model_info = model
        self.log = log
        self.record = log.context
        self.approvals = Approvals(log, self.policy, spec.limits.approval_timeout_s, self.touch)
        self._entries = entries
        self._on_status = on_status
        self.gauge: ContextGauge | None = None
        self._active_tools: dict[str, str] = {}
        self._prompts = PromptQueue(self)

    # What it is

    @property
    def cwd(self) -> str:
        """Its working directory, absolute."""
        return self.workspace.cwd

    @property
    def archived(self) -> bool:
        """Whether it was put out of the usual lists."""
        return self.record.archived

    @property
    def created_at(self) -> str:
        """When its log began, as RFC 3339."""
        return self.record.created_at

    @property
    def updated_at(self) -> str:
        """When its state last changed, as RFC 3339; after each prompt a later time than before (Req: SM-35)."""
        return rfc3339(self.updated_ms)

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
        """The one word that an editor shows: of a live session what it does, else its lifecycle (Req: ST-01)."""
        if self.lifecycle is not Lifecycle.LIVE:
            return self.lifecycle.value
        return agent_status(self.activity, self.policy.mode)

    @property
    def manager_status(self) -> str:
        """The one word that a list of sessions shows (Req: SM-24)."""
        return manager_status(self.lifecycle, self.activity)

    @property
    def turn_active(self) -> bool:
        """Whether a prompt was accepted that has not been answered (Req: ST-09)."""
        return self._prompts.busy

    @property
    def turn_running(self) -> bool:
        """Whether a turn runs."""
        return self._prompts.running is not None

    @property
    def queued_prompts(self) -> int:
        """How many prompts wait for their turn."""
        return len(self._prompts)

    @property
    def active_tool_calls(self) -> tuple[tuple[str, str], ...]:
        """The ids and the tools of the calls that have not ended, in the order of their start."""
        return tuple(self._active_tools.items())

    @property
    def trace(self) -> Mapping[str, str] | None:
        """The trace context of the running prompt, for what is sent on its behalf."""
        running = self._prompts.running
        return running.trace if running is not None else None

    def snapshot(self) -> Snapshot:
        """Its state now; holds no handles."""
        from agent_server.sessions.description import snapshot_of

        return snapshot_of(self)

    def info(self) -> Description:
        """All that can be told of it; holds no handles."""
        from agent_server.sessions.description import describe

        return describe(self)

    # Counters: never reused within a session

    def next_entry_id(self) -> int:
        """A new id for a message or note; its text is the wire's messageId."""
        record = self.record
        record.entries += 1
        return record.entries

    def next_tool_call_id(self) -> str:
        """A new tool call id."""
        self.record.tool_calls += 1
        return f"call_{self.record.tool_calls}"

    def next_terminal_id(self) -> str:
        """A new id for a terminal of ours."""
        self.record.terminals += 1
        return f"term_{self.record.terminals}"

    # Clients

    def attach(self, attachment: Attachment) -> None:
        """Publish events to one more client, from now on."""
        self.log.attach(attachment)

    def detach(self, attachment: Attachment) -> None:
        """Publish to it no more; a running turn goes on."""
        self.log.detach(attachment)
        self.left_alone()

    @property
    def unattended(self) -> bool:
        """Whether nobody sees it and nothing happens in it (Req: EV-05)."""
        seen = self.log.attachments or self.clients_coming
        works = self.turn_active or self._active_tools or self.approvals.waiting
        return not (seen or works) and self.lifecycle is Lifecycle.LIVE

    def left_alone(self) -> None:
        """A client went or a turn ended: where none is left, the time begins after which it leaves memory."""
        if not self.log.attachments and self.on_unattended is not None and self.lifecycle is Lifecycle.LIVE:
            self.on_unattended(self.id)

    async def breathe(self) -> None:
        """Let others run; where the client does not read, wait until it does (promise P6)."""
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

        ``sender`` is not told what it said; everybody else is. ``trace`` is its trace context.

        Raises:
            SessionNotFound: the session is being closed.
            SessionConflict: it may not spend any more (see `check_limits`).
        """
        if self.lifecycle is not Lifecycle.LIVE:
            raise SessionNotFound(self.id)
        self.touch()
        return self._prompts.accept(parts, on_settled, sender, trace)

    def go_on(
        self, on_settled: Callable[[PromptOutcome], None], trace: Mapping[str, str] | None = None
    ) -> Prompt:
        """Let the model go on with the answer that broke off last (Req: TN-10).

        Raises:
            SessionNotFound: the session is being closed.
            SessionConflict: ``turn_active``, ``nothing_to_continue``, or it may not spend any more.
        """
        if self.lifecycle is not Lifecycle.LIVE:
            raise SessionNotFound(self.id)
        return self._prompts.go_on(on_settled, trace)

    def withdraw(self, prompt: Prompt) -> None:
        """Its asker no longer wants it: a waiting prompt is removed, a running one cancelled."""
        self._prompts.withdraw(prompt)

    def cancel(self) -> None:
        """Cancel the running prompt and all that wait; each is answered ``cancelled``. Safe when idle (TN-08, 09)."""
        self._prompts.cancel()

    def work(self) -> Coroutine[Any, Any, None]:
        """Run the prompts, one after another, until cancelled. The supervisor's task for this session."""
        return self._prompts.work()

    def turn_begun(self) -> None:
        """A turn began."""
        self.model_asked = False
        self._set_activity(Activity.THINKING)

    def turn_ending(self, failure: TurnFailure | None) -> None:
        """A turn is about to end: what was only for it goes, and a session without a title may get one."""
        self._active_tools.clear()
        self.policy.end_turn()
        self.last_error = failure.details if failure is not None else None
        if self.record.title is None:
            self.log.flush()  # the title may be made of what was said last
            title = self.record.suggested_title()
            if title is not None:
                self.log.append(TitleChanged(title, "agent"))
        self.touch()

    def turn_ended(self, *, failed: bool) -> None:
        """The end of a turn is in the log."""
        self._set_activity(Activity.ERROR if failed else Activity.IDLE)
        if not self.log.attachments:
            self.left_alone()

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
        self.touch()
        self._announce(before)

    def set_title(self, title: str) -> None:
        """Name the session; the name is never replaced by one of ours (Req: ST-16).

        Raises:
            ValueError: nothing but blanks, or more than `MAX_TITLE_CHARS` characters.
        """
        self.log.append(TitleChanged(checked_title(title), "user"))
        self.touch()
        self.entry_changed()

    def unarchive(self) -> None:
        """Put it back into the usual lists. That is no use of it: `updated_at` stays."""
        if self.archived:
            self.log.append(ArchivedChanged(False))
            self.entry_changed()

    def set_system_prompt(self, prompt: SystemPrompt | None) -> None:
        """What the model is told beforehand, from the next request on."""
        if prompt != self.record.system_prompt:
            self.log.append(SystemPromptSet(prompt))
            self.touch()

    def adopt(self, workspace: Workspace) -> None:
        """Work through another client, or in other roots, from the next tool call on.

        Raises:
            ValueError: its working directory is another.
        """
        if workspace.cwd != self.cwd:
            raise ValueError("a session stays in its working directory")
        self.work_in(workspace)
        self.entry_changed()

    def work_in(self, workspace: Workspace) -> None:
        """As `adopt`, unchecked, and for a session that is in no list yet."""
        self.workspace = workspace
        roots = tuple(workspace.roots)
        if roots != self.record.roots:
            self.log.append(RootsChanged(roots))
            self.touch()

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

    # End

    async def close(self, grace_s: float = 5.0) -> None:
        """Cancel everything and wait until the running turn has answered, at most ``grace_s``."""
        if self.lifecycle is not Lifecycle.LIVE:
            return
        self.terminating()
        self.cancel()
        await self._prompts.turn_over(grace_s)

    def terminating(self) -> None:
        """Its end has begun: it takes no prompt any more."""
        self._move(Lifecycle.TERMINATING)

    def terminated(self, error: str | None = None) -> None:
        """The supervisor took it out of the registry. Prompts that are still open fail, or are cancelled by a close."""
        self.last_error = error or self.last_error
        self.crashed = error is not None
        self._entries.ended(self)
        if self.lifecycle is not Lifecycle.TERMINATED:
            self._move(Lifecycle.TERMINATED)
        failure = TurnFailure("internal", error) if error is not None else None
        self._prompts.settle_all(PromptFailed(failure) if failure is not None else PromptStopped("cancelled"))

    # State

    def now_lives(self) -> None:
        """Its log is in order."""
        self._move(Lifecycle.LIVE)

    def entry_changed(self) -> None:
        """Lists are to show the session as it is now."""
        self._entries.changed(self)

    def _move(self, lifecycle: Lifecycle) -> None:
        if lifecycle not in LIFECYCLE_MOVES[self.lifecycle]:
            raise RuntimeError(f"invalid transition {self.lifecycle} -> {lifecycle}")
        if self.lifecycle is Lifecycle.INITIALIZING:  # nobody can hear of a session that is not registered yet
            self.lifecycle = lifecycle
            return
        before = self.status
        self.lifecycle = lifecycle
        self._announce(before)

    def _set_activity(self, activity: Activity) -> None:
        if activity is self.activity or (self._prompts.running is None and activity is Activity.THINKING):
            return
        if not self._on_status:
            self.activity = activity
            return
        before = self.status
        self.activity = activity
        self._announce(before)

    def _announce(self, before: str) -> None:
        """Tell of a change of status, once (Req: ST-07)."""
        if self._on_status and self.status != before:
            self._on_status.tell(self, self.status, before)

    def touch(self) -> None:
        """Its state changed: `updated_at` grows."""
        self.updated_ms = later(self.updated_ms)


def checked_title(title: str) -> str:
    """A title as it is kept.

    Raises:
        ValueError: nothing but blanks, or more than `MAX_TITLE_CHARS` characters.
    """
    title = title.strip()
    if not 0 < len(title) <= MAX_TITLE_CHARS:
        raise ValueError(f"a title has 1 to {MAX_TITLE_CHARS} characters")
    return title
