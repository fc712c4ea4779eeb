"""The answer that comes before everything is loaded is the answer that would come after, or none is given."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.agent.connection_handlers import AgentConnection
from agent_server.agent.features import Features
from agent_server.cli.compose import make_service
from agent_server.cli.first_answer import MAX_BRACKETS, MAX_ID_CHARS, plain_answer, takes_system_prompts
from agent_server.config.keys import KEY_VARIABLES
from agent_server.config.settings import Settings
from agent_server.providers.catalog import Catalog
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from agent_server.transport.framing import LineFramer
from agent_server.transport.memory import memory_pair
from tests.transport.listening import Listener, turns

ZED = {
    "protocolVersion": 1,
    "clientCapabilities": {
        "fs": {"readTextFile": True, "writeTextFile": True},
        "terminal": True,
        "auth": {"terminal": True},
        "_meta": {"terminal_output": True, "terminal-auth": True},
    },
    "clientInfo": {"name": "zed", "title": "Zed — the editor", "version": "1.0"},
}
NOBODY = {"HOME": "/nowhere", "XDG_CONFIG_HOME": "/nowhere"}
PLAINEST = {"protocolVersion": 1, "clientCapabilities": {}}

JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from([[], {}, {"a": 1}, [1, {}], 2**63 - 1, -(2**63), 2**64, 1e400, "\ud800", "€", '"', "\\", "\x7f"]),
)
CAPABILITIES = st.fixed_dictionaries(
    {},
    optional={
        "fs": st.fixed_dictionaries({}, optional={"readTextFile": st.booleans() | JUNK, "new": JUNK}) | JUNK,
        "terminal": st.booleans() | JUNK,
        "auth": st.fixed_dictionaries({}, optional={"terminal": st.booleans() | JUNK}) | JUNK,
        "session": st.fixed_dictionaries({}, optional={"notices": st.just({}) | JUNK}) | JUNK,
        "_meta": JUNK,
        "new": JUNK,
    },
)
PARAMS = st.fixed_dictionaries(
    {"protocolVersion": st.integers(0, 3) | JUNK},
    optional={"clientCapabilities": CAPABILITIES | JUNK, "clientInfo": JUNK, "new": JUNK},
)
MESSAGES = st.fixed_dictionaries(
    {
        "jsonrpc": st.just("2.0"),
        "id": st.integers() | st.text(max_size=4) | JUNK,
        "method": st.just("initialize"),
        "params": PARAMS,
    },
    optional={"result": JUNK, "new": JUNK},
)
TOKENS = [b'"', b"{", b"}", b",", b":", b" ", b"\n", b"\r", b"\t", b"0", b"-", b"1.0", b"1e9", b"\\", b"null", b"NaN"]
PIECES = st.binary(max_size=2) | st.sampled_from(TOKENS)


def line(params: Any = PLAINEST, request_id: Any = 1, **more: Any) -> bytes:
    message = {"jsonrpc": "2.0", "id": request_id, "method": "initialize", "params": params, **more}
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


def answers_of_the_full_path(data: bytes, environment: Mapping[str, str] = NOBODY) -> list[bytes]:
    """What is sent when everything is loaded, built as it is for a server without settings."""

    async def talk() -> list[bytes]:
        near, far = memory_pair()
        client = Listener()
        far.start(client)
        provider = Catalog(Settings(local_models=False), environment)
        features = Features(system_prompt=provider.system_prompts)
        supervisor = SessionSupervisor(MemoryStore())
        agent = AgentConnection(near, lambda: make_service(Settings(), supervisor, provider), features)
        agent.connection.receive_frames([frame for frame in LineFramer().feed(data) if isinstance(frame, bytes)])
        await turns()
        return client.frames

    return asyncio.run(talk())


@pytest.mark.parametrize("request_id", [0, 1, -7, 10**17, "", "init", "a/b c~", "x" * MAX_ID_CHARS])
@pytest.mark.parametrize(
    "params", [PLAINEST, ZED, {"protocolVersion": 1}, {"protocolVersion": 0}, {"protocolVersion": 70_000, "new": []}]
)
def test_a_plain_initialize_is_answered_and_as_it_would_be_later(params: dict[str, Any], request_id: Any) -> None:
    data = line(params, request_id)
    early = plain_answer(data)
    assert early is not None
    assert [early[0]] == [frame + b"\n" for frame in answers_of_the_full_path(data)]
    assert early[1].protocol_version == params["protocolVersion"]
    assert early[1].client_capabilities.to_wire() == params.get("clientCapabilities", {})


@given(MESSAGES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :\r")]))
def test_no_message_has_two_answers(message: dict[str, Any], ascii_only: bool, separators: tuple[str, str]) -> None:
    text = json.dumps(message, ensure_ascii=ascii_only, separators=separators)
    assert_same_answer(text.encode("utf-8", "surrogatepass") + b"\n")


@given(st.sampled_from([line(), line(ZED), line(ZED, "a")]), st.data())
def test_no_damaged_line_has_two_answers(data: bytes, draw: st.DataObject) -> None:
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(data)))
        data = data[:at] + draw.draw(PIECES) + data[at + draw.draw(st.integers(0, 3)) :]
    assert_same_answer(data)


def assert_same_answer(data: bytes) -> None:
    early = plain_answer(data)
    if early is not None:
        assert [early[0]] == [frame + b"\n" for frame in answers_of_the_full_path(data)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}\n",
        line()[:-1],
        line() + line(request_id=2),
        b"\n" + line(),
        b" " + line(),
        line()[:-1] + b" \n",
        line()[:-1] + b"\r\n",
        b"\xef\xbb\xbf" + line(),
        line().replace(b"initialize", b"session/list"),
        line().replace(b'"2.0"', b'"1.0"'),
        line().replace(b'"id": 1, ', b""),
        line(request_id=None),
        line(request_id=True),
        line(request_id=1.0),
        line(request_id=2**70),
        line(request_id="\x7f"),
        line(request_id="é"),
        line(request_id='"'),
        line(request_id="x" * (MAX_ID_CHARS + 1)),
        line(None),
        line([]),
        line({}),
        line({"protocolVersion": "1"}),
        line({"protocolVersion": -1}),
        line({"protocolVersion": 1, "_meta": {}}),
        line({"protocolVersion": 1, "clientCapabilities": None}),
        line({"protocolVersion": 1, "clientCapabilities": {"terminal": "yes"}}),
        line({"protocolVersion": 1, "clientInfo": {"name": "tab\t"}}),
        line({"protocolVersion": 1, "new": 0.5}),
        line({"protocolVersion": 1, "new": float("nan")}),
        line().replace(b": 1,", b": -0,", 1),
        line().replace(b": 1,", b": 01,", 1),
        line({"protocolVersion": 1, "new": "[" * MAX_BRACKETS}),
        b"[" * MAX_BRACKETS + b"\n",
        line({"protocolVersion": 1, "clientInfo": {"name": "\x00"}}).replace(b"\\u0000", b"\x00"),
        line({"protocolVersion": 1, "clientInfo": {"name": "X"}}).replace(b"X", b"\xff"),
    ],
)
def test_what_is_not_perfectly_plain_is_left_alone(data: bytes) -> None:
    assert plain_answer(data) is None


VARIABLES = [variable for variables in KEY_VARIABLES.values() for variable in variables]
KEYS = st.sampled_from(["sk-1", " sk-1 ", "", " ", "two words", "\u20ac", 1, None, ["sk-1"], 0.5, "\\", "x" * 9000])
TABLES = st.dictionaries(st.sampled_from([*KEY_VARIABLES, "x"]), KEYS)
ODD_FILES = [b"{}", b"[]", b'{"keys":{"openai":"a"}} x', b'{"keys":{"openai":"a","openai":1}}', b"\xef\xbb\xbf{}"]
FILES = st.one_of(
    st.none(),
    st.fixed_dictionaries({}, optional={"version": st.just(1), "keys": TABLES | KEYS}).map(
        lambda content: json.dumps(content, indent=2).encode() + b"\n"
    ),
    st.binary(max_size=8),
    st.sampled_from(ODD_FILES),
)


@given(
    st.dictionaries(st.sampled_from([*VARIABLES, "HF_TOKEN"]), st.sampled_from(["sk-1", "", " ", "a b"]), max_size=2),
    FILES,
    st.sampled_from([0o600, 0o600, 0o600, 0o644, 0o700]),
)
def test_whether_models_take_system_prompts_is_said_early_as_it_would_be_later(
    variables: dict[str, str], content: bytes | None, mode: int
) -> None:
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "XDG_CONFIG_HOME": home, **variables}
        if content is not None:
            path = Path(home) / "agent-server" / "credentials.json"
            path.parent.mkdir()
            path.write_bytes(content)
            path.chmod(mode)
        early = takes_system_prompts([], environment)
        if early is None:
            return
        assert early == Catalog(Settings(local_models=False), environment).system_prompts
        answer = plain_answer(line(), system_prompts=early)
        assert answer is not None
        assert [answer[0]] == [frame + b"\n" for frame in answers_of_the_full_path(line(), environment)]
        assert takes_system_prompts(["--model", "offline"], environment) is False


def test_who_has_a_key_and_who_has_none_is_answered_early(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    assert takes_system_prompts([], environment) is False
    Catalog(Settings(), environment).credentials.store("openai", "sk-1")
    assert takes_system_prompts([], environment) is True
