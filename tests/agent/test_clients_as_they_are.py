"""Clients have habits that the protocol does not ask for. Each client here behaves as some editor does."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from agent_server.agent.connection_handlers import AgentConnection
from agent_server.providers.provider import Command, Finished
from agent_server.transport.memory import MemoryTransport, memory_pair
from tests.promises.agent_process import agent_process, scenario_file

from .puppets import PuppetModel, PuppetTool, call, forever, say, scenario, wants
from .scripted_client import SILENCE, Frame, House, ScriptedClient, choose, house, in_loop, one_client

ASK = "session/request_permission"
EDIT = call("write_file", path="a.txt", content="new\n")
KNOWN_TO_ALL = {
    "user_message_chunk",
    "agent_message_chunk",
    "agent_thought_chunk",
    "tool_call",
    "tool_call_update",
    "plan",
    "available_commands_update",
    "current_mode_update",
    "config_option_update",
    "session_info_update",
    "usage_update",
}
"""The kinds of update that need no capability."""


def setup(session_id: str, cwd: Path) -> Frame:
    return {"sessionId": session_id, "cwd": str(cwd), "mcpServers": []}


async def welcomed(made: House, client: ScriptedClient, transport: MemoryTransport) -> None:
    agent = AgentConnection(transport, lambda: made.service)
    made.agents.append(asyncio.ensure_future(agent.run(drain_s=0.05)))
    made.clients.append(client)
    await client.call("initialize", protocolVersion=1, clientCapabilities={})


def kinds(frames: list[Frame]) -> list[str]:
    return [f["params"]["update"]["sessionUpdate"] for f in frames if f.get("method") == "session/update"]


# It drops, or hangs on, updates for a session that it does not know yet


class Forgetful(ScriptedClient):
    """Knows a session from the answer that made it on, or from the request that reaches it on."""

    known: set[str]
    dropped: list[Frame]

    def __init__(self, transport: MemoryTransport) -> None:
        self.known, self.dropped = set(), []
        super().__init__(transport)

    def request(self, method: str, **params: Any) -> int:
        if method in ("session/load", "session/resume"):
            self.known.add(params["sessionId"])
        return super().request(method, **params)

    def _check(self, frame: Frame, data: bytes | bytearray) -> None:
        super()._check(frame, data)
        if "sessionId" in (frame.get("result") or {}):
            self.known.add(frame["result"]["sessionId"])
        elif "method" in frame and frame["params"].get("sessionId") not in self.known:
            self.dropped.append(frame)


@in_loop
async def test_a_client_that_drops_what_it_cannot_place_drops_nothing(tmp_path: Path) -> None:
    model = PuppetModel(Command("help", "Says what there is."))
    async with house(model) as made:
        near, far = memory_pair()
        client = Forgetful(near)
        await welcomed(made, client, far)
        text = [{"type": "text", "text": "go"}]
        made_here = [client.request("session/new", cwd=str(tmp_path), mcpServers=[]) for _ in range(5)]
        sessions = [(await client.answer(request))["result"]["sessionId"] for request in made_here]
        for number, session_id in enumerate(sessions, 1):
            await client.seen(session_id=session_id, sessionUpdate="available_commands_update")
            prompt = client.request("session/prompt", sessionId=session_id, prompt=text)
            await model.asked(number)
            model.finish(number, "hi")
            await client.stop_reason(prompt)
            await client.call("session/load", **setup(session_id, tmp_path))
        assert client.dropped == []


# It shows a question only while the call that it is about is pending


class PendingOnly(ScriptedClient):
    """Shows a question beside a pending call, and forgets it as soon as the call is anything else."""

    statuses: dict[str, str]
    shown: dict[str, Frame]
    lost: list[Frame]

    def __init__(self, transport: MemoryTransport) -> None:
        self.statuses, self.shown, self.lost = {}, {}, []
        super().__init__(transport)
        self.answers[ASK] = SILENCE

    def _check(self, frame: Frame, data: bytes | bytearray) -> None:
        super()._check(frame, data)
        if frame.get("method") == ASK:
            call_id = frame["params"]["toolCall"]["toolCallId"]
            self.shown[call_id] = frame
            self._look(call_id)
        elif frame.get("method") == "session/update" and "toolCallId" in frame["params"]["update"]:
            update = frame["params"]["update"]
            self.statuses[update["toolCallId"]] = update.get("status") or self.statuses.get(update["toolCallId"], "")
            self._look(update["toolCallId"])

    def _look(self, call_id: str) -> None:
        if call_id in self.shown and self.statuses.get(call_id) != "pending":
            self.lost.append(self.shown.pop(call_id))

    async def click(self, option: str) -> None:
        """The user takes some time, and answers the question that is shown then."""
        await self.until(lambda: self.shown)
        for _ in range(20):
            await asyncio.sleep(0)
        ((_, frame),) = self.shown.items()
        self.shown.clear()
        self.respond(frame["id"], choose(option))


@pytest.mark.req("AP-01")
@in_loop
async def test_a_client_that_shows_questions_beside_pending_calls_only_shows_every_question(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old\n")
    steps = [EDIT], [call("run_command", command="true"), EDIT], [say("done")]
    async with house(scenario(*steps)) as made:
        near, far = memory_pair()
        client = PendingOnly(near)
        await welcomed(made, client, far)
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        for option in ("approve", "reject", "approve"):
            await client.click(option)
        assert await client.stop_reason(prompt) == "end_turn"
        assert client.lost == []


# It takes what comes outside of a turn as stale


@in_loop
async def test_a_client_that_takes_updates_between_turns_as_stale_gets_none(tmp_path: Path) -> None:
    turn = [say("I will write."), EDIT], [say("Done.")]
    async with one_client(scenario(*turn, *turn, *turn)) as (client, _):
        client.answers[ASK] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        await client.call("session/list")
        quiet = True
        for number in range(3):
            assert await client.run(session_id, f"prompt {number}") == "end_turn"
            before = len(client.frames)
            for _ in range(3):
                await client.call("session/list")
            quiet &= kinds(client.frames[before:]) == []
            for method in ("session/load", "session/resume"):
                await client.call(method, **setup(session_id, tmp_path))
                before = len(client.frames)
                await client.call("session/list")
                if method == "session/load":
                    quiet &= kinds(client.frames[before:]) == []
        assert quiet


# It freezes on a kind of update that it does not know


@pytest.mark.promise("P10")
@in_loop
async def test_a_client_that_freezes_on_unknown_updates_gets_only_those_that_everybody_knows(tmp_path: Path) -> None:
    rich: list[Frame] = [{"notice": {"title": "Hm"}}, {"compaction": {"summary": ["x"]}}, {"thought": "hm"}, EDIT]
    async with one_client(scenario(rich, [say("done")])) as (client, _):
        client.answers[ASK] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        assert await client.run(session_id) == "end_turn"
        await client.call("session/set_mode", sessionId=session_id, modeId="plan")
        await client.call("session/load", **setup(session_id, tmp_path))
        assert set(kinds(client.frames)) <= KNOWN_TO_ALL
        assert "tool_call" in kinds(client.frames)


# It queues 1024 notifications, takes one in each step of its loop, and dies of one more


class ShortQueue(ScriptedClient):
    """Dies when its queue overflows. ``deepest`` is the most that ever waited in it."""

    LIMIT = 1024

    def __init__(self, transport: MemoryTransport) -> None:
        self.deepest = 0
        self._queue: deque[Frame] = deque()
        self._eater: asyncio.Task[None] | None = None
        super().__init__(transport)

    def _check(self, frame: Frame, data: bytes | bytearray) -> None:
        super()._check(frame, data)
        if "method" in frame and "id" not in frame:
            self._queue.append(frame)
            self.deepest = max(self.deepest, len(self._queue))
            if len(self._queue) > self.LIMIT:
                self.hang_up()
            elif self._eater is None:
                self._eater = asyncio.ensure_future(self._eat())

    async def _eat(self) -> None:
        while self._queue:
            self._queue.popleft()
            await asyncio.sleep(0)
        self._eater = None


@in_loop
async def test_a_client_with_a_short_queue_survives_a_stream_at_the_pace_of_a_model(tmp_path: Path) -> None:
    model = PuppetModel()
    async with house(model) as made:
        near, far = memory_pair()
        client = ShortQueue(near)
        await welcomed(made, client, far)
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        for _ in range(5000):
            model.say(1, "word ")
            await asyncio.sleep(0)
        model.finish(1)
        assert await client.stop_reason(prompt) == "end_turn"
        assert client.text(session_id) == "word " * 5000
        assert client.deepest < 100


@in_loop
async def test_a_client_with_a_short_queue_survives_the_replay_of_a_long_session(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        first = await made.connect()
        session_id = await first.new_session(str(tmp_path))
        session = made.session(session_id)
        for _ in range(500):  # 50 000 pieces of 500 answers
            session.log.begin_message("agent", session.next_entry_id())
            for _ in range(100):
                session.log.delta("piece ")
            session.log.flush()
        first.hang_up()
        await made.agents[0]
        near, far = memory_pair()
        client = ShortQueue(near)
        await welcomed(made, client, far)
        await client.call("session/load", **setup(session_id, tmp_path))
        assert len(client.updates(sessionUpdate="agent_message_chunk")) == 500
        assert client.text(session_id) == "piece " * 50_000
        assert client.deepest <= ShortQueue.LIMIT


# It reads lines of at most 64 KiB


class ShortLines(ScriptedClient):
    """``longest`` is the length of the longest line that it got, in bytes."""

    longest = 0

    def _check(self, frame: Frame, data: bytes | bytearray) -> None:
        super()._check(frame, data)
        self.longest = max(self.longest, len(data) + 1)


@pytest.mark.req("JR-17")
@in_loop
async def test_a_client_of_64_kib_lines_lives_through_an_ordinary_conversation(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("line of the file\n" * 1000)
    long_answer = say("word " * 4000)
    steps = [call("read_file", path="a.txt")], [EDIT], [call("run_command", command="seq 1000")], [long_answer]
    async with house(scenario(*steps, *([long_answer] for _ in range(9)))) as made:
        near, far = memory_pair()
        client = ShortLines(near)
        await welcomed(made, client, far)
        client.answers[ASK] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        for _ in range(10):
            assert await client.run(session_id, "please " * 1000) == "end_turn"
        await client.call("session/load", **setup(session_id, tmp_path))
        assert client.longest <= 64 * 1024


@pytest.mark.req("JR-17")
@pytest.mark.parametrize("letter", ["a", "\u4e2d", "\U0001f680"])
@in_loop
async def test_long_messages_are_told_in_lines_of_64_kib(tmp_path: Path, letter: str) -> None:
    text = letter * 100_000
    async with house(forever(say(text, chunk_chars=2000))) as made:
        near, far = memory_pair()
        client = ShortLines(near)
        await welcomed(made, client, far)
        session_id = await client.new_session(str(tmp_path))
        assert await client.run(session_id, text) == "end_turn"
        before = len(client.frames)
        client.longest = 0
        await client.call("session/load", **setup(session_id, tmp_path))
        for kind in ("user_message_chunk", "agent_message_chunk"):
            told = [f["params"]["update"] for f in client.frames[before:] if f.get("method") == "session/update"]
            chunks = [update for update in told if update["sessionUpdate"] == kind]
            assert "".join(chunk["content"]["text"] for chunk in chunks) == text
            assert len({chunk["messageId"] for chunk in chunks}) == 1
        assert client.longest <= 64 * 1024


# It never reads stderr


def test_a_client_that_never_reads_stderr_is_served_whatever_is_logged(tmp_path: Path) -> None:
    with agent_process(tmp_path, "--log-stderr", "--log-level", "debug") as agent:
        session_id = agent.new_session(tmp_path)
        for _ in range(4000):  # each is a line of the log, together far more than a pipe holds
            agent.write({"method": "session/cancel", "params": {"sessionId": ["wrong"]}})
        assert agent.answer(agent.prompt(session_id, "hello"))["result"]["stopReason"] == "end_turn"


# It answers a question with "cancelled", late, or not at all


@pytest.mark.req("TN-08")
@in_loop
async def test_a_client_that_says_cancelled_and_then_cancels_gets_a_cancelled_turn(tmp_path: Path) -> None:
    async with one_client(scenario([EDIT], [say("went on")])) as (client, _):
        client.answers[ASK] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        question = await client.asked(ASK)
        answer = {"id": question["id"], "result": {"outcome": {"outcome": "cancelled"}}}
        client.send(answer, {"method": "session/cancel", "params": {"sessionId": session_id}})
        assert await client.stop_reason(prompt) == "cancelled"
        assert not (tmp_path / "a.txt").exists()


@pytest.mark.req("AP-14")
@in_loop
async def test_a_client_that_knows_no_withdrawals_and_answers_late_changes_nothing(tmp_path: Path) -> None:
    async with one_client(forever(EDIT)) as (client, made):
        client.answers[ASK] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        late = []
        for number in range(1, 4):
            prompt = client.prompt(session_id)
            late.append((await client.asked(ASK, number))["id"])
            client.cancel(session_id)
            assert await client.stop_reason(prompt) == "cancelled"
        for request_id in late:
            client.respond(request_id, choose("approve_session"))
        await client.call("session/list")
        assert not (tmp_path / "a.txt").exists()
        assert made.session(session_id).turn_active is False
        prompt = client.prompt(session_id)
        await client.asked(ASK, 4)  # nothing was approved for the session
        client.cancel(session_id)
        await client.stop_reason(prompt)


@pytest.mark.req("JR-18")
@in_loop
async def test_a_client_that_withdraws_its_prompt_instead_of_cancelling_it_gets_a_cancelled_turn(
    tmp_path: Path,
) -> None:
    model, tool = PuppetModel(), PuppetTool(waits=True)
    async with one_client(model, tools=[tool]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        for _ in range(3):
            client.notify("$/cancel_request", requestId=prompt)
        assert await client.stop_reason(prompt) == "cancelled"
        again = client.prompt(session_id)
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(again) == "end_turn"


# It begins as it likes


@in_loop
async def test_a_client_that_asks_before_it_introduces_itself_is_refused_and_may_go_on(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client = made.join()
        params = {"cwd": str(tmp_path), "mcpServers": []}
        early, hello = client.made("session/new", **params), client.made("initialize", protocolVersion=1)
        cancel = {"method": "session/cancel", "params": {"sessionId": "nobody"}}
        late, wrong = client.made("session/new", **params), client.made("initialize", protocolVersion="1")
        client.send(cancel, early, wrong, hello, late)
        assert (await client.answer(early["id"]))["error"]["code"] == -32600
        assert (await client.answer(wrong["id"]))["error"]["code"] == -32602
        assert (await client.answer(hello["id"]))["result"]["protocolVersion"] == 1
        assert "sessionId" in (await client.answer(late["id"]))["result"]


@in_loop
async def test_a_client_that_introduces_itself_twice_is_told_the_same_until_it_has_a_session(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client = made.join()
        first = await client.call("initialize", protocolVersion=1, clientCapabilities={})
        assert await client.call("initialize", protocolVersion=1, clientCapabilities={}) == first
        assert (await client.refused("initialize", protocolVersion=2))["code"] == -32600
        session_id = await client.new_session(str(tmp_path))
        assert (await client.refused("initialize", protocolVersion=1))["code"] == -32600
        assert await client.run(session_id) == "end_turn"


def test_a_client_that_shows_a_login_where_there_is_a_way_to_log_in_shows_none(tmp_path: Path) -> None:
    with agent_process(tmp_path) as agent:
        assert (
            agent.call("initialize", protocolVersion=1, clientCapabilities={"auth": {"terminal": True}})["authMethods"]
            == []
        )


# It leaves as it likes


@pytest.mark.promise("P9")
def test_a_client_that_closes_the_input_behind_its_last_request_gets_every_answer(tmp_path: Path) -> None:
    with agent_process(tmp_path, "--model", scenario_file(tmp_path, [say("hi")])) as agent:
        session_id = agent.new_session(tmp_path)
        asked = [agent.prompt(session_id, "go") for _ in range(3)]
        load = agent.send("session/load", **setup(session_id, tmp_path))
        asked += [load, agent.send("session/list"), agent.send("session/close", sessionId=session_id)]
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
        answers = {f["id"]: f for f in agent.frames() if "method" not in f}
        assert [request_id for request_id in asked if "result" not in answers.get(request_id, {})] == []
