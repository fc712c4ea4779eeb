"""What a client does for an agent: its files and its terminals. Spec: file-system, terminals."""

from __future__ import annotations

from pydantic import Field

from agent_server.protocol.model import Lenient, Model, NullableList
from agent_server.protocol.v1.numbers import Uint32, Uint64
from agent_server.protocol.v1.session import EnvVariable


class ReadTextFileRequest(Model):
    """Read a file as the editor sees it. ``path`` is absolute, ``line`` 1-based, ``limit`` in lines."""

    session_id: str
    path: str
    line: Uint32 | None = None
    limit: Uint32 | None = None


class ReadTextFileResponse(Model):
    """The lines asked for."""

    content: str


class WriteTextFileRequest(Model):
    """Replace a file's text. ``path`` is absolute."""

    session_id: str
    path: str
    content: str


class WriteTextFileResponse(Model):
    """Written."""


class CreateTerminalRequest(Model):
    """Run a command, without a shell. ``cwd`` is absolute; the oldest output beyond the limit is dropped."""

    session_id: str
    command: str
    args: NullableList[str] = Field(default_factory=list)
    env: NullableList[EnvVariable] = Field(default_factory=list)
    cwd: str | None = None
    output_byte_limit: Uint64 | None = None


class CreateTerminalResponse(Model):
    """The terminal's id, at once: the command runs on."""

    terminal_id: str


class TerminalOutputRequest(Model):
    """What has the command printed so far?"""

    session_id: str
    terminal_id: str


class TerminalExitStatus(Model):
    """How a command ended: by itself with a code, or by a signal."""

    exit_code: Lenient[Uint32] = None
    signal: Lenient[str] = None


class TerminalOutputResponse(Model):
    """The output kept so far; ``exit_status`` once the command has ended."""

    output: str
    truncated: bool
    exit_status: Lenient[TerminalExitStatus] = None


class WaitForTerminalExitRequest(Model):
    """Answer when the command has ended."""

    session_id: str
    terminal_id: str


class WaitForTerminalExitResponse(Model):
    """How the command ended."""

    exit_code: Lenient[Uint32] = None
    signal: Lenient[str] = None


class KillTerminalRequest(Model):
    """End the command; the terminal and its output stay."""

    session_id: str
    terminal_id: str


class KillTerminalResponse(Model):
    """Killed."""


class ReleaseTerminalRequest(Model):
    """End the command if it runs and forget the terminal."""

    session_id: str
    terminal_id: str


class ReleaseTerminalResponse(Model):
    """Released."""
