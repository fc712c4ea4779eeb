"""What happens in a session: one event each, appended once to its log.

Everything else is a projection of these: the live stream, the replay, the model's context, usage, status. The shapes
are those of ACP v2 (messages, tool calls, terminals and plans are upserts by id); v1's replace-all content and stop
reasons are made from them at the edge.

The classes are slotted but not frozen, because a frozen dataclass costs three times as much to make and some of these
are made for every prompt. Nobody changes an event after it was appended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agent_server.conversation.content import Part
from agent_server.conversation.tool_calls import Location, ToolContent, ToolKind, ToolStatus
from agent_server.errors import ErrorKind

if TYPE_CHECKING:
    from agent_server.conversation.reasoning import ReasoningState
    from agent_server.conversation.system_prompt import SystemPrompt

StopReason: TypeAlias = Literal["end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"]
"""Why a turn ended. A failed turn has an error instead. Spec: prompt-turn."""

MessageRole: TypeAlias = Literal["user", "agent", "thought"]
TurnOrigin: TypeAlias = Literal["prompt", "queue", "continue", "command"]
"""``continue``: the model goes on with an answer that broke off. ``command``: the server itself answered; the model
never hears of it."""

Decision: TypeAlias = Literal["approve", "approve_turn", "approve_session", "reject", "timeout", "cancelled"]
NoticeSeverity: TypeAlias = Literal["info", "warning", "error"]
CompactionOutcome: TypeAlias = Literal["completed", "failed", "cancelled"]
QuestionEnd: TypeAlias = Literal["accept", "decline", "cancel", "timeout", "unanswered", "withdrawn"]
"""``unanswered``: no usable answer came; ``withdrawn``: the turn was cancelled while the question stood."""


@dataclass(slots=True)
class SessionCreated:
    """The first event of every log.

    ``model`` is what the session began with. ``metadata`` and ``llm_config`` are the creator's own.
    """

    cwd: str
    roots: tuple[str, ...]
    created_at: str
    model: str | None = None
    metadata: dict[str, Any] | None = None
    llm_config: dict[str, Any] | None = None


@dataclass(slots=True)
class SystemNote:
    """A line for people that is not sent to the model (Req: ST-12, MS-08)."""

    entry_id: int
    level: Literal["info", "error"]
    text: str


@dataclass(slots=True)
class PromptReceived:
    """A prompt was accepted and waits for its turn. ``prompt_id`` is unique within the session."""

    prompt_id: int
    parts: tuple[Part, ...]


@dataclass(slots=True)
class PromptWithdrawn:
    """A waiting prompt was cancelled before its turn began; it never enters the conversation."""

    prompt_id: int


@dataclass(slots=True)
class MessageInserted:
    """A whole message joined the conversation (the user's prompt)."""

    message_id: int
    role: MessageRole
    parts: tuple[Part, ...]
    prompt_id: int | None = None


@dataclass(slots=True)
class TextRun:
    """Consecutive deltas of one message. Each delta has its own seq; ``count`` of them share this record.

    ``pieces`` make up the text. Small deltas are joined into one piece; long ones are kept as they came, because
    joining them would only copy them.
    """

    message_id: int
    role: MessageRole
    pieces: tuple[str, ...]
    count: int

    @property
    def text(self) -> str:
        """The whole text of the run."""
        return self.pieces[0] if len(self.pieces) == 1 else "".join(self.pieces)


@dataclass(slots=True)
class MessagePart:
    """One part that is not text (an image, say) appended to a message."""

    message_id: int
    role: MessageRole
    part: Part


@dataclass(slots=True)
class TurnStarted:
    """Work on a prompt began; the session is running. ``origin`` says who began the turn."""

    turn_id: int
    origin: TurnOrigin


@dataclass(slots=True)
class TurnFailure:
    """Why a turn failed: what the prompt's error object will say.

    ``interrupted``: the answer broke off in the middle, and the model can go on with it (Req: TN-11).
    """

    kind: ErrorKind | Literal["internal"]
    details: str
    retryable: bool = False
    provider: str = ""
    http_status: int | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    reason: str | None = None
    interrupted: bool = False


@dataclass(slots=True)
class TurnEnded:
    """The turn is over; the session is idle. Exactly one of ``stop_reason`` and ``failure`` is set."""

    turn_id: int
    stop_reason: StopReason | None
    failure: TurnFailure | None = None


@dataclass(slots=True)
class ToolCallUpserted:
    """A tool call was announced (first seen) or changed. None means unchanged; content replaces.

    ``tool_call_id`` is minted by us; ``provider_call_id`` is the model's own.
    """

    tool_call_id: str
    title: str | None = None
    name: str | None = None
    kind: ToolKind | None = None
    status: ToolStatus | None = None
    content: tuple[ToolContent, ...] | None = None
    locations: tuple[Location, ...] | None = None
    raw_input: Any = None
    raw_output: Any = None
    provider_call_id: str | None = None


@dataclass(slots=True)
class TerminalStarted:
    """A command began to run inside a tool call: on our side, or in a terminal of the client's.

    A terminal of the client is known to that client alone, and only until it is released; its output is recorded so
    that everybody else, and everybody later, can be shown it.
    """

    terminal_id: str
    tool_call_id: str
    command: str
    cwd: str
    owner: Literal["agent", "client"] = "agent"


@dataclass(slots=True)
class TerminalOutput:
    """Bytes that the command wrote since the last such event, as they came."""

    terminal_id: str
    data: bytes


@dataclass(slots=True)
class TerminalExited:
    """The command is gone: an exit code, or the name of the signal that ended it."""

    terminal_id: str
    exit_code: int | None
    signal: str | None


@dataclass(slots=True)
class ToolResultRecorded:
    """What the model was given as the result of a call (may differ from what people were shown)."""

    tool_call_id: str
    provider_call_id: str
    name: str
    parts: tuple[Part, ...]
    is_error: bool


@dataclass(slots=True)
class ModelResponded:
    """One response of the model is complete: the tool calls that it asked for, and what it wants back with them.

    The last response of a turn has none of these where it left nothing to be sent back.
    """

    tool_requests: tuple[tuple[str, str, dict[str, Any]], ...]
    reasoning: ReasoningState | None = None


@dataclass(slots=True)
class ApprovalOpened:
    """The user is asked whether a call may run; the session waits for the user."""

    tool_call_id: str
    title: str
    subject: str


@dataclass(slots=True)
class ApprovalClosed:
    """The question is settled, whichever way (answer, time-out, cancel)."""

    tool_call_id: str
    decision: Decision


@dataclass(slots=True)
class PlanEntry:
    """One line of a plan."""

    content: str
    priority: Literal["high", "medium", "low"] = "medium"
    status: Literal["pending", "in_progress", "completed"] = "pending"


@dataclass(slots=True)
class PlanUpdated:
    """The whole plan, replacing the former one."""

    entries: tuple[PlanEntry, ...]


@dataclass(slots=True)
class UsageReported:
    """Tokens of one model call; ``window_tokens`` is the model's context size where known.

    What came from a cache or was written to one is part of the input, thoughts are part of the output. ``cost_usd`` is
    what this call cost, ``session_cost_usd`` all calls until then; None where no price is known.
    """

    input_tokens: int
    output_tokens: int
    cached_read_tokens: int = 0
    cached_write_tokens: int = 0
    thought_tokens: int = 0
    window_tokens: int | None = None
    cost_usd: float | None = None
    session_cost_usd: float | None = None
    model: str | None = None

    @property
    def kept_tokens(self) -> int:
        """How much of the context the request and its answer take from now on.

        Thoughts are left out: either they are not sent back, or the server drops them when the next prompt comes. One
        that reads them again until then says so itself, in what it counts of the next request.
        """
        return self.input_tokens + max(0, self.output_tokens - self.thought_tokens)


@dataclass(slots=True)
class ContextEstimated:
    """How much of the model's context the request takes that is about to be sent: a guess."""

    used_tokens: int
    window_tokens: int


@dataclass(slots=True)
class RetryPlanned:
    """A model call failed before anything came of it, and is made again after the delay. No part of a replay."""

    attempt: int
    delay_ms: int
    kind: ErrorKind
    details: str


@dataclass(slots=True)
class BudgetChanged:
    """What the session may spend in all; None: as much as it likes (Req: MO-11)."""

    max_cost_usd: float | None
    max_tokens: int | None


@dataclass(slots=True)
class OptionChanged:
    """A configuration option of the session got a new value; ``mode`` is one of them."""

    option_id: str
    value: str


@dataclass(slots=True)
class TitleChanged:
    """The session has another title: the user's choice, or the one made when its first turn ended (Req: ST-16)."""

    title: str | None
    by: Literal["agent", "user"]


@dataclass(slots=True)
class SystemPromptSet:
    """What the model is told beforehand, from the next request on; None: only what the agent itself says."""

    prompt: SystemPrompt | None


@dataclass(slots=True)
class RootsChanged:
    """The session works in these directories from now on, all of them absolute; its cwd stays the first."""

    roots: tuple[str, ...]


@dataclass(slots=True)
class NoticeRaised:
    """Something that people should know now. No part of the conversation: a replay leaves it out. Spec: notices."""

    severity: NoticeSeverity
    title: str
    description: str | None = None


@dataclass(slots=True)
class CompactionBegan:
    """The model's side began to shorten its context; this is where it happened. The id is ours, never used again."""

    compaction_id: str


@dataclass(slots=True)
class CompactionSummaryGrew:
    """The summary that will stand for what was left out goes on."""

    compaction_id: str
    text: str


@dataclass(slots=True)
class CompactionFinished:
    """The compaction is over, for good. ``error`` only where it failed; its summary counts only where it completed."""

    compaction_id: str
    status: CompactionOutcome
    error: str | None = None


@dataclass(slots=True)
class QuestionOpened:
    """The user is asked to fill in a form or to visit a page; the session waits for the user. Spec: elicitation."""

    question_id: int
    tool_call_id: str
    kind: Literal["form", "url"]
    message: str


@dataclass(slots=True)
class QuestionClosed:
    """The question is settled. What the user answered is not here: it may be private."""

    question_id: int
    action: QuestionEnd


@dataclass(slots=True)
class ArchivedChanged:
    """The session was put out of the usual lists, or back."""

    archived: bool


@dataclass(slots=True)
class UnknownEvent:
    """Something that a newer version wrote: kept as it stands, and shown as a note (Req: PE-07)."""

    kind: str
    data: dict[str, Any]


Event: TypeAlias = (
    SessionCreated
    | SystemNote
    | PromptReceived
    | PromptWithdrawn
    | MessageInserted
    | TextRun
    | MessagePart
    | TurnStarted
    | TurnEnded
    | ToolCallUpserted
    | TerminalStarted
    | TerminalOutput
    | TerminalExited
    | ToolResultRecorded
    | ModelResponded
    | ApprovalOpened
    | ApprovalClosed
    | PlanUpdated
    | UsageReported
    | ContextEstimated
    | RetryPlanned
    | BudgetChanged
    | OptionChanged
    | TitleChanged
    | SystemPromptSet
    | RootsChanged
    | NoticeRaised
    | CompactionBegan
    | CompactionSummaryGrew
    | CompactionFinished
    | QuestionOpened
    | QuestionClosed
    | ArchivedChanged
    | UnknownEvent
)
