"""What a session looks like from outside: its updates folded into messages, tool calls and state. Pure.

Chunks of a message are told apart by their message id; where an agent sends none, neighbours of one kind belong
together, and a tool call or a compaction between them ends the message. Spec: prompt-turn, message ids.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from agent_server.client.entries import CompactionEntry, Entry, Message, ToolCallEntry
from agent_server.client.mode_sync import mode_of_options, options_in_mode
from agent_server.protocol.model import CLEARED
from agent_server.protocol.v1.content import ContentBlock, TextContent
from agent_server.protocol.v1.session import SessionConfigOption, SessionModeState
from agent_server.protocol.v1.unstable.plans import PlanContent, PlanContentUpdate, PlanRemoved
from agent_server.protocol.v1.updates import (
    AgentMessageChunk,
    AgentThoughtChunk,
    AvailableCommand,
    AvailableCommandsUpdate,
    CompactionSummaryChunk,
    CompactionUpdate,
    ConfigOptionUpdate,
    CurrentModeUpdate,
    Notice,
    PlanEntry,
    PlanUpdate,
    SessionInfoUpdate,
    SessionUpdate,
    ToolCallProgressed,
    ToolCallStarted,
    UsageUpdate,
    UserMessageChunk,
)

Chunk: TypeAlias = UserMessageChunk | AgentMessageChunk | AgentThoughtChunk

MAX_UNKNOWN: Final = 1000


class Transcript:
    """The state of one session, as far as its updates and our own prompts told it.

    Attributes:
        entries: messages, tool calls, compactions and notices, in the order in which they began.
        plan: the current plan.
        plans: the current plans of agents that keep several, by id (unstable).
        modes: the modes and the current one; None where the session has none.
        config_options: what can be set, with its values, in the agent's order.
        commands: the slash commands.
        usage: the last usage report.
        title, updated_at: what the agent calls the session, and its last activity (ISO 8601).
        unknown: the newest updates that nothing is known about here; they change nothing else.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.plan: list[PlanEntry] = []
        self.plans: dict[str, PlanContent] = {}
        self.modes: SessionModeState | None = None
        self.config_options: list[SessionConfigOption] = []
        self.commands: list[AvailableCommand] = []
        self.usage: UsageUpdate | None = None
        self.title: str | None = None
        self.updated_at: str | None = None
        self.unknown: deque[SessionUpdate] = deque(maxlen=MAX_UNKNOWN)
        self._messages: dict[tuple[type, str], Message] = {}
        self._tool_calls: dict[str, ToolCallEntry] = {}
        self._compactions: dict[str, CompactionEntry] = {}
        self._open: Message | None = None
        self._unechoed: list[Message] = []

    @property
    def messages(self) -> list[Message]:
        """The messages alone."""
        return [entry for entry in self.entries if isinstance(entry, Message)]

    @property
    def tool_calls(self) -> list[ToolCallEntry]:
        """The tool calls alone."""
        return list(self._tool_calls.values())

    @property
    def compactions(self) -> list[CompactionEntry]:
        """The compactions alone."""
        return list(self._compactions.values())

    @property
    def notices(self) -> list[Notice]:
        """What the user should know besides the conversation."""
        return [entry for entry in self.entries if isinstance(entry, Notice)]

    @property
    def conversation(self) -> list[Entry]:
        """The entries without the notices: what loading the session tells again. Spec: session notices."""
        return [entry for entry in self.entries if not isinstance(entry, Notice)]

    def tool_call(self, tool_call_id: str) -> ToolCallEntry | None:
        """The call with that id, or None."""
        return self._tool_calls.get(tool_call_id)

    @property
    def text(self) -> str:
        """Everything the agent said, its messages separated by blank lines."""
        return "\n\n".join(message.text for message in self.messages if message.role == "agent")

    def apply(self, update: SessionUpdate) -> None:
        """Fold one update in."""
        kind = type(update)
        message = self._open
        # By far the most frequent case: the next chunk of the message that is being written.
        if message is not None and message.chunk_type is kind and message.message_id == update.message_id:  # type: ignore[union-attr]
            message.add(update.content)  # type: ignore[union-attr, arg-type]
            return
        fold = _FOLDS.get(kind)
        if fold is not None:
            fold(self, update)
        else:
            self.unknown.append(update)

    # What is known without an update

    def begin(self, modes: SessionModeState | None, options: list[SessionConfigOption] | None, *, newer: bool) -> None:
        """Take what the answer that opened the session said.

        ``newer`` says whether that is newer than the updates before it (a replay), or they are newer.
        """
        quicker = None if newer or self.modes is None else self.modes.current_mode_id
        known = self.config_options
        self.modes = modes or self.modes
        self.set_options((known if options is None else options) if newer else (known or options or []))
        if quicker is not None:
            self.enter_mode(quicker)
        elif modes is not None and options is None:
            self.enter_mode(modes.current_mode_id)

    def enter_mode(self, mode_id: str) -> None:
        """The session is in another mode; the option that stands for it follows. Spec: session-config-options."""
        available = [] if self.modes is None else self.modes.available_modes
        self.modes = SessionModeState(current_mode_id=mode_id, available_modes=available)
        self.config_options = options_in_mode(self.config_options, mode_id)

    def set_options(self, options: list[SessionConfigOption]) -> None:
        """These are all options; the mode follows the one that stands for it."""
        self.config_options = options
        mode_id = mode_of_options(options)
        modes = self.modes
        if mode_id is not None and modes is not None and any(mode.id == mode_id for mode in modes.available_modes):
            self.modes = SessionModeState(current_mode_id=mode_id, available_modes=modes.available_modes)

    def add_prompt(self, blocks: Sequence[ContentBlock]) -> Message:
        """The user says this. If the agent repeats it, its words take the place of these."""
        message = Message(UserMessageChunk, None)
        message.replace(blocks)
        self.entries.append(message)
        self._unechoed.append(message)
        self._open = None
        return message

    def drop_prompt(self, message: Message) -> None:
        """It was never said."""
        self._take_out(message)
        self._forget_unechoed(message)

    def begin_prompt(self, message: Message) -> None:
        """The turn of a prompt that had to wait begins: it stands behind what came in the meantime."""
        if any(message is other for other in self._unechoed):
            self._move_to_end(message)

    def end_prompt(self, message: Message) -> None:
        """The turn is over: nothing will repeat the prompt any more."""
        self._forget_unechoed(message)

    def name_prompt(self, message: Message, message_id: str | None) -> None:
        """The agent may have given the prompt an id."""
        if message_id is not None and message.message_id is None:
            message.message_id = message_id
            self._messages.setdefault((UserMessageChunk, message_id), message)

    def _move_to_end(self, message: Message) -> None:
        if self.entries[-1] is not message:
            self._take_out(message)
            self.entries.append(message)
            self._open = None

    def _take_out(self, message: Message) -> None:
        for index in range(len(self.entries) - 1, -1, -1):
            if self.entries[index] is message:
                del self.entries[index]
                return

    def cancel_open_calls(self) -> None:
        """The user cancelled the turn: what has not ended is shown as cancelled at once. Spec: prompt-turn."""
        for call in self._tool_calls.values():
            call.cancelled = call.cancelled or call.open

    # Folding

    def _fold_user_chunk(self, update: UserMessageChunk) -> None:
        echo = None if self._is_known(update) else self._echoed(update.content)
        if echo is not None:
            self._forget_unechoed(echo)
            self._move_to_end(echo)
            echo.message_id = update.message_id
            echo.replace(())
            if update.message_id is not None:
                self._messages[UserMessageChunk, update.message_id] = echo
            self._open = echo
        self._fold_chunk(update)

    def _is_known(self, update: UserMessageChunk) -> bool:
        return update.message_id is not None and (UserMessageChunk, update.message_id) in self._messages

    def _echoed(self, content: ContentBlock) -> Message | None:
        """The prompt of ours that begins like this and was not repeated yet."""
        for message in self._unechoed:
            first = message.blocks[:1]
            if first == [content]:
                return message
            texts = [block.text for block in (content, *first) if isinstance(block, TextContent)]
            if len(texts) == 2 and texts[0] and texts[1].startswith(texts[0]):
                return message
        return None

    def _forget_unechoed(self, message: Message) -> None:
        self._unechoed = [other for other in self._unechoed if other is not message]

    def _fold_chunk(self, update: Chunk) -> None:
        self._open = self._message_of(update)
        self._open.add(update.content)

    def _message_of(self, update: Chunk) -> Message:
        kind, message_id = type(update), update.message_id
        if message_id is None:
            if self._open is not None and self._open.chunk_type is kind:
                return self._open
        elif (known := self._messages.get((kind, message_id))) is not None:
            return known
        message = Message(kind, message_id)
        if message_id is not None:
            self._messages[kind, message_id] = message
        self.entries.append(message)
        return message

    def _fold_tool_call(self, update: ToolCallStarted | ToolCallProgressed) -> None:
        call = self._tool_calls.get(update.tool_call_id)
        if call is None:
            call = self._tool_calls[update.tool_call_id] = ToolCallEntry(update.tool_call_id)
            self.entries.append(call)
            self._open = None
        call.apply(update)

    def _fold_compaction(self, update: CompactionUpdate | CompactionSummaryChunk) -> None:
        entry = self._compactions.get(update.compaction_id)
        if entry is None:
            entry = self._compactions[update.compaction_id] = CompactionEntry(update.compaction_id)
            self.entries.append(entry)
            self._open = None
        entry.apply(update)

    def _fold_plan(self, update: PlanUpdate) -> None:
        self.plan = update.entries

    def _fold_plan_content(self, update: PlanContentUpdate) -> None:
        self.plans[update.plan.plan_id] = update.plan

    def _fold_plan_removed(self, update: PlanRemoved) -> None:
        self.plans.pop(update.plan_id, None)

    def _fold_mode(self, update: CurrentModeUpdate) -> None:
        self.enter_mode(update.current_mode_id)

    def _fold_options(self, update: ConfigOptionUpdate) -> None:
        self.set_options(update.config_options)

    def _fold_commands(self, update: AvailableCommandsUpdate) -> None:
        self.commands = update.available_commands

    def _fold_info(self, update: SessionInfoUpdate) -> None:
        if update.title is not None:
            self.title = None if update.title is CLEARED else str(update.title)
        if update.updated_at is not None:
            self.updated_at = None if update.updated_at is CLEARED else str(update.updated_at)

    def _fold_usage(self, update: UsageUpdate) -> None:
        self.usage = update

    def _fold_notice(self, update: Notice) -> None:
        self.entries.append(update)


_FOLDS: Final[dict[type, Callable[[Transcript, Any], None]]] = {
    UserMessageChunk: Transcript._fold_user_chunk,
    AgentMessageChunk: Transcript._fold_chunk,
    AgentThoughtChunk: Transcript._fold_chunk,
    ToolCallStarted: Transcript._fold_tool_call,
    ToolCallProgressed: Transcript._fold_tool_call,
    CompactionUpdate: Transcript._fold_compaction,
    CompactionSummaryChunk: Transcript._fold_compaction,
    PlanUpdate: Transcript._fold_plan,
    PlanContentUpdate: Transcript._fold_plan_content,
    PlanRemoved: Transcript._fold_plan_removed,
    CurrentModeUpdate: Transcript._fold_mode,
    ConfigOptionUpdate: Transcript._fold_options,
    AvailableCommandsUpdate: Transcript._fold_commands,
    SessionInfoUpdate: Transcript._fold_info,
    UsageUpdate: Transcript._fold_usage,
    Notice: Transcript._fold_notice,
}
