"""What the creator of a session may wish for in ``_meta.agent_server``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.providers.scenario.provider import ScenarioProvider

from .puppets import forever, say
from .scripted_client import in_loop, one_client

TWO_MODELS = {"models": [{"id": "small"}, {"id": "large"}], "turns": [{"repeat": True, "steps": [{"text": "hi"}]}]}


def wish(**wishes: Any) -> dict[str, Any]:
    return {"_meta": {"agent_server": wishes}}


@pytest.mark.req("ST-17", "SM-21")
@in_loop
async def test_every_wish_is_granted_and_can_be_read_back(tmp_path: Path) -> None:
    async with one_client(ScenarioProvider.from_dict(TWO_MODELS)) as (client, house):
        wishes = {
            "model": "large",
            "mode": "plan",
            "metadata": {"ticket": 7},
            "llmConfig": {"temperature": 0},
            "config": {"maxTurnRequests": 3, "approvalTimeoutS": 1.5},
            "nobody knows this": True,
        }
        answer = await client.call("session/new", cwd=str(tmp_path), mcpServers=[], **wish(**wishes))
        session_id = answer["sessionId"]
        assert answer["modes"]["currentModeId"] == "plan"
        assert {option["id"]: option["currentValue"] for option in answer["configOptions"]} == {
            "mode": "plan",
            "model": "large",
        }
        assert client.updates(sessionUpdate="current_mode_update") == [], "the answer has said it"
        info = await client.call("_agent_server/session/info", sessionId=session_id)
        assert {name: info[name] for name in ("model", "mode", "metadata", "llmConfig", "config")} == {
            name: wishes[name] for name in ("model", "mode", "metadata", "llmConfig", "config")
        }
        assert house.session(session_id).limits.max_turn_requests == 3


@pytest.mark.req("ST-17", "SM-04")
@pytest.mark.parametrize(
    ("wishes", "named"),
    [
        ({"model": "huge"}, "model"),
        ({"mode": "yolo"}, "mode"),
        ({"model": 7}, "model"),
        ({"config": {"x": 1}}, "config"),
    ],
)
@in_loop
async def test_a_wish_for_what_there_is_not_makes_no_session(
    tmp_path: Path, wishes: dict[str, Any], named: str
) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        error = await client.refused("session/new", cwd=str(tmp_path), mcpServers=[], **wish(**wishes))
        assert error["code"] == -32602
        assert f"params._meta.agent_server.{named}" in error["data"]["details"]
        assert house.supervisor.live() == [] and (await client.call("session/list")) == {"sessions": []}
