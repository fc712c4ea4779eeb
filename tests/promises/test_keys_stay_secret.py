"""P13: whatever a server of models does with a key that it was sent, nobody else hears of it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from .agent_process import AgentProcess, agent_process
from .hostile_server import HostileServer, Play, Sent, event, head, refusal

pytestmark = pytest.mark.promise("P13")

FORMATS = {"anthropic": "", "gemini": "", "openai-chat": "/v1", "openai-responses": "/v1"}
KEYS = {
    "anthropic": "sk-ant-api03-Qz8vKxJ2mN4pR6tW-canary_AA",
    "openai": "sk-proj-Hh7Gg6Ff5Dd4Ss3Aa2-canary_T3BlbkFJ",
    "google": "AIzaSyD4Qz8vKxJ2mN4pR6tWcanary012345",
    "groq": "gsk_Pp0Oo9Ii8Uu7Yy6Tt5canaryRr4",
    "hex": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "shell": "Zt7$(id)&`x`<y>;|'\"\\/+=%41!canaryQ9",
    "word": "correcthorsebatterystaple",
}
AGAIN = 0
"""The play that answers again and again."""
LOUD = ("--log-level", "debug", "--log-stderr", "--unstable")


def forms(secret: str) -> set[str]:
    """A secret, and what becomes of it in JSON, URLs and pages; and its halves, for what was cut."""
    whole = {secret, secret.lower(), secret.replace("/", "\\/"), quote(secret, safe=""), html.escape(secret)}
    whole |= {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    whole.add(secret.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
    return whole | {secret[:12], secret[-12:]}


def config(home: Path, url: str, *, key_env: bool = True, headers: Mapping[str, str] | None = None) -> None:
    """Tell the server of models to the agent, in all four formats."""
    sent = "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in (headers or {}).items())
    key_line = 'key_env = ["CANARY_KEY"]\n' if key_env else "key_env = []\n"
    tables = "".join(
        f'[providers.{name}]\nformat = "{name}"\nbase_url = "{url}{path}"\n{key_line}'
        + (f"[providers.{name}.headers]\n{sent}" if sent else "")
        + f'[models."{name}:m"]\nwindow_tokens = 100000\n'
        for name, path in FORMATS.items()
    )
    directory = home / "agent-server"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.toml").write_text(tables)


def echoes(secret: str, elsewhere: str) -> Iterator[Play]:
    """Every way to say a key back that is no answer of a model."""

    def plain(*pieces: bytes) -> Play:
        return lambda _: pieces

    said = {"error": {"message": f"no such key: {secret}", "type": secret, "code": secret, "param": secret}}
    again = iter([refusal(500, said, retry_after_ms="1"), refusal(429, said, retry_after_ms="1")])
    yield lambda _: next(again, refusal(400, said))
    unquoted = secret.replace("\\", "").replace('"', "")
    go = json.dumps(said).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").replace("/", "\\/")
    yield plain(*refusal(401, said, www_authenticate=f'Bearer realm="{unquoted}", key={secret}'))
    yield plain(*refusal(401, said, www_authenticate='Basic realm="mine"', set_cookie=f"session={unquoted}; Path=/"))
    for status in (400, 402, 403, 404, 407, 413, 418, 422, 451):
        yield plain(*refusal(status, said))
    yield plain(*refusal(400, go.encode()))
    for body in (
        f"bad header Authorization: Bearer {secret}",
        f"the key {secret} is unknown here",
        f"see /v1?key={quote(secret, safe='')}&x=1, that is {quote(secret, safe='')}",
        f"<p>{html.escape(secret)}</p>",
        f"[{secret!r}]",
        secret,
        " ".join([secret] * 200),
        "x" * (4000 - len(secret) // 2) + secret,
        "é" * (3990 - len(secret) // 2) + secret + secret,
    ):
        yield plain(*refusal(400, body.encode()))
        yield plain(head(200, "text/plain"), body.encode())
        yield plain(head(200), event(body.encode()))
        yield plain(head(200), event({"error": {"message": body}}))
        yield plain(head(200), event({"message": body}, "error"))
        yield plain(head(200), b'{"detail": ' + json.dumps(body).encode() + b"}\n")
    for name in ("request_id", "x_request_id", "cf_ray", "retry_after", "x_should_retry", "content_encoding"):
        yield plain(*refusal(400, {"error": {"message": "no"}, "request_id": secret}, **{name: secret}))
    yield plain(*refusal(400, {"request_id": secret, "error": {"message": "no", "request_id": secret}}))
    for status in (301, 302, 303, 307, 308):
        for place in (f"{elsewhere}/v1?key={secret}", f"http://{unquoted}.example/", f"http://me:{unquoted}@{elsewhere[7:]}/"):
            yield plain(head(status, location=place), b"")
    yield plain(f"HTTP/1.1 200 OK\r\n{secret}\r\n\r\n".encode())
    yield plain(f"{secret} is no HTTP\r\n\r\n".encode())
    yield plain(f"HTTP/1.1 400 {secret}\r\n\r\n".encode())
    yield plain(f"HTTP/1.1 200 OK\r\ncontent-length: {secret}\r\n\r\n".encode())
    yield plain(f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{secret}\r\n".encode())
    yield plain(f"HTTP/1.1 200 OK\r\n {secret}: folded\r\ncontent-length: 9\r\n\r\n{secret[:3]}".encode())
    yield plain(head(200), event({"candidates": [{"finishReason": "OTHER", "finishMessage": f"{secret} is used"}]}))
    yield plain(head(200), event({"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": secret}}]}))
    yield plain(head(200), event({"type": "response.failed", "response": said}))


def call(agent: AgentProcess, method: str, **params: Any) -> Any:
    """As `AgentProcess.call`, but only the answer is read: there is much besides."""
    mark = b'"id":%d,' % agent.send(method, **params)
    agent.read_until(lambda: (at := agent.raw.find(mark)) >= 0 and agent.raw.find(b"\n", at) >= 0)
    at = agent.raw.find(mark)
    frame = json.loads(agent.raw[agent.raw.rfind(b"\n", 0, at) + 1 : agent.raw.find(b"\n", at)])
    return frame["result"]


def ask_all(agent: AgentProcess, cwd: Path, server: HostileServer, name: str, plays: Sequence[Play]) -> str:
    """Have each play answer the prompt of a session of its own, all at once; the last session."""
    played: set[int] = set()

    def play(sent: Sent) -> Iterable[bytes]:
        (number,) = map(int, re.findall(rb"play (\d+)!", sent.body)[-1:])
        if number in played and number != AGAIN:
            return refusal(400)
        played.add(number)
        return plays[number](sent)

    server.play = play
    asked = []
    for number in range(len(plays)):
        session_id = call(agent, "session/new", cwd=str(cwd), mcpServers=[])["sessionId"]
        agent.send("session/set_config_option", sessionId=session_id, configId="model", value=f"{name}:m")
        asked.append(agent.prompt(session_id, f"play {number}!"))
    agent.read_until(lambda: all(b'"id":%d,' % prompt in agent.raw for prompt in asked))
    assert len(played) == len(plays)
    return str(session_id)


def everything(tmp_path: Path, *outputs: bytes) -> dict[str, bytes]:
    """All that was told and kept, but for what the user wrote."""
    kept = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name not in ("config.toml", "credentials.json")
    }
    return {**kept, **{f"output {number}": output for number, output in enumerate(outputs)}}


def assert_unsaid(secret: str, said: Mapping[str, bytes]) -> None:
    found = [
        f"{form!r} in {place}: {content[max(at - 300, 0) : at + 100]!r}"
        for form in forms(secret)
        for place, content in said.items()
        if (at := content.find(form.encode())) >= 0
    ]
    assert not found, "\n".join(found)


def ask_everything(agent: AgentProcess, session_id: str) -> None:
    """What a client can ask about models, keys and the session."""
    questions: dict[str, dict[str, Any]] = {
        "_agent_server/auth/refresh": {},
        "_agent_server/auth/status": {},
        "_agent_server/models/list": {"sessionId": session_id},
        "_agent_server/session/info": {"sessionId": session_id},
        "_agent_server/session/snapshot": {"sessionId": session_id},
        "_agent_server/session/usage": {"sessionId": session_id},
        "_agent_server/events/after": {"sessionId": session_id, "after": 0},
        "session/list": {},
    }
    for method, params in questions.items():
        call(agent, method, **params)


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_that_a_server_says_back_is_told_to_nobody(tmp_path: Path, kind: str) -> None:
    secret = KEYS[kind]
    with HostileServer().running() as server, HostileServer().running() as other:
        config(tmp_path / "home", server.url)
        environment = {"CANARY_KEY": secret + "\r\n"}
        files = ("--log-file", str(tmp_path / "a.log"), "--trace-file", str(tmp_path / "a.trace"))
        with agent_process(tmp_path, *LOUD, *files, environment=environment) as agent:
            agent.call("initialize", protocolVersion=1, clientCapabilities={})
            for name in FORMATS:
                session_id = ask_all(agent, tmp_path, server, name, list(echoes(secret, other.url)))
                ask_everything(agent, session_id)
                call(agent, "session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
            assert other.sent == []
            keyed = [sent for sent in server.sent if secret in "".join(sent.headers.values())]
            assert len(keyed) > 300
            assert not [sent for sent in server.sent if "cookie" in sent.headers or secret in sent.path]
            agent.end_of_input()
            agent.exit_code(within_s=10)
            assert agent.popen.stderr is not None
            error_output = agent.popen.stderr.read()
        assert len(error_output) > 1000
        assert_unsaid(secret, everything(tmp_path, bytes(agent.raw), error_output))
