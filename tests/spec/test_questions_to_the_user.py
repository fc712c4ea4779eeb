"""Forms to fill in and pages to visit. Spec: elicitation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.questions import Choice, FormField, IntegerField, TextField
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult
from tests.agent.puppets import PuppetTool, call, say, scenario
from tests.agent.scripted_client import SILENCE, Frame, Refusal, ScriptedClient, house, in_loop, one_client

BOTH: Frame = {"elicitation": {"form": {}, "url": {}}}
FIELDS: tuple[FormField, ...] = (
    TextField(name="name", title="Name", required=True, max_length=5),
    IntegerField(name="count", minimum=1),
    TextField(name="size", choices=(Choice("s", "Small"), Choice("l", "Large"))),
)
PAGE = "https://example.com/login?step=1"


def asks(*fields: FormField, message: str = "Who are you?") -> PuppetTool:
    """A tool that shows a form and gives what came of it."""

    async def body(context: ToolContext) -> ToolResult:
        answer = await context.ask_user(message, fields or FIELDS)
        return ToolResult.text("no forms" if answer is None else f"{answer.action} {answer.content}")

    return PuppetTool(body=body)


def sends(url: str = PAGE, times: int = 1) -> PuppetTool:
    """A tool that sends the user to a page and is told at once that all is done there."""

    async def body(context: ToolContext) -> ToolResult:
        said = []
        for _ in range(times):
            visit = await context.ask_to_visit("Please log in.", url)
            said.append("no pages" if visit is None else visit.action)
            if visit is not None:
                visit.completed()
                visit.completed()
        return ToolResult.text(" ".join(said))

    return PuppetTool(body=body)


async def outcome(client: ScriptedClient, tmp_path: Path) -> str:
    """What the tool gave, or why it failed."""
    session_id = await client.new_session(str(tmp_path))
    assert await client.run(session_id) == "end_turn"
    end = next(up for up in client.updates(session_id) if up.get("status") in ("completed", "failed"))
    text: str = end["content"][0]["content"]["text"]
    return text


def puppet_run() -> Any:
    return scenario([call("puppet")], [say("done")])


@pytest.mark.spec("N-68", "N-12")
@in_loop
async def test_a_form_is_shown_and_its_answer_reaches_the_tool(tmp_path: Path) -> None:
    async with one_client(puppet_run(), tools=[asks()], capabilities=BOTH) as (client, _):
        content = {"name": "Ada", "count": 3, "size": "l"}
        client.answers["elicitation/create"] = {"action": "accept", "content": content}
        assert await outcome(client, tmp_path) == f"accept {content}"
        (request,) = client.requests("elicitation/create")
        params = request["params"]
        assert (params["mode"], params["message"]) == ("form", "Who are you?")
        assert params["toolCallId"] == client.updates(sessionUpdate="tool_call")[0]["toolCallId"]
        schema = params["requestedSchema"]
        assert (schema["type"], schema["required"]) == ("object", ["name"])
        assert schema["properties"] == {
            "name": {"type": "string", "title": "Name", "maxLength": 5},
            "count": {"type": "integer", "minimum": 1},
            "size": {"type": "string", "oneOf": [{"const": "s", "title": "Small"}, {"const": "l", "title": "Large"}]},
        }


@pytest.mark.spec("N-72")
@pytest.mark.parametrize(
    ("answer", "given"),
    [
        ({"action": "decline"}, "decline None"),
        ({"action": "cancel"}, "cancel None"),
        ({"action": "decline", "content": {"name": "no"}}, "decline None"),
        ({"action": "shrug"}, "The user could not be asked"),
        ({}, "The user could not be asked"),
        (Refusal(-32602), "The user could not be asked"),
        (Refusal(-32800), "The user could not be asked"),
    ],
)
@in_loop
async def test_whatever_comes_instead_of_an_answer_the_turn_goes_on(tmp_path: Path, answer: Any, given: str) -> None:
    async with one_client(puppet_run(), tools=[asks()], capabilities=BOTH) as (client, _):
        client.answers["elicitation/create"] = answer
        assert (await outcome(client, tmp_path)).startswith(given)
        assert client.text() == "done"


@pytest.mark.spec("N-73")
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"name": "too long"},
        {"name": 5},
        {"name": "Ada", "count": 0},
        {"name": "Ada", "count": 1.5},
        {"name": "Ada", "count": True},
        {"name": "Ada", "size": "m"},
    ],
)
@in_loop
async def test_an_answer_that_does_not_fit_its_form_is_not_taken(tmp_path: Path, content: Frame) -> None:
    async with one_client(puppet_run(), tools=[asks()], capabilities=BOTH) as (client, _):
        client.answers["elicitation/create"] = {"action": "accept", "content": content}
        assert "did not fit" in await outcome(client, tmp_path)


@pytest.mark.spec("N-68", "N-07")
@pytest.mark.parametrize(
    "capabilities", [{}, {"elicitation": {}}, {"elicitation": {"form": None, "url": None}}, {"elicitation": True}]
)
@pytest.mark.parametrize(("tool", "given"), [(asks, "no forms"), (sends, "no pages")])
@in_loop
async def test_a_client_without_such_questions_gets_none_and_the_tool_is_told(
    tmp_path: Path, tool: Callable[[], PuppetTool], given: str, capabilities: Frame
) -> None:
    async with one_client(puppet_run(), tools=[tool()], capabilities=capabilities) as (client, _):
        assert await outcome(client, tmp_path) == given
        assert client.requests("elicitation/create") == []


@pytest.mark.spec("N-68", "N-70")
@pytest.mark.parametrize(
    ("tool", "given", "offered"), [(asks, "no forms", "url"), (sends, "no pages", "form")]
)
@in_loop
async def test_one_way_to_ask_never_stands_for_the_other(
    tmp_path: Path, tool: Callable[[], PuppetTool], given: str, offered: str
) -> None:
    async with one_client(puppet_run(), tools=[tool()], capabilities={"elicitation": {offered: {}}}) as (client, _):
        assert await outcome(client, tmp_path) == given
        assert client.requests("elicitation/create") == []


@pytest.mark.spec("N-70")
@pytest.mark.parametrize(
    "secret",
    [
        TextField(name="password"),
        TextField(name="x", title="API key"),
        TextField(name="clientSecret"),
    ],
)
@in_loop
async def test_no_form_asks_for_a_secret(tmp_path: Path, secret: TextField) -> None:
    async with one_client(puppet_run(), tools=[asks(secret)], capabilities=BOTH) as (client, _):
        assert "secret" in await outcome(client, tmp_path)
        assert client.requests("elicitation/create") == []


@pytest.mark.spec("N-72", "N-69")
@in_loop
async def test_a_visit_is_completed_once_and_only_where_it_was_asked_for(tmp_path: Path) -> None:
    async with house(puppet_run(), tools=[sends(times=3)]) as made:
        client, other = await made.connect(BOTH), await made.connect(BOTH)
        client.answers["elicitation/create"] = {"action": "accept"}
        assert await outcome(client, tmp_path) == "accept accept accept"
        asked = [request["params"] for request in client.requests("elicitation/create")]
        assert [(params["mode"], params["url"]) for params in asked] == [("url", PAGE)] * 3
        ids = [params["elicitationId"] for params in asked]
        assert len(set(ids)) == 3
        done = [frame["params"] for frame in client.frames if frame.get("method") == "elicitation/complete"]
        assert [params["elicitationId"] for params in done] == ids
        assert [frame for frame in other.frames if "method" in frame] == []


@pytest.mark.spec("N-72")
@pytest.mark.parametrize("action", ["decline", "cancel"])
@in_loop
async def test_a_visit_that_was_refused_is_never_completed(tmp_path: Path, action: str) -> None:
    async with one_client(puppet_run(), tools=[sends()], capabilities=BOTH) as (client, _):
        client.answers["elicitation/create"] = {"action": action}
        assert await outcome(client, tmp_path) == action
        assert [frame for frame in client.frames if frame.get("method") == "elicitation/complete"] == []


@pytest.mark.spec("N-74")
@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://user:pw@example.com/",
        "https://user@example.com/",
        "https://example.com/?access_token=abc",
        "https://example.com/#token=abc",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https:///nowhere",
        "not a url",
    ],
)
@in_loop
async def test_nobody_is_sent_to_an_address_that_is_not_safe(tmp_path: Path, url: str) -> None:
    async with one_client(puppet_run(), tools=[sends(url)], capabilities=BOTH) as (client, _):
        assert "cannot be sent there" in await outcome(client, tmp_path)
        assert client.requests("elicitation/create") == []


@pytest.mark.spec("N-69")
@in_loop
async def test_an_answer_from_another_connection_has_no_effect(tmp_path: Path) -> None:
    async with house(puppet_run(), tools=[asks()]) as made:
        client, other = await made.connect(BOTH), await made.connect(BOTH)
        client.answers["elicitation/create"] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        question = await client.asked("elicitation/create")
        other.respond(question["id"], {"action": "accept", "content": {"name": "Eve"}})
        assert await other.call("session/list")
        assert not client.answers_to(prompt)
        client.respond(question["id"], {"action": "accept", "content": {"name": "Ada"}})
        assert await client.stop_reason(prompt) == "end_turn"
        assert "Ada" in str(client.updates(sessionUpdate="tool_call_update", status="completed"))
        assert other.requests("elicitation/create") == []


@pytest.mark.spec("N-72", "D-46", "D-45")
@in_loop
async def test_a_cancel_withdraws_the_question_and_waits_for_nobody(tmp_path: Path) -> None:
    async with one_client(puppet_run(), tools=[asks()], capabilities=BOTH) as (client, _):
        client.answers["elicitation/create"] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        question = await client.asked("elicitation/create")
        client.cancel(session_id)
        assert await client.stop_reason(prompt) == "cancelled"
        withdrawn = [frame["params"] for frame in client.frames if frame.get("method") == "$/cancel_request"]
        assert [params["requestId"] for params in withdrawn] == [question["id"]]


@pytest.mark.spec("N-70")
@in_loop
async def test_what_was_filled_in_is_not_in_the_log(tmp_path: Path) -> None:
    kept: list[object] = []

    async def body(context: ToolContext) -> ToolResult:
        answer = await context.ask_user("Who?", FIELDS)
        kept.append(answer and answer.content)
        return ToolResult.text("thanks")

    async with one_client(puppet_run(), tools=[PuppetTool(body=body)], capabilities=BOTH) as (client, made):
        client.answers["elicitation/create"] = {"action": "accept", "content": {"name": "Zoë"}}
        assert await outcome(client, tmp_path) == "thanks"
        assert kept == [{"name": "Zoë"}]
        (session,) = made.supervisor.live()
        assert "Zoë" not in str(made.store.read(session.id))
