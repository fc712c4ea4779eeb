"""A client with several sessions that remembers whatever it was shown, and answers whatever it is asked."""

from __future__ import annotations

import random
import select
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import orjson

from conformance.faults.raw_agent import ANSWER_S, Lost, RawAgent
from conformance.faults.seen import Seen

FILE_TEXT: Final = "".join(f"line {number}\n" for number in range(1, 21))
LONGEST_PAGES: Final = 10_000


class Refused(Exception):
    """The agent answered with an error. ``error``: the error object."""

    def __init__(self, method: str, error: Mapping[str, Any]) -> None:
        super().__init__(f"{method}: {orjson.dumps(error).decode()[:300]}")
        self.error = error


class Editor(RawAgent):
    """An agent, and a client that plays editor for it.

    Attributes:
        seen: what was shown of each session, by its id.
        answers: what was answered, by the id of the request.
        open_prompts: the sessions whose prompt waits for its answer, by the id of the request.
        notices: whatever else was told, as (method or kind of update, params).
        questions: how many permissions were asked for.
        updates: how many updates came.
    """

    def __init__(self, command: Sequence[str], *, files: bool = False, choice: random.Random | None = None) -> None:
        super().__init__(command)
        self._offers_files = files
        self._choice = choice or random.Random(0)
        self._answering = True
        self.seen: dict[str, Seen] = {}
        self.answers: dict[int, dict[str, Any]] = {}
        self.open_prompts: dict[int, str] = {}
        self.notices: list[tuple[str, Mapping[str, Any]]] = []
        self.questions = 0
        self.updates = 0
        self.capabilities: Mapping[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    # -- asking

    def ask(self, method: str, params: Mapping[str, Any], *, deadline_s: float = ANSWER_S) -> dict[str, Any]:
        """Ask, and take whatever comes until the answer; its result.

        Raises:
            Lost: none came.
            Refused: it is an error.
        """
        request_id = self.put(method, params)
        self.until(lambda: request_id in self.answers, deadline_s)
        answer = self.answers[request_id]
        if "error" in answer:
            raise Refused(method, answer["error"])
        result: dict[str, Any] = answer.get("result") or {}
        return result

    def put(self, method: str, params: Mapping[str, Any]) -> int:
        """Send a request; its id.

        Raises:
            Lost: the agent reads no more.
        """
        request_id = self.next_id()
        line = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        self.send(line + b"\n")
        return request_id

    def open(self) -> None:
        """Agree on the version. Raises what `ask` raises."""
        offered: dict[str, Any] = {"session": {"notices": {}}}
        if self._offers_files:
            offered["fs"] = {"readTextFile": True, "writeTextFile": True}
        params = {"protocolVersion": 1, "clientCapabilities": offered, "clientInfo": {"name": "faults", "version": "1"}}
        self.capabilities = self.ask("initialize", params).get("agentCapabilities") or {}

    def make(self, cwd: Path) -> str:
        """A new session in a directory. Raises what `ask` raises."""
        session_id = str(self.ask("session/new", {"cwd": str(cwd), "mcpServers": []})["sessionId"])
        self.seen.setdefault(session_id, Seen())
        return session_id

    def load(self, session_id: str, cwd: Path) -> Seen:
        """Load a session; what the replay shows. Raises what `ask` raises."""
        self.seen[session_id] = Seen()
        self.ask("session/load", {"sessionId": session_id, "cwd": str(cwd), "mcpServers": []})
        return self.seen[session_id]

    def listed(self) -> list[dict[str, Any]]:
        """All pages of the list. Raises what `ask` raises."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(LONGEST_PAGES):
            page = self.ask("session/list", {} if cursor is None else {"cursor": cursor})
            rows += page["sessions"]
            cursor = page.get("nextCursor")
            if cursor is None:
                return rows
        raise Lost(f"the list has no end: {len(rows)} sessions in {LONGEST_PAGES} pages")

    def can(self, capability: str) -> bool:
        """Whether the agent offers this under ``sessionCapabilities``."""
        return (self.capabilities.get("sessionCapabilities") or {}).get(capability) is not None

    def prompt(self, session_id: str, text: str) -> int:
        """Send a prompt; the id of the request. Raises `Lost`."""
        self.seen[session_id].prompted(text)
        params = {"sessionId": session_id, "prompt": [{"type": "text", "text": text}]}
        request_id = self.put("session/prompt", params)
        self.open_prompts[request_id] = session_id
        return request_id

    def turn(self, session_id: str, text: str, *, deadline_s: float = ANSWER_S) -> str:
        """Take a turn; why it stopped. Raises what `ask` raises."""
        request_id = self.prompt(session_id, text)
        self.until(lambda: request_id in self.answers, deadline_s)
        answer = self.answers[request_id]
        if "error" in answer:
            raise Refused("session/prompt", answer["error"])
        return str(answer["result"].get("stopReason"))

    # -- taking

    def until(self, met: Callable[[], bool], deadline_s: float = ANSWER_S) -> None:
        """Take what comes until the condition is met.

        Raises:
            Lost: the agent went away, or the time is over.
        """

        def looked() -> bool:
            self.look()
            return met()

        self.wait(looked, deadline_s)

    def pump(self, wait_s: float) -> None:
        """Take what is there, waiting so long for it.

        Raises:
            Lost: the agent went away.
        """
        if not self._take(max(0.0, wait_s)):
            self.look()
            raise Lost(f"the agent closed its output ({self.how_it_ended()})")
        self.look()

    def look(self) -> None:
        """Take the lines that came."""
        while self.lines:  # what is answered meanwhile may bring more
            lines, self.lines = self.lines, []
            for line in lines:
                if isinstance(line, dict):
                    self._take_message(line)
                else:
                    self.notices.append(("no message", {"line": line}))

    def kill(self) -> None:
        """Kill the process with SIGKILL, and take every whole line that it wrote before."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        with suppress(Lost):
            self.drain_and_look()

    def drain_and_look(self) -> None:
        """Take everything to the end of the output, answering nothing any more."""
        self._answering = False
        while True:
            readable, _, _ = select.select([self._out.fileno()], [], [], ANSWER_S)
            if not readable:
                raise Lost("the output has no end")
            if not self._take():
                break
        self.look()

    def _take_message(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        params = message.get("params") or {}
        if method is None:
            request_id = message.get("id")
            session_id = self.open_prompts.pop(request_id, None) if isinstance(request_id, int) else None
            if session_id is not None and "result" in message:
                self.seen[session_id].answered()
            if isinstance(request_id, int):
                self.answers[request_id] = message
        elif "id" in message:
            self._asked(message["id"], str(method), params)
        elif method == "session/update":
            self.updates += 1
            update = params.get("update") or {}
            self.seen.setdefault(str(params.get("sessionId")), Seen()).take(update)
            if update.get("sessionUpdate") == "notice":
                self.notices.append(("notice", params))
        else:
            self.notices.append((str(method), params))

    def _asked(self, request_id: object, method: str, params: Mapping[str, Any]) -> None:
        if method == "session/request_permission":
            self.questions += 1
        if not self._answering:
            return
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id}
        result = self._result(method, params)
        if result is None:
            answer["error"] = {"code": -32601, "message": f"{method} is not offered"}
        else:
            answer["result"] = result
        with suppress(Lost):
            self.send(orjson.dumps(answer) + b"\n")

    def _result(self, method: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        if method == "session/request_permission":
            kinds = {option["kind"]: option["optionId"] for option in reversed(params["options"])}
            kind = "reject_once" if self._choice.random() < 0.1 and "reject_once" in kinds else "allow_once"
            return {"outcome": {"outcome": "selected", "optionId": kinds[kind]}}
        if method == "fs/read_text_file":
            return {"content": FILE_TEXT}
        return {} if method == "fs/write_text_file" else None
