"""Putting an agent's questions to the user: forms to fill in, pages to visit. Spec: elicitation.

Whoever shows a question says which agent asks. Nothing here opens or fetches a page: a handler shows the host and the
whole address, and opens it in the user's own browser once the user has agreed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from agent_server.client.paths import invalid
from agent_server.protocol.v1.elicitation import (
    CreateElicitationRequest,
    ElicitationAccepted,
    ElicitationCancelled,
    ElicitationContentValue,
    ElicitationDeclined,
    ElicitationSchema,
    FormElicitation,
    UrlElicitation,
)
from agent_server.protocol.v1.initialize import ElicitationCapabilities, Implementation, Supported

if TYPE_CHECKING:
    from agent_server.client.session import RemoteSession

Answer: TypeAlias = ElicitationAccepted | ElicitationDeclined | ElicitationCancelled

DECLINED: Final = ElicitationDeclined()
"""The user said no."""

CANCELLED: Final = ElicitationCancelled()
"""The user turned the question away."""


@dataclass(frozen=True, slots=True)
class FormQuestion:
    """A form to fill in.

    Attributes:
        agent: who asks, as it calls itself; None if it has no name.
        session: where it asks; None if it asks on behalf of a request outside of any session.
        request: the question as it came: ``message``, ``tool_call_id``, ``request_id``, ``meta``.
    """

    agent: Implementation | None
    session: RemoteSession | None
    request: FormElicitation

    @property
    def message(self) -> str:
        """What to tell the user."""
        return self.request.message

    @property
    def schema(self) -> ElicitationSchema:
        """The fields. Those of a kind that is not known must not be shown as one that is."""
        return self.request.requested_schema

    def defaults(self) -> dict[str, ElicitationContentValue]:
        """What the form holds before the user has touched it."""
        from agent_server.client.forms import defaults_of

        return defaults_of(self.schema)

    def accept(self, content: Mapping[str, ElicitationContentValue]) -> ElicitationAccepted:
        """The user's answers, by the names of the fields.

        Raises:
            FormAnswerInvalid: a field is missing, was not asked for, or does not fit; ask again.
        """
        from agent_server.client.forms import check_answer

        check_answer(self.schema, content)
        return ElicitationAccepted(content=dict(content))


class _End:
    """How a visit ended."""

    __slots__ = ("completed", "reached", "session_id")

    def __init__(self, session_id: str | None) -> None:
        self.session_id = session_id
        self.reached = asyncio.Event()
        self.completed = False

    def reach(self, *, completed: bool) -> None:
        self.completed = completed
        self.reached.set()


@dataclass(frozen=True, slots=True)
class UrlVisit:
    """A page to visit.

    Attributes:
        agent, session, request: as in `FormQuestion`.
        url: the whole address, to be shown to the user before it is opened; left out of ``repr``.
        host: where it leads, in ASCII, so that no look-alike letter can deceive.
    """

    agent: Implementation | None
    session: RemoteSession | None
    request: UrlElicitation
    url: str = field(repr=False)
    host: str
    _end: _End = field(repr=False)

    @property
    def message(self) -> str:
        """What to tell the user."""
        return self.request.message

    @property
    def secure(self) -> bool:
        """Whether the page comes over HTTPS."""
        return self.url[:6].lower() == "https:"

    def accept(self) -> ElicitationAccepted:
        """The user agreed to go there. It does not say that anything was done there: return it at once."""
        return ElicitationAccepted()

    async def completed(self) -> bool:
        """Wait until the agent says that it is done: True. False once it never will, because the user did not agree,
        the session or the connection ended.

        It may be awaited in the handler, or by somebody else after the handler has agreed.
        """
        await self._end.reached.wait()
        return self._end.completed


FormHandler: TypeAlias = Callable[[FormQuestion], Answer | Awaitable[Answer]]
"""Lets the user fill in a form. An awaited answer is abandoned when the question is withdrawn."""

UrlHandler: TypeAlias = Callable[[UrlVisit], Answer | Awaitable[Answer]]
"""Asks the user whether to visit a page and opens it. Abandoned likewise."""


@dataclass(frozen=True, slots=True)
class ElicitationService:
    """Who puts the agent's questions to the user; only what is here is advertised."""

    form: FormHandler | None = None
    url: UrlHandler | None = None

    def capabilities(self) -> ElicitationCapabilities | None:
        """What we tell the agent; None rather than an object that offers nothing."""
        if self.form is None and self.url is None:
            return None
        return ElicitationCapabilities(
            form=Supported() if self.form is not None else None,
            url=Supported() if self.url is not None else None,
        )


Deciding: TypeAlias = Callable[[Callable[[], Answer | Awaitable[Answer]]], Awaitable[Answer]]
"""Runs a handler in the place that can withdraw its question."""


class Elicitations:
    """The questions of one connection, and the visits that are not over."""

    def __init__(self, service: ElicitationService | None) -> None:
        self._service = service or ElicitationService()
        self._visits: dict[str, _End] = {}

    def check(self, request: CreateElicitationRequest) -> None:
        """Refuse what was not offered, before anybody is asked.

        Raises:
            RpcError: -32602; this way of asking was not advertised.
        """
        handlers: dict[str, object] = {"form": self._service.form, "url": self._service.url}
        if handlers.get(request.mode) is None:
            raise invalid(f"this client does not offer elicitation in the mode {request.mode[:100]!r}")

    async def answer(
        self,
        request: CreateElicitationRequest,
        agent: Implementation | None,
        session: RemoteSession | None,
        deciding: Deciding,
    ) -> Answer:
        """Ask the user. The request has passed `check`.

        Raises:
            RpcError: -32602; the question is not fit to be asked.
            FormAnswerInvalid: the handler gave an answer that does not fit its form.
        """
        if isinstance(request, FormElicitation):
            return await self._fill_in(FormQuestion(agent, session, request), deciding)
        assert isinstance(request, UrlElicitation)
        host = host_of(request.url)
        if request.elicitation_id in self._visits:
            raise invalid("there is an open elicitation with this elicitationId")
        end = self._visits[request.elicitation_id] = _End(request.session_id)
        return await self._visit(UrlVisit(agent, session, request, request.url, host, end), deciding)

    def complete(self, elicitation_id: str) -> None:
        """The agent says that it is done; ids that we do not know are ignored."""
        end = self._visits.pop(elicitation_id, None)
        if end is not None:
            end.reach(completed=True)

    def end(self, session_id: str | None = None) -> None:
        """Nothing more will be said about the visits of a session, or about any."""
        for elicitation_id, end in list(self._visits.items()):
            if session_id is None or end.session_id == session_id:
                del self._visits[elicitation_id]
                end.reach(completed=False)

    async def _fill_in(self, question: FormQuestion, deciding: Deciding) -> Answer:
        handler = self._service.form
        assert handler is not None
        answer = await deciding(lambda: handler(question))
        if not isinstance(answer, ElicitationAccepted):
            return answer
        return question.accept(answer.content or {})

    async def _visit(self, visit: UrlVisit, deciding: Deciding) -> Answer:
        handler = self._service.url
        assert handler is not None
        accepted = False
        try:
            answer = await deciding(lambda: handler(visit))
            accepted = isinstance(answer, ElicitationAccepted)
            return visit.accept() if accepted else answer
        finally:
            if not accepted and self._visits.get(visit.request.elicitation_id) is visit._end:
                del self._visits[visit.request.elicitation_id]
                visit._end.reach(completed=False)


def host_of(url: str) -> str:
    """The host of a web page's address, in ASCII.

    Raises:
        RpcError: -32602; it is no http or https address, holds credentials, or is spelled so that programs disagree
            where it leads.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        _ = parts.port
    except ValueError:
        raise invalid("url is no address") from None
    if parts.scheme not in ("http", "https") or not host:
        raise invalid("url must be an http or https address")
    if parts.username is not None or parts.password is not None:
        raise invalid("url must not hold credentials")
    if not url.isprintable() or " " in url or "\\" in url:
        raise invalid("url holds characters that do not belong there")
    return host
