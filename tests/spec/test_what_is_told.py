"""What a client hears of a session, when, and what only some clients hear. Spec: prompt-turn, session notices,
session compaction, message ids, extensibility.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.agent.self_test import SelfTest, SelfTestTerminal
from agent_server.conversation.content import TextPart
from agent_server.conversation.events import PlanEntry, TurnEnded
from agent_server.conversation.tool_calls import ToolKind
from agent_server.providers.provider import (
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    ModelInfo,
    NoticeGiven,
    PlanProposed,
    ThoughtDelta,
    Usage,
)
from agent_server.sessions.prompts import PromptOutcome, PromptStopped
from agent_server.tools.run_command import RunCommand
from agent_server.tools.toolbox import default_toolbox
from tests.agent.puppets import WAIT, PuppetModel, PuppetTool, call, forever, say, scenario, wants
from tests.agent.scripted_client import FILES, SILENCE, Frame, ScriptedClient, choose, house, in_loop, one_client

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = {"traceparent": PARENT, "tracestate": "vendor=1", "baggage": "user=7"}
NOTICES: Frame = {"session": {"notices": {}}}
COMPACTION: Frame = {"session": {"compaction": {}}}
GATED = ("notice", "compaction_update", "compaction_summary_chunk")


def compacting(*more: Any) -> list[Any]:
    return [CompactionStarted("x"), CompactionSummary("x", "short "), CompactionSummary("x", "story"), *more]


def of_kinds(client: ScriptedClient, *kinds: str) -> list[Frame]:
    return [update for update in client.updates() if update["sessionUpdate"] in kinds]


async def turn(client: ScriptedClient, model: PuppetModel, session_id: str, *events: Any) -> Frame:
    number = len(model.seen) + 1
    prompt = client.prompt(session_id)
    await model.asked(number)
    model.finish(number, *events)
    return await client.answer(prompt)


@pytest.mark.spec("N-75", "N-76", "N-07")
@pytest.mark.parametrize(
    ("capabilities", "told"),
    [
        ({}, set()),
        ({"session": {}}, set()),
        ({"session": {"notices": None, "compaction": False}}, set()),
        (NOTICES, {"notice"}),
        (COMPACTION, {"compaction_update", "compaction_summary_chunk"}),
        ({"session": {"notices": {}, "compaction": {}}}, set(GATED)),
    ],
)
@in_loop
async def test_notices_and_compactions_go_to_those_who_want_them_live_and_replayed(
    tmp_path: Path, capabilities: Frame, told: set[str]
) -> None:
    model = PuppetModel()
    async with one_client(model, capabilities=capabilities) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        events = [NoticeGiven("warning", "Slow down", "for a while"), *compacting(CompactionEnded("x")), "said"]
        await turn(client, model, session_id, *events)
        assert {update["sessionUpdate"] for update in of_kinds(client, *GATED)} == told
        for notice in of_kinds(client, "notice"):
            fields = {"severity": "warning", "title": "Slow down", "description": "for a while"}
            assert notice == {"sessionUpdate": "notice", **fields}
        client.frames.clear()
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        again = of_kinds(client, *GATED)
        summary = {"status": "completed", "summary": [{"type": "text", "text": "short story"}]}
        assert [update["sessionUpdate"] for update in again] == ["compaction_update"] * ("compaction_update" in told)
        assert [update for update in again if {**update, **summary} != update] == []
        assert client.text() == "said"


@pytest.mark.spec("N-77")
@in_loop
async def test_a_compaction_begins_grows_and_ends_once_under_an_id_of_its_own(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, capabilities=COMPACTION) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        ends: list[tuple[Any, dict[str, Any]]] = [
            (CompactionEnded("x"), {"status": "completed"}),
            (CompactionEnded("x", "failed", "no room"), {"status": "failed", "error": "no room", "summary": None}),
            (CompactionEnded("x", "cancelled", "why"), {"status": "cancelled", "summary": None}),
            (None, {"status": "failed", "error": "The turn ended before the compaction did.", "summary": None}),
        ]
        ids = []
        for end, last in ends:
            client.frames.clear()
            late = [end, end, CompactionSummary("x", "late")] if end else []
            await turn(client, model, session_id, *compacting(*late))
            told = of_kinds(client, *GATED)
            (compaction_id,) = {update["compactionId"] for update in told}
            ids.append(compaction_id)
            chunk = {"sessionUpdate": "compaction_summary_chunk", "compactionId": compaction_id}
            state = {"sessionUpdate": "compaction_update", "compactionId": compaction_id}
            assert told == [
                {**state, "status": "in_progress"},
                {**chunk, "content": {"type": "text", "text": "short "}},
                {**chunk, "content": {"type": "text", "text": "story"}},
                {**state, **last},
            ]
        assert len(set(ids)) == len(ends)


@pytest.mark.spec("N-77")
@in_loop
async def test_a_cancel_ends_an_open_compaction_before_the_answer(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, capabilities=COMPACTION) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, *compacting())
        await client.seen(2, sessionUpdate="compaction_summary_chunk")
        client.cancel(session_id)
        assert await client.stop_reason(prompt) == "cancelled"
        last = of_kinds(client, *GATED)[-1]
        assert (last["status"], "error" in last) == ("cancelled", False)


@pytest.mark.spec("N-48", "D-25", "D-23", "D-34")
@in_loop
async def test_each_message_has_an_id_of_its_own_and_the_prompts_come_with_their_answers(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompts = [client.prompt(session_id, text) for text in ("one", "two", "three")]
        for number in (1, 2, 3):
            await model.asked(number)
            model.finish(number, ThoughtDelta("hm "), ThoughtDelta("hm"), "a ", "b")
        answers = [await client.answer(prompt) for prompt in prompts]
        own = [frame["result"]["_meta"]["agent_server"]["messageId"] for frame in answers]
        chunks = of_kinds(client, "agent_thought_chunk", "agent_message_chunk")
        by_kind = {(update["sessionUpdate"], update["messageId"]) for update in chunks}
        assert len(by_kind) == 6
        ids = own + [message_id for _, message_id in by_kind]
        assert len(set(ids)) == 9
        assert all(isinstance(one, str) for one in ids)
        assert of_kinds(client, "user_message_chunk") == []
        client.frames.clear()
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        told = [(up["messageId"], up["content"]["text"]) for up in of_kinds(client, "user_message_chunk")]
        assert told == list(zip(own, ("one", "two", "three"), strict=True))


@pytest.mark.spec("N-49", "D-10", "N-12")
@pytest.mark.parametrize("window", [None, 1000])
@in_loop
async def test_usage_says_how_much_of_how_much_or_nothing(tmp_path: Path, window: int | None) -> None:
    class Windowed(PuppetModel):
        def models(self) -> tuple[ModelInfo, ...]:
            return (ModelInfo("m", "M", None, window),)

    model = Windowed()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await turn(client, model, session_id, "hi", Usage(30, 5, cost_usd=0.5), Usage(60, 5))
        told = of_kinds(client, "usage_update")
        usage: Frame = {"sessionUpdate": "usage_update", "size": 1000}
        costly = {**usage, "used": 35, "cost": {"amount": 0.5, "currency": "USD"}}
        assert told == ([costly, {**costly, "used": 65}] if window else [])  # the cost is that of the session


@pytest.mark.spec("D-09")
@in_loop
async def test_the_usage_of_a_turn_does_not_hold_that_of_the_turns_before(tmp_path: Path) -> None:
    model = PuppetModel()
    outcomes: list[PromptOutcome] = []
    async with one_client(model) as (client, made):
        session = made.session(await client.new_session(str(tmp_path)))
        for number in (1, 2):
            session.prompt((TextPart("go"),), outcomes.append)
            made.supervisor.ensure_working(session)
            await model.asked(number)
            model.finish(number, "hi", Usage(10, 1), Usage(20, 2))
            await client.seen(number, sessionUpdate="agent_message_chunk")
        while len(outcomes) < 2:
            await client.call("session/list")
        for outcome in outcomes:
            assert isinstance(outcome, PromptStopped)
            assert outcome.usage is not None
            assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (30, 3)


@pytest.mark.spec("D-27", "D-28", "N-54")
@pytest.mark.parametrize("end", ["end_turn", "error", "cancelled"])
@in_loop
async def test_all_that_a_turn_causes_comes_before_its_answer_and_then_it_is_quiet(tmp_path: Path, end: str) -> None:
    model = PuppetModel()
    async with one_client(model, capabilities=NOTICES) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, "A good title", PlanProposed((PlanEntry("step"),)), NoticeGiven("info", "n"), Usage(1, 1))
        await client.seen(sessionUpdate="notice")
        if end == "error":
            model.say(1, ValueError("no"))
        elif end == "cancelled":
            client.cancel(session_id)
        else:
            model.finish(1)
        answer = await client.answer(prompt)
        title = client.position(
            lambda frame: frame.get("params", {}).get("update", {}).get("sessionUpdate") == "session_info_update"
        )
        assert title < client.frames.index(answer)
        await client.call("session/list")
        assert isinstance(made.store.read(session_id)[-1][1], TurnEnded)
        behind = client.frames[client.frames.index(answer) + 1 :]
        assert [frame for frame in behind if "method" in frame] == []


@pytest.mark.spec("D-28")
@in_loop
async def test_only_what_came_from_outside_makes_an_idle_session_speak(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await client.run(session_id)
        before = len(client.updates())
        for _ in range(50):
            await client.call("session/list")
        client.cancel(session_id)
        client.notify("$/cancel_request", requestId=12345)
        await client.call("session/list")
        assert len(client.updates()) == before
        await client.call("session/set_mode", sessionId=session_id, modeId="plan")
        assert len(client.updates()) == before + 2


@pytest.mark.spec("D-29")
@in_loop
async def test_nothing_is_said_of_a_session_before_the_answer_that_makes_it(tmp_path: Path) -> None:
    commands = [{"name": "plan", "description": "Makes a plan."}]
    async with one_client(scenario([say("hi")], commands=commands), capabilities=OPTED_IN) as (client, _):
        request = client.request("session/new", cwd=str(tmp_path), mcpServers=[])
        await client.seen(sessionUpdate="available_commands_update")
        answered = client.position(lambda frame: frame.get("id") == request)
        assert answered < client.position(lambda frame: "method" in frame)


OPTED_IN: Frame = {"_meta": {"agent_server": {}}}


@pytest.mark.spec("N-81")
@in_loop
async def test_what_we_ask_for_a_turn_carries_the_trace_of_its_prompt(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text\n")

    async def form(context: Any) -> Any:
        from agent_server.conversation.questions import TextField
        from agent_server.tools.tool import ToolResult

        await context.ask_user("Who?", (TextField(name="name"),))
        await context.ask_to_visit("There", "https://example.com/")
        return ToolResult.text("ok")

    tool = PuppetTool(changes=True, body=form)
    capabilities = {**FILES, "elicitation": {"form": {}, "url": {}}}
    model = PuppetModel()
    async with one_client(model, tools=[tool], capabilities=capabilities) as (client, _):
        client.answers["session/request_permission"] = choose("approve")
        client.answers["elicitation/create"] = {"action": "decline"}
        client.answers["fs/read_text_file"] = {"content": "text\n"}
        session_id = await client.new_session(str(tmp_path))
        for number, meta in ((1, TRACE), (3, {"other": 1})):
            client.frames.clear()
            block = [{"type": "text", "text": "go"}]
            prompt = client.request("session/prompt", sessionId=session_id, prompt=block, _meta=meta)
            await model.asked(number)
            model.finish(number, wants("puppet"), wants("read_file", "r", path="a.txt"))
            await model.asked(number + 1)
            model.finish(number + 1, "done")
            assert await client.stop_reason(prompt) == "end_turn"
            asked = [frame for frame in client.frames if "method" in frame and "id" in frame]
            methods = {"session/request_permission", "elicitation/create", "fs/read_text_file"}
            assert {request["method"] for request in asked} == methods
            for request in asked:
                assert request["params"].get("_meta") == (TRACE if meta is TRACE else None)


@pytest.mark.spec("N-81", "N-80")
@pytest.mark.parametrize(
    "meta",
    [None, [], "text", 5, {}, {"traceparent": 5}, {"traceparent": "x" * 10_000}, {"": {"": [None]}}, {"a": [[1]]}],
)
@in_loop
async def test_whatever_stands_in_meta_the_turn_is_the_same(tmp_path: Path, meta: Any) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        new = client.made("session/new", cwd=str(tmp_path), mcpServers=[], _meta=meta)
        client.send(new)
        session_id = (await client.answer(new["id"]))["result"]["sessionId"]
        block = {"type": "text", "text": "go", "_meta": meta}
        prompt = client.request("session/prompt", sessionId=session_id, prompt=[block], _meta=meta)
        assert await client.stop_reason(prompt) == "end_turn"
        client.notify("session/cancel", sessionId=session_id, _meta=meta)
        await client.call("session/list", _meta=meta)


@pytest.mark.spec("N-47", "N-57", "D-16")
@in_loop
async def test_a_call_is_told_when_it_is_asked_for_and_when_it_runs_and_nothing_in_it_is_null(tmp_path: Path) -> None:
    tool = PuppetTool(changes=True, waits=True)
    async with one_client(scenario([call("puppet", shows="b")], [say("ok")]), tools=[tool]) as (client, _):
        client.answers["session/request_permission"] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        question = await client.asked("session/request_permission")
        before = client.updates(sessionUpdate="tool_call") + client.updates(sessionUpdate="tool_call_update")
        assert [update.get("status") for update in before] == ["pending", None]
        client.respond(question["id"], choose("approve"))
        await client.seen(sessionUpdate="tool_call_update", status="in_progress")
        assert client.updates(sessionUpdate="tool_call_update", status="completed") == []
        tool.go.set()
        assert await client.stop_reason(prompt) == "end_turn"
        told = of_kinds(client, "tool_call", "tool_call_update")
        assert told[-1]["status"] == "completed"
        assert [value for update in told for value in update.values() if value is None] == []
        progress = next(up for up in told if up.get("status") == "in_progress")
        assert set(progress) == {"sessionUpdate", "toolCallId", "status"}  # only what changed


@pytest.mark.spec("N-58")
@in_loop
async def test_a_plan_is_told_whole_every_time(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        plans = [(PlanEntry("a", "high"),), (PlanEntry("a", "high", "completed"), PlanEntry("b")), ()]
        await turn(client, model, session_id, *[PlanProposed(plan) for plan in plans])
        told = [update["entries"] for update in of_kinds(client, "plan")]
        first = {"content": "a", "priority": "high", "status": "pending"}
        second = {"content": "b", "priority": "medium", "status": "pending"}
        assert told == [[first], [{**first, "status": "completed"}, second], []]


@pytest.mark.spec("N-45", "N-46", "N-52", "N-53")
@in_loop
async def test_an_end_is_told_for_each_way_to_end_and_a_cancelled_model_is_let_go(tmp_path: Path) -> None:
    ends = [say("x"), {"finish": "max_tokens"}], [say("x"), {"finish": "refusal"}], [say("x")], [say("y"), WAIT]
    async with one_client(scenario(*map(list, ends))) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        assert [await client.run(session_id) for _ in range(3)] == ["max_tokens", "refusal", "end_turn"]
        prompt = client.prompt(session_id)
        await client.seen(sessionUpdate="agent_message_chunk", content={"type": "text", "text": "y"})
        client.cancel(session_id)
        assert await client.stop_reason(prompt) == "cancelled"


@pytest.mark.spec("N-78", "N-12")
@in_loop
async def test_no_field_of_ours_stands_beside_those_of_the_protocol(tmp_path: Path) -> None:
    """The scripted client reads and writes every frame with the protocol's models: an extra field would be missed."""
    tool = PuppetTool(changes=True)
    turns = [[{"thought": "t"}, say("x"), call("puppet", shows="b"), {"plan": [{"content": "p"}]}], [say("ok")]]
    async with house(scenario(*turns, window_tokens=10), tools=[tool]) as made:
        client = await made.connect({**OPTED_IN, **NOTICES})
        client.answers["session/request_permission"] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        await client.run(session_id)
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        await client.call("session/list")
        assert client.wrong == []
        client._check({"method": "session/update", "params": {"sessionId": "s", "ours": 1, "update": {
            "sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": ""}}}}, b"")  # fmt: skip
        assert client.wrong.pop()  # it does notice one


@pytest.mark.spec("D-41")
def test_what_changes_something_is_never_shown_as_a_look_at_something() -> None:
    tools = [*default_toolbox(), SelfTest(), SelfTestTerminal(), RunCommand(in_editor=True)]
    harmless = {ToolKind.READ, ToolKind.SEARCH, ToolKind.THINK, ToolKind.FETCH}
    assert [tool.spec.name for tool in tools if tool.spec.changes and tool.spec.kind in harmless] == []
    assert len([tool for tool in tools if tool.spec.changes]) >= 5


@pytest.mark.spec("N-75")
@pytest.mark.parametrize("shows_notices", [True, False])
@in_loop
async def test_who_names_mcp_servers_is_told_that_none_is_used_yet(tmp_path: Path, shows_notices: bool) -> None:
    servers = [{"name": f"tool {n}", "command": "/bin/tool", "args": [], "env": []} for n in (1, 2)]
    capabilities: Frame = {"session": {"notices": {}}} if shows_notices else {}
    async with one_client(forever(say("hi")), capabilities=capabilities) as (client, _):
        setup = {"cwd": str(tmp_path), "mcpServers": servers}
        session_id = (await client.call("session/new", **setup))["sessionId"]
        for method in ("session/load", "session/resume"):
            await client.call(method, sessionId=session_id, **setup)
        await client.call("session/list")
        notices = client.updates(session_id, sessionUpdate="notice")
        assert len(notices) == (3 if shows_notices else 0)
        for notice in notices:
            assert (notice["severity"], notice["title"]) == ("warning", "MCP servers are not supported yet")
            assert "tool 1, tool 2" in notice["description"]
            assert "/bin/tool" not in notice["description"]
