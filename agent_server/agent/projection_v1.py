"""Events as the ``session/update`` payloads of ACP version 1: the only translation, for live streams and replays.

Version 1 knows no appending content, no cancelled calls and no terminals of the agent: content is replaced whole,
``denied`` and ``cancelled`` are ``failed``, and a command's output is shown as text of which the end is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from agent_server.agent.content import MAX_SHOWN_CHARS, block_of, shown
from agent_server.conversation.content import TextPart
from agent_server.conversation.events import (
    CompactionBegan,
    CompactionFinished,
    CompactionSummaryGrew,
    ContextEstimated,
    Event,
    MessageInserted,
    MessagePart,
    ModelResponded,
    NoticeRaised,
    OptionChanged,
    PlanUpdated,
    PromptReceived,
    RetryPlanned,
    SessionCreated,
    TerminalOutput,
    TerminalStarted,
    TextRun,
    TitleChanged,
    ToolCallUpserted,
    ToolResultRecorded,
    TurnEnded,
    TurnStarted,
    UnknownEvent,
    UsageReported,
)
from agent_server.conversation.holdable import holdable
from agent_server.conversation.tool_calls import (
    FileChange,
    Location,
    TerminalRef,
    ToolContent,
    ToolStatus,
    client_terminal,
)
from agent_server.conversation.visible import visible
from agent_server.protocol.v1.needs import UPDATE_CAPABILITIES

Update = dict[str, Any]

CHUNK_OF_ROLE: Final = {
    "user": "user_message_chunk",
    "agent": "agent_message_chunk",
    "thought": "agent_thought_chunk",
}
UNSEEN: Final = frozenset({SessionCreated, PromptReceived, TurnStarted, TurnEnded, ModelResponded, ToolResultRecorded})
"""Events of which a client of version 1 is told nothing: known beforehand, because most events are such."""

NOTICES: Final = UPDATE_CAPABILITIES["notice"]
COMPACTION: Final = UPDATE_CAPABILITIES["compaction_update"]
PLAN_IDS: Final = UPDATE_CAPABILITIES["plan_update"]
PLAN_ID: Final = "plan"
"""A session has one plan."""

TERMINAL_TAIL_BYTES: Final = 32 * 1024
MAX_DIFF_CHARS: Final = 1024 * 1024
MAX_RAW_BYTES: Final = 1024 * 1024


class _Terminal:
    """The end of a command's output, and the call that shows it."""

    __slots__ = ("call_id", "cut_bytes", "tail")

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self.tail = bytearray()
        self.cut_bytes = 0

    def write(self, data: bytes) -> None:
        self.tail += data
        excess = len(self.tail) - TERMINAL_TAIL_BYTES
        if excess > 0:
            del self.tail[:excess]
            self.cut_bytes += excess

    def block(self) -> dict[str, Any]:
        text = self.tail.decode("utf-8", "replace")
        mark = f"[{self.cut_bytes} bytes before this not shown]\n" if self.cut_bytes else ""
        fence = "```" if "```" not in text else "````````"
        end = "" if text.endswith("\n") or not text else "\n"
        return {"type": "content", "content": {"type": "text", "text": f"{fence}console\n{mark}{text}{end}{fence}"}}


class ProjectorV1:
    """Makes the updates for one stream of events; remembers what version 1 must be told again.

    ``config_options`` gives the session's options as they stand on the wire; ``offers`` says whether the client
    advertised the capability at a path, which is asked only when an update needs it (promise P10).
    """

    def __init__(
        self, config_options: Callable[[], list[Any]], offers: Callable[[str], bool] = lambda _path: False
    ) -> None:
        self.config_options = config_options
        self._offers = offers
        self._summarized: set[str] = set()
        self._calls: dict[str, tuple[ToolContent, ...]] = {}
        self._terminals: dict[str, _Terminal] = {}
        self._unknown_kinds: set[str] = set()
        self.retelling = False
        """Whether the events are history: terminals of a client are shown as text then."""

    def updates(self, event: Event) -> list[Update]:
        """What a client is told about an event: often nothing."""
        project = _PROJECTIONS.get(type(event))
        return project(self, event) if project is not None else []

    def _text_run(self, event: TextRun) -> list[Update]:
        return [
            _chunk(event.role, event.message_id, {"type": "text", "text": event.text[start : start + MAX_SHOWN_CHARS]})
            for start in range(0, len(event.text), MAX_SHOWN_CHARS)
        ]

    def _message(self, event: MessageInserted) -> list[Update]:
        return [_chunk(event.role, event.message_id, block_of(part)) for part in event.parts]

    def _message_part(self, event: MessagePart) -> list[Update]:
        return [_chunk(event.role, event.message_id, block_of(event.part))]

    def _tool_call(self, event: ToolCallUpserted) -> list[Update]:
        call_id = event.tool_call_id
        first = call_id not in self._calls
        content = event.content if event.content is not None else self._calls.get(call_id, ())
        self._calls[call_id] = content
        update: Update = {"sessionUpdate": "tool_call" if first else "tool_call_update", "toolCallId": call_id}
        if event.title is not None or first:
            update["title"] = shown(event.title or event.name or "Tool call")
        if event.name is not None:
            update["name"] = event.name
        if event.kind is not None:
            update["kind"] = event.kind.value
        if event.status is not None:
            update["status"] = _status(event.status)
        if event.content is not None and (shown_content := self._content(content)):
            update["content"] = shown_content
        if event.locations is not None:
            update["locations"] = [location_of(location) for location in event.locations]
        if event.raw_input is not None:
            update["rawInput"] = raw_of(event.raw_input)
        if event.raw_output is not None:
            update["rawOutput"] = raw_of(event.raw_output)
        if event.status is not None and event.status.ended:
            self._forget(call_id)
        return [update] if first or len(update) > 2 else []

    def _forget(self, call_id: str) -> None:
        """An ended call keeps its id only, so that a long session does not keep every diff twice."""
        self._calls[call_id] = ()
        for terminal_id in [key for key, terminal in self._terminals.items() if terminal.call_id == call_id]:
            del self._terminals[terminal_id]

    def _terminal_started(self, event: TerminalStarted) -> list[Update]:
        if event.owner == "agent" or self.retelling:  # else the client shows its terminal itself
            self._terminals[event.terminal_id] = _Terminal(event.tool_call_id)
        return []

    def _terminal_output(self, event: TerminalOutput) -> list[Update]:
        terminal = self._terminals.get(event.terminal_id)
        if terminal is None:
            return []
        terminal.write(event.data)
        return self._shown_again(terminal)

    def _shown_again(self, terminal: _Terminal) -> list[Update]:
        content = self._content(self._calls.get(terminal.call_id, ()))
        return [{"sessionUpdate": "tool_call_update", "toolCallId": terminal.call_id, "content": content}]

    def _content(self, content: tuple[ToolContent, ...]) -> list[dict[str, Any]]:
        return [block for item in content for block in self._shown_item(item)]

    def _shown_item(self, item: ToolContent) -> list[dict[str, Any]]:
        if isinstance(item, TerminalRef):
            terminal_id = item.terminal_id if item.owner == "agent" else client_terminal(item.terminal_id)
            terminal = self._terminals.get(terminal_id)
            if item.owner == "agent" or terminal is not None:
                return [terminal.block()] if terminal is not None and terminal.tail else []
        return [tool_content_of(item)]

    def _plan(self, event: PlanUpdated) -> list[Update]:
        entries = [
            {"content": entry.content, "priority": entry.priority, "status": entry.status} for entry in event.entries
        ]
        if self._offers(PLAN_IDS):
            plan = {"type": "items", "planId": PLAN_ID, "entries": entries}
            return [{"sessionUpdate": "plan_update", "plan": plan}]
        return [{"sessionUpdate": "plan", "entries": entries}]

    def _usage(self, event: UsageReported) -> list[Update]:
        if event.window_tokens is None:  # the field may not be null, and a guess would be a lie
            return []
        update: Update = {"sessionUpdate": "usage_update", "used": event.kept_tokens, "size": event.window_tokens}
        cost_usd = event.cost_usd if event.session_cost_usd is None else event.session_cost_usd
        if cost_usd is not None:
            update["cost"] = {"amount": cost_usd, "currency": "USD"}
        return [update]

    def _estimated(self, event: ContextEstimated) -> list[Update]:
        return [{"sessionUpdate": "usage_update", "used": event.used_tokens, "size": event.window_tokens}]

    def _retry(self, event: RetryPlanned) -> list[Update]:
        if self.retelling or not self._offers(NOTICES):  # other clients may be told in our own words
            return []
        seconds = f"{event.delay_ms / 1000:.1f} s"
        description = f"Attempt {event.attempt + 1} follows in {seconds}."
        title = event.details.rstrip(".")
        return [{"sessionUpdate": "notice", "severity": "warning", "title": title, "description": description}]

    def _option(self, event: OptionChanged) -> list[Update]:
        changed: Update = {"sessionUpdate": "config_option_update", "configOptions": self.config_options()}
        if event.option_id != "mode":
            return [changed]
        return [{"sessionUpdate": "current_mode_update", "currentModeId": event.value}, changed]

    def _titled(self, event: TitleChanged) -> list[Update]:
        return [{"sessionUpdate": "session_info_update", "title": event.title}]

    def _notice(self, event: NoticeRaised) -> list[Update]:
        if not self._offers(NOTICES):
            return []
        update: Update = {"sessionUpdate": "notice", "severity": event.severity, "title": event.title}
        if event.description is not None:
            update["description"] = event.description
        return [update]

    def _unknown(self, event: UnknownEvent) -> list[Update]:
        """A note, once for each kind: there may be thousands. Said by nobody, so that clients show it as an aside."""
        if event.kind in self._unknown_kinds:
            return []
        self._unknown_kinds.add(event.kind)
        note = f"[Something that this version cannot show was recorded by a newer one: {visible(event.kind[:100])}]"
        update = _chunk("thought", 0, {"type": "text", "text": note})
        return [{**update, "messageId": f"unknown-{len(self._unknown_kinds)}"}]

    def _compaction_began(self, event: CompactionBegan) -> list[Update]:
        return [_compaction(event.compaction_id, "in_progress")] if self._offers(COMPACTION) else []

    def _compaction_summary(self, event: CompactionSummaryGrew) -> list[Update]:
        if not self._offers(COMPACTION):
            return []
        self._summarized.add(event.compaction_id)
        starts = range(0, len(event.text), MAX_SHOWN_CHARS)
        return [_summary_chunk(event.compaction_id, event.text[start : start + MAX_SHOWN_CHARS]) for start in starts]

    def _compaction_finished(self, event: CompactionFinished) -> list[Update]:
        if not self._offers(COMPACTION):
            return []
        update = _compaction(event.compaction_id, event.status)
        if event.compaction_id in self._summarized:
            self._summarized.remove(event.compaction_id)
            if event.status != "completed":
                update["summary"] = None  # what came of it so far is the summary of nothing
        if event.error is not None:
            update["error"] = shown(event.error)
        return [update]


_PROJECTIONS: Final[dict[type, Callable[[ProjectorV1, Any], list[Update]]]] = {
    TextRun: ProjectorV1._text_run,
    MessageInserted: ProjectorV1._message,
    MessagePart: ProjectorV1._message_part,
    ToolCallUpserted: ProjectorV1._tool_call,
    TerminalStarted: ProjectorV1._terminal_started,
    TerminalOutput: ProjectorV1._terminal_output,
    PlanUpdated: ProjectorV1._plan,
    UsageReported: ProjectorV1._usage,
    ContextEstimated: ProjectorV1._estimated,
    RetryPlanned: ProjectorV1._retry,
    OptionChanged: ProjectorV1._option,
    TitleChanged: ProjectorV1._titled,
    NoticeRaised: ProjectorV1._notice,
    UnknownEvent: ProjectorV1._unknown,
    CompactionBegan: ProjectorV1._compaction_began,
    CompactionSummaryGrew: ProjectorV1._compaction_summary,
    CompactionFinished: ProjectorV1._compaction_finished,
}


def _chunk(role: str, message_id: int, block: dict[str, Any]) -> Update:
    return {"sessionUpdate": CHUNK_OF_ROLE[role], "content": block, "messageId": str(message_id)}


def _compaction(compaction_id: str, status: str) -> Update:
    return {"sessionUpdate": "compaction_update", "compactionId": compaction_id, "status": status}


def _summary_chunk(compaction_id: str, text: str) -> Update:
    return {
        "sessionUpdate": "compaction_summary_chunk",
        "compactionId": compaction_id,
        "content": {"type": "text", "text": text},
    }


def _status(status: ToolStatus) -> str:
    return "failed" if status in (ToolStatus.DENIED, ToolStatus.CANCELLED) else status.value


def location_of(location: Location) -> dict[str, Any]:
    """A location on the wire; an unknown line is left out."""
    return {"path": location.path} if location.line is None else {"path": location.path, "line": location.line}


def tool_content_of(item: ToolContent) -> dict[str, Any]:
    """One item of a tool call's content on the wire."""
    if isinstance(item, FileChange):
        return _diff(item)
    if isinstance(item, TerminalRef):
        return {"type": "terminal", "terminalId": item.terminal_id}
    return {"type": "content", "content": block_of(item)}


def _diff(change: FileChange) -> dict[str, Any]:
    if change.operation == "move":
        return {"type": "content", "content": block_of(TextPart(f"{change.old_path} → {change.path}"))}
    if len(change.old_text or "") + len(change.new_text or "") > MAX_DIFF_CHARS:
        text = f"The change of {change.path} is too large to be shown."
        return {"type": "content", "content": block_of(TextPart(text))}
    diff: dict[str, Any] = {"type": "diff", "path": change.path, "newText": change.new_text or ""}
    if change.old_text is not None:
        diff["oldText"] = change.old_text
    return diff


def raw_of(value: Any) -> Any:
    """A raw input or output, or a note in its place when it would not fit into an update."""
    try:
        size = len(orjson.dumps(value))
    except TypeError:
        value = holdable(value)
        size = len(orjson.dumps(value))
    return value if size <= MAX_RAW_BYTES else {"notShown": f"{size} bytes"}
