"""A small client that keeps every requirement, and can be told to break some: ``client.py [options] "AGENT COMMAND"``.

``--break NAME,NAME`` names rows of `MUTANTS`; ``--cancel`` makes it hold every question and cancel its prompt after a
moment. Standard library only. It exits with 0 if the turn ended, 1 if anything went wrong, 2 if it does not speak the
version.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conformance.mutants.client_services import Refused, Services

Message = dict[str, Any]

CANCEL_AFTER_S = 0.3
READ_BYTES = 65536
FOREVER_S = 600.0
AUTH_REQUIRED, METHOD_NOT_FOUND = -32000, -32601
KNOWN_UPDATES = ("agent_message_chunk", "agent_thought_chunk", "user_message_chunk", "tool_call", "tool_call_update")

MUTANTS: Mapping[str, str] = {
    "pipelines": "client.initialize-first",
    "version-zero": "client.newest-version",
    "anonymous": "client.info",
    "any-version": "client.unsupported-version",
    "logs-to-the-agent": "client.stdin-is-pure",
    "splits-at-separators": "client.separators-in-text",
    "drops-long-lines": "client.long-lines",
    "decodes-each-piece": "client.split-anywhere",
    "servers-as-object": "client.schema",
    "keys-of-its-own": "client.no-foreign-keys",
    "no-jsonrpc": "client.envelope",
    "same-id-twice": "client.unique-request-ids",
    "fraction-as-id": "client.plain-request-ids",
    "answers-twice": "client.answers-with-the-id",
    "numbers-for-text-ids": "client.answers-with-the-id",
    "ignores-text-ids": "client.text-ids",
    "relative-directory": "client.absolute-paths",
    "closes-uninvited": "client.gated-methods",
    "images-for-all": "client.gated-content",
    "directories-for-all": "client.gated-fields",
    "http-servers-for-all": "client.gated-mcp",
    "grants-unknown-methods": "client.unknown-method",
    "ignores-custom-methods": "client.custom-method",
    "answers-notifications": "client.unknown-notification",
    "dies-of-unknown-updates": "client.unknown-update",
    "dies-of-unknown-keys": "client.unknown-fields",
    "dies-of-malformed-fields": "client.lenient-fields",
    "dies-of-null": "client.null-results",
    "makes-up-an-option": "client.permission-answered",
    "takes-the-first-option": "client.permission-by-kind",
    "needs-the-announcement": "client.permission-without-tool-call",
    "cancels-with-a-request": "client.cancel-is-a-notification",
    "allows-after-the-cancel": "client.cancel-answers-questions",
    "dies-of-late-updates": "client.takes-late-updates",
    "reads-all-lines": "client.fs-read",
    "reads-missing-files": "client.fs-missing-file",
    "creates-no-files": "client.fs-write-creates",
    "every-exit-is-zero": "client.terminal-runs",
    "cuts-off-the-end": "client.terminal-truncates-the-start",
    "forgets-killed-terminals": "client.terminal-kill",
    "writes-without-offering": "client.terminal-not-offered",
    "ignores-the-login": "client.auth-required",
    "calls-terminal-logins": "client.terminal-login-not-called",
    "shows-any-page": "client.unadvertised-form",
    "waits-after-an-error": "client.prompt-error",
    "waits-for-the-dead": "client.agent-dies",
    "leaves-its-agent": "client.hangs-up",
}
"""What can be broken -> the one requirement that is not kept then."""


class AgentGone(Exception):
    """The agent closed its output."""


class Errored(Exception):
    """The agent answered with an error."""

    def __init__(self, code: object) -> None:
        super().__init__(f"the agent answered with the error {code}")
        self.code = code


class Client:
    """One connection to an agent."""

    def __init__(self, command: list[str], broken: frozenset[str], *, cancels: bool) -> None:
        self.command = command
        self.broken = broken
        self.cancels = cancels
        self.services = Services(broken)
        self.agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.capabilities: Mapping[str, Any] = {}
        self.logins: list[Mapping[str, Any]] = []
        self._ids = 0
        self._buffer = b""
        self._lines: list[bytes] = []
        self._answers: dict[object, list[Message]] = {}
        self._calls: set[object] = set()
        self._held: list[Message] = []
        self._cancelled = False

    def breaks(self, name: str) -> bool:
        assert name in MUTANTS, name
        return name in self.broken

    # -- the conversation

    def converse(self, text: str) -> int | None:
        """One prompt, from start to end: the exit status, None to try again after a login in a terminal."""
        early = None
        began = self.begin("initialize", self.initialize_params(), 0.5 if self.breaks("fraction-as-id") else None)
        if self.breaks("pipelines"):
            early = self.begin("session/new", {"cwd": os.getcwd(), "mcpServers": []})
        answer = self.result(began)
        if answer.get("protocolVersion") != 1 and not self.breaks("any-version"):
            return 2
        if self.breaks("dies-of-malformed-fields"):
            answer["agentInfo"]["name"]
        self.capabilities = _object(answer.get("agentCapabilities"))
        self.logins = [method for method in answer.get("authMethods") or () if isinstance(method, dict)]
        if self.breaks("logs-to-the-agent"):
            self.write(b"the agent is initialized\n")
        session_id = self.open_session(early)
        if session_id is None:
            return None
        self.prompt(session_id, text)
        if self.offered("sessionCapabilities", "close") or self.breaks("closes-uninvited"):
            self.request("session/close", {"sessionId": session_id})
        return 0

    def initialize_params(self) -> Message:
        params: Message = {
            "protocolVersion": 0 if self.breaks("version-zero") else 1,
            "clientCapabilities": {
                "fs": {"readTextFile": True, "writeTextFile": not self.breaks("writes-without-offering")},
                "terminal": True,
                "auth": {"terminal": True},
                "elicitation": {"form": {}},
            },
        }
        if not self.breaks("anonymous"):
            params["clientInfo"] = {"name": "breakable-client", "version": "1"}
        return params

    def open_session(self, early: object) -> str | None:
        """The id of a new session, after a login if that is what it takes; None if it took one in a terminal."""
        try:
            made = self.request("session/new", self.session_params()) if early is None else self.result(early)
        except Errored as error:
            if error.code != AUTH_REQUIRED:
                raise
            if self.breaks("ignores-the-login"):
                return "no-session"
            if not self.log_in():
                return None
            made = self.request("session/new", self.session_params())
        if self.breaks("dies-of-unknown-keys") and set(made) - {"sessionId", "modes", "configOptions", "_meta"}:
            raise ValueError("unknown keys")
        return str(made["sessionId"])

    def session_params(self) -> Message:
        params: Message = {"cwd": "." if self.breaks("relative-directory") else os.getcwd()}
        params["mcpServers"] = {} if self.breaks("servers-as-object") else []
        if self.offered("mcpCapabilities", "http") or self.breaks("http-servers-for-all"):
            server = {"type": "http", "name": "nobody", "url": "http://127.0.0.1:9/", "headers": []}
            params["mcpServers"] = params["mcpServers"] or [server]
        if self.offered("sessionCapabilities", "additionalDirectories") or self.breaks("directories-for-all"):
            params["additionalDirectories"] = [os.path.dirname(os.getcwd())]
        if self.offered("sessionCapabilities", "systemPrompt", "mode", "override"):
            params["systemPrompt"] = {"mode": "override", "content": [{"type": "text", "text": "Be brief."}]}
        return params

    def log_in(self) -> bool:
        """Log in by the first way that is listed; False if that happened in a terminal."""
        method = self.logins[0]
        if method.get("type") == "terminal" and not self.breaks("calls-terminal-logins"):
            self.hang_up()
            subprocess.run([*self.command, *method.get("args", ())], check=True)
            return False
        self.request("authenticate", {"methodId": method["id"]})
        return True

    def prompt(self, session_id: str, text: str) -> None:
        blocks: list[Message] = [{"type": "text", "text": text}]
        if self.offered("promptCapabilities", "image") or self.breaks("images-for-all"):
            blocks.append({"type": "image", "mimeType": "image/png", "data": "AAAA"})
        params = {"sessionId": session_id, "prompt": blocks}
        if self.breaks("keys-of-its-own"):
            params["clientMood"] = "good"
        try:
            asked = self.begin_twice(params) if self.breaks("same-id-twice") else self.begin("session/prompt", params)
            if self.cancels and not self.wait(asked, CANCEL_AFTER_S):
                self.cancel(session_id)
            self.result(asked)
        except Errored:
            if self.breaks("waits-after-an-error"):
                time.sleep(FOREVER_S)
            raise
        except AgentGone:
            if self.breaks("waits-for-the-dead"):
                time.sleep(FOREVER_S)
            raise

    def begin_twice(self, params: Message) -> object:
        """Send something and the prompt with one id, at once; the first answer is not the prompt's."""
        self._ids += 1
        other = {"jsonrpc": "2.0", "id": self._ids, "method": "_breakable/nothing", "params": {}}
        prompt = {"jsonrpc": "2.0", "id": self._ids, "method": "session/prompt", "params": params}
        self.write(b"".join(json.dumps(message).encode() + b"\n" for message in (other, prompt)))
        self.wait(self._ids)
        self._answers[self._ids].pop(0)
        return self._ids

    def cancel(self, session_id: str) -> None:
        self._cancelled = True
        message: Message = {"method": "session/cancel", "params": {"sessionId": session_id}}
        if self.breaks("cancels-with-a-request"):
            self._ids += 1
            message["id"] = self._ids
        self.send(message)
        for question in self._held:
            self.reply(question["id"], result=self.decide(_object(question.get("params"))))

    # -- requests

    def offered(self, *path: str) -> bool:
        value: Any = self.capabilities
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value is True or isinstance(value, dict)

    def request(self, method: str, params: Message) -> Message:
        return self.result(self.begin(method, params))

    def begin(self, method: str, params: Message, request_id: object = None) -> object:
        if request_id is None:
            self._ids += 1
            request_id = self._ids
        self.send({"id": request_id, "method": method, "params": params})
        return request_id

    def result(self, request_id: object) -> Message:
        self.wait(request_id)
        answer = self._answers[request_id].pop(0)
        if "error" in answer:
            raise Errored(answer["error"].get("code"))
        if self.breaks("dies-of-null") and answer["result"] is None:
            raise ValueError("the result is null")
        return answer["result"] or {}

    def wait(self, request_id: object, timeout_s: float | None = None) -> bool:
        """Take what the agent says until that is answered; False if it is not in time."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._answers.get(request_id):
            line = self.next_line(deadline)
            if line is None:
                return False
            self.take(line)
        return True

    # -- the pipe

    def send(self, message: Message) -> None:
        head = {} if self.breaks("no-jsonrpc") else {"jsonrpc": "2.0"}
        self.write(json.dumps({**head, **message}).encode() + b"\n")

    def write(self, data: bytes) -> None:
        assert self.agent.stdin is not None
        try:
            self.agent.stdin.write(data)
            self.agent.stdin.flush()
        except OSError:
            raise AgentGone from None

    def next_line(self, deadline: float | None) -> bytes | None:
        assert self.agent.stdout is not None
        while not self._lines:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self.agent.stdout], [], [], wait)[0]:
                return None
            data = os.read(self.agent.stdout.fileno(), READ_BYTES)
            if not data:
                raise AgentGone
            if self.breaks("decodes-each-piece"):
                data.decode()
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            if self.breaks("splits-at-separators"):
                lines = [part.encode() for line in lines for part in line.decode().splitlines()]
            self._lines += [line for line in lines if not (self.breaks("drops-long-lines") and len(line) > READ_BYTES)]
        return self._lines.pop(0)

    def hang_up(self) -> None:
        assert self.agent.stdin is not None
        if self.breaks("leaves-its-agent"):
            self.agent.stdin.close = lambda: None  # type: ignore[method-assign]
            # Its input stays open as long as another process holds it.
            subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=self.agent.stdin)
            return
        try:
            self.agent.stdin.close()
        except OSError:
            pass
        self.agent.wait()

    # -- what the agent says

    def take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        method = message.get("method")
        if method is None:
            self._answers.setdefault(message.get("id"), []).append(message)
        elif "id" not in message:
            self.hear(method, _object(message.get("params")))
        elif isinstance(message["id"], str) and self.breaks("ignores-text-ids"):
            pass
        elif method == "session/request_permission" and self.cancels and not self._cancelled:
            self._held.append(message)
        else:
            self.serve(message, method, _object(message.get("params")))

    def hear(self, method: str, params: Mapping[str, Any]) -> None:
        if method != "session/update":
            if self.breaks("answers-notifications"):
                self.reply(None, error={"code": METHOD_NOT_FOUND, "message": "Method not found"})
            return
        if self._cancelled and self.breaks("dies-of-late-updates"):
            raise ValueError("an update after the cancel")
        update = _object(params.get("update"))
        if update.get("sessionUpdate") not in KNOWN_UPDATES and self.breaks("dies-of-unknown-updates"):
            raise ValueError("an unknown update")
        if update.get("sessionUpdate") == "tool_call":
            self._calls.add(update.get("toolCallId"))

    def serve(self, message: Message, method: str, params: Mapping[str, Any]) -> None:
        if method.startswith("_") and self.breaks("ignores-custom-methods"):
            return
        request_id = message["id"]
        if isinstance(request_id, str) and self.breaks("numbers-for-text-ids"):
            request_id = int(request_id)
        try:
            if method == "session/request_permission":
                result = self.decide(params)
            else:
                result = self.services.serve(method, params)
        except Refused as refused:
            self.reply(request_id, error={"code": refused.code, "message": str(refused)})
            return
        self.reply(request_id, result=result)
        if self.breaks("answers-twice"):
            self.reply(request_id, result=result)

    def reply(self, request_id: object, **answer: Any) -> None:
        self.send({"id": request_id, **answer})

    def decide(self, params: Mapping[str, Any]) -> Message:
        """The outcome of a question for permission."""
        if self._cancelled and not self.breaks("allows-after-the-cancel"):
            return {"outcome": {"outcome": "cancelled"}}
        announced = _object(params.get("toolCall")).get("toolCallId") in self._calls
        if self.breaks("needs-the-announcement") and not announced:
            raise Refused(-32602, "nobody knows that call")
        options = params["options"]
        if not self.breaks("takes-the-first-option"):
            options = [option for option in options if option["kind"] == "allow_once"]
        option_id = "yes" if self.breaks("makes-up-an-option") else options[0]["optionId"]
        return {"outcome": {"outcome": "selected", "optionId": option_id}}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--break", dest="broken", default="")
    parser.add_argument("--cancel", action="store_true")
    parser.add_argument("agent")
    given = parser.parse_args()
    broken = frozenset(filter(None, given.broken.split(",")))
    if broken - MUTANTS.keys():
        parser.error(f"there is no mutant {', '.join(sorted(broken - MUTANTS.keys()))}")
    while True:
        client = Client(shlex.split(given.agent), broken, cancels=given.cancel)
        try:
            status = client.converse("hello")
        except (AgentGone, Errored, ValueError, TypeError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            status = 1
        if status is not None:
            client.hang_up()
            return status


if __name__ == "__main__":
    sys.exit(main())
