"""Our own requests and notifications: capabilities (P10), results, and far ends that answer badly or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent_server.connection.limits import MAX_SENT_FRAME_BYTES
from agent_server.errors import CapabilityMissing, ConnectionClosed, RpcError
from agent_server.protocol.capabilities import offers
from agent_server.protocol.method import NotificationMethod, RequestMethod, Scope, Side
from agent_server.protocol.model import Model
from agent_server.protocol.v1.client_services import (
    CreateTerminalRequest,
    KillTerminalRequest,
    ReadTextFileRequest,
    ReleaseTerminalRequest,
    TerminalOutputRequest,
    WaitForTerminalExitRequest,
    WriteTextFileRequest,
    WriteTextFileResponse,
)
from agent_server.protocol.v1.elicitation import CompleteElicitationNotification
from agent_server.protocol.v1.initialize import AuthenticateRequest, AuthenticateResponse
from agent_server.protocol.v1.methods import (
    AUTHENTICATE,
    CLIENT_METHODS,
    ELICITATION_COMPLETE,
    FS_READ_TEXT_FILE,
    FS_WRITE_TEXT_FILE,
    SESSION_CANCEL,
    SESSION_CLOSE,
    TERMINAL_CREATE,
    TERMINAL_KILL,
    TERMINAL_OUTPUT,
    TERMINAL_RELEASE,
    TERMINAL_WAIT_FOR_EXIT,
)
from agent_server.protocol.v1.prompt import CancelNotification
from agent_server.protocol.v1.session import CloseSessionRequest

from .wire import WAIT_S, RawEnd, SmallAgent, cancel, deed, on_loop, outcome, serving

READ = ReadTextFileRequest(session_id="s", path="/x")
WRITE = WriteTextFileRequest(session_id="s", path="/x", content="c")
T: dict[str, Any] = {"session_id": "s", "terminal_id": "t"}
GATED: list[tuple[RequestMethod[Any, Any], Model]] = [
    (FS_READ_TEXT_FILE, READ),
    (FS_WRITE_TEXT_FILE, WRITE),
    (TERMINAL_CREATE, CreateTerminalRequest(session_id="s", command="c")),
    (TERMINAL_OUTPUT, TerminalOutputRequest(**T)),
    (TERMINAL_WAIT_FOR_EXIT, WaitForTerminalExitRequest(**T)),
    (TERMINAL_KILL, KillTerminalRequest(**T)),
    (TERMINAL_RELEASE, ReleaseTerminalRequest(**T)),
    (SESSION_CLOSE, CloseSessionRequest(session_id="s")),
]


async def request_id(wire: RawEnd, method: RequestMethod[Any, Any]) -> Any:
    await wire.until(lambda: bool(wire.called(method.name)))
    return wire.called(method.name)[-1]["id"]


def asking(agent: SmallAgent, method: RequestMethod[Any, Any], params: Model) -> asyncio.Task[Any]:
    async def work() -> Any:
        return await agent.connection.request(method, params)

    return asyncio.ensure_future(work())


@pytest.mark.promise("P10")
def test_every_method_of_the_client_that_needs_a_capability_is_covered_here() -> None:
    gated = {method.name for method in CLIENT_METHODS if method.capability is not None}
    gated.remove("elicitation/complete")  # a notification
    assert gated <= {method.name for method, _ in GATED}


@pytest.mark.spec("N-64", "N-07")
@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    "wire_capabilities", [{}, {"fs": {}}, {"fs": {"readTextFile": False, "writeTextFile": None}, "terminal": False},
                          {"fs": {"readTextFile": "true", "writeTextFile": 1}, "terminal": 1}]
)  # fmt: skip
def test_what_was_not_offered_is_never_on_the_wire(wire_capabilities: dict[str, Any]) -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            agent.connection.open(offered=lambda path: offers(wire_capabilities, path))
            for method, params in GATED:
                with pytest.raises(CapabilityMissing) as caught:
                    await agent.connection.request(method, params)
                assert caught.value.capability == method.capability
            gated: NotificationMethod[CancelNotification] = NotificationMethod(
                "_x/y", Side.CLIENT, Scope.CONNECTION, "unused:Unused", "terminal"
            )
            with pytest.raises(CapabilityMissing):
                agent.connection.notify(gated, CancelNotification(session_id="s"))
            with pytest.raises(CapabilityMissing):
                agent.connection.notify(ELICITATION_COMPLETE, CompleteElicitationNotification(elicitation_id="e"))
            with pytest.raises(CapabilityMissing):
                agent.connection.notify_wire(ELICITATION_COMPLETE, {"elicitationId": "e"})
            await wire.fence()
            assert len(wire.heard) == 1

    on_loop(work)


@pytest.mark.spec("N-64")
@pytest.mark.promise("P10")
def test_each_capability_opens_its_own_methods_only() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            agent.connection.open(offered=lambda path: offers({"fs": {"readTextFile": True}}, path))
            task = asking(agent, FS_READ_TEXT_FILE, READ)
            wire_id = await request_id(wire, FS_READ_TEXT_FILE)
            with pytest.raises(CapabilityMissing):
                await agent.connection.request(FS_WRITE_TEXT_FILE, WRITE)
            wire.say({"jsonrpc": "2.0", "id": wire_id, "result": {"content": "x"}})
            assert (await asyncio.wait_for(task, WAIT_S)).content == "x"
            agent.connection.notify(SESSION_CANCEL, CancelNotification(session_id="s"))
            await wire.until(lambda: bool(wire.called("session/cancel")))

    on_loop(work)


@pytest.mark.promise("P10")
def test_a_handler_that_uses_what_was_not_offered_fails_its_own_request_only() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            agent.connection.open(offered=lambda _path: False)
            agent.deeds["read"] = lambda: agent.connection.request(FS_READ_TEXT_FILE, READ)
            wire.say(deed(1, "read"))
            assert outcome(await wire.answer(1)) == -32603
            assert not wire.called("fs/read_text_file")

    on_loop(work)


@pytest.mark.parametrize("result", ["null", "{}", '{"_meta":null,"unknown":[1]}'])
def test_a_null_result_is_read_as_the_empty_object(result: str) -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            task = asking(agent, FS_WRITE_TEXT_FILE, WRITE)
            wire_id = await request_id(wire, FS_WRITE_TEXT_FILE)
            wire.say(b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (wire_id, result.encode()))
            assert await asyncio.wait_for(task, WAIT_S) == WriteTextFileResponse()

    on_loop(work)


@pytest.mark.req("JR-16")
@pytest.mark.parametrize(
    "body", ['"result":null', '"result":{}', '"result":{"content":5}', '"result":[]', '"result":"text"', '"error":null',
             '"error":5', '"error":{"code":"x"}', '"result":{"content":%s}' % ("[" * 300 + "]" * 300)]
)  # fmt: skip
def test_a_malformed_answer_fails_the_request_that_it_answers(body: str) -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            task = asking(agent, FS_READ_TEXT_FILE, READ)
            wire_id = await request_id(wire, FS_READ_TEXT_FILE)
            wire.say(b'{"jsonrpc":"2.0","id":%d,%b}' % (wire_id, body.encode()))
            with pytest.raises(RpcError) as caught:
                await asyncio.wait_for(task, WAIT_S)
            assert caught.value.code == -32603
            await wire.fence()
            assert len(wire.heard) == 2

    on_loop(work)


def test_an_answer_that_was_too_long_to_read_fails_the_request() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            task = asking(agent, FS_READ_TEXT_FILE, READ)
            wire_id = await request_id(wire, FS_READ_TEXT_FILE)
            agent.connection.receive_oversized(b'{"jsonrpc":"2.0","id":%d,"result":{"content":"' % wire_id, 1000)
            with pytest.raises(RpcError, match="longer than 1000 bytes"):
                await asyncio.wait_for(task, WAIT_S)
            await wire.fence()
            assert len(wire.heard) == 2

    on_loop(work)


@pytest.mark.req("JR-16")
def test_answers_out_of_order_reach_the_requests_they_belong_to_and_duplicates_nobody() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            tasks = [
                asking(agent, FS_READ_TEXT_FILE, ReadTextFileRequest(session_id="s", path=f"/{n}")) for n in range(10)
            ]
            await wire.until(lambda: len(wire.called("fs/read_text_file")) == 10)
            for call in reversed(wire.called("fs/read_text_file")):
                answer = {"jsonrpc": "2.0", "id": call["id"], "result": {"content": call["params"]["path"]}}
                wire.say(answer, answer, {**answer, "id": str(call["id"])}, {**answer, "id": call["id"] + 1000})
            contents = [(await asyncio.wait_for(task, WAIT_S)).content for task in tasks]
            assert contents == [f"/{n}" for n in range(10)]
            await wire.fence()
            assert len(wire.heard) == 11

    on_loop(work)


@pytest.mark.spec("D-61")
@pytest.mark.promise("P6")
def test_no_frame_above_8_mib_leaves() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            big = "x" * MAX_SENT_FRAME_BYTES
            with pytest.raises(RpcError, match="8 MiB"):
                await agent.connection.request(FS_WRITE_TEXT_FILE, WRITE.model_copy(update={"content": big}))
            with pytest.raises(ValueError, match="8 MiB"):
                agent.connection.notify(SESSION_CANCEL, CancelNotification(session_id=big))
            with pytest.raises(ValueError, match="8 MiB"):
                agent.connection.send_frame(b"x" * (MAX_SENT_FRAME_BYTES + 1))
            with pytest.raises(ValueError, match="8 MiB"):
                agent.connection.send_frames([b"{}", b"x" * (MAX_SENT_FRAME_BYTES + 1)])
            agent.connection.send_frames([])
            longest_id = "\0" * 4096  # six bytes each on the wire
            agent.deeds["big"] = lambda: AUTHENTICATE.encoded({"x": "y" * (MAX_SENT_FRAME_BYTES - 33_000)})
            agent.deeds["bigger"] = lambda: AUTHENTICATE.encoded({"x": big})
            wire.say(deed(longest_id, "big"), deed(1, "bigger"))
            assert outcome(await wire.answer(1)) == -32603
            assert set(outcome(await wire.answer(longest_id))) == {"x"}
            await wire.fence()
            assert max(wire.sizes) <= MAX_SENT_FRAME_BYTES

    on_loop(work)


def test_a_request_after_the_end_fails_at_once_and_a_notification_is_silent() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            wire.transport.close()
            while not agent.connection.closed:
                await asyncio.sleep(0)
            with pytest.raises(ConnectionClosed):
                await agent.connection.request(FS_READ_TEXT_FILE, READ)
            agent.connection.notify(SESSION_CANCEL, CancelNotification(session_id="s"))

    on_loop(work)


def test_a_request_of_the_connection_itself_needs_no_session() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            task = asking(agent, AUTHENTICATE, AuthenticateRequest(method_id="m"))
            wire.say({"jsonrpc": "2.0", "id": await request_id(wire, AUTHENTICATE), "result": {}})
            assert await asyncio.wait_for(task, WAIT_S) == AuthenticateResponse()

    on_loop(work)


@pytest.mark.promise("P3")
@pytest.mark.parametrize("held", [False, True])
def test_who_wants_to_hear_of_an_answer_hears_it_before_what_follows_it(held: bool) -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            heard: list[str] = []
            gate = asyncio.Event()

            async def slowly() -> None:
                await gate.wait()
                heard.append("held")

            agent.deeds["cancel"] = (lambda: slowly()) if held else (lambda: heard.append("before"))
            task = asyncio.ensure_future(
                agent.connection.request(FS_READ_TEXT_FILE, READ, on_answer=lambda: heard.append("answer"))
            )
            wire_id = await request_id(wire, FS_READ_TEXT_FILE)
            wire.say(cancel())
            await wire.fence()
            agent.deeds["cancel"] = lambda: heard.append("after")
            wire.say({"jsonrpc": "2.0", "id": wire_id, "result": {"content": "x"}}, cancel())
            await wire.fence()
            gate.set()
            assert (await asyncio.wait_for(task, WAIT_S)).content == "x"
            await wire.fence()
            assert heard == ["held" if held else "before", "answer", "after"]

    on_loop(work)


def test_a_hook_that_fails_costs_the_answer_nothing() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            task = asyncio.ensure_future(agent.connection.request(FS_READ_TEXT_FILE, READ, on_answer=lambda: 1 / 0))
            wire_id = await request_id(wire, FS_READ_TEXT_FILE)
            wire.say({"jsonrpc": "2.0", "id": wire_id, "result": {"content": "x"}})
            assert (await asyncio.wait_for(task, WAIT_S)).content == "x"

    on_loop(work)
