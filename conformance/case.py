"""What a check is given: agents, sessions and prompts, each made fresh for it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.agent_link import AgentLink, Asked, Errored, NoAnswer, Serve, spawned
from conformance.options import PROMPTS, Options
from conformance.services import EVERYTHING, FILE_TEXT, UNSTABLE, friendly
from conformance.transcript import Entry, Transcript
from conformance.verdicts import Blocked, Failure, NotExercised

if TYPE_CHECKING:
    from conformance.shown import Shown

PROTOCOL_VERSION = 1
AUTH_REQUIRED = -32000
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
RESOURCE_NOT_FOUND = -32002

FILE = "a.txt"
"""The file in the directory of every session; its text is `services.FILE_TEXT`."""

STRANGE_METHOD_S = 1.0
"""How long the answer to a method that nobody knows is waited for before something else is asked."""

TURN_UPDATES = (
    "user_message_chunk",
    "agent_message_chunk",
    "agent_thought_chunk",
    "tool_call",
    "tool_call_update",
    "plan",
    "usage_update",
)
"""Updates that belong to a turn or to a history, and to nothing else."""


HISTORY = ("user_message_chunk", "agent_message_chunk", "agent_thought_chunk", "tool_call", "tool_call_update")
"""Updates that are part of a conversation; the others tell of its state."""


@dataclass(eq=False)
class Session:
    """One session. ``made``: the answer that made it or brought it back."""

    link: AgentLink
    id: str
    cwd: str
    made: Mapping[str, Any]

    async def start(self, prompt: str | Sequence[Mapping[str, Any]]) -> Asked:
        """Send a prompt without waiting for its answer."""
        blocks = [{"type": "text", "text": prompt}] if isinstance(prompt, str) else list(prompt)
        return await self.link.ask("session/prompt", {"sessionId": self.id, "prompt": blocks})

    async def prompt(self, prompt: str | Sequence[Mapping[str, Any]], timeout_s: float | None = None) -> str:
        """Send a prompt and wait for its stop reason."""
        return str((await (await self.start(prompt)).result(timeout_s)).get("stopReason"))

    async def call(self, method: str, **params: Any) -> Mapping[str, Any]:
        """A request about this session."""
        return await self.link.request(method, {"sessionId": self.id, **params})

    async def cancel(self) -> None:
        await self.link.notify("session/cancel", {"sessionId": self.id})

    def texts(self, kind: str = "agent_message_chunk", since: int = 0) -> str:
        """The text of this kind that came for this session, from entry number ``since`` on, joined."""
        return "".join(
            str(entry.update.get("content", {}).get("text", ""))
            for entry in self.link.transcript.entries[since:]
            if entry.sender == "agent" and entry.session_id == self.id and entry.update_kind == kind
        )


@dataclass(eq=False)
class Case:
    """The means of one check. ``profile``: what the agent said of itself (`gates.look_at`). ``shown``: what it shows at
    each prompt, for checks that need not see it themselves.

    Every agent that the check starts adds a transcript to ``transcripts``, on which the rules are judged too.
    """

    name: str
    options: Options
    profile: Mapping[str, Any] = field(default_factory=dict)
    transcripts: list[Transcript] = field(default_factory=list)
    shown: Shown | None = None

    @property
    def everything(self) -> Mapping[str, Any]:
        """The capabilities of a client that can do all that is asked for in this run."""
        return UNSTABLE if self.options.unstable else EVERYTHING

    def makes_sessions(self) -> None:
        """For what is refused: see that it is not refused because everything is.

        Raises:
            Blocked: the agent wants a login first.
            NotExercised: it makes no sessions at all.
        """
        if "session_refused" in self.profile:
            raise self.profile["session_refused"]

    def text(self, name: str) -> str:
        """The prompt of that name (`options.PROMPTS`).

        Raises:
            NotExercised: none was given.
        """
        text = self.options.prompts.get(name)
        if not text:
            raise NotExercised(f"no prompt was given that {PROMPTS[name][1]} (--{name}-prompt)")
        return text

    @contextlib.asynccontextmanager
    async def started(
        self,
        *,
        capabilities: Mapping[str, Any] | None = None,
        services: Mapping[str, Serve] | None = None,
        cwd: str | None = None,
        stderr: int | None = None,
    ) -> AsyncIterator[AgentLink]:
        """An agent that was told nothing yet. ``capabilities``: what `initialize` will offer (None: all)."""
        offered = self.everything if capabilities is None else capabilities
        transcript = Transcript(f"{self.name} ({len(self.transcripts) + 1})", offered, schema=self.options.schema)
        self.transcripts.append(transcript)
        async with spawned(
            self.options.command,
            transcript,
            friendly() if services is None else {**friendly(), **services},
            timeout_s=self.options.timeout_s,
            cwd=cwd,
            environment=self.options.environment,
            stderr=stderr,
            start=self.options.start,
        ) as link:
            yield link

    @contextlib.asynccontextmanager
    async def agent(
        self,
        *,
        capabilities: Mapping[str, Any] | None = None,
        services: Mapping[str, Serve] | None = None,
        cwd: str | None = None,
        stderr: int | None = None,
    ) -> AsyncIterator[AgentLink]:
        """An agent that is initialized, and logged in if the run has a login."""
        async with self.started(capabilities=capabilities, services=services, cwd=cwd, stderr=stderr) as link:
            await self.initialize(link)
            yield link

    @contextlib.asynccontextmanager
    async def session(
        self,
        *,
        capabilities: Mapping[str, Any] | None = None,
        services: Mapping[str, Serve] | None = None,
    ) -> AsyncIterator[Session]:
        """A session of an agent of its own, in a directory of its own that holds nothing but `FILE`."""
        async with self.agent(capabilities=capabilities, services=services) as link, self.new_session(link) as session:
            yield session

    async def initialize(self, link: AgentLink) -> Mapping[str, Any]:
        """Open the connection as an ordinary client; what the agent answered."""
        answer = await link.request("initialize", initialize_params(link.transcript.offered))
        await self.log_in(link)
        return answer

    async def log_in(self, link: AgentLink) -> None:
        """Use the login of the run, if it has one."""
        if self.options.login is not None:
            await link.request("authenticate", {"methodId": self.options.login})

    @contextlib.asynccontextmanager
    async def new_session(self, link: AgentLink, **params: Any) -> AsyncIterator[Session]:
        """One more session of this agent, in a directory of its own that holds nothing but `FILE`.

        Raises:
            Blocked: the agent wants a login first.
            NotExercised: it makes none.
        """
        with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as directory:
            cwd = str(Path(directory).resolve())
            Path(cwd, FILE).write_text(FILE_TEXT, encoding="utf-8")
            yield await make_session(link, cwd, **params)


async def make_session(link: AgentLink, cwd: str, **params: Any) -> Session:
    """``session/new``; for what it raises see `Case.new_session`."""
    try:
        made = await link.request("session/new", {"cwd": cwd, "mcpServers": [], **params})
    except Errored as error:
        raise Blocked(str(error)) if error.code == AUTH_REQUIRED else error from None
    session_id = made.get("sessionId")
    if not isinstance(session_id, str):
        raise NotExercised("session/new told no session id")
    if [entry.result.get("sessionId") for entry in link.transcript.sent_by("agent")].count(session_id) > 1:
        raise NotExercised("two sessions have one id")
    return Session(link, session_id, cwd, made)


def initialize_params(capabilities: Mapping[str, Any], version: int = PROTOCOL_VERSION) -> dict[str, Any]:
    """The params of an ordinary ``initialize``."""
    return {
        "protocolVersion": version,
        "clientCapabilities": capabilities,
        "clientInfo": {"name": "conformance", "title": "Conformance kit", "version": "1"},
    }


async def expect_error(asked: Asked, *codes: int) -> Entry:
    """The answer to a request that must be refused, with one of these codes if any are named.

    Raises:
        Failure: it is granted, refused with another code, or not answered.
        Blocked: it is refused for want of a login.
    """
    entry = await answered(asked)
    error = entry.message.get("error")
    if not isinstance(error, dict):
        raise Failure(f"{asked.method} succeeded; an error was expected")
    if error.get("code") == AUTH_REQUIRED and AUTH_REQUIRED not in codes:
        raise Blocked(f"{asked.method} needs a login first")
    if codes and error.get("code") not in codes:
        raise Failure(f"{asked.method} was refused with {error.get('code')}, not with {' or '.join(map(str, codes))}")
    return entry


async def answered(asked: Asked) -> Entry:
    """The answer to a request, where not to answer is the failure.

    Raises:
        Failure: none came.
    """
    try:
        return await asked.answer()
    except NotExercised as ended:
        raise Failure(str(ended)) from None


async def succeeds(asked: Asked) -> Mapping[str, Any]:
    """The result of a request, where an error or no answer is the failure.

    Raises:
        Failure: it was refused or not answered.
        Blocked: it is refused for want of a login.
    """
    try:
        return await asked.result()
    except Errored as error:
        raise Blocked(str(error)) if error.code == AUTH_REQUIRED else Failure(str(error)) from None
    except NotExercised as ended:
        raise Failure(str(ended)) from None


async def still_answers(link: AgentLink) -> None:
    """Fail unless the agent answers one more request, with whatever.

    A method that nobody knows is asked for first: it changes nothing. Where that is not answered, which is another
    requirement's business, a session is.

    Raises:
        Failure: it answers neither.
    """
    asked = await link.ask("_conformance/are_you_there", {})
    with contextlib.suppress(NoAnswer):
        await asked.answer(min(STRANGE_METHOD_S, link.timeout_s))
        return
    await answered(await link.ask("session/new", {"cwd": tempfile.gettempdir(), "mcpServers": []}))


@contextlib.asynccontextmanager
async def nothing_else_is_broken(case: Case) -> AsyncIterator[None]:
    """Lets a failure inside count only if an ordinary session and an ordinary prompt work.

    Raises:
        NotExercised: they do not, so that the failure may be theirs.
        Blocked: the agent wants a login first.
    """
    try:
        yield
    except Failure:
        async with case.session() as session:
            await session.prompt(case.text("plain"))
        raise
