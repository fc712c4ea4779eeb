"""A tool call as the conversation records it: what it is, what it shows, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from agent_server.conversation.content import Part


class ToolKind(StrEnum):
    """What a tool does, for icons and for deciding how to show it. Spec: tool-calls."""

    READ = "read"
    EDIT = "edit"
    DELETE = "delete"
    MOVE = "move"
    SEARCH = "search"
    EXECUTE = "execute"
    THINK = "think"
    FETCH = "fetch"
    SWITCH_MODE = "switch_mode"
    OTHER = "other"


class ToolStatus(StrEnum):
    """Where a call stands. ``denied`` and ``cancelled`` are causes of an end, which ACP v1 shows as failed."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    DENIED = "denied"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the call will not change any more."""
        return self not in (ToolStatus.PENDING, ToolStatus.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it. ``parameters`` is a JSON Schema of type object.

    ``changes`` is True for whatever may change files or run programs: plan mode refuses it and the user is asked.
    ``testing``: it serves to test editors and is of no use to a real model.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    kind: ToolKind = ToolKind.OTHER
    changes: bool = False
    testing: bool = False


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file: ``path`` is absolute, ``line`` is 1-based."""

    path: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class FileChange:
    """One change of one file, with the whole text before and after it (None: the file did not or does not exist)."""

    operation: Literal["add", "modify", "delete", "move"]
    path: str
    old_text: str | None = None
    new_text: str | None = None
    old_path: str | None = None


@dataclass(frozen=True, slots=True)
class TerminalRef:
    """Shows a terminal inside a tool call.

    ``owner`` says whose: our own (its output is in the log) or the client's (only its id is known, and only while
    the client keeps it).
    """

    terminal_id: str
    owner: Literal["agent", "client"] = "agent"


def client_terminal(terminal_id: str) -> str:
    """What the log calls a terminal of the client, so that it is none of ours, whatever the client calls it."""
    return f"client:{terminal_id}"


ToolContent: TypeAlias = Part | FileChange | TerminalRef
