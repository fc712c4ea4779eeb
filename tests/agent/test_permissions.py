from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.events import ApprovalClosed, ApprovalOpened
from agent_server.conversation.messages import ToolResultMessage
from agent_server.providers.provider import Finished
from agent_server.sessions.spec import Limits
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult

from .puppets import PuppetModel, PuppetTool, call, forever, say, scenario, wants
from .scripted_client import SILENCE, Refusal, choose, in_loop, one_client

ASK = "session/request_permission"


def write(path: str, content: str = "new\n") -> dict[str, Any]:
    return call("write_file", path=path, content=content)


def command(text: str) -> dict[str, Any]:
    return call("run_command", command=text)


@pytest.mark.spec("D-38", "D-39", "D-40", "D-41", "D-42", "N-10")
@pytest.mark.req("AP-01", "AP-02", "AP-08")
@in_loop
async def test_a_question_holds_all_that_a_user_needs_to_decide(tmp_path: Path) -> None:
    file = tmp_path.resolve() / "a.txt"
    file.write_text("old\n")
    async with one_client(scenario([write("a.txt")], [say("ok")])) as (client, house):
        client.answers[ASK] = SILENCE
        session_id = await client.new_session(str(tmp_path.resolve()))
        prompt = client.prompt(session_id)
        question = (await client.asked(ASK))["params"]
        snapshot = house.session(session_id).snapshot()
        (pending,) = snapshot.pending_approvals
        assert pending.tool_call_id == question["toolCall"]["toolCallId"]
        assert snapshot.waiting_for_user
        assert question["sessionId"] == session_id
        assert question["toolCall"] == {
            "toolCallId": client.updates(sessionUpdate="tool_call")[0]["toolCallId"],
            "kind": "edit",
            "status": "pending",
            "title": "Write a.txt",
            "name": "write_file",
            "content": [{"type": "diff", "path": str(file), "oldText": "old\n", "newText": "new\n"}],
            "locations": [{"path": str(file)}],
            "rawInput": {"path": "a.txt", "content": "new\n"},
        }
        ids = ["approve", "approve_turn", "approve_session", "reject"]
        kinds = ["allow_once", "allow_always", "allow_always", "reject_once"]
        assert [(o["optionId"], o["kind"]) for o in question["options"]] == list(zip(ids, kinds, strict=True))
        names = [option["name"] for option in question["options"]]
        assert "turn" in names[1]
        assert "session" in names[2]
        assert len(set(names)) == 4
        client.respond(client.requests(ASK)[0]["id"], choose("approve"))
        await client.answer(prompt)
        assert not house.session(session_id).snapshot().waiting_for_user


@pytest.mark.spec("D-42")
@pytest.mark.req("AP-02")
@in_loop
async def test_a_question_about_a_new_file_has_no_old_text(tmp_path: Path) -> None:
    async with one_client(scenario([write("b.txt")], [say("ok")])) as (client, _):
        client.answers[ASK] = choose("reject")
        await client.run(await client.new_session(str(tmp_path)))
        (diff,) = client.requests(ASK)[0]["params"]["toolCall"]["content"]
        assert diff["type"] == "diff"
        assert "oldText" not in diff


@pytest.mark.req("AP-02")
@in_loop
async def test_a_question_about_a_command_shows_the_whole_command(tmp_path: Path) -> None:
    async with one_client(scenario([command("echo a\necho b")], [say("ok")])) as (client, _):
        client.answers[ASK] = choose("reject")
        await client.run(await client.new_session(str(tmp_path)))
        tool_call = client.requests(ASK)[0]["params"]["toolCall"]
        assert tool_call["kind"] == "execute"
        assert "echo a\necho b" in tool_call["content"][0]["content"]["text"]


@pytest.mark.req("AP-02", "JR-19")
@pytest.mark.promise("P5")
@in_loop
async def test_a_question_about_what_json_cannot_hold_is_asked_all_the_same(tmp_path: Path) -> None:
    tool, model = PuppetTool(changes=True), PuppetModel()
    async with one_client(model, tools=[tool]) as (client, _):
        client.answers[ASK] = choose("approve")
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, wants("puppet", shows="half \ud800 a pair", other=object()), Finished("tool_use"))
        await model.asked(2)
        assert tool.runs == len(client.requests(ASK)) == 1
        model.finish(2)
        await client.answer(prompt)


@pytest.mark.spec("N-47")
@pytest.mark.req("AP-01")
@in_loop
async def test_the_call_is_announced_before_the_question_and_ends_after_it(tmp_path: Path) -> None:
    async with one_client(scenario([write("a.txt")], [say("ok")])) as (client, _):
        client.answers[ASK] = choose("approve")
        await client.run(await client.new_session(str(tmp_path)))
        kinds = [
            frame["params"].get("update", {}).get("status") or frame["method"]
            for frame in client.frames
            if frame.get("method") == ASK or "status" in frame.get("params", {}).get("update", {})
        ]
        assert kinds == ["pending", ASK, "in_progress", "completed"]


@pytest.mark.req("AP-03")
@in_loop
async def test_only_what_changes_something_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n")
    reads = [
        call("read_file", path="a.txt"),
        call("list_directory", path="."),
        call("grep", pattern="x"),
        call("find", pattern="*"),
    ]
    changes = [
        write("b.txt"),
        call("edit_file", path="a.txt", old_text="x", new_text="y"),
        call("delete_file", path="a.txt"),
        call("move_file", source="a.txt", target="c.txt"),
        command("true"),
    ]
    async with one_client(scenario(reads, changes, [say("ok")])) as (client, _):
        client.answers[ASK] = choose("reject")
        await client.run(await client.new_session(str(tmp_path)))
        names = {u["toolCallId"]: u["name"] for u in client.updates(sessionUpdate="tool_call")}
        assert len(names) == 9
        asked = {names[frame["params"]["toolCall"]["toolCallId"]] for frame in client.requests(ASK)}
        assert asked >= {"write_file", "delete_file", "run_command"}
        assert not asked & {"read_file", "list_directory", "grep", "find"}
        assert (tmp_path / "a.txt").read_text() == "x\n"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt"]


@pytest.mark.req("AP-04")
@in_loop
async def test_an_approval_for_once_covers_no_second_call(tmp_path: Path) -> None:
    async with one_client(scenario([write("a.txt")], [write("a.txt", "b\n")], [say("ok")])) as (client, _):
        client.answers[ASK] = choose("approve")
        await client.run(await client.new_session(str(tmp_path)))
        assert len(client.requests(ASK)) == 2
        assert (tmp_path / "a.txt").read_text() == "b\n"


@pytest.mark.req("AP-05")
@in_loop
async def test_trust_for_the_turn_covers_the_turn_and_dies_with_it(tmp_path: Path) -> None:
    turn = [write("a.txt")], [write("b.txt")], [say("ok")]
    async with one_client(scenario(*turn, [write("c.txt")], [say("ok")])) as (client, _):
        client.answers[ASK] = choose("approve_turn")
        session_id = await client.new_session(str(tmp_path))
        first, queued = client.prompt(session_id), client.prompt(session_id)
        await client.answer(queued)
        answered = client.position(lambda frame: frame.get("id") == first and "result" in frame)
        asked = [index for index, frame in enumerate(client.frames) if frame.get("method") == ASK]
        assert [index < answered for index in asked] == [True, False]


@pytest.mark.req("AP-05", "TN-08")
@in_loop
async def test_trust_for_the_turn_dies_with_a_cancel_and_with_an_error(tmp_path: Path) -> None:
    model = PuppetModel()
    tool = PuppetTool("change", changes=True)
    async with one_client(model, tools=[tool]) as (client, house):
        client.answers[ASK] = choose("approve_turn")
        session_id = await client.new_session(str(tmp_path))
        for turn in range(2):
            prompt = client.prompt(session_id)
            await model.asked(2 * turn + 1)
            model.say(2 * turn + 1, wants("change"), Finished("tool_use"))
            await model.asked(2 * turn + 2)
            assert house.session(session_id).policy.turn_trust == {"change"}
            if turn == 0:
                client.cancel(session_id)
            else:
                model.say(2 * turn + 2, ValueError("x"))
            await client.answer(prompt)
            assert house.session(session_id).policy.turn_trust == set()


@pytest.mark.req("AP-06")
@in_loop
async def test_trust_for_the_session_lasts_and_covers_one_tool(tmp_path: Path) -> None:
    turns = [write("a.txt")], [say("ok")], [write("b.txt")], [say("ok")], [command("true")], [say("ok")]
    async with one_client(scenario(*turns)) as (client, _):
        client.answers[ASK] = choose("approve_session")
        session_id = await client.new_session(str(tmp_path))
        for questions in (1, 1, 2):
            await client.run(session_id)
            assert len(client.requests(ASK)) == questions
        assert (tmp_path / "b.txt").exists()


@pytest.mark.req("AP-06", "SM-20")
@in_loop
async def test_trust_of_one_session_is_none_of_another(tmp_path: Path) -> None:
    async with one_client(scenario([write("a.txt")], [say("ok")])) as (client, _):
        client.answers[ASK] = choose("approve_session")
        for _ in range(2):
            await client.run(await client.new_session(str(tmp_path)))
        assert len(client.requests(ASK)) == 2


@pytest.mark.req("AP-05", "AP-06")
@pytest.mark.parametrize("option", ["approve_turn", "approve_session"])
@in_loop
async def test_trust_in_a_command_covers_exactly_that_command(tmp_path: Path, option: str) -> None:
    commands = "true", "true", "true ", "true && true"
    async with one_client(scenario(*([command(text)] for text in commands), [say("ok")])) as (client, _):
        client.answers[ASK] = choose(option)
        await client.run(await client.new_session(str(tmp_path)))
        asked = [frame["params"]["toolCall"]["rawInput"]["command"] for frame in client.requests(ASK)]
        assert asked == ["true", "true ", "true && true"]


@pytest.mark.req("AP-07")
@in_loop
async def test_a_reject_leaves_the_file_untouched_and_the_run_goes_on(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        client.answers[ASK] = choose("reject")
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, wants("write_file", path="a.txt", content="x"), Finished("tool_use"))
        await model.asked(2)
        result = model.seen[1][-1]
        assert isinstance(result, ToolResultMessage)
        assert result.is_error
        assert "refused" in str(result.parts)
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"
        assert client.updates(sessionUpdate="tool_call_update")[-1]["status"] == "failed"
        assert list(tmp_path.iterdir()) == []


@pytest.mark.spec("D-43", "D-44")
@pytest.mark.req("AP-08", "AP-11")
@pytest.mark.parametrize(
    "answer",
    [
        choose("allow_once"),
        choose(""),
        choose("approve_forever"),
        {"outcome": {"outcome": "cancelled"}},
        {"outcome": {"outcome": "approved", "optionId": "approve"}},
        {"outcome": "selected", "optionId": "approve"},
        {"optionId": "approve"},
        {},
        None,
        [],
        "approve",
        Refusal(-32800, "cancelled"),
        Refusal(-32603),
    ],
)
@in_loop
async def test_whatever_is_no_approval_is_none_and_the_run_goes_on(tmp_path: Path, answer: object) -> None:
    async with one_client(scenario([write("a.txt")], [say("ok")])) as (client, house):
        client.answers[ASK] = answer
        session_id = await client.new_session(str(tmp_path))
        assert await client.run(session_id) == "end_turn"
        assert list(tmp_path.iterdir()) == []
        assert client.text() == "ok"
        assert house.session(session_id).snapshot().pending_approvals == ()


@pytest.mark.req("AP-09", "AP-11")
@in_loop
async def test_a_question_is_answered_once_and_answers_to_others_have_no_effect(tmp_path: Path) -> None:
    async with one_client(scenario([write("a.txt")], [say("ok")], [write("b.txt")], [say("ok")])) as (client, house):
        client.answers[ASK] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        question = await client.asked(ASK)
        client.respond(999, choose("approve"))
        client.respond("x", choose("approve"))
        await client.call("session/set_mode", sessionId=session_id, modeId="ask")
        assert house.session(session_id).snapshot().waiting_for_user
        client.respond(question["id"], choose("reject"))
        client.respond(question["id"], choose("approve_session"))
        await client.answer(prompt)
        client.prompt(session_id)
        await client.asked(ASK, 2)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.req("AP-13")
@in_loop
async def test_a_question_that_nobody_answers_is_withdrawn_and_the_run_goes_on(tmp_path: Path) -> None:
    limits = Limits(approval_timeout_s=0.02)
    async with one_client(scenario([write("a.txt")], [say("ok")]), limits=limits) as (client, house):
        client.answers[ASK] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        assert await client.run(session_id) == "end_turn"
        (question,) = client.requests(ASK)
        assert [f["params"]["requestId"] for f in client.frames if f.get("method") == "$/cancel_request"] == [
            question["id"]
        ]
        client.respond(question["id"], choose("approve"))
        await client.call("session/set_mode", sessionId=session_id, modeId="ask")
        assert list(tmp_path.iterdir()) == []
        assert client.updates(sessionUpdate="tool_call_update")[-1]["status"] == "failed"
        assert house.session(session_id).snapshot().pending_approvals == ()


@pytest.mark.req("AP-09", "AP-13")
@pytest.mark.parametrize(
    ("answer", "decision"),
    [(choose("approve_turn"), "approve_turn"), (choose("reject"), "reject"), (SILENCE, "timeout"), ({}, "reject")],
)
@in_loop
async def test_the_log_says_how_each_question_ended(tmp_path: Path, answer: object, decision: str) -> None:
    limits = Limits(approval_timeout_s=0.02 if answer is SILENCE else 300)
    async with one_client(scenario([write("a.txt")], [say("ok")]), limits=limits) as (client, house):
        client.answers[ASK] = answer
        session_id = await client.new_session(str(tmp_path))
        await client.run(session_id)
        events = [e for _, e in house.store.read(session_id) if isinstance(e, ApprovalOpened | ApprovalClosed)]
        assert [type(event) for event in events] == [ApprovalOpened, ApprovalClosed]
        assert isinstance(events[1], ApprovalClosed)
        assert (events[0].tool_call_id, events[1].decision) == (events[1].tool_call_id, decision)


@pytest.mark.req("AP-21", "TN-16")
@in_loop
async def test_calls_of_one_response_are_asked_about_in_order_and_trust_covers_the_later_ones(tmp_path: Path) -> None:
    async with one_client(scenario([write("a.txt"), write("b.txt"), command("true")], [say("ok")])) as (client, _):
        client.answers[ASK] = choose("approve_turn")
        await client.run(await client.new_session(str(tmp_path)))
        asked = [frame["params"]["toolCall"]["name"] for frame in client.requests(ASK)]
        assert asked == ["write_file", "run_command"]
        assert (tmp_path / "b.txt").exists()


@pytest.mark.req("AP-21")
@in_loop
async def test_the_second_question_waits_for_the_answer_to_the_first(tmp_path: Path) -> None:
    async with one_client(scenario([write("a.txt"), write("b.txt")], [say("ok")])) as (client, _):
        client.answers[ASK] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        first = await client.asked(ASK)
        await client.call("session/set_mode", sessionId=session_id, modeId="ask")
        assert len(client.requests(ASK)) == 1
        client.respond(first["id"], choose("approve"))
        second = await client.asked(ASK, 2)
        client.respond(second["id"], choose("reject"))
        await client.answer(prompt)
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.req("AP-05", "AP-07")
@pytest.mark.parametrize(("option", "granted"), [("approve", "True"), ("reject", "False")])
@in_loop
async def test_a_tool_may_ask_more_while_it_runs(tmp_path: Path, option: str, granted: str) -> None:
    async def ask(context: ToolContext) -> ToolResult:
        return ToolResult.text(str(await context.ask_permission("Really?", subject="the rest")))

    async with one_client(forever(call("puppet")), tools=[PuppetTool(body=ask)], limits=Limits(1)) as (client, _):
        client.answers[ASK] = choose(option)
        await client.run(await client.new_session(str(tmp_path)))
        question = client.requests(ASK)[0]["params"]["toolCall"]
        assert question["title"] == "Really?"
        last = client.updates(sessionUpdate="tool_call_update", status="completed")[-1]
        assert last["content"][0]["content"]["text"] == granted


@pytest.mark.req("AP-07")
@pytest.mark.promise("P1")
@in_loop
async def test_a_client_that_leaves_while_it_is_asked_has_approved_nothing(tmp_path: Path) -> None:
    async with one_client(scenario([write("a.txt")], [say("ok")])) as (client, house):
        client.answers[ASK] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        client.prompt(session_id)
        await client.asked(ASK)
        client.hang_up()
        await house.agents[0]
        assert list(tmp_path.iterdir()) == []
        assert house.session(session_id).snapshot().pending_approvals == ()
