"""Events as JSON, for whoever keeps them: the words that stand on disk, and the way back.

What stands here is a format: a name that was written once is read for ever. A field that has its default is left out,
so that fields may be added; a kind of event, or a form of one, that is not known here becomes an `UnknownEvent`, which
is written again as it was (Req: PE-07).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import fields
from os import urandom
from typing import Any, Final, NamedTuple

import orjson

from agent_server.conversation import events as ev
from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, Part, ResourcePart, TextPart
from agent_server.conversation.events import Event, MessageInserted, PromptReceived, TextRun, UnknownEvent
from agent_server.conversation.holdable import holdable
from agent_server.conversation.reasoning import ReasoningState
from agent_server.conversation.system_prompt import SystemPrompt
from agent_server.conversation.tool_calls import FileChange, Location, TerminalRef, ToolKind, ToolStatus

Plain = dict[str, Any]

LONG_CHARS: Final = 1024 * 1024
SLICE_CHARS: Final = 256 * 1024


class _Way(NamedTuple):
    """How a value that is no plain JSON goes there and back."""

    there: Callable[[Any], Any] | None
    back: Callable[[Any], Any] | None


class _Shape:
    """One kind of event or of content: its word, and its fields with their defaults and ways."""

    __slots__ = ("_back", "_fields", "kind", "made")

    def __init__(self, kind: str, made: type, ways: dict[str, _Way]) -> None:
        self.kind = kind
        self.made = made
        described = fields(made)
        as_is = _Way(None, None)
        self._fields = [(one.name, one.default, ways.get(one.name, as_is).there) for one in described]
        self._back = [(name, way.back) for name, way in ways.items() if way.back is not None]

    def plain(self, value: Any) -> Plain:
        """The value as JSON can hold it, but for what a model or a tool put into it."""
        told: Plain = {"type": self.kind}
        for name, default, there in self._fields:
            inner = getattr(value, name)
            if inner is not default:
                told[name] = inner if there is None or inner is None else there(inner)
        return told

    def value(self, told: Plain) -> Any:
        """The way back, which uses up what was told. Raises anything where this is no such value."""
        del told["type"]
        for name, back in self._back:
            inner = told.get(name)
            if inner is not None:
                told[name] = back(inner)
        return self.made(**told)


def _all(way: _Way) -> _Way:
    there, back = way
    assert there is not None and back is not None
    return _Way(lambda values: [there(value) for value in values], lambda told: tuple([back(one) for one in told]))


def _record(made: type, **ways: _Way) -> _Way:
    """A value whose type is known where it stands."""
    shape = _Shape("", made, ways)

    def there(value: Any) -> Plain:
        told = shape.plain(value)
        del told["type"]
        return told

    return _Way(there, lambda told: shape.value({**told, "type": ""}))


def _one_of(shapes: Iterable[_Shape]) -> _Way:
    by_type = {shape.made: shape for shape in shapes}
    by_kind = {shape.kind: shape for shape in by_type.values()}
    return _Way(lambda value: by_type[type(value)].plain(value), lambda told: by_kind[told["type"]].value(told))


def _bytes_there(data: bytes) -> Plain:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _bytes_back(told: Plain) -> bytes:
    return told["text"].encode() if "text" in told else b64decode(told["base64"])


_TUPLE: Final = _Way(list, tuple)
_BYTES: Final = _Way(_bytes_there, _bytes_back)
# Looking a word up takes a tenth of what the enumeration takes to find it.
_STATUS: Final = _Way(lambda status: status.value, {one.value: one for one in ToolStatus}.__getitem__)
_KIND: Final = _Way(lambda kind: kind.value, {one.value: one for one in ToolKind}.__getitem__)
_PART_SHAPES: Final = [
    _Shape("text", TextPart, {}),
    _Shape("image", ImagePart, {}),
    _Shape("audio", AudioPart, {}),
    _Shape("link", LinkPart, {}),
    _Shape("resource", ResourcePart, {}),
]
_SHAPE_OF_PART: Final = {shape.made: shape for shape in _PART_SHAPES}
_PART: Final = _one_of(_PART_SHAPES)
_PARTS: Final = _all(_PART)
_SHOWN: Final = _all(
    _one_of([*_PART_SHAPES, _Shape("file_change", FileChange, {}), _Shape("terminal", TerminalRef, {})])
)

_SHAPES: Final = [
    _Shape("session_created", ev.SessionCreated, {"roots": _TUPLE}),
    _Shape("system_note", ev.SystemNote, {}),
    _Shape("prompt_received", PromptReceived, {"parts": _PARTS}),
    _Shape("prompt_withdrawn", ev.PromptWithdrawn, {}),
    _Shape("message_inserted", MessageInserted, {"parts": _PARTS}),
    _Shape("text_run", TextRun, {"pieces": _TUPLE}),
    _Shape("message_part", ev.MessagePart, {"part": _PART}),
    _Shape("turn_started", ev.TurnStarted, {}),
    _Shape("turn_ended", ev.TurnEnded, {"failure": _record(ev.TurnFailure)}),
    _Shape(
        "tool_call",
        ev.ToolCallUpserted,
        {"kind": _KIND, "status": _STATUS, "content": _SHOWN, "locations": _all(_record(Location))},
    ),
    _Shape("terminal_started", ev.TerminalStarted, {}),
    _Shape("terminal_output", ev.TerminalOutput, {"data": _BYTES}),
    _Shape("terminal_exited", ev.TerminalExited, {}),
    _Shape("tool_result", ev.ToolResultRecorded, {"parts": _PARTS}),
    _Shape(
        "model_responded",
        ev.ModelResponded,
        {"tool_requests": _all(_TUPLE), "reasoning": _record(ReasoningState)},
    ),
    _Shape("approval_opened", ev.ApprovalOpened, {}),
    _Shape("approval_closed", ev.ApprovalClosed, {}),
    _Shape("plan_updated", ev.PlanUpdated, {"entries": _all(_record(ev.PlanEntry))}),
    _Shape("usage_reported", ev.UsageReported, {}),
    _Shape("context_estimated", ev.ContextEstimated, {}),
    _Shape("retry_planned", ev.RetryPlanned, {}),
    _Shape("budget_changed", ev.BudgetChanged, {}),
    _Shape("option_changed", ev.OptionChanged, {}),
    _Shape("title_changed", ev.TitleChanged, {}),
    _Shape("system_prompt_set", ev.SystemPromptSet, {"prompt": _record(SystemPrompt)}),
    _Shape("roots_changed", ev.RootsChanged, {"roots": _TUPLE}),
    _Shape("notice_raised", ev.NoticeRaised, {}),
    _Shape("compaction_began", ev.CompactionBegan, {}),
    _Shape("compaction_summary_grew", ev.CompactionSummaryGrew, {}),
    _Shape("compaction_finished", ev.CompactionFinished, {}),
    _Shape("question_opened", ev.QuestionOpened, {}),
    _Shape("question_closed", ev.QuestionClosed, {}),
    _Shape("archived_changed", ev.ArchivedChanged, {}),
]
_BY_TYPE: Final = {shape.made: shape for shape in _SHAPES}
_BY_KIND: Final = {shape.kind: shape for shape in _SHAPES}
_MISFIT: Final = (KeyError, TypeError, ValueError, AttributeError)


class Record(NamedTuple):
    """What one append wrote: when (milliseconds since 1970), and the events."""

    at_ms: int
    events: list[Event]


def plain(event: Event) -> Plain:
    """An event as JSON can hold it: its ``type``, and its fields without those that have their default."""
    if type(event) is UnknownEvent:
        return {**event.data, "type": event.kind}
    return _BY_TYPE[type(event)].plain(event)


def event_of(told: Plain) -> Event:
    """The event that `plain` told; an `UnknownEvent` where it is of no kind or form that is known here.

    Raises:
        ValueError: it is nothing that `plain` tells.
    """
    kind = told.get("type") if type(told) is dict else None
    if type(kind) is not str:
        raise ValueError("an event has a type")
    shape = _BY_KIND.get(kind)
    try:
        if shape is not None:
            event: Event = shape.value(deepcopy(told))
            return event
    except _MISFIT:
        pass  # whatever it lacks, it is kept
    return UnknownEvent(kind, {name: value for name, value in told.items() if name != "type"})


def encode(first: int, last: int, at_ms: int, events: Sequence[Event], session_id: str | None = None) -> bytes:
    """The JSON text of a `Record` of at least one event, with the seqs that it takes; those stand first.

    ``session_id`` stands in it where a file holds several sessions.
    """
    event = events[0]
    told = [_QUICK.get(type(event), plain)(event)]
    before = event
    for event in events[1:]:
        if type(event) is MessageInserted and type(before) is PromptReceived and event.parts is before.parts:
            told.append(_message_of_prompt(event))
            continue
        told.append(_QUICK.get(type(event), plain)(event))
        if type(event) is PromptReceived:
            before = event
    record: Plain = {"seq": (first, last), "at": at_ms, "events": told}
    if session_id is not None:
        record["session"] = session_id
    try:
        return orjson.dumps(record)
    except TypeError:
        return orjson.dumps(holdable(record))


class LongText:
    """The JSON text of a record in pieces: the long texts in it are encoded anew each time somebody goes through it."""

    def __init__(self, pieces: list[bytes | str]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            for start in range(0, len(piece), SLICE_CHARS):
                yield orjson.dumps(piece[start : start + SLICE_CHARS])[1:-1]


def is_long(prompt: PromptReceived) -> bool:
    """Whether the text of a prompt should not be encoded as a whole: that would take its size in memory again."""
    return any(len(_long_text(part)) > LONG_CHARS for part in prompt.parts)


def encode_long(first: int, last: int, at_ms: int, events: Sequence[Event]) -> LongText:
    """As `encode`, for events that begin with a prompt that is long."""
    mark = urandom(16).hex()
    texts: list[str] = []
    told = [plain(events[0])]
    for part in told[0]["parts"]:
        for name in ("text", "data", "blob"):
            if len(part.get(name) or "") > LONG_CHARS:
                texts.append(part[name])
                part[name] = mark
    told += [
        _message_of_prompt(event)
        if type(event) is MessageInserted and event.parts is events[0].parts  # type: ignore[union-attr]
        else plain(event)
        for event in events[1:]
    ]
    record = orjson.dumps({"seq": (first, last), "at": at_ms, "events": told})
    pieces: list[bytes | str] = []
    for between, text in zip(record.split(mark.encode()), [*texts, ""], strict=True):
        pieces += [between, text]
    return LongText(pieces)


def _long_text(part: Part) -> str:
    kind = type(part)
    if kind is TextPart:
        return part.text  # type: ignore[union-attr, return-value]
    return getattr(part, "data", None) or getattr(part, "text", None) or getattr(part, "blob", None) or ""


def decode(text: bytes, told: Plain) -> Record:
    """What `encode` wrote; ``told`` is the text read as JSON, and used up.

    Raises:
        ValueError: it is no record.
    """
    if type(told.get("at")) is not int or type(told.get("events")) is not list:
        raise ValueError("a record has a time and events")
    events: list[Event] = []
    prompt: PromptReceived | None = None
    whole: list[Plain] | None = None
    for index, one in enumerate(told["events"]):
        try:
            event = _BY_KIND[one["type"]].value(one)
        except _MISFIT:
            whole = whole or orjson.loads(text)["events"]
            event = event_of(whole[index])
        if type(event) is PromptReceived:
            prompt = event
        elif type(event) is MessageInserted and event.parts is None:
            if prompt is None:
                raise ValueError("a message refers to a prompt that is not there")
            event.parts = prompt.parts
        events.append(event)
    return Record(told["at"], events)


def _run(run: TextRun) -> Plain:
    return {
        "type": "text_run",
        "message_id": run.message_id,
        "role": run.role,
        "pieces": run.pieces,
        "count": run.count,
    }


def _created(event: ev.SessionCreated) -> Plain:
    if event.metadata is not None or event.llm_config is not None:
        return plain(event)
    return {
        "type": "session_created",
        "cwd": event.cwd,
        "roots": event.roots,
        "created_at": event.created_at,
        "model": event.model,
    }


def _note(event: ev.SystemNote) -> Plain:
    return {"type": "system_note", "entry_id": event.entry_id, "level": event.level, "text": event.text}


def _prompt(prompt: PromptReceived) -> Plain:
    return {
        "type": "prompt_received",
        "prompt_id": prompt.prompt_id,
        "parts": [
            {"type": "text", "text": part.text} if type(part) is TextPart else _SHAPE_OF_PART[type(part)].plain(part)
            for part in prompt.parts
        ],
    }


def _turn_started(event: ev.TurnStarted) -> Plain:
    return {"type": "turn_started", "turn_id": event.turn_id, "origin": event.origin}


def _turn_ended(event: ev.TurnEnded) -> Plain:
    if event.failure is not None:
        return plain(event)
    return {"type": "turn_ended", "turn_id": event.turn_id, "stop_reason": event.stop_reason}


def _message_of_prompt(event: MessageInserted) -> Plain:
    """What was said stands in the prompt already."""
    return {
        "type": "message_inserted",
        "message_id": event.message_id,
        "role": event.role,
        "parts": None,
        "prompt_id": event.prompt_id,
    }


_QUICK: Final[dict[type, Callable[[Any], Plain]]] = {
    ev.SessionCreated: _created,
    ev.SystemNote: _note,
    TextRun: _run,
    PromptReceived: _prompt,
    ev.TurnStarted: _turn_started,
    ev.TurnEnded: _turn_ended,
}
"""The same as `plain` for the events of every session and prompt, in a third of the time."""
