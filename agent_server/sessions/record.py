"""What the log of a session says about it: the model's context, and all that a list or a description shows.

The same fold keeps it while the session lives and makes it anew when the session is opened again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agent_server.conversation.content import text_of
from agent_server.conversation.events import (
    ApprovalClosed,
    ApprovalOpened,
    ArchivedChanged,
    BudgetChanged,
    MessageInserted,
    OptionChanged,
    RootsChanged,
    SessionCreated,
    SystemPromptSet,
    TextRun,
    TitleChanged,
    TurnEnded,
    TurnStarted,
    UsageReported,
)
from agent_server.conversation.model_context import ModelContext
from agent_server.conversation.usage import UsageTotals
from agent_server.conversation.visible import visible
from agent_server.sessions.policy import ASK

if TYPE_CHECKING:
    from agent_server.conversation.system_prompt import SystemPrompt

TITLE_CHARS: Final = 100
PREVIEW_CHARS: Final = 200
_HEARD_CHARS: Final = 4 * TITLE_CHARS
MIN_CUT_CHARS: Final = 10
_CUT: Final = ("max_tokens", "max_turn_requests")


class Record(ModelContext):
    """One session, folded from its log.

    ``entries``, ``prompts``, ``turns``, ``tool_calls`` and ``terminals`` are the highest numbers given to such things;
    none is ever given twice. Whoever gives them counts them here; a fold does not (see `LooseEnds`).
    """

    # Most sessions never change most of these: as defaults of the class they cost a new session nothing.
    cwd: str = ""
    roots: tuple[str, ...] = ()
    created_at: str = ""
    entries: int = 0
    prompts: int = 0
    turns: int = 0
    tool_calls: int = 0
    terminals: int = 0
    user_messages: int = 0
    first_prompt: str | None = None
    title: str | None = None
    title_by_user: bool = False
    mode: str = ASK
    archived: bool = False
    model: str | None = None
    metadata: dict[str, Any] | None = None
    llm_config: dict[str, Any] | None = None
    thought_level: str | None = None
    usage: UsageTotals | None = None
    budget: BudgetChanged | None = None
    continuable: bool = False
    system_prompt: SystemPrompt | None = None
    _answer: str = ""
    _answer_id: int = 0
    _answer_heard: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.approval_subjects: dict[str, str] = {}
        """What each open question is about, by tool call."""

    def emptied(self) -> Record:
        """A record of nothing that gives no number again."""
        record = Record()
        for name in ("entries", "prompts", "turns", "tool_calls", "terminals"):
            setattr(record, name, getattr(self, name))
        return record

    @property
    def cost_usd(self) -> float | None:
        """What its model calls cost so far; None where no price is known (Req: MO-08)."""
        return self.usage.cost_usd if self.usage is not None else None

    @property
    def broke_off(self) -> bool:
        """Whether the response that is not complete has said enough to go on with (Req: TN-11)."""
        said = 0
        for piece in self._text:
            said += len(piece)
            if said > MIN_CUT_CHARS:
                return True
        return False

    @property
    def message_count(self) -> int:
        """Everything in the transcript: notes, messages, thoughts and tool calls (Req: ST-16)."""
        return self.entries + self.tool_calls

    def suggested_title(self) -> str | None:
        """The first line of the first answer, else of the first prompt (Req: ST-16)."""
        return _first_line(self._answer) or _first_line(self.first_prompt or "") or None

    def text_run(self, event: TextRun) -> None:
        """Fold the commonest event."""
        (self._thought if event.role == "thought" else self._text).extend(event.pieces)
        if not self._answer_heard and event.role == "agent":
            self._hear(event)

    def _hear(self, event: TextRun) -> None:
        if self._answer and event.message_id != self._answer_id:
            self._answer_heard = True  # the first answer is over
            return
        self._answer_id = event.message_id
        self._answer = (self._answer + event.text).lstrip()[:_HEARD_CHARS]
        self._answer_heard = len(self._answer) == _HEARD_CHARS or "\n" in self._answer

    def _message(self, event: MessageInserted) -> None:
        super()._message(event)
        if event.role == "user":
            self.user_messages += 1
            if self.first_prompt is None:
                self.first_prompt = text_of(event.parts).strip()[:PREVIEW_CHARS] or None

    def _created(self, event: SessionCreated) -> None:
        self.cwd, self.roots, self.created_at = event.cwd, event.roots, event.created_at
        if event.model is not None:
            self.model = event.model
        if event.metadata is not None or event.llm_config is not None:
            self.metadata, self.llm_config = event.metadata, event.llm_config

    def _roots(self, event: RootsChanged) -> None:
        self.roots = event.roots

    def _title(self, event: TitleChanged) -> None:
        self.title, self.title_by_user = event.title, event.by == "user"
        self._answer_heard = True  # nobody will ask for a suggestion any more

    def _archived(self, event: ArchivedChanged) -> None:
        self.archived = event.archived

    def _option(self, event: OptionChanged) -> None:
        if event.option_id == "mode":
            self.mode = event.value
        elif event.option_id == "model":
            self.model = event.value
        elif event.option_id == "thought_level":
            self.thought_level = event.value

    def _system_prompt(self, event: SystemPromptSet) -> None:
        self.system_prompt = event.prompt

    def _usage(self, event: UsageReported) -> None:
        self.usage = (self.usage or UsageTotals()).plus(event)

    def _budget(self, event: BudgetChanged) -> None:
        self.budget = event

    def _begin_turn(self, event: TurnStarted) -> None:
        super()._begin_turn(event)
        if event.origin != "command":
            self.continuable = False

    def _end_turn(self, event: TurnEnded) -> None:
        if self._origin != "command":
            cut = event.failure is not None and event.failure.interrupted
            self.continuable = cut or event.stop_reason in _CUT
        super()._end_turn(event)

    def _approval_opened(self, event: ApprovalOpened) -> None:
        self.approval_subjects[event.tool_call_id] = event.subject

    def _approval_closed(self, event: ApprovalClosed) -> None:
        self.approval_subjects.pop(event.tool_call_id, None)


Record.folds = {
    **ModelContext.folds,
    TextRun: Record.text_run,
    MessageInserted: Record._message,
    SessionCreated: Record._created,
    RootsChanged: Record._roots,
    TitleChanged: Record._title,
    OptionChanged: Record._option,
    SystemPromptSet: Record._system_prompt,
    UsageReported: Record._usage,
    BudgetChanged: Record._budget,
    TurnStarted: Record._begin_turn,
    TurnEnded: Record._end_turn,
    ArchivedChanged: Record._archived,
    ApprovalOpened: Record._approval_opened,
    ApprovalClosed: Record._approval_closed,
}


def _first_line(text: str) -> str:
    for line in text.splitlines():
        if line.strip():
            return visible(line.strip()[:TITLE_CHARS])[:TITLE_CHARS]
    return ""
