"""One session of a far agent: what the user does in it, and what the agent asks of us for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, TypeVar

from agent_server.client.entries import Message
from agent_server.client.extensions import message_id_of
from agent_server.client.permissions import Outcome
from agent_server.client.questions import Questions
from agent_server.client.transcript import Transcript
from agent_server.connection.connection import Connection
from agent_server.connection.handlers import handles
from agent_server.errors import AgentServerError, CapabilityMissing, ConnectionClosed, RpcError, SessionNotFound
from agent_server.protocol.errors import ErrorCode
from agent_server.protocol.trace import TraceContext
from agent_server.protocol.v1.client_services import (
    CreateTerminalRequest,
    CreateTerminalResponse,
    KillTerminalRequest,
    KillTerminalResponse,
    ReadTextFileRequest,
    ReadTextFileResponse,
    ReleaseTerminalRequest,
    ReleaseTerminalResponse,
    TerminalOutputRequest,
    TerminalOutputResponse,
    WaitForTerminalExitRequest,
    WaitForTerminalExitResponse,
    WriteTextFileRequest,
    WriteTextFileResponse,
)
from agent_server.protocol.v1.content import ContentBlock, TextContent
from agent_server.protocol.v1.methods import (
    FS_READ_TEXT_FILE,
    FS_WRITE_TEXT_FILE,
    SESSION_CANCEL,
    SESSION_CLOSE,
    SESSION_PROMPT,
    SESSION_REQUEST_PERMISSION,
    SESSION_SET_CONFIG_OPTION,
    SESSION_SET_MODE,
    SESSION_UPDATE,
    TERMINAL_CREATE,
    TERMINAL_KILL,
    TERMINAL_OUTPUT,
    TERMINAL_RELEASE,
    TERMINAL_WAIT_FOR_EXIT,
)
from agent_server.protocol.v1.prompt import CancelNotification, PromptRequest, PromptResponse
from agent_server.protocol.v1.session import (
    CloseSessionRequest,
    SessionConfigOption,
    SetSessionConfigOptionRequest,
    SetSessionModeRequest,
)
from agent_server.protocol.v1.tool_calls import (
    CancelledPermissionOutcome,
    RequestPermissionRequest,
    RequestPermissionResponse,
)
from agent_server.protocol.v1.updates import SessionNotification, SessionUpdate, ToolCallProgressed, UserMessageChunk

if TYPE_CHECKING:
    from agent_server.client.client import RemoteAgent
    from agent_server.client.files import FileService
    from agent_server.client.terminals import TerminalService

T = TypeVar("T")

Listener: TypeAlias = Callable[[SessionUpdate], object]
"""Hears every update, in order, from the event loop; it must be quick."""

CLOSE_TIMEOUT_S: Final = 5.0
"""How long a session that is left may take to be closed."""

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _OpenPrompt:
    """A prompt without an answer yet. ``cancelled``: the user wants it to end."""

    message: Message
    transcript: Transcript
    cancelled: bool = False


class RemoteSession:
    """A session of a far agent.

    As a context manager it is left at the end: closed where the agent offers that, within 5 s, else cancelled; its
    terminals are freed in any case.

    Attributes:
        id: what the agent calls it.
        transcript: what happened in it so far.
        roots: its directories, absolute; the agent gets no other files from us.
        replayed: whether its history was told, if it is to be.
    """

    def __init__(self, agent: RemoteAgent, session_id: str, before: RemoteSession | None = None) -> None:
        """``before`` is the object that stood for the session so far: its turn goes on under this one."""
        self.id = session_id
        self.transcript = Transcript()
        self.roots: tuple[str, ...] = ()
        self._agent = agent
        self._connection: Connection = agent.connection
        self._listeners: list[Listener] = []
        # Before the answer to session/new was looked at, nobody can listen yet: what comes is kept.
        self._early: list[SessionUpdate] | None = []
        self._established: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._questions: Questions = Questions() if before is None else before._questions
        self._prompts: list[_OpenPrompt] = [] if before is None else before._prompts
        # While a replay is awaited in the middle of a turn: who had the session, and what may be meant for it.
        self._replaced: RemoteSession | None = None
        self._underway: list[SessionNotification] = []
        self.replayed = True
        self._before: RemoteSession | None = None
        self._taken: set[str | None] = set()  # the messages of the replay that are prompts which waited before it

    def __repr__(self) -> str:
        return f"<RemoteSession {self.id}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        try:
            if self.live and not self._connection.closed:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._leave()
        except (TimeoutError, AgentServerError) as error:
            logger.warning("a session was left and could not be closed: %s", error)
        finally:
            await self._agent.release(self)

    async def _leave(self) -> None:
        if self._agent.offers("sessionCapabilities.close"):
            await self.close()
        elif self._prompts:
            self.cancel()

    @property
    def live(self) -> bool:
        """Whether updates still reach this object: not once it was closed, deleted, or loaded again."""
        return self._agent.sessions.get(self.id) is self

    # What the user does

    async def prompt(
        self,
        prompt: str | Sequence[ContentBlock],
        *,
        trace: TraceContext | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> PromptResponse:
        """Take one turn; every update of it has been heard when this returns. Giving up the wait cancels it.

        ``trace`` says where in a trace the turn happens; it goes into the request's ``_meta``, beside ``meta``.

        Raises:
            RpcError: the turn failed.
            ConnectionClosed: the agent went away.
            CapabilityMissing: the agent does not take such content; nothing was sent.
        """
        blocks: list[ContentBlock] = [TextContent(text=prompt)] if isinstance(prompt, str) else list(prompt)
        whole = trace.to_meta(meta) if trace is not None else None if meta is None else dict(meta)
        request = PromptRequest(session_id=self.id, prompt=blocks, meta=whole)
        unheard = self._connection.closed
        mine = _OpenPrompt(self.transcript.add_prompt(blocks), self.transcript)
        self._prompts.append(mine)
        try:
            response = await self._connection.request(SESSION_PROMPT, request, on_answer=lambda: self._ended(mine))
            mine.transcript.name_prompt(mine.message, message_id_of(response.meta))
            return response
        except (CapabilityMissing, ConnectionClosed) as error:
            if unheard or isinstance(error, CapabilityMissing):
                mine.transcript.drop_prompt(mine.message)
            raise
        except asyncio.CancelledError:
            if self._prompts and self._prompts[0] is mine:
                self._questions.withdraw_all()
            if self._prompts == [mine]:  # not every agent knows how to end one prompt of several
                self._connection.notify(SESSION_CANCEL, CancelNotification(session_id=self.id))
            raise
        finally:
            self._ended(mine)

    def _ended(self, prompt: _OpenPrompt) -> None:
        """It has its answer, or nobody waits for that any more: the next one's turn begins."""
        if prompt not in self._prompts:
            return
        was_running = self._prompts[0] is prompt
        self._prompts.remove(prompt)
        prompt.transcript.end_prompt(prompt.message)
        if was_running and self._prompts:
            self._begin(self._prompts[0])

    def _begin(self, prompt: _OpenPrompt) -> None:
        """Its turn begins, perhaps under an object that was opened while it waited and may have been told of it."""
        session = self._agent.sessions.get(self.id, self)
        transcript = session.transcript
        if transcript is not prompt.transcript and session.replayed:  # else the replay is about to tell it
            told = session._told_of(prompt)
            prompt.message = told or transcript.add_prompt(prompt.message.blocks)
            prompt.transcript = transcript
        prompt.transcript.begin_prompt(prompt.message)

    def _told_of(self, prompt: _OpenPrompt) -> Message | None:
        """The message of a waiting prompt in our replay: new since its own transcript ended, and the same words."""
        known = {message.message_id for message in prompt.transcript.messages} | self._taken
        for message in self.transcript.messages:
            if message.role == "user" and message.message_id not in known and message.blocks == prompt.message.blocks:
                self._taken.add(message.message_id)
                return message
        return None

    def cancel(self) -> None:
        """End the running turn; its `prompt` returns with ``cancelled``. Questions to the user are withdrawn.

        Spec: prompt-turn.
        """
        self._connection.notify(SESSION_CANCEL, CancelNotification(session_id=self.id))
        self.stop_asking()

    async def close(self) -> None:
        """End what it does and free it on both sides. A session that the agent does not know is closed.

        Raises:
            CapabilityMissing: the agent does not offer that; nothing was sent.
            RpcError: the agent could not.
            ConnectionClosed: it went away.
        """
        if self._agent.offers("sessionCapabilities.close"):
            self.stop_asking()
        try:
            await self._connection.request(SESSION_CLOSE, CloseSessionRequest(session_id=self.id))
        except RpcError as error:
            if error.code != ErrorCode.RESOURCE_NOT_FOUND:
                raise
        await self._agent.release(self)

    async def set_mode(self, mode_id: str) -> None:
        """Change the mode.

        Raises:
            RpcError: there is no such mode.
        """
        await self._connection.request(SESSION_SET_MODE, SetSessionModeRequest(session_id=self.id, mode_id=mode_id))
        self.transcript.enter_mode(mode_id)

    async def set_config_option(self, config_id: str, value: str | bool) -> list[SessionConfigOption]:
        """Set one option; returns all of them as they are then.

        Raises:
            RpcError: there is no such option or value.
        """
        kind: Literal["boolean"] | None = "boolean" if isinstance(value, bool) else None
        request = SetSessionConfigOptionRequest(session_id=self.id, config_id=config_id, type=kind, value=value)
        response = await self._connection.request(SESSION_SET_CONFIG_OPTION, request)
        self.transcript.set_options(response.config_options)
        return response.config_options

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear every update from now on, until the returned function is called."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    # Coming into being

    def establish(self, roots: Sequence[str], listener: Listener | None) -> None:
        """The answer that created it is there: hand over what came before. For `RemoteAgent`."""
        early, self._early = self._early or [], None
        self.roots = tuple(roots)
        if listener is not None:
            self._listeners.append(listener)
            for update in early:
                self._tell(update)
        if not self._established.done():
            self._established.set_result(True)

    def abandon(self) -> None:
        """It never came to be, or is no more. For `RemoteAgent`."""
        self._hand_over(self._replaced)
        if not self._established.done():
            self._established.set_result(False)

    def await_replay(self, before: RemoteSession | None) -> None:
        """The session is about to be loaded. For `RemoteAgent`.

        In the middle of a turn the agent has sent updates before it knows of that. The replay tells them again, so
        those before the first message of the user, with which a replay begins, are for the object before this one.
        """
        self.replayed = False
        self._before = before
        if self._prompts:
            self._replaced = before

    def stop_replay(self) -> None:
        """The answer of the load is there: what follows is live. For `RemoteAgent`."""
        self.replayed = True
        self._before = None

    def end_replay(self) -> None:
        """It is loaded; what told no message of the user was the replay after all. For `RemoteAgent`."""
        self._hand_over(self)

    def _hand_over(self, receiver: RemoteSession | None) -> None:
        underway, self._underway, self._replaced = self._underway, [], None
        if receiver is not None:
            for params in underway:
                receiver.take_update(params)

    def stop_asking(self) -> None:
        """What is open is to end: its questions are withdrawn, later ones too, its calls are over."""
        for prompt in self._prompts:
            prompt.cancelled = True
        self._questions.withdraw_all()
        self.transcript.cancel_open_calls()

    # What the agent tells and asks

    @handles(SESSION_UPDATE)
    def take_update(self, params: SessionNotification) -> None:
        """Fold an update in and tell who listens."""
        update = params.update
        if self._replaced is not None:
            if type(update) is not UserMessageChunk:
                self._underway.append(params)
                return
            self._hand_over(self._replaced)
        if self._before is not None and type(update) is ToolCallProgressed:
            call_id = update.tool_call_id
            if self.transcript.tool_call(call_id) is None and self._before.transcript.tool_call(call_id) is not None:
                self._before.take_update(params)  # sent before the agent knew of the load: a replay begins a call first
                return
        self.transcript.apply(update)
        if self._listeners:
            self._tell(update)
        if self._early is not None:
            self._early.append(update)

    def _tell(self, update: SessionUpdate) -> None:
        for listener in list(self._listeners):
            try:
                listener(update)
            except Exception:
                logger.exception("a listener failed")

    @handles(SESSION_REQUEST_PERMISSION)
    async def answer_permission(self, params: RequestPermissionRequest) -> RequestPermissionResponse:
        """Let the policy decide; a turn that is being cancelled gets no permission any more."""
        policy = self._agent.services.permissions
        withdrawn: Outcome = CancelledPermissionOutcome()
        outcome = await self.ask_user(lambda: policy(params), withdrawn)
        return RequestPermissionResponse(outcome=outcome)

    async def ask_user(self, decide: Callable[[], T | Awaitable[T]], withdrawn: T) -> T:
        """Put a question of this session to the user; ``withdrawn`` once nobody wants the answer any more."""
        await self._require_established()
        if any(prompt.cancelled for prompt in self._prompts):
            return withdrawn
        return await self._questions.ask(decide, withdrawn)

    @handles(FS_READ_TEXT_FILE)
    async def read_text_file(self, params: ReadTextFileRequest) -> ReadTextFileResponse:
        """Serve a file."""
        files = await self._files()
        if not files.reads:
            raise _not_served(FS_READ_TEXT_FILE.name)
        return await files.read(params, self.roots)

    @handles(FS_WRITE_TEXT_FILE)
    async def write_text_file(self, params: WriteTextFileRequest) -> WriteTextFileResponse:
        """Replace a file's text."""
        files = await self._files()
        if not files.writes:
            raise _not_served(FS_WRITE_TEXT_FILE.name)
        return await files.write(params, self.roots)

    @handles(TERMINAL_CREATE)
    async def create_terminal(self, params: CreateTerminalRequest) -> CreateTerminalResponse:
        """Start a command."""
        return await (await self._terminals()).create(params, self.roots[0])

    @handles(TERMINAL_OUTPUT)
    async def terminal_output(self, params: TerminalOutputRequest) -> TerminalOutputResponse:
        """Say what a command printed."""
        return await (await self._terminals()).output(params)

    @handles(TERMINAL_WAIT_FOR_EXIT)
    async def wait_for_terminal_exit(self, params: WaitForTerminalExitRequest) -> WaitForTerminalExitResponse:
        """Wait for the end of a command."""
        return await (await self._terminals()).wait_for_exit(params)

    @handles(TERMINAL_KILL)
    async def kill_terminal(self, params: KillTerminalRequest) -> KillTerminalResponse:
        """End a command."""
        return await (await self._terminals()).kill(params)

    @handles(TERMINAL_RELEASE)
    async def release_terminal(self, params: ReleaseTerminalRequest) -> ReleaseTerminalResponse:
        """Forget a terminal."""
        return await (await self._terminals()).release(params)

    async def _files(self) -> FileService:
        await self._require_established()
        if self._agent.services.files is None:
            raise _not_served("fs/*")
        return self._agent.services.files

    async def _terminals(self) -> TerminalService:
        await self._require_established()
        if self._agent.services.terminals is None:
            raise _not_served("terminal/*")
        return self._agent.services.terminals

    async def _require_established(self) -> None:
        if not await asyncio.shield(self._established):
            raise SessionNotFound(self.id)


def _not_served(name: str) -> RpcError:
    return RpcError(ErrorCode.METHOD_NOT_FOUND, "Method not found", {"details": f"this client does not serve {name}"})
