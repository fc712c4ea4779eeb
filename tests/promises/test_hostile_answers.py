"""P5, P11: whatever a server of models sends, its prompt ends, the process stays small, and the session goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .agent_process import AgentProcess, agent_process
from .hostile_server import HostileServer, Play, Sent, chat, event, head
from .test_keys_stay_secret import FORMATS, call, config

pytestmark = pytest.mark.promise("P13")

MORE_MIB = 400
"""How much a process may grow while one answer is read."""


def peak_kib(agent: AgentProcess) -> int:
    """The most memory that the process ever had."""
    status = Path(f"/proc/{agent.popen.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def asked(
    agent: AgentProcess, cwd: Path, name: str, server: HostileServer, play: Play, limit_s: float = 30.0
) -> tuple[Any, float, int]:
    """What comes of a prompt that is answered so, in how long, and the peak of memory until then.

    A second prompt of the session is answered as it should be.
    """
    session_id = call(agent, "session/new", cwd=str(cwd), mcpServers=[])["sessionId"]
    call(agent, "session/set_config_option", sessionId=session_id, configId="model", value=f"{name}:m")
    plays = iter([play])
    server.play = lambda sent: next(plays, well)(sent)
    began_s = time.monotonic()
    mark = b'"id":%d,' % agent.prompt(session_id, "hello")
    frame = awaited(agent, mark, limit_s)
    took_s = time.monotonic() - began_s
    peak = peak_kib(agent)
    assert call(agent, "session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "again"}])
    return frame, took_s, peak


def awaited(agent: AgentProcess, mark: bytes, limit_s: float) -> Any:
    """The frame that holds the mark; of all that comes before it little is kept."""
    looked = 0

    def found() -> bool:
        nonlocal looked
        at = agent.raw.find(mark, max(looked - len(mark), 0))
        if at >= 0:
            return agent.raw.find(b"\n", at) >= 0
        if len(agent.raw) > 16 * 2**20:
            del agent.raw[: -(2**20)]
        looked = len(agent.raw)
        return False

    agent.read_until(found, limit_s)
    at = agent.raw.find(mark)
    return json.loads(agent.raw[agent.raw.rfind(b"\n", 0, at) + 1 : agent.raw.find(b"\n", at)])


def well(sent: Sent) -> Iterable[bytes]:
    """An answer as it should be, in the format that is asked for."""
    if sent.path.endswith("/chat/completions"):
        return chat({"content": "well"})
    if sent.path.endswith("/messages"):
        said = [{"type": "text", "text": "well"}]
        message = {"type": "message", "content": said, "stop_reason": "end_turn"}
        return head(content_type="application/json"), json.dumps(message).encode()
    if sent.path.endswith("/responses"):
        output = [{"type": "message", "id": "1", "content": [{"type": "output_text", "text": "well"}]}]
        return head(content_type="application/json"), json.dumps({"status": "completed", "output": output}).encode()
    candidate = {"content": {"parts": [{"text": "well"}]}, "finishReason": "STOP"}
    return head(), event({"candidates": [candidate]})


def anthropic(*blocks: dict[str, Any], usage: Any = None) -> Iterator[bytes]:
    yield head()
    yield event({"type": "message_start", "message": {"usage": usage}})
    for index, block in enumerate(blocks):
        yield event({"type": "content_block_start", "index": index, "content_block": block})
        yield event({"type": "content_block_stop", "index": index})
    yield event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    yield event({"type": "message_stop"})


def responses(*items: dict[str, Any], usage: Any = None) -> Iterator[bytes]:
    yield head()
    for item in items:
        yield event({"type": "response.output_item.done", "item": item})
    yield event({"type": "response.completed", "response": {"status": "completed", "output": [], "usage": usage}})


def gemini(*parts: dict[str, Any], usage: Any = None) -> Iterator[bytes]:
    yield head()
    content = {"candidates": [{"content": {"parts": list(parts)}, "finishReason": "STOP"}], "usageMetadata": usage}
    yield event(content)


def calls_of(name: str, call_id: str, tool: str, arguments: str, count: int = 1, usage: Any = None) -> Iterator[bytes]:
    """An answer with these tool calls, in each format."""
    ids = [f"{call_id}{number}" for number in range(count)]
    if name == "anthropic":
        blocks = [{"type": "tool_use", "id": one, "name": tool, "input": {}} for one in ids]
        yield head() + event({"type": "message_start", "message": {"usage": usage}})
        for index, block in enumerate(blocks):
            yield event({"type": "content_block_start", "index": index, "content_block": block})
            delta = {"type": "input_json_delta", "partial_json": arguments}
            yield event({"type": "content_block_delta", "index": index, "delta": delta})
        yield event({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage})
        yield event({"type": "message_stop"})
    elif name == "gemini":
        shown = '{"candidates": [{"content": {"parts": [%s]}, "finishReason": "STOP"}]}'
        part = '{"functionCall": {"id": %s, "name": %s, "args": %s}}'
        parts = ",".join(part % (json.dumps(one), json.dumps(tool), arguments) for one in ids)
        yield head() + event((shown % parts).encode())
    elif name == "openai-chat":
        yield from chat(
            *(
                {"tool_calls": [{"index": n, "id": one, "function": {"name": tool, "arguments": arguments}}]}
                for n, one in enumerate(ids)
            ),
            finish="tool_calls",
        )
    else:
        call = {"type": "function_call", "name": tool, "arguments": arguments}
        yield from responses(*({**call, "id": f"i{one}", "call_id": one} for one in ids))


NO_JSON = (b"1e999", b"NaN", b"-1e999")
BAD_NUMBERS: tuple[Any, ...] = (-1, 2**63, 2**64 - 1, 2**70, 1e300, 1.5, "12", "x", None, True, [], {}, [1], *NO_JSON)


def bad_usages(name: str) -> Iterator[bytes]:
    keys = {
        "anthropic": ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
        "gemini": ("promptTokenCount", "candidatesTokenCount", "cachedContentTokenCount", "thoughtsTokenCount"),
        "openai-chat": ("prompt_tokens", "completion_tokens", "total_tokens", "cost"),
        "openai-responses": ("input_tokens", "output_tokens", "cost", "total_tokens"),
    }[name]
    for bad in BAD_NUMBERS:
        shown = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
        yield b"{" + b",".join(b'"%s":%s' % (key.encode(), shown) for key in keys) + b"}"


def with_usage(name: str, usage: bytes) -> Play:
    """A good answer with such a count of tokens."""
    made: dict[str, Callable[[], Iterable[bytes]]] = {
        "anthropic": lambda: anthropic({"type": "text", "text": "well"}, usage="USAGE"),
        "gemini": lambda: gemini({"text": "well"}, usage="USAGE"),
        "openai-chat": lambda: chat({"content": "well"}, usage="USAGE"),
        "openai-responses": lambda: responses(
            {"type": "message", "id": "1", "content": [{"type": "output_text", "text": "well"}]}, usage="USAGE"
        ),
    }
    return lambda _: [piece.replace(b'"USAGE"', usage) for piece in made[name]()]


@pytest.mark.parametrize("name", FORMATS)
def test_counts_that_are_none_neither_fail_the_prompt_nor_turn_into_tokens_or_money(tmp_path: Path, name: str) -> None:
    with HostileServer().running() as server:
        config(tmp_path / "home", server.url)
        with agent_process(tmp_path, environment={"CANARY_KEY": "sk-123456789"}) as agent:
            agent.call("initialize", protocolVersion=1, clientCapabilities={})
            for usage in bad_usages(name):
                frame, *_ = asked(agent, tmp_path, name, server, with_usage(name, usage))
                if any(bad in usage for bad in NO_JSON):
                    assert frame.get("error", {}).get("data", {}).get("errorKind", "raw") == "raw", (usage, frame)
                    continue
                assert frame.get("result", {}).get("stopReason") == "end_turn", (usage, frame)
            for frame in agent.frames():
                numbers = json.dumps([frame.get("result"), frame.get("params")])
                assert "e+" not in numbers and "-" not in json.dumps(_usages(frame)), frame


def _given(answer: Iterable[bytes], _: Sent) -> Iterable[bytes]:
    return answer


def _usages(frame: Any) -> list[Any]:
    """What a frame says of tokens and money."""
    if isinstance(frame, dict):
        found = [value for key, value in frame.items() if key in ("usage", "cost", "amount", "used")]
        return found + [one for value in frame.values() for one in _usages(value)]
    return [one for value in frame for one in _usages(value)] if isinstance(frame, list) else []


@pytest.mark.parametrize("name", FORMATS)
def test_calls_of_any_name_id_and_depth_end_and_are_shown_in_one_clean_line(tmp_path: Path, name: str) -> None:
    odd = "Read\u202e\x1b[2J\n\r\x00a file\u200b\u2028"
    deep = '{"a":' * 200 + "1" + "}" * 200
    with HostileServer().running() as server:
        config(tmp_path / "home", server.url)
        with agent_process(tmp_path, environment={"CANARY_KEY": "sk-123456789"}) as agent:
            agent.call("initialize", protocolVersion=1, clientCapabilities={})
            for call_id, tool, arguments in (
                ("c", odd, "{}"),
                ("c" * 2**20, "read_file", '{"path": "a"}'),
                ("c", "n" * 2**20, "{}"),
                (odd, "read_file", "{}"),
                ("", "", ""),
                ("c", "read_file", deep),
                ("c", "nothing", deep),
                ("c", "read_file", '{"a":' * 900 + "1" + "}" * 900),
                ("c", "read_file", '{"a":' * 5000 + "1" + "}" * 5000),
                ("c", "read_file", "[" * 100_000 + "]" * 100_000),
                ("c", "read_file", '{"path": "\\ud800\\u0000\\u001b\\u202e"}'),
                ("c", "read_file", '{"path": ' + "9" * 5000 + "}"),
                ("c", "read_file", '{"path": 1e999, "x": NaN}'),
            ):
                answer = [*calls_of(name, call_id, tool, arguments)]
                frame, took_s, _ = asked(agent, tmp_path, name, server, partial(_given, answer))
                went_well = frame.get("result", {}).get("stopReason") == "end_turn"
                assert went_well or frame["error"]["data"]["errorKind"] == "raw", (tool[:20], arguments[:40], frame)
                assert took_s < 10
            titles = [
                update["title"]
                for frame in agent.frames()
                if (update := frame.get("params", {}).get("update", {})).get("title")
            ]
            assert len(titles) > 8
            assert all(title.isprintable() and len(title) < 1000 for title in titles), titles
            assert max(map(len, bytes(agent.raw).split(b"\n"))) < 4 * 2**20


@pytest.mark.parametrize("name", FORMATS)
def test_a_million_calls_in_one_answer_are_refused_soon_and_in_little_memory(tmp_path: Path, name: str) -> None:
    with HostileServer().running() as server:
        config(tmp_path / "home", server.url)
        with agent_process(tmp_path, environment={"CANARY_KEY": "sk-123456789"}) as agent:
            agent.call("initialize", protocolVersion=1, clientCapabilities={})
            asked(agent, tmp_path, name, server, well)
            before = peak_kib(agent)
            count = 200_000 if name == "gemini" else 1_000_000
            play: Play = lambda _: calls_of(name, "c", "list_directory", "{}", count)  # noqa: E731
            frame, _, peak = asked(agent, tmp_path, name, server, play)
            assert frame["error"]["data"]["errorKind"] == "raw", frame
            assert peak - before < MORE_MIB * 1024


def _forever(piece: bytes) -> Iterator[bytes]:
    yield head()
    block = piece * max(1, 65536 // len(piece))
    while True:
        yield block


ARGUMENTS = {"index": 0, "function": {"name": "read_file", "arguments": "x" * 1000}}
ENDLESS: dict[str, Play] = {
    "a line": lambda _: _forever(b"x" * 1024),
    "data": lambda _: _forever(b"data: " + b"x" * 1000 + b"\n"),
    "comments": lambda _: _forever(b": still here\n"),
    "strays": lambda _: _forever(b"what is this\n"),
    "blank": lambda _: _forever(b" "),
    "text": lambda _: _forever(event({"choices": [{"index": 0, "delta": {"content": "x" * 4000}}]})),
    "thoughts": lambda _: _forever(event({"choices": [{"index": 0, "delta": {"reasoning": "x" * 4000}}]})),
    "arguments": lambda _: _forever(event({"choices": [{"delta": {"tool_calls": [ARGUMENTS]}}]})),
    "one JSON": lambda _: _whole(),
    "headers": lambda _: _lines(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
    "packed": lambda _: _bomb(),
}
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
TEDIOUS: dict[str, Play] = {
    "small deltas": lambda _: _forever(event({"choices": [{"index": 0, "delta": {"content": "x"}}]})),
    "small thoughts": lambda _: _forever(event({"choices": [{"index": 0, "delta": {"reasoning": "x"}}]})),
    "tiny chunks": lambda _: _lines(CHUNKED, b"2\r\nab\r\n"),
    "tiny lines": lambda _: _lines(CHUNKED, b"2\r\n:\n\r\n"),
    "informational answers": lambda _: _lines(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


def _whole() -> Iterator[bytes]:
    yield head(content_type="application/json") + b'{"a": "'
    while True:
        yield b"x" * 65536


def _lines(first: bytes, then: bytes) -> Iterator[bytes]:
    yield first
    block = then * (65536 // len(then))
    while True:
        yield block


def _bomb() -> Iterator[bytes]:
    import zlib

    packer = zlib.compressobj(9)
    yield head(content_encoding="deflate")
    while True:
        yield packer.compress(b"x" * 2**20) + packer.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("what", ENDLESS)
def test_an_answer_without_end_is_ended_in_little_memory_and_the_session_goes_on(tmp_path: Path, what: str) -> None:
    with HostileServer().running() as server:
        config(tmp_path / "home", server.url)
        with agent_process(tmp_path, environment={"CANARY_KEY": "sk-123456789"}) as agent:
            agent.call("initialize", protocolVersion=1, clientCapabilities={})
            asked(agent, tmp_path, "openai-chat", server, well)
            before = peak_kib(agent)
            frame, _, peak = asked(agent, tmp_path, "openai-chat", server, ENDLESS[what], limit_s=45)
            assert frame["error"]["data"]["errorKind"] in ("raw", "unreachable")
            assert peak - before < MORE_MIB * 1024


@pytest.mark.parametrize("what", TEDIOUS)
def test_while_a_server_babbles_others_are_answered_and_a_cancel_ends_it(tmp_path: Path, what: str) -> None:
    with HostileServer().running() as server:
        config(tmp_path / "home", server.url)
        with agent_process(tmp_path, environment={"CANARY_KEY": "sk-123456789"}) as agent:
            agent.call("initialize", protocolVersion=1, clientCapabilities={})
            session_ids = [call(agent, "session/new", cwd=str(tmp_path), mcpServers=[])["sessionId"] for _ in range(2)]
            for session_id in session_ids:
                call(agent, "session/set_config_option", sessionId=session_id, configId="model", value="openai-chat:m")
            server.play = TEDIOUS[what]
            babbling = agent.prompt(session_ids[0], "hello")
            while not server.sent:
                call(agent, "session/list")
            before = peak_kib(agent)
            server.play = well
            for _ in range(5):
                prompt = agent.prompt(session_ids[1], "hello")
                frame = awaited(agent, b'"id":%d,' % prompt, 5.0)
                assert frame["result"]["stopReason"] == "end_turn"
            agent.write({"method": "session/cancel", "params": {"sessionId": session_ids[0]}})
            assert awaited(agent, b'"id":%d,' % babbling, 5.0)["result"]["stopReason"] == "cancelled"
            assert peak_kib(agent) - before < MORE_MIB * 1024
