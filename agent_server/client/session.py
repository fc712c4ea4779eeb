"""One session of a far agent: what the user does in it, and what the agent asks of us for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias

import anyio

from agent_server.client.permissions import PermissionPolicy
from agent_server.client.transcript import Transcript
from agent_server.connection.connection import Connection
from agent_server.connection.handlers import handles
from agent_server.errors import CapabilityMissing, RpcError, SessionNotFound
from agent_server.protocol.errors import ErrorCode
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
from agent_server.protocol.v1.content import AudioContent, ContentBlock, EmbeddedResource, ImageContent, TextContent
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
from agent_server.protocol.v1.updates import SessionNotification, SessionUpdate

if TYPE_CHECKING:
    from agent_server.client.client import RemoteAgent
    from agent_server.client.files import FileService
    from agent_server.client.terminals import TerminalService

Listener: TypeAlias = Callable[[SessionUpdate], object]
"""Hears every update, in order, from the event loop; it must be quick."""

_NEEDED_CAPABILITIES: Final[dict[type, str]] = {
    ImageContent: "image",
    AudioContent: "audio",
    EmbeddedResource: "embedded_context",
}


class RemoteSession:
    """A session of a far agent. As a context manager it is closed at the end, where the agent offers that.

    Attributes:
        id: what the agent calls it.
        transcript: what happened in it so far.
        roots: its directories, absolute; the agent gets no other files from us.
    """

    def __init__(self, agent: RemoteAgent, session_id: str) -> None:
        self.id = session_id
        self.transcript = Transcript()
        self.roots: tuple[str, ...] = ()
        self._agent = agent
        self._connection: Connection = agent.connection
        self._listeners: list[Listener] = []
        # Before the answer to session/new was looked at, nobody can listen yet: what comes is kept.
        self._early: list[SessionUpdate] | None = []
        self._established: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._questions: set[anyio.CancelScope] = set()
        self._prompting = 0
        self._cancelling = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._agent.offers("sessionCapabilities.close") and not self._connection.closed:
            await self.close()

    # What the user does

    async def prompt(self, prompt: str | Sequence[ContentBlock]) -> PromptResponse:
        """Take one turn; every update of it has been heard when this returns.

        Raises:
            RpcError: the turn failed.
            ConnectionClosed: the agent went away.
            CapabilityMissing: the agent does not take such content.
        """
        blocks: list[ContentBlock] = [TextContent(text=prompt)] if isinstance(prompt, str) else list(prompt)
        self._check_content(blocks)
        self._prompting += 1
        try:
            return await self._connection.request(SESSION_PROMPT, PromptRequest(session_id=self.id, prompt=blocks))
        finally:
            self._prompting -= 1
            self._cancelling = self._cancelling and self._prompting > 0

    def cancel(self) -> None:
        """End the running turn; its `prompt` returns with ``cancelled``. Questions to the user are withdrawn.

        Spec: prompt-turn.
        """
        self._connection.notify(SESSION_CANCEL, CancelNotification(session_id=self.id))
        self._cancelling = self._prompting > 0
        for question in list(self._questions):
            question.cancel()

    async def close(self) -> None:
        """End what it does and free it on both sides.

        Raises:
            CapabilityMissing: the agent does not offer that.
            RpcError: the agent could not.
        """
        await self._connection.request(SESSION_CLOSE, CloseSessionRequest(session_id=self.id))
        self._agent.forget(self.id)
        terminals = self._agent.services.terminals
        if terminals is not None:
            await terminals.release_all(self.id)

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
        self.transcript.config_options = response.config_options
        return response.config_options

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear every update from now on, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # Coming into being

    def establish(self, roots: Sequence[str], listener: Listener | None) -> None:
        """The answer that created it is there: hand over what came before. For `RemoteAgent`."""
        early, self._early = self._early or [], None
        self.roots = tuple(roots)
        if listener is not None:
            self._listeners.append(listener)
            for update in early:
                listener(update)
        if not self._established.done():
            self._established.set_result(True)

    def abandon(self) -> None:
        """It never came to be, or is no more. For `RemoteAgent`."""
        if not self._established.done():
            self._established.set_result(False)

    def _check_content(self, blocks: Sequence[ContentBlock]) -> None:
        offered = self._agent.capabilities.prompt_capabilities
        for block in blocks:
            name = _NEEDED_CAPABILITIES.get(type(block))
            if name is not None and not getattr(offered, name):
                raise CapabilityMissing(SESSION_PROMPT.name, f"promptCapabilities.{name}")

    # What the agent tells and asks

    @handles(SESSION_UPDATE)
    def take_update(self, params: SessionNotification) -> None:
        """Fold an update in and tell who listens."""
        update = params.update
        self.transcript.apply(update)
        for listener in self._listeners:
            listener(update)
        if self._early is not None:
            self._early.append(update)

    @handles(SESSION_REQUEST_PERMISSION)
    def answer_permission(
        self, params: RequestPermissionRequest
    ) -> RequestPermissionResponse | Awaitable[RequestPermissionResponse]:
        """Let the policy decide; a turn that is being cancelled gets no permission any more."""
        if self._cancelling:
            return RequestPermissionResponse(outcome=CancelledPermissionOutcome())
        return self._decide(self._agent.services.permissions, params)

    async def _decide(self, policy: PermissionPolicy, params: RequestPermissionRequest) -> RequestPermissionResponse:
        await self._require_established()
        with anyio.CancelScope() as scope:
            self._questions.add(scope)
            try:
                decision = policy(params)
                outcome = await decision if isawaitable(decision) else decision
            finally:
                self._questions.discard(scope)
        if scope.cancelled_caught:
            outcome = CancelledPermissionOutcome()
        return RequestPermissionResponse(outcome=outcome)

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
