"""A scenario as it is played: turns of steps, made from a file's checked contents."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from agent_server.conversation.content import ImagePart
from agent_server.conversation.events import PlanEntry
from agent_server.errors import ErrorKind
from agent_server.providers.provider import (
    Command,
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    Finished,
    ModelInfo,
    NoticeGiven,
    PartDelta,
    PlanProposed,
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Emit:
    """Say something that is the same each time."""

    events: tuple[ProviderEvent, ...]


@dataclass(frozen=True, slots=True)
class CallTool:
    """Ask for a tool. ``call_id`` None: one is made for each call."""

    name: str
    arguments: dict[str, Any]
    call_id: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for ``delay_s`` seconds; None: until cancelled."""

    delay_s: float | None


@dataclass(frozen=True, slots=True)
class Fail:
    """The model cannot answer."""

    kind: ErrorKind
    details: str
    retryable: bool
    http_status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Crash:
    """The provider itself breaks."""

    message: str


Step: TypeAlias = Emit | CallTool | Wait | Fail | Crash


@dataclass(frozen=True, slots=True)
class PromptMatch:
    """The newest prompt holds this."""

    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class SystemMatch:
    """The instructions of the client hold this."""

    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class ToolResultMatch:
    """One of the newest tool results is so; None means any."""

    name: str | None
    pattern: re.Pattern[str] | None
    is_error: bool | None


@dataclass(frozen=True, slots=True)
class ScriptedTurn:
    """One response of the model. ``finish`` is how it ends when no step ends it otherwise."""

    steps: tuple[Step, ...]
    finish: Finished
    match: PromptMatch | SystemMatch | ToolResultMatch | None = None
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole script."""

    name: str
    turns: tuple[ScriptedTurn, ...]
    models: tuple[ModelInfo, ...]
    commands: tuple[Command, ...] = ()


def scenario_from(data: dict[str, Any], name: str) -> Scenario:
    """Make a scenario of what the schema accepts; ``name`` is taken when the data holds none."""
    name = data.get("name", name)
    window_tokens = data.get("window_tokens")
    models = data.get("models") or [{"id": "scenario", "name": name}]
    return Scenario(
        name,
        tuple(_turn(turn) for turn in data["turns"]),
        tuple(_model(model, window_tokens) for model in models),
        tuple(Command(**command) for command in data.get("commands", ())),
    )


def _model(data: dict[str, Any], window_tokens: int | None) -> ModelInfo:
    can = {"images": data.get("images", True), "audio": data.get("audio", True)}
    return ModelInfo(data["id"], data.get("name", data["id"]), window_tokens=window_tokens, **can)


def _turn(data: dict[str, Any]) -> ScriptedTurn:
    steps = data["steps"]
    asks_for_tools = any("tool" in step for step in steps)
    reason: Any = "tool_use" if asks_for_tools else "end_turn"
    if steps and "finish" in steps[-1]:
        reason, steps = steps[-1]["finish"], steps[:-1]
    match = _match(data["match"]) if "match" in data else None
    return ScriptedTurn(tuple(_step(step) for step in steps), Finished(reason), match, data.get("repeat", False))


def _match(data: dict[str, Any]) -> PromptMatch | SystemMatch | ToolResultMatch:
    if "prompt" in data:
        return PromptMatch(re.compile(data["prompt"]))
    if "system" in data:
        return SystemMatch(re.compile(data["system"]))
    result = data["tool_result"]
    pattern = re.compile(result["text"]) if "text" in result else None
    return ToolResultMatch(result.get("name"), pattern, result.get("error"))


def _step(data: dict[str, Any]) -> Step:
    return next(_READERS[key](data) for key in data if key in _READERS)


def _streamed(kind: type[TextDelta] | type[ThoughtDelta], text: str, data: dict[str, Any]) -> Emit:
    size = data.get("chunk_chars") or len(text) or 1
    return Emit(tuple(kind(text[start : start + size]) for start in range(0, len(text), size)))


def _tool(data: dict[str, Any]) -> CallTool:
    return CallTool(data["tool"], data.get("arguments", {}), data.get("id"))


def _notice(data: dict[str, Any]) -> Emit:
    notice = data["notice"]
    return Emit((NoticeGiven(notice.get("severity", "info"), notice["title"], notice.get("description")),))


def _compaction(data: dict[str, Any]) -> Emit:
    compaction = data["compaction"]
    name = "compaction"  # each ends before the next begins, so one name does for all
    summary = (CompactionSummary(name, text) for text in compaction.get("summary", ()))
    end = CompactionEnded(name, compaction.get("status", "completed"), compaction.get("error"))
    return Emit((CompactionStarted(name), *summary, end))


def _error(data: dict[str, Any]) -> Fail:
    error = data["error"]
    kind: ErrorKind = error["kind"]
    details = error.get("details", f"The scenario made this request fail ({kind}).")
    retryable = error.get("retryable", kind in _PASSING)
    return Fail(kind, details, retryable, error.get("http_status"), error.get("retry_after_s"))


def _drop(data: dict[str, Any]) -> Fail:
    return Fail("unreachable", "The scenario broke the stream off.", retryable=True)


_PASSING: tuple[ErrorKind, ...] = ("rate_limited", "overloaded", "unreachable")

_READERS: dict[str, Callable[[dict[str, Any]], Step]] = {
    "text": lambda data: _streamed(TextDelta, data["text"], data),
    "thought": lambda data: _streamed(ThoughtDelta, data["thought"], data),
    "image": lambda data: Emit((PartDelta(ImagePart(**data["image"])),)),
    "tool": _tool,
    "plan": lambda data: Emit((PlanProposed(tuple(PlanEntry(**entry) for entry in data["plan"])),)),
    "usage": lambda data: Emit((Usage(**data["usage"]),)),
    "notice": _notice,
    "compaction": _compaction,
    "delay_ms": lambda data: Wait(data["delay_ms"] / 1000),
    "wait_for_cancel": lambda data: Wait(None),
    "error": _error,
    "drop": _drop,
    "crash": lambda data: Crash(data["crash"]),
}
