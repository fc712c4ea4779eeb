"""What tools need of the world. The session gives them a local workspace or the editor's; they do not know which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from agent_server.conversation.tool_calls import Location, ToolContent

if TYPE_CHECKING:
    from agent_server.conversation.questions import FormField, UserAnswer


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file as read: its text with the line endings it has, and how to write it back."""

    text: str
    encoding: str = "utf-8"
    bom: bytes = b""


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One name in a directory."""

    name: str
    kind: Literal["file", "directory", "other"]
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a command ended: an exit code, or the name of the signal (``SIGKILL``) that ended it."""

    exit_code: int | None
    signal: str | None = None
    timed_out: bool = False


class CommandObserver(Protocol):
    """Hears a running command. Called from the event loop, never from a thread."""

    def started(self, client_terminal_id: str | None) -> None:
        """It runs now; the id is set when it runs in a terminal of the client."""

    def output(self, data: bytes) -> None:
        """It wrote this to stdout or stderr."""


class Workspace(Protocol):
    """The files and the shell of one session.

    Every path given in may be relative to ``cwd``. Every method refuses what lies outside the roots, symlinks
    resolved, with a ToolError (Req: TL-02).
    """

    @property
    def cwd(self) -> str:
        """The session's working directory, absolute."""

    @property
    def roots(self) -> Sequence[str]:
        """``cwd`` and the additional directories, absolute."""

    def resolve(self, path: str) -> str:
        """The absolute path, symlinks resolved.

        Raises:
            ToolError: it lies outside the roots, or holds a NUL.
        """

    def exists(self, path: str) -> bool:
        """Whether something is there on disk."""

    def is_directory(self, path: str) -> bool:
        """Whether it is a directory on disk."""

    def list_directory(self, path: str) -> Sequence[DirectoryEntry]:
        """What a directory holds, sorted by name.

        Raises:
            ToolError: it is no directory, or cannot be read.
        """

    async def read_text(self, path: str) -> TextFile:
        """A whole text file, from the editor's buffer where the editor offers that.

        Raises:
            ToolError: missing, a directory, binary, too large, unreadable.
        """

    async def read_bytes(self, path: str) -> bytes:
        """A whole file from disk.

        Raises:
            ToolError: as `read_text`.
        """

    async def write_text(self, path: str, file: TextFile) -> None:
        """Write a whole text file, through the editor where it offers that; parents are made.

        Raises:
            ToolError: it cannot be written.
        """

    async def delete(self, path: str) -> None:
        """Remove one file.

        Raises:
            ToolError: missing, a directory, or it cannot be removed.
        """

    async def move(self, source: str, target: str) -> None:
        """Move one file; parents are made, an existing target is refused.

        Raises:
            ToolError: the source is missing, the target exists, or it cannot be moved.
        """

    async def run(
        self, command: str, *, timeout_s: float, observer: CommandObserver, in_editor: bool = False
    ) -> ExitStatus:
        """Run a shell command in ``cwd`` until it ends or the time is out; its whole process tree is gone after.

        ``in_editor`` asks for a terminal of the client's even where commands run locally.

        Raises:
            ToolError: it cannot be started, or the client offers no terminals.
        """


class ToolContext(Protocol):
    """What one running tool call may use."""

    @property
    def workspace(self) -> Workspace:
        """The session's files and shell."""

    def report(
        self, *, content: tuple[ToolContent, ...] | None = None, locations: tuple[Location, ...] | None = None
    ) -> None:
        """Show progress: what is given replaces what was shown."""

    def open_terminal(self, command: str, cwd: str, *, client_terminal_id: str | None = None) -> TerminalWriter:
        """Show the live output of a command that runs on this side, or record that of a terminal of the client's."""

    async def ask_permission(self, title: str, *, subject: str) -> bool:
        """Put one more question about this call to the user. True: go on."""

    async def ask_user(self, message: str, fields: tuple[FormField, ...]) -> UserAnswer | None:
        """Let the user fill in a form; None where the client shows none. What was accepted fits the form.

        Raises:
            ToolError: this may not be asked (a form never asks for a secret), or no usable answer came in time.
        """

    async def ask_to_visit(self, message: str, url: str) -> VisitAnswer | None:
        """Ask the user to do something at a page: a login, say; None where the client opens none.

        Raises:
            ToolError: the URL is not safe, or no usable answer came in time.
        """


class VisitAnswer(Protocol):
    """What the user said to being sent to a page: ``accept``, ``decline`` or ``cancel``."""

    @property
    def action(self) -> str:
        """``accept``: they agreed to go; what they do there is heard in other ways."""

    def completed(self) -> None:
        """What was to be done there is done. Tell it once that is known."""


class TerminalWriter(Protocol):
    """Records the output of a command of ours."""

    @property
    def terminal_id(self) -> str:
        """Its id, for a TerminalRef in the call's content."""

    def write(self, data: bytes) -> None:
        """The command wrote this. The caller batches: at most a few calls a second."""

    def close(self, status: ExitStatus) -> None:
        """The command ended."""
