"""The provider port: what the agent loop asks of a language model, and what it hears back.

What is heard is slotted but not frozen, because a frozen class costs twice as much to make, at the start and for each
delta. Nobody changes it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

from agent_server.conversation.reasoning import ReasoningState

if TYPE_CHECKING:  # a provider is made before the first answer, which needs none of these
    from agent_server.conversation.content import Part
    from agent_server.conversation.events import CompactionOutcome, NoticeSeverity, PlanEntry
    from agent_server.conversation.messages import ModelMessage
    from agent_server.conversation.tool_calls import ToolSpec
    from agent_server.errors import ErrorKind


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command that the provider understands: ``name`` without the slash."""

    name: str
    description: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be chosen now. ``window_tokens`` is its context size where known.

    A model without ``images`` or ``audio`` is given a text in place of each, which says what was there (Req: TN-02).

    Attributes:
        output_tokens: the longest answer that it can give, where known.
        efforts: the levels of reasoning that can be chosen besides ``off``, the least first; none: no choice.
        default_effort: how it reasons if nobody says otherwise; None: as its server likes.
        price: what its tokens cost; None: not known, so nothing is ever said of cost.
        provider: who serves it, as a word; empty: whoever offers it.
    """

    id: str
    name: str
    description: str | None = None
    window_tokens: int | None = None
    images: bool = True
    audio: bool = True
    output_tokens: int | None = None
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    price: Price | None = None
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens of each kind. Without its own price a cached token costs what any other does.

    ``above``: what all tokens of a request cost instead that reads more than ``above_tokens``.
    """

    input_usd: float
    output_usd: float
    cached_read_usd: float | None = None
    cached_write_usd: float | None = None
    above_tokens: int = 0
    above: Price | None = None


@dataclass(frozen=True, slots=True)
class KeyState:
    """Whether a provider can be used. ``source`` says where its key is from, in words; never the key."""

    id: str
    title: str
    configured: bool
    source: str | None = None


@dataclass(slots=True)
class ModelRequest:
    """One request to a model.

    ``messages`` is the session's live context: read it, never change it, and do not keep it after the stream ended.
    ``trace`` is the prompt's trace context as HTTP headers (``traceparent``, ``tracestate``, ``baggage``), to be passed
    on as it is. ``effort`` is how much the model is to reason: ``off``, one of its `ModelInfo.efforts`, or None where
    nobody chose. ``session_id`` only groups requests that share their beginning, for the server's cache.
    """

    model: str
    messages: Sequence[ModelMessage]
    tools: Sequence[ToolSpec] = ()
    system: str = ""
    cwd: str = "/"
    trace: Mapping[str, str] | None = None
    effort: str | None = None
    session_id: str = ""


@dataclass(slots=True)
class TextDelta:
    """The answer goes on."""

    text: str


@dataclass(slots=True)
class ThoughtDelta:
    """The reasoning goes on."""

    text: str


@dataclass(slots=True)
class PartDelta:
    """A part of the answer that is not text, an image say."""

    part: Part


@dataclass(slots=True)
class ToolCallBegun:
    """The model began to ask for a tool and is still writing the arguments, which may take long.

    A `ToolCallRequested` with the same id follows, unless the response breaks off.
    """

    call_id: str
    name: str


@dataclass(slots=True)
class ToolCallRequested:
    """The model asks for a tool. The loop runs it after the response is complete.

    ``misread`` says what is wrong with arguments that could not be read: such a call is never run, and the model is
    told.
    """

    call_id: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    misread: str | None = None


@dataclass(slots=True)
class PlanProposed:
    """The whole plan, replacing the former one."""

    entries: tuple[PlanEntry, ...]


@dataclass(slots=True)
class Usage:
    """Tokens of this one model call, or of a part of it; all of them are added up.

    ``input_tokens`` is everything that the model read: what came from a cache and what was written to one is part of
    it. ``output_tokens`` is everything that it wrote: its thoughts are part of it. ``cost_usd`` is what the server says
    that it cost.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_read_tokens: int = 0
    cached_write_tokens: int = 0
    thought_tokens: int = 0
    cost_usd: float | None = None


@dataclass(slots=True)
class UsageSoFar(Usage):
    """Tokens of this one model call until now; a later one replaces it.

    It is counted when the call ends, whichever way: what was cancelled has its price too.
    """


@dataclass(slots=True)
class NoticeGiven:
    """Something that people should know and that is no part of the answer: a retry, an old model. Spec: notices."""

    severity: NoticeSeverity
    title: str
    description: str | None = None


@dataclass(slots=True)
class RetryPlanned:
    """The request failed before anything came of it, and will be sent again (Req: TN-13). ``attempt`` counts from 1."""

    attempt: int
    delay_s: float
    kind: ErrorKind
    details: str


@dataclass(slots=True)
class CompactionStarted:
    """The provider shortens its context by itself. The id is its own: any, as long as no other open one has it."""

    compaction_id: str


@dataclass(slots=True)
class CompactionSummary:
    """The summary of an open compaction goes on."""

    compaction_id: str
    text: str


@dataclass(slots=True)
class CompactionEnded:
    """The compaction is over. ``error`` is told only where it failed. One still open at the turn's end ends with it."""

    compaction_id: str
    status: CompactionOutcome = "completed"
    error: str | None = None


@dataclass(slots=True)
class Finished:
    """The response is complete. Every stream ends with exactly one of these, or raises.

    ``pause``: the server wants what it said sent back, to go on.
    """

    reason: Literal["end_turn", "tool_use", "max_tokens", "refusal", "pause"] = "end_turn"


ProviderEvent: TypeAlias = (
    TextDelta
    | ThoughtDelta
    | PartDelta
    | ToolCallBegun
    | ToolCallRequested
    | PlanProposed
    | Usage
    | UsageSoFar
    | NoticeGiven
    | RetryPlanned
    | ReasoningState
    | CompactionStarted
    | CompactionSummary
    | CompactionEnded
    | Finished
)

ProviderEvents: TypeAlias = AsyncGenerator[ProviderEvent, None]


class Provider(Protocol):
    """A source of model responses. One instance serves every session of the process.

    `SimpleProvider` has everything but the stream.
    """

    @property
    def id(self) -> str:
        """A stable word: ``offline``, ``scenario``, ``anthropic``, …"""

    @property
    def source(self) -> str:
        """Who brought it: ``builtin`` what comes with agent-server, ``embedded`` what a program around it brings."""

    @property
    def system_prompts(self) -> bool:
        """Whether it gives `ModelRequest.system` to its model; else clients may send none."""

    @property
    def ready(self) -> bool:
        """Whether it can be asked now. Looked at before every request, so it must be cheap."""

    async def wait_ready(self) -> None:
        """Return when it can be asked; begin to start where that failed before. Several sessions may wait at once, and
        cancelling one of them must not disturb the others (Req: ST-13).

        Raises:
            ProviderError: it could not start.
        """

    def models(self) -> Sequence[ModelInfo]:
        """The models that can be chosen now; the first is the default. Never empty."""

    def info(self, model: str) -> ModelInfo | None:
        """What is known of a model that it serves, or did and may again, whether it can be chosen now or not."""

    def provider_of(self, model: str) -> Provider:
        """Who serves this model, and is asked from now on: itself, unless it stands for several."""

    @property
    def session_commands(self) -> bool:
        """Whether the server's own slash commands (``/model``, ``/continue``, …) are understood beside its own."""

    @property
    def self_tests(self) -> bool:
        """Whether it is to be offered the tools that only serve to test editors."""

    @property
    def language_model(self) -> bool:
        """Whether it is a language model: it is told what it is for, and before each request how full its context is
        about is told (Req: MO-12).
        """

    def watch(self, on_changed: Callable[[], None]) -> Callable[[], None]:
        """Call back whenever `models` gives another list; what it returns ends that."""

    def key_states(self) -> Sequence[KeyState]:
        """Who could serve models, and whether there is a key for it; often nobody (Req: CR-03)."""

    async def refresh(self) -> bool:
        """Look for keys and servers again; whether any model can be asked (Req: CR-02)."""

    def commands(self) -> Sequence[Command]:
        """The slash commands that it understands in a prompt; often none (Req: SK-06)."""

    def stream(self, request: ModelRequest) -> ProviderEvents:
        """Stream one response.

        Closing or cancelling the generator abandons the request.

        Raises:
            ProviderError: the model could not answer; nothing more will come.
        """


class SimpleProvider:
    """A provider of one model without commands, ready at once; to be subclassed: give it an ``id`` and a ``stream``."""

    id = "custom"
    system_prompts: bool = False
    ready: bool = True
    language_model: bool = False
    session_commands: bool = False
    self_tests: bool = False
    source: str = "embedded"

    def info(self, model: str) -> ModelInfo | None:
        """What is known of a model that can be chosen."""
        return next((info for info in self.models() if info.id == model), None)

    def provider_of(self, model: str) -> Provider:
        """Itself."""
        return cast("Provider", self)  # whoever subclasses this brings the stream

    async def wait_ready(self) -> None:
        """It is ready."""

    def watch(self, on_changed: Callable[[], None]) -> Callable[[], None]:
        """Its list never changes."""
        return lambda: None

    def key_states(self) -> Sequence[KeyState]:
        """It needs none."""
        return ()

    async def refresh(self) -> bool:
        """It is there."""
        return True

    def models(self) -> Sequence[ModelInfo]:
        """One model, named like the provider."""
        return (ModelInfo(self.id, self.id),)

    def commands(self) -> Sequence[Command]:
        """None."""
        return ()
