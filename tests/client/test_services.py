from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_server.client import AgentExtensions, ClientServices, RemoteAgent, approve_all, ask, remember
from agent_server.client.permissions import Outcome
from agent_server.protocol.method import NotificationMethod, RequestMethod, Scope, Side
from agent_server.protocol.trace import TraceContext
from agent_server.protocol.v1.elicitation import CompleteElicitationNotification
from agent_server.protocol.v1.initialize import LogoutRequest, LogoutResponse
from agent_server.protocol.v1.methods import LOGOUT, SESSION_CANCEL, SESSION_UPDATE
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest, SelectedPermissionOutcome

from .storing import stored, within

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ELICITATION = "agent_server.protocol.v1.elicitation"

TITLED: NotificationMethod[CompleteElicitationNotification] = NotificationMethod(
    "_agent_server/n", Side.CLIENT, Scope.CONNECTION, f"{ELICITATION}:CompleteElicitationNotification"
)


@pytest.mark.spec("N-81")
def test_a_prompt_carries_its_trace_and_what_else_the_caller_says(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, _, _):
            session = await remote.new_session("/tmp")
            trace = TraceContext(PARENT, "a=1", "k=v")
            await session.prompt("meta", trace=trace, meta={"mine": 1})
            assert session.transcript.text == (
                f'{{"baggage":"k=v","mine":1,"traceparent":"{PARENT}","tracestate":"a=1"}}'
            )
            await session.prompt("meta", meta={"traceparent": "as it was given"})
            assert session.transcript.text.endswith('{"traceparent":"as it was given"}')
            await session.prompt("meta")
            assert session.transcript.text.endswith("null")

    within(body)


def test_a_permission_shows_its_policy_the_trace_that_it_belongs_to(tmp_path: Path) -> None:
    seen: list[TraceContext | None] = []

    def policy(request: RequestPermissionRequest) -> Outcome:
        seen.append(TraceContext.from_meta(request.meta))
        return approve_all(request)

    async def body() -> None:
        async with stored(tmp_path, ClientServices(permissions=policy)) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            wire = permission(session.id)
            await agent.ask_raw("session/request_permission", {**wire, "_meta": {"traceparent": PARENT}})
            await agent.ask_raw("session/request_permission", {**wire, "_meta": {"traceparent": "x"}})
            assert seen == [TraceContext(PARENT), None]

    within(body)


@pytest.mark.parametrize("wanted", [True, False])
def test_our_extensions_are_asked_for_only_if_wanted(tmp_path: Path, wanted: bool) -> None:
    async def body() -> None:
        async with stored(tmp_path, ClientServices(extensions=wanted)) as (_, agent, _):
            assert agent.client.get("_meta") == ({"agent_server": {}} if wanted else None)

    within(body)


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"agent_server": {"version": 1, "methods": ["_a"], "notifications": ["_n", 5]}}, (1, {"_a"}, {"_n"})),
        ({"agent_server": {"version": {}, "methods": "no", "notifications": None}}, (None, set(), set())),
        ({"agent_server": {}}, (None, set(), set())),
        ({"agent_server": 5}, None),
        ({"other": {}}, None),
        (None, None),
    ],
)
def test_what_an_agent_offers_beyond_the_protocol_is_typed(tmp_path: Path, meta: Any, expected: Any) -> None:
    async def body() -> None:
        async with stored(tmp_path, can={"_meta": meta}) as (remote, _, _):
            found = remote.extensions
            if expected is None:
                assert found is None
            else:
                version, methods, notifications = expected
                assert found == AgentExtensions(version, frozenset(methods), frozenset(notifications))

    within(body)


def test_any_method_can_be_called_and_any_notification_heard_by_its_constant(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            heard: list[str] = []
            stop = remote.on(TITLED, lambda params: heard.append(params.elicitation_id))
            later: asyncio.Queue[str] = asyncio.Queue()
            for name in ("one", "two"):
                notify(agent, name)
                await session.prompt("say x")
                if name == "one":
                    stop()
                    stop()

                    async def listen(params: CompleteElicitationNotification) -> None:
                        await later.put(params.elicitation_id)

                    remote.on(TITLED, listen)
            assert heard == ["one"] and await later.get() == "two"
            assert await remote.call(LOGOUT, LogoutRequest()) == LogoutResponse()
            await unknown_is_an_error(remote)

    within(body)


def notify(agent: Any, text: str) -> None:
    agent.connection.notify(TITLED, CompleteElicitationNotification(elicitation_id=text))


async def unknown_is_an_error(remote: RemoteAgent) -> None:
    from agent_server.errors import CapabilityMissing, RpcError

    models = "agent_server.protocol.v1.initialize:LogoutRequest", "agent_server.protocol.v1.initialize:LogoutResponse"
    plain: RequestMethod[LogoutRequest, LogoutResponse] = RequestMethod("_x/y", Side.AGENT, Scope.CONNECTION, *models)
    with pytest.raises(RpcError) as caught:
        await remote.call(plain, LogoutRequest())
    assert caught.value.code == -32601
    gated: RequestMethod[LogoutRequest, LogoutResponse] = RequestMethod(
        "_x/y", Side.AGENT, Scope.CONNECTION, *models, "_meta.somebody_else"
    )
    with pytest.raises(CapabilityMissing):
        await remote.call(gated, LogoutRequest())


def test_what_the_client_handles_itself_or_only_sends_cannot_be_heard(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, _, _):
            remote.on(TITLED, lambda _: None)
            methods: list[NotificationMethod[Any]] = [SESSION_UPDATE, SESSION_CANCEL, TITLED]
            for method in methods:
                with pytest.raises(ValueError, match=method.name):
                    remote.on(method, lambda _: None)

    within(body)


def permission(session_id: str, **call: Any) -> dict[str, Any]:
    options = [
        {"optionId": "1", "name": "Once", "kind": "allow_once"},
        {"optionId": "2", "name": "Always", "kind": "allow_always"},
        {"optionId": "3", "name": "Never", "kind": "reject_always"},
    ]
    return {"sessionId": session_id, "toolCall": {"toolCallId": "t", **call}, "options": options}


@pytest.mark.parametrize(
    ("chosen", "calls", "asked"),
    [
        ("2", [{"title": "run ls"}, {"title": "run ls"}], 1),
        ("3", [{"title": "run ls"}, {"title": "run ls"}], 1),
        ("1", [{"title": "run ls"}, {"title": "run ls"}], 2),
        ("2", [{"title": "run ls"}, {"title": "run rm"}], 2),
        ("2", [{"title": "run ls", "kind": "execute"}, {"title": "run ls", "kind": "delete"}], 2),
        ("2", [{"title": "run ls", "name": "run"}, {"title": "run ls", "name": "rm"}], 2),
        ("2", [{}, {}], 2),
    ],
)
def test_an_answer_for_always_is_given_again_to_the_same_question_only(
    tmp_path: Path, chosen: str, calls: list[dict[str, Any]], asked: int
) -> None:
    questions: list[RequestPermissionRequest] = []

    def choose(request: RequestPermissionRequest) -> str:
        questions.append(request)
        return chosen

    async def body() -> None:
        async with stored(tmp_path, ClientServices(permissions=remember(ask(choose)))) as (remote, agent, sent):
            session = await remote.new_session("/tmp")
            other = await remote.new_session("/tmp")
            for call in calls:
                await agent.ask_raw("session/request_permission", permission(session.id, **call))
            assert len(questions) == asked
            await agent.ask_raw("session/request_permission", permission(other.id, **calls[0]))
            assert len(questions) == asked + 1
            told = SelectedPermissionOutcome(option_id=chosen).to_wire()
            assert sent.answers == [{"outcome": told}] * 3

    within(body)


@pytest.mark.spec("N-51")
def test_a_permission_that_comes_late_in_a_cancelled_turn_is_cancelled_and_the_next_turn_is_asked(
    tmp_path: Path,
) -> None:
    async def body() -> None:
        async with stored(tmp_path, ClientServices(permissions=approve_all)) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            hangs = asyncio.Event()
            session.listen(lambda _update: hangs.set() if "on" in session.transcript.text else None)
            turn = asyncio.ensure_future(session.prompt("hang on"))
            await hangs.wait()
            session.cancel()
            late = await agent.ask_raw("session/request_permission", permission(session.id))
            assert late == {"outcome": {"outcome": "cancelled"}}
            await turn
            again = await agent.ask_raw("session/request_permission", permission(session.id))
            assert again["outcome"]["optionId"] == "1"

    within(body)


def test_a_listener_that_fails_keeps_the_others_hearing(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, _, _):
            session = await remote.new_session("/tmp", listener=lambda _: 1 / 0)
            heard: list[object] = []
            session.listen(heard.append)
            await session.prompt("say a")
            assert len(heard) == 2 and session.transcript.text == "a"

    within(body)


@pytest.mark.spec("N-79")
def test_a_malformed_notification_costs_nothing_but_itself(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            for params in (
                "5",
                "{}",
                '{"sessionId":"s0"}',
                '{"sessionId":"s0","update":{"sessionUpdate":"tool_call"}}',
            ):
                for method in ("session/update", "elicitation/complete", "made/up"):
                    agent.connection.send_frame(
                        b'{"jsonrpc":"2.0","method":"%b","params":%b}' % (method.encode(), params.encode())
                    )
            await session.prompt("say a")
            assert [entry.text for entry in session.transcript.messages] == ["say a", "a"]
            assert len(session.transcript.entries) == 2

    within(body)


def test_what_clients_seldom_need_is_not_loaded_before_it_is_named() -> None:
    probe = (
        "import sys, agent_server.client as c; name = 'agent_server.protocol.v1.elicitation';"
        "assert name not in sys.modules; c.ElicitationService; assert name in sys.modules\n"
        "try: c.Missing\nexcept AttributeError: print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "fine\n"
