"""P3: per session the order of the wire, and no session waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_server.connection.connection import Connection
from agent_server.connection.handlers import handles
from agent_server.connection.router import Router
from agent_server.errors import ConnectionClosed
from agent_server.protocol.v1.content import TextContent
from agent_server.protocol.v1.initialize import AuthenticateResponse
from agent_server.protocol.v1.methods import (
    CLIENT_METHODS,
    SESSION_CLOSE,
    SESSION_PROMPT,
    SESSION_REQUEST_PERMISSION,
    SESSION_UPDATE,
)
from agent_server.protocol.v1.prompt import PromptRequest
from agent_server.protocol.v1.session import CloseSessionRequest
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest, RequestPermissionResponse
from agent_server.protocol.v1.updates import SessionNotification
from agent_server.transport.memory import memory_pair

from .wire import WAIT_S, Body, RawEnd, ask, cancel, on_loop, outcome, prompt, serving, tell

OK = AuthenticateResponse()


class SlowClient:
    """Writes down what it hears, each update as slowly as ``hear`` says."""

    def __init__(self, hear: Callable[[str, str], Awaitable[None]]) -> None:
        self.connection: Connection
        self.hear = hear
        self.log: list[tuple[str, str]] = []

    def of(self, session_id: str) -> list[str]:
        return [what for name, what in self.log if name == session_id]


class SlowClientSession:
    def __init__(self, client: SlowClient, session_id: str) -> None:
        self.client = client
        self.id = session_id

    @handles(SESSION_UPDATE)
    async def update(self, params: SessionNotification) -> None:
        text = getattr(getattr(params.update, "content", None), "text", "?")
        self.client.log.append((self.id, f"begin {text}"))
        await self.client.hear(self.id, text)
        self.client.log.append((self.id, f"end {text}"))

    @handles(SESSION_REQUEST_PERMISSION)
    async def permission(self, params: RequestPermissionRequest) -> RequestPermissionResponse:
        self.client.log.append((self.id, f"asked {params.tool_call.tool_call_id}"))
        await asyncio.sleep(0.001)
        return SESSION_REQUEST_PERMISSION.encoded({"outcome": {"outcome": "cancelled"}})


@asynccontextmanager
async def listening(
    hear: Callable[[str, str], Awaitable[None]], *, drain_s: float = 0.2
) -> AsyncIterator[tuple[SlowClient, RawEnd]]:
    near, far = memory_pair()
    client = SlowClient(hear)
    client.connection = Connection(
        near,
        Router(CLIENT_METHODS, SlowClient, SlowClientSession),
        client,
        lambda session_id: SlowClientSession(client, session_id),
    )
    running = asyncio.create_task(client.connection.run(drain_s=drain_s, cancel_s=0.2))
    wire = RawEnd(far)
    try:
        yield client, wire
    finally:
        far.close()
        await asyncio.wait_for(running, WAIT_S)


def update(text: str, session_id: str = "s") -> Body:
    content = {"type": "text", "text": text}
    return tell(
        "session/update",
        {"sessionId": session_id, "update": {"sessionUpdate": "agent_message_chunk", "content": content}},
    )


def permission(request_id: Any, session_id: str = "s") -> Body:
    call = {"toolCallId": f"{request_id}"}
    return ask(request_id, "session/request_permission", {"sessionId": session_id, "toolCall": call, "options": []})


async def tick(session_id: str, text: str) -> None:
    await asyncio.sleep(0)


def prompting(client: SlowClient, session_id: str = "s") -> asyncio.Task[Any]:
    params = PromptRequest(session_id=session_id, prompt=[TextContent(text="hi")])

    async def work() -> None:
        try:
            response = await client.connection.request(SESSION_PROMPT, params)
        except ConnectionClosed:
            client.log.append((session_id, "closed"))
        else:
            client.log.append((session_id, f"answer {response.stop_reason}"))

    return asyncio.ensure_future(work())


async def asked_id(wire: RawEnd, method: str, count: int = 1) -> Any:
    await wire.until(lambda: len(wire.called(method)) >= count)
    return wire.called(method)[count - 1]["id"]


ENDED = {"stopReason": "end_turn"}


@pytest.mark.promise("P3")
def test_updates_of_a_session_are_heard_one_after_another_however_slow_the_handler() -> None:
    async def work() -> None:
        async with listening(tick) as (client, wire):
            wire.say(*(update(f"{number}") for number in range(20)))
            await wire.fence()
            wire.say(*(update(f"{number}") for number in range(20, 30)), permission("last"))
            await wire.answer("last")
            expected = [f"{edge} {number}" for number in range(30) for edge in ("begin", "end")]
            assert client.of("s") == [*expected, "asked last"]

    on_loop(work)


@pytest.mark.promise("P3")
def test_an_answer_never_overtakes_an_earlier_update_that_is_still_being_handled() -> None:
    async def work() -> None:
        gate = asyncio.Event()
        async with listening(lambda *_: gate.wait()) as (client, wire):  # type: ignore[arg-type]
            task = prompting(client)
            request_id = await asked_id(wire, "session/prompt")
            wire.say(update("1"), update("2"), {"jsonrpc": "2.0", "id": request_id, "result": ENDED}, update("3"))
            await wire.fence()
            assert client.log == [("s", "begin 1")]
            assert not task.done()
            gate.set()
            wire.say(permission("p"))
            await wire.answer("p")
            await asyncio.wait_for(task, WAIT_S)
            log = client.of("s")
            assert log[:4] == ["begin 1", "end 1", "begin 2", "end 2"]
            assert set(log[4:]) == {"begin 3", "end 3", "answer end_turn", "asked p"}

    on_loop(work)


@pytest.mark.promise("P3")
def test_an_answer_that_came_before_the_end_of_the_stream_is_still_the_answer() -> None:
    async def work() -> None:
        gate = asyncio.Event()
        async with listening(lambda *_: gate.wait(), drain_s=0) as (client, wire):  # type: ignore[arg-type]
            task, unanswered = prompting(client), prompting(client, "s2")
            request_id = await asked_id(wire, "session/prompt")
            wire.say(update("1"), {"jsonrpc": "2.0", "id": request_id, "result": ENDED})
            await wire.fence()
            wire.transport.close()
            await asyncio.wait_for(asyncio.gather(task, unanswered), WAIT_S)
            assert client.of("s")[-1] == "answer end_turn"
            assert client.of("s2") == ["closed"]

    on_loop(work)


@pytest.mark.promise("P3")
def test_sessions_do_not_wait_for_each_other() -> None:
    async def work() -> None:
        gate = asyncio.Event()

        async def hear(session_id: str, text: str) -> None:
            if session_id == "stuck":
                await gate.wait()

        async with listening(hear) as (client, wire):
            stuck, free = prompting(client, "stuck"), prompting(client, "free")
            ids = [await asked_id(wire, "session/prompt", count) for count in (1, 2)]
            for name, request_id in zip(("stuck", "free"), ids, strict=True):
                wire.say(update("1", name), update("2", name), {"jsonrpc": "2.0", "id": request_id, "result": ENDED})
            wire.say(permission("p", "free"))
            await asyncio.wait_for(free, WAIT_S)
            await wire.answer("p")
            assert client.of("free")[:4] == ["begin 1", "end 1", "begin 2", "end 2"]
            assert client.of("stuck") == ["begin 1"]
            assert not stuck.done()
            gate.set()
            await asyncio.wait_for(stuck, WAIT_S)
            assert client.of("stuck")[-1] == "answer end_turn"

    on_loop(work)


@pytest.mark.promise("P3")
@pytest.mark.req("JR-18")
def test_a_notification_behind_a_request_starts_after_the_requests_first_step_and_does_not_wait_for_its_end() -> None:
    async def work() -> None:
        steps: list[str] = []
        gate = asyncio.Event()

        async def work_long() -> Any:
            steps.append("prompt began")
            await gate.wait()
            steps.append("prompt ended")
            return SESSION_PROMPT.encoded({"stopReason": "cancelled"})

        def stop() -> None:
            steps.append("cancel")
            gate.set()

        async with serving({"work": work_long, "cancel": stop}) as (_, wire):
            wire.say(prompt(1, "work"), cancel())
            assert outcome(await wire.answer(1)) == {"stopReason": "cancelled"}
            assert steps == ["prompt began", "cancel", "prompt ended"]

    on_loop(work)


@pytest.mark.promise("P3")
def test_requests_behind_a_slow_notification_begin_when_it_is_done_and_then_run_side_by_side() -> None:
    async def work() -> None:
        steps: list[str] = []
        gates = {name: asyncio.Event() for name in ("cancel", "both")}

        async def slow_cancel() -> None:
            await gates["cancel"].wait()
            steps.append("cancel done")

        def named(name: str) -> Callable[[], Any]:
            async def run() -> Any:
                steps.append(name)
                if len(steps) == 3:
                    gates["both"].set()
                await gates["both"].wait()
                return OK

            return run

        async with serving({"one": named("one"), "two": named("two"), "cancel": slow_cancel, "fine": lambda: OK}) as (
            _,
            wire,
        ):
            wire.say(cancel(), prompt(1, "one"), prompt(2, "two"), prompt(3, "fine", "s2"))
            await wire.answer(3)
            assert steps == []
            gates["cancel"].set()
            await wire.answer(1)
            await wire.answer(2)
            assert steps == ["cancel done", "one", "two"]

    on_loop(work)


@pytest.mark.promise("P3")
def test_a_request_that_names_a_session_keeps_its_place_though_the_connection_answers_it() -> None:
    async def work() -> None:
        gate = asyncio.Event()
        async with serving({"close s": lambda: OK, "close s2": lambda: OK, "cancel s": gate.wait}) as (_, wire):
            wire.say(
                cancel(),
                ask(1, SESSION_CLOSE.name, {"sessionId": "s"}),
                ask(2, SESSION_CLOSE.name, {"sessionId": "s2"}),
            )
            await wire.answer(2)
            assert not wire.answers(1)
            gate.set()
            await wire.answer(1)

    on_loop(work)


@pytest.mark.promise("P3")
def test_a_slow_handler_may_ask_the_far_end_about_its_own_session() -> None:
    """Its answer must not wait behind the handler itself; a task that outlives the handler waits like everybody."""

    async def work() -> None:
        outliving: list[asyncio.Task[Any]] = []
        gate = asyncio.Event()
        released = asyncio.Event()

        async def late(client: SlowClient) -> None:
            await released.wait()
            await client.connection.request(SESSION_CLOSE, CloseSessionRequest(session_id="s"))
            client.log.append(("s", "late answer"))

        async def hear(session_id: str, text: str) -> None:
            if text == "asks":
                outliving.append(asyncio.ensure_future(late(client)))
                async with asyncio.TaskGroup() as group:  # from a task of the handler, too
                    group.create_task(client.connection.request(SESSION_CLOSE, CloseSessionRequest(session_id="s")))
            elif text == "slow":
                await gate.wait()

        async with listening(hear) as (client, wire):
            wire.say(update("asks"), update("next"))
            first = await asked_id(wire, "session/close")
            wire.say({"jsonrpc": "2.0", "id": first, "result": {}}, permission("p"))
            await wire.answer("p")
            assert client.of("s") == ["begin asks", "end asks", "begin next", "end next", "asked p"]
            released.set()
            second = await asked_id(wire, "session/close", 2)
            wire.say(update("slow"), {"jsonrpc": "2.0", "id": second, "result": {}})
            await wire.fence()
            assert not outliving[0].done()
            gate.set()
            await asyncio.wait_for(outliving[0], WAIT_S)
            assert client.of("s")[-3:] == ["begin slow", "end slow", "late answer"]

    on_loop(work)


@pytest.mark.promise("P3")
@pytest.mark.promise("P5")
def test_a_handler_that_crashes_lets_the_next_one_of_its_session_go_on() -> None:
    async def work() -> None:
        async def hear(session_id: str, text: str) -> None:
            await asyncio.sleep(0)
            if text == "bad":
                raise SystemExit(1)

        async with listening(hear) as (client, wire):
            wire.say(update("bad"), update("good"), permission("p"))
            await wire.answer("p")
            assert client.of("s") == ["begin bad", "begin good", "end good", "asked p"]

    on_loop(work)


@pytest.mark.promise("P3")
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["update", "ask", "turn"]), st.integers(0, 3)), max_size=30
    )
)
def test_any_mix_is_begun_in_wire_order_and_no_update_overlaps_what_follows(moves: list[tuple[str, str, int]]) -> None:
    async def work() -> None:
        async def hear(session_id: str, text: str) -> None:
            for _ in range(int(text.split()[1])):
                await asyncio.sleep(0)

        expected: dict[str, list[str]] = {"a": [], "b": []}
        async with listening(hear) as (client, wire):
            for number, (name, kind, slowness) in enumerate(moves):
                if kind == "update":
                    wire.say(update(f"{number} {slowness}", name))
                    expected[name] += [f"begin {number} {slowness}", f"end {number} {slowness}"]
                elif kind == "ask":
                    wire.say(permission(number, name))
                    expected[name].append(f"asked {number}")
                else:
                    await asyncio.sleep(0)
            wire.say(permission("last", "a"), permission("last too", "b"))
            await wire.answer("last")
            await wire.answer("last too")
            assert client.of("a") == [*expected["a"], "asked last"]
            assert client.of("b") == [*expected["b"], "asked last too"]

    on_loop(work)
