"""The tool calls of one model response: who runs when, who is asked, and how each of them ends.

Calls that change nothing start at once and side by side; calls that may change something run one after another, so
that an answer about the first can cover the next (Req: TN-16, AP-21). Every call that was announced ends: completed,
failed, denied or cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
import anyio.lowlevel

from agent_server.conversation.content import Part, TextPart
from agent_server.conversation.events import (
    TerminalExited,
    TerminalOutput,
    TerminalStarted,
    ToolCallUpserted,
)
from agent_server.conversation.tool_calls import Location, ToolContent, ToolKind, ToolStatus, client_terminal
from agent_server.conversation.visible import visible
from agent_server.errors import ToolError
from agent_server.sessions.approvals import approval_options
from agent_server.sessions.ports import ApprovalQuestion

if TYPE_CHECKING:
    from agent_server.conversation.questions import FormField, UserAnswer
    from agent_server.sessions.questions import Visit
    from agent_server.sessions.session import Session
    from agent_server.tools.ports import ExitStatus, Workspace
    from agent_server.tools.tool import PreparedCall, Tool, ToolResult

logger = logging.getLogger(__name__)

MAX_NAME_CHARS: Final = 100
"""Of a name that a model made up, as people see it."""

REFUSED_BY_USER = "The user refused this call. Do not repeat it; go on without it, or ask what to do instead."
NOT_ANSWERED = "Nobody answered the question whether this call may run, so it did not run."


class ToolRun:
    """One call from announcement to end. ``result_parts`` and ``is_error`` are what the model will read.

    ``misread``: why the arguments could not be read; such a call only fails. ``arguments`` are for the tool alone;
    everybody else, and the log, gets ``raw_input``, without secrets (Req: EV-02).
    """

    def __init__(
        self,
        tool_call_id: str,
        provider_call_id: str,
        name: str,
        arguments: dict[str, Any],
        misread: str | None = None,
    ) -> None:
        from agent_server.conversation.redaction import redacted  # at a start there is no call yet

        self.tool_call_id = tool_call_id
        self.provider_call_id = provider_call_id
        self.name = name
        self.arguments = arguments
        self.misread = misread
        self.raw_input: dict[str, Any] = redacted(arguments)
        self.result_parts: tuple[Part, ...] = (TextPart("The call was cancelled."),)
        self.is_error = True

    def ask(self, session: Session, arguments: dict[str, Any], misread: str | None) -> None:
        """The model has written the arguments of a call that was announced without them."""
        from agent_server.conversation.redaction import redacted

        self.arguments, self.misread = arguments, misread
        self.raw_input = redacted(arguments)
        session.log.append(ToolCallUpserted(self.tool_call_id, raw_input=self.raw_input))

    def announce(self, session: Session, *, begun: bool = False) -> None:
        """Show the call as soon as the model asks for it; ``begun``: it is still writing the arguments."""
        tool = session.tools.get(self.name)
        session.tool_announced(self.tool_call_id, self.name)
        session.log.append(
            ToolCallUpserted(
                self.tool_call_id,
                title=visible(self.name[:MAX_NAME_CHARS]),
                name=self.name,
                kind=tool.spec.kind if tool else ToolKind.OTHER,
                status=ToolStatus.PENDING,
                raw_input=None if begun else self.raw_input,
                provider_call_id=self.provider_call_id,
            )
        )

    def end(
        self,
        session: Session,
        status: ToolStatus,
        parts: tuple[Part, ...],
        *,
        content: tuple[ToolContent, ...] | None = None,
        locations: tuple[Location, ...] | None = None,
        raw_output: Any = None,
    ) -> None:
        """End the call: what people see, and what the model reads."""
        if raw_output is not None:
            from agent_server.conversation.redaction import redacted

            raw_output = redacted(raw_output)
        self.result_parts = parts
        self.is_error = status is not ToolStatus.COMPLETED
        session.tool_ended(self.tool_call_id)
        session.log.append(
            ToolCallUpserted(
                self.tool_call_id, status=status, content=content, locations=locations, raw_output=raw_output
            )
        )

    def fail(self, session: Session, text: str, status: ToolStatus = ToolStatus.FAILED) -> None:
        """End the call with a text that says why."""
        part = TextPart(text)
        self.end(session, status, (part,), content=(part,))


async def run_tools(session: Session, runs: list[ToolRun]) -> None:
    """Run the calls of one response until each has ended, also when the turn is cancelled meanwhile."""
    try:
        if len(runs) == 1:
            await _run_one(session, runs[0])
            return
        async with anyio.create_task_group() as group:
            changing: list[ToolRun] = []
            for run in runs:
                tool = session.tools.get(run.name)
                if tool is not None and tool.spec.changes:
                    changing.append(run)
                else:
                    group.start_soon(_run_one, session, run)
            for run in changing:
                await _run_one(session, run)
    finally:
        end_unstarted(session, runs, cancelled=True)


def end_unstarted(session: Session, runs: list[ToolRun], *, cancelled: bool) -> None:
    """End the calls that were announced and will not run any more: a cancel or a failure came before them."""
    for run in runs:
        if session.tool_is_open(run.tool_call_id):
            if cancelled:
                run.fail(session, "The call was cancelled.", ToolStatus.CANCELLED)
            else:
                run.fail(session, "The call did not run: the model's answer broke off.")


async def _run_one(session: Session, run: ToolRun) -> None:
    """The boundary of one call: whatever the tool does, the call ends and the turn goes on (Req: TL-11)."""
    try:
        await _prepare_and_run(session, run)
    except ToolError as error:
        run.fail(session, str(error))
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and _being_cancelled():
            run.fail(session, "The call was cancelled.", ToolStatus.CANCELLED)
            raise
        logger.error("tool %s failed", run.name, exc_info=error)
        run.fail(session, f"The tool {run.name} failed inside the server ({type(error).__name__}).")


def _being_cancelled() -> bool:
    """Whether the turn was really cancelled (a tool may raise CancelledError by itself)."""
    task = asyncio.current_task()
    return (task is not None and task.cancelling() > 0) or anyio.current_effective_deadline() == -math.inf


async def _prepare_and_run(session: Session, run: ToolRun) -> None:
    if run.misread is not None:
        raise ToolError(f"The call did not run: {run.misread}. Make the call again, with arguments in valid JSON.")
    tool = session.tools.get(run.name)
    if tool is None:
        names = ", ".join(spec.name for spec in session.tools.specs)
        raise ToolError(f"There is no tool named {visible(run.name[:MAX_NAME_CHARS])}. The tools are: {names}.")
    refusal = session.policy.refusal(tool.spec)
    if refusal is not None:
        run.fail(session, refusal, ToolStatus.DENIED)
        return
    context = CallContext(session, run)
    prepared = await tool.prepare(run.arguments, context)
    context.prepared = prepared
    session.log.append(
        ToolCallUpserted(
            run.tool_call_id,
            title=prepared.title,
            content=prepared.content or None,
            locations=prepared.locations or None,
        )
    )
    if not await _may_run(session, run, tool, prepared):
        return
    await anyio.lowlevel.checkpoint_if_cancelled()  # a cancel that came right behind the approval wins (Req: AP-14)
    session.log.append(ToolCallUpserted(run.tool_call_id, status=ToolStatus.IN_PROGRESS))
    if tool.spec.changes:  # whoever looks after a loss of power must find what may have been done
        await session.log.synced()
    result = await prepared.run()
    _end_with(session, run, result, prepared)


async def _may_run(session: Session, run: ToolRun, tool: Tool, prepared: PreparedCall) -> bool:
    trust_key = prepared.trust_key or tool.spec.name
    if session.policy.needs_question(tool.spec, trust_key):
        decision = await session.approvals.ask(_question(run, tool, prepared), trust_key)
        if decision == "timeout":
            run.fail(session, NOT_ANSWERED, ToolStatus.DENIED)
            return False
        if not decision.startswith("approve"):
            run.fail(session, REFUSED_BY_USER, ToolStatus.DENIED)
            return False
    refusal = session.policy.refusal(tool.spec)  # again: the user may have switched to plan while the question stood
    if refusal is not None:
        run.fail(session, refusal, ToolStatus.DENIED)
        return False
    return True


def _question(run: ToolRun, tool: Tool, prepared: PreparedCall) -> ApprovalQuestion:
    return ApprovalQuestion(
        tool_call_id=run.tool_call_id,
        title=prepared.title,
        name=run.name,
        kind=tool.spec.kind,
        content=prepared.content,
        locations=prepared.locations,
        raw_input=run.raw_input,
        options=approval_options(prepared.trust_label or tool.spec.name),
    )


def _end_with(session: Session, run: ToolRun, result: ToolResult, prepared: PreparedCall) -> None:
    content = result.content
    if content is None:
        content = result.parts if not prepared.content else None
    run.end(
        session,
        ToolStatus.FAILED if result.failed else ToolStatus.COMPLETED,
        result.parts,
        content=content,
        locations=result.locations,
        raw_output=result.raw_output,
    )


class CallContext:
    """What one running call may use: its session's workspace, its own place in the log.

    It keeps the workspace of its beginning: what was approved there is not done in another.
    """

    def __init__(self, session: Session, run: ToolRun) -> None:
        self._session = session
        self.workspace: Workspace = session.workspace
        self._run = run
        self.prepared: PreparedCall | None = None

    def report(
        self, *, content: tuple[ToolContent, ...] | None = None, locations: tuple[Location, ...] | None = None
    ) -> None:
        """Show progress: what is given replaces what was shown."""
        self._session.log.append(ToolCallUpserted(self._run.tool_call_id, content=content, locations=locations))

    def open_terminal(self, command: str, cwd: str, *, client_terminal_id: str | None = None) -> LoggedTerminal:
        """Show the live output of a command that runs on this side, or record that of a terminal of the client's."""
        owner: Literal["agent", "client"] = "agent" if client_terminal_id is None else "client"
        own = self._session.next_terminal_id
        terminal_id = own() if client_terminal_id is None else client_terminal(client_terminal_id)
        self._session.log.append(TerminalStarted(terminal_id, self._run.tool_call_id, command, cwd, owner))
        return LoggedTerminal(self._session, terminal_id)

    async def ask_permission(self, title: str, *, subject: str) -> bool:
        """Put one more question about this call to the user. True: go on."""
        tool = self._session.tools.get(self._run.name)
        question = ApprovalQuestion(
            tool_call_id=self._run.tool_call_id,
            title=title,
            name=self._run.name,
            kind=tool.spec.kind if tool else ToolKind.OTHER,
            content=(),
            locations=(),
            raw_input=None,
            options=approval_options(subject),
        )
        decision = await self._session.approvals.ask(question, subject)
        return decision.startswith("approve")

    async def ask_user(self, message: str, fields: tuple[FormField, ...]) -> UserAnswer | None:
        """Let the user fill in a form; None where the client shows none."""
        from agent_server.conversation.questions import UserForm

        form = UserForm(message, fields, self._run.tool_call_id)
        return await self._session.approvals.questions.ask(form, self._session.next_entry_id())

    async def ask_to_visit(self, message: str, url: str) -> Visit | None:
        """Ask the user to do something at a page; None where the client opens none."""
        from agent_server.conversation.questions import UserVisit
        from agent_server.sessions.questions import new_elicitation_id

        visit = UserVisit(message, url, new_elicitation_id(), self._run.tool_call_id)
        return await self._session.approvals.questions.send_to(visit, self._session.next_entry_id())


class LoggedTerminal:
    """Writes a command's output into the log as byte deltas."""

    def __init__(self, session: Session, terminal_id: str) -> None:
        self._session = session
        self._terminal_id = terminal_id

    @property
    def terminal_id(self) -> str:
        """Its id, for a TerminalRef in the call's content."""
        return self._terminal_id

    def write(self, data: bytes) -> None:
        """The command wrote this."""
        if data:
            self._session.log.append(TerminalOutput(self._terminal_id, data))

    def close(self, status: ExitStatus) -> None:
        """The command ended."""
        self._session.log.append(TerminalExited(self._terminal_id, status.exit_code, status.signal))
