"""JR-01, JR-02, JR-06, JR-08: handlers are declared by constants, and sessions have their own state."""

from __future__ import annotations

from typing import Any

import pytest

from agent_server.agent.agent_methods import AgentMethods
from agent_server.agent.session_handlers import AgentSession
from agent_server.client.client import RemoteAgent
from agent_server.client.session import RemoteSession
from agent_server.connection.handlers import handlers_of, handles
from agent_server.connection.router import Router
from agent_server.protocol.extensions import EXTENSION_AGENT_METHODS
from agent_server.protocol.method import Scope
from agent_server.protocol.v1.content import TextContent
from agent_server.protocol.v1.initialize import AuthenticateRequest, AuthenticateResponse
from agent_server.protocol.v1.methods import (
    AGENT_METHODS,
    AUTHENTICATE,
    CANCEL_REQUEST,
    CLIENT_METHODS,
    SESSION_PROMPT,
    SESSION_UPDATE,
)
from agent_server.protocol.v1.prompt import PromptRequest, PromptResponse
from agent_server.protocol.v1.updates import AgentMessageChunk, SessionNotification

from .wire import SmallAgent, SmallSession, on_loop, outcome, prompt, serving


@pytest.mark.req("JR-02")
@pytest.mark.parametrize(
    ("methods", "connection_class", "session_class"),
    [
        ([*AGENT_METHODS, *EXTENSION_AGENT_METHODS], AgentMethods, AgentSession),
        (CLIENT_METHODS, RemoteAgent, RemoteSession),
    ],
    ids=["agent", "client"],
)
def test_every_method_of_a_side_has_a_handler_declared_by_its_constant(
    methods: Any, connection_class: type, session_class: type
) -> None:
    router = Router(methods, connection_class, session_class)
    assert set(router) | {CANCEL_REQUEST.name} == {method.name for method in methods}
    for method in methods:
        route = router.route(method.name)
        if route is not None:
            assert route.method is method
            assert route.session_scoped is (method.scope is Scope.SESSION)


@pytest.mark.req("JR-02")
def test_the_name_of_a_handler_means_nothing() -> None:
    class Oddly:
        @handles(AUTHENTICATE)
        def zebra(self, params: AuthenticateRequest) -> AuthenticateResponse:
            return AuthenticateResponse()

        def handle_session_new(self, params: Any) -> None:
            raise AssertionError("never called")

    class Inherits(Oddly):
        pass

    for cls in (Oddly, Inherits):
        assert {name: handler.__name__ for name, (_, handler) in handlers_of(cls).items()} == {"authenticate": "zebra"}
    assert set(Router(AGENT_METHODS, Inherits)) == {"authenticate"}


@pytest.mark.req("JR-02")
def test_a_handler_of_the_wrong_side_or_scope_is_refused_when_the_router_is_made() -> None:
    with pytest.raises(TypeError, match="cannot handle session"):
        Router(AGENT_METHODS, SmallSession)  # a session's handlers on the connection
    with pytest.raises(TypeError, match="cannot handle"):
        Router(AGENT_METHODS, SmallAgent, SmallAgent)
    with pytest.raises(TypeError, match="cannot handle"):
        Router(CLIENT_METHODS, SmallAgent)  # an agent's handlers on a client


@pytest.mark.req("JR-01")
@pytest.mark.req("JR-06")
def test_messages_with_a_session_id_reach_that_sessions_object_and_no_other() -> None:
    async def work() -> None:
        ok = SESSION_PROMPT.encoded({"stopReason": "end_turn"})
        async with serving({f"{n}": lambda: ok for n in range(20)}) as (agent, wire):
            wire.say(*(prompt(n, f"{n}", f"s{n % 3}") for n in range(20)))
            await wire.answer(19)
            for k in range(3):
                assert agent.sessions[f"s{k}"].heard == [f"{n}" for n in range(20) if n % 3 == k]
            wire.say(prompt("lost", "1", "unknown"))
            assert outcome(await wire.answer("lost")) == -32002
            assert set(agent.sessions) == {"s0", "s1", "s2"}

    on_loop(work)


@pytest.mark.req("JR-08")
def test_a_session_sends_updates_through_its_connection_before_its_answer() -> None:
    class Speaking(SmallSession):
        @handles(SESSION_PROMPT)
        async def prompt(self, params: PromptRequest) -> PromptResponse:
            for word in ("one", "two"):
                update = AgentMessageChunk(content=TextContent(text=f"{word} {self.id}"))
                self.agent.connection.notify(SESSION_UPDATE, SessionNotification(session_id=self.id, update=update))
            return PromptResponse(stop_reason="end_turn")

    async def work() -> None:
        async with serving() as (agent, wire):
            agent.connection.open(router=Router(AGENT_METHODS, SmallAgent, Speaking))
            agent.sessions = {name: Speaking(agent, name) for name in ("s1", "s2")}
            wire.say(prompt(1, "x", "s1"), prompt(2, "x", "s2"))
            await wire.answer(2)
            said = [body["params"] for body in wire.called("session/update")]
            assert [(entry["sessionId"], entry["update"]["content"]["text"]) for entry in said] == [
                (name, f"{word} {name}") for name in ("s1", "s2") for word in ("one", "two")
            ]
            order = [body.get("id", "update") for body in wire.heard]
            assert order.index(1) >= 2
            assert order.index(2) >= 4

    on_loop(work)


def test_a_router_can_be_replaced_when_the_sides_have_agreed() -> None:
    async def work() -> None:
        async with serving({"x": lambda: AuthenticateResponse()}) as (agent, wire):
            agent.connection.open(router=Router(AGENT_METHODS, SmallAgent))
            wire.say(prompt(1, "x"))
            assert outcome(await wire.answer(1)) == -32601
            agent.connection.open(router=Router(AGENT_METHODS, SmallAgent, SmallSession))
            wire.say(prompt(2, "x"))
            assert outcome(await wire.answer(2)) == {}

    on_loop(work)
