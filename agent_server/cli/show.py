"""What the caller of ``exec`` sees of a turn, for people or as JSON, and who answers the agent's questions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from inspect import isawaitable
from typing import IO, TYPE_CHECKING, Any, Final

from agent_server.cli.exit_codes import ExitCode
from agent_server.cli.output import OutputWriter
from agent_server.cli.questions import TerminalLines, TerminalQuestions, open_terminal
from agent_server.cli.render import Renderer
from agent_server.cli.style import Style, one_line, style_for
from agent_server.client.client import RemoteAgent
from agent_server.client.files import LocalFiles
from agent_server.client.permissions import Outcome, PermissionPolicy, allowed, approve_all, reject_all
from agent_server.client.services import ClientServices
from agent_server.client.terminals import LocalTerminals
from agent_server.errors import RpcError
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest

if TYPE_CHECKING:
    from agent_server.cli.exec_command import Job
    from agent_server.transport.tap import Direction


class Show:
    """One turn as its caller sees it.

    Args:
        job: what was asked for.
        on_broken: called when nobody reads stdout any more.

    Attributes:
        agent: set once it runs, so that it can be made to pause.
        stop_reason: set once the turn has ended.
        denied: whether a permission was refused.
        services: what the agent gets from us.
        listener: hears the session's updates.
    """

    def __init__(self, job: Job, on_broken: Callable[[], object]) -> None:
        self.agent: RemoteAgent | None = None
        self.stop_reason: str | None = None
        self.denied = False
        self._job = job
        self._error: dict[str, Any] | None = None
        style = style_for(sys.stderr) if sys.stderr is not None else Style()
        out_is_terminal = os.isatty(out := _descriptor(sys.stdout))
        err_is_terminal = os.isatty(err := _descriptor(sys.stderr))
        self._writer = OutputWriter(
            out,
            err,
            on_broken=on_broken,
            on_full=self._on_full,
            spinner=() if job.json else style.spinner,
        )
        self._renderer = Renderer(
            self._writer,
            style,
            out_is_terminal=out_is_terminal,
            one_terminal=out_is_terminal and err_is_terminal,
        )
        self.services = ClientServices(
            permissions=self._watched(self._policy(job)),
            files=LocalFiles(writes=not job.read_only),
            terminals=None if job.read_only else LocalTerminals(),
        )
        self.listener = None if job.json else self._renderer.take
        self._renderer.activity("Starting")

    def begin(self) -> None:
        """The agent has the prompt."""
        self._renderer.activity("Working")

    def say(self, text: str) -> None:
        """A line to the person."""
        self._renderer.line(text)

    def say_tail(self, text: str) -> None:
        """The last lines of the agent's stderr."""
        for line in text.splitlines()[-5:]:
            self._renderer.line(f"  {one_line(line)}")

    def fail(self, message: str, error: RpcError | None) -> None:
        """The turn failed: one line, with the details that the agent gave."""
        self._error = {"message": message}
        details = None
        if error is not None:
            self._error |= {"code": error.code, "data": error.data}
            told = error.data if isinstance(error.data, dict) else {"details": error.data}
            details = told.get("details")
            if details and told.get("errorKind") not in (None, "internal"):  # a model's failure is a whole sentence
                message, details = str(details), None
        self._renderer.line(f"error: {one_line(f'{message}: {details}' if details else message, 1000)}")

    def result(self, code: ExitCode, *, quiet: bool) -> None:
        """The end: as JSON the result, for a person only what went unexpectedly, if not ``quiet``."""
        if self._job.json:
            self._put({"type": "result", "stopReason": self.stop_reason, "exitCode": int(code), "error": self._error})
        elif code in _LAST_WORDS and not quiet:
            self._renderer.line(_LAST_WORDS[code])

    def unblock(self) -> None:
        """Hear the agent out even if nobody reads what it says."""
        self._writer.give_up_if_full()

    async def finish(self) -> None:
        """Write out what is left."""
        self._renderer.finish()
        await self._writer.finish()

    def observer(self, direction: Direction, frame: bytes) -> None:
        """Pass on the updates as they stood on the wire, also those that we do not know."""
        if direction != "received" or b'"session/update"' not in frame:
            return
        import orjson

        try:
            message = orjson.loads(frame)
        except ValueError:
            return
        if isinstance(message, dict) and message.get("method") == "session/update":
            params = message.get("params")
            if isinstance(params, dict):
                self._put({"type": "update", "sessionId": params.get("sessionId"), "update": params.get("update")})

    def _put(self, value: dict[str, Any]) -> None:
        import orjson

        self._writer.out(orjson.dumps(value).decode() + "\n")

    def _on_full(self, full: bool) -> None:
        if self.agent is not None:
            (self.agent.pause_reading if full else self.agent.resume_reading)()

    def _policy(self, job: Job) -> PermissionPolicy:
        if job.approve:
            return approve_all
        terminal = None if job.read_only or not _is_terminal(sys.stderr) else open_terminal()
        if terminal is None:
            return reject_all
        return TerminalQuestions(TerminalLines(terminal), self._renderer)

    def _watched(self, policy: PermissionPolicy) -> PermissionPolicy:
        async def decide(request: RequestPermissionRequest) -> Outcome:
            decision = policy(request)
            outcome = await decision if isawaitable(decision) else decision
            if not allowed(request, outcome):
                self.denied = True
                self._say_denied(request, policy)
            return outcome

        return decide

    def _say_denied(self, request: RequestPermissionRequest, policy: PermissionPolicy) -> None:
        if policy is approve_all:
            why = " (it offers no way to allow it)"
        elif policy is reject_all:
            why = " (--read-only)" if self._job.read_only else " (no terminal to ask at; --yes approves everything)"
        else:
            why = ""
        title = one_line(request.tool_call.title or request.tool_call.tool_call_id)
        self._renderer.line(f"permission rejected: {title}{why}")


_LAST_WORDS: Final = {
    ExitCode.REFUSAL: "the model refused",
    ExitCode.LIMIT: "the turn stopped at a limit of tokens or requests",
    ExitCode.TIMED_OUT: "timed out",
    ExitCode.CANCELLED: "cancelled",
}


def _descriptor(stream: IO[str] | None) -> int:
    """Where it writes; a stream that was closed for us gets the null device, as its number may be anybody's now."""
    return os.open(os.devnull, os.O_WRONLY) if stream is None else stream.fileno()


def _is_terminal(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()
