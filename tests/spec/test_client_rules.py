"""What our client does before and beside its sessions. Spec: initialization, session-list, elicitation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from agent_server.client import ClientServices, RemoteAgent, connect
from agent_server.client.errors import UnsupportedAgent
from agent_server.errors import AgentServerError, CapabilityMissing, RpcError
from agent_server.transport.memory import MemoryTransport, memory_pair
from tests.agent.scripted_client import in_loop

Frame = dict[str, Any]
CAN_LIST: Frame = {"sessionCapabilities": {"list": {}}}


class RawAgent:
    """The far end of a client, as raw frames. ``answers`` maps methods to answers, or to functions of the params."""

    def __init__(self, transport: MemoryTransport, answers: dict[str, Any]) -> None:
        self._transport = transport
        self._answers = answers
        self.frames: list[Frame] = []
        self.gone = asyncio.Event()
        transport.start(self)

    def receive_frames(self, frames: list[bytes | bytearray]) -> None:
        for data in frames:
            frame = orjson.loads(data)
            self.frames.append(frame)
            answer = self._answers.get(frame.get("method", ""))
            if "id" in frame and answer is not None:
                body = answer(frame["params"]) if callable(answer) else answer
                self.send({"id": frame["id"], **body})

    def receive_oversized(self, head: bytes, limit_bytes: int) -> None:
        raise AssertionError

    def receive_eof(self) -> None:
        self.gone.set()

    def send(self, frame: Frame) -> None:
        self._transport.send(orjson.dumps({"jsonrpc": "2.0", **frame}))

    @property
    def methods(self) -> list[str]:
        return [frame["method"] for frame in self.frames if "method" in frame]


def initialized(**more: Any) -> Frame:
    return {"result": {"protocolVersion": 1, **more}}


def far_end(answers: dict[str, Any]) -> tuple[MemoryTransport, Callable[[], RawAgent]]:
    near, far = memory_pair()
    return near, lambda: RawAgent(far, answers)


@pytest.mark.spec("N-01", "N-02", "D-02")
@in_loop
async def test_initialize_is_sent_once_and_nothing_until_it_is_answered() -> None:
    near, begin = far_end({"session/new": {"result": {"sessionId": "s"}}})
    agent = begin()
    joined: asyncio.Future[RemoteAgent] = asyncio.get_running_loop().create_future()

    async def client() -> None:
        async with connect(near, ClientServices()) as remote:
            joined.set_result(remote)
            await remote.new_session("/tmp")

    running = asyncio.ensure_future(client())
    while not agent.frames:
        await asyncio.sleep(0)
    agent.send({"method": "session/update", "params": {"sessionId": "s", "update": {}}})
    agent.send({"id": 7, "method": "fs/read_text_file", "params": {"sessionId": "s", "path": "/x"}})
    for _ in range(20):
        await asyncio.sleep(0)
    assert agent.methods == ["initialize"]
    assert not joined.done()
    params = agent.frames[0]["params"]
    assert params["protocolVersion"] == 1
    assert params["clientInfo"]["name"] and params["clientInfo"]["version"]
    assert "clientCapabilities" in params
    agent.send({"id": agent.frames[0]["id"], **initialized()})
    await running
    assert agent.methods == ["initialize", "session/new"]


@pytest.mark.spec("D-01", "N-05")
@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": -32600, "message": "Invalid request", "data": {"details": "no such version"}}},
        {"error": {"code": -32022, "message": "Unsupported", "data": {"requested": 1, "supported": [2]}}},
        {"result": {"protocolVersion": 2}},
        {"result": {"protocolVersion": 0}},
    ],
)
@in_loop
async def test_an_agent_that_will_not_speak_our_version_is_left_with_an_error(answer: Frame) -> None:
    near, begin = far_end({"initialize": answer})
    agent = begin()
    with pytest.raises(AgentServerError) as caught:
        async with connect(near):
            pytest.fail("the block must not run")
    if "error" in answer:
        assert isinstance(caught.value, RpcError)
        assert caught.value.code == answer["error"]["code"]
    else:
        assert isinstance(caught.value, UnsupportedAgent)
    await asyncio.wait_for(agent.gone.wait(), 5)  # we have hung up
    assert agent.methods == ["initialize"]


@pytest.mark.spec("N-42", "N-40")
@in_loop
async def test_what_a_list_says_of_a_session_is_what_the_client_gives(tmp_path: Any) -> None:
    infos = [
        {"sessionId": "s", "cwd": "/tmp", "additionalDirectories": ["/var"]},
        {"sessionId": "s", "cwd": "/tmp"},
    ]
    pages = iter([{"sessions": [info]} for info in infos])
    near, begin = far_end({
        "initialize": initialized(agentCapabilities={"sessionCapabilities": {"list": {}, "additionalDirectories": {}}}),
        "session/new": {"result": {"sessionId": "s"}},
        "session/list": lambda _params: {"result": next(pages)},
    })  # fmt: skip
    begin()
    async with connect(near) as remote:
        session = await remote.new_session("/tmp", additional_directories=["/usr"])
        told = [[info.additional_directories async for info in remote.list_sessions()] for _ in infos]
        assert told == [[["/var"]], [[]]]
        assert session.roots == ("/tmp", "/usr")


@pytest.mark.spec("N-07", "N-28")
@pytest.mark.parametrize(
    "capabilities", [None, {}, {"sessionCapabilities": None}, {"sessionCapabilities": {"list": 1}}]
)
@in_loop
async def test_what_is_not_clearly_advertised_is_not_there(capabilities: Any) -> None:
    near, begin = far_end({"initialize": initialized(agentCapabilities=capabilities)})
    agent = begin()
    async with connect(near) as remote:
        with pytest.raises(CapabilityMissing):
            await remote.list_page()
        assert agent.methods == ["initialize"]


@pytest.mark.spec("N-72", "N-79", "N-19")
@in_loop
async def test_news_that_mean_nothing_here_are_ignored_and_unknown_requests_answered() -> None:
    answers = {"initialize": initialized(agentCapabilities=CAN_LIST), "session/list": {"result": {"sessions": []}}}
    near, begin = far_end(answers)
    agent = begin()
    async with connect(near) as remote:
        agent.send({"method": "elicitation/complete", "params": {"elicitationId": "nobody's"}})
        agent.send({"method": "_other/news", "params": {"x": 1}})
        agent.send({"method": "$/progress", "params": None})
        agent.send({"id": "u", "method": "_other/question", "params": {}})
        await remote.list_page()
        ours = [frame for frame in agent.frames if "method" not in frame]
        assert [(frame["id"], frame["error"]["code"]) for frame in ours] == [("u", -32601)]
