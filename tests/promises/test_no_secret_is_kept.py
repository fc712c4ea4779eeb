"""P13: what a call is given under the name of a secret reaches its tool, and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from agent_server.conversation.events import NoticeRaised, ToolCallUpserted
from agent_server.conversation.redaction import REDACTED
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.provider import Finished, NoticeGiven
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import PreparedCall, ToolResult
from tests.agent.puppets import PuppetModel, wants
from tests.agent.scripted_client import choose, house, in_loop

CANARY = "canary-7f3a"
BEARER = {"Authorization": f"Bearer {CANARY}"}
GIVEN: dict[str, Any] = {"user": "me", "apiKey": CANARY, "max_tokens": 4096, "deep": [BEARER]}
SHOWN: dict[str, Any] = {"user": "me", "apiKey": REDACTED, "max_tokens": 4096, "deep": [{"Authorization": REDACTED}]}


class Keeper:
    """A tool that takes a secret and gives another one back."""

    spec = ToolSpec("keeper", "Keeps.", {"type": "object"}, changes=True)

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        self.given.append(arguments)
        return PreparedCall("Keep", self._run)

    async def _run(self) -> ToolResult:
        return ToolResult(ToolResult.text("kept").parts, raw_output={"session": {"token": CANARY, "ttl": 60}})


@pytest.mark.req("EV-02")
@pytest.mark.promise("P13")
@in_loop
async def test_a_secret_is_in_no_update_question_replay_log_or_request_of_the_model_but_the_tool_gets_it(
    tmp_path: Path,
) -> None:
    model, keeper = PuppetModel(), Keeper()
    async with house(model, tools=[keeper]) as home:
        client = await home.connect({"session": {"notices": {}}})
        client.answers["session/request_permission"] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, NoticeGiven("warning", "Again", f"with api_key={CANARY}"), wants("keeper", **GIVEN), Finished())
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"

        assert keeper.given == [GIVEN]
        (question,) = client.requests("session/request_permission")
        assert question["params"]["toolCall"]["rawInput"] == SHOWN
        (announced,) = client.updates(sessionUpdate="tool_call")
        assert announced["rawInput"] == SHOWN
        (done,) = client.updates(sessionUpdate="tool_call_update", status="completed")
        assert done["rawOutput"] == {"session": {"token": REDACTED, "ttl": 60}}

        (notice,) = client.updates(sessionUpdate="notice")
        assert notice["description"] == f"with api_key={REDACTED}"

        other = await home.connect()
        client.hang_up()
        await home.agents[0]
        await other.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        (told,) = other.updates(sessionUpdate="tool_call")
        assert (told["rawInput"], told["rawOutput"]) == (SHOWN, done["rawOutput"])

        events = [event for _, event in home.store.read(session_id)]
        assert {ToolCallUpserted, NoticeRaised} <= {type(event) for event in events}
        everything = [orjson.dumps(client.frames), orjson.dumps(other.frames), repr(events).encode()]
        assert all(CANARY.encode() not in one for one in [*everything, repr(model.seen).encode()])
