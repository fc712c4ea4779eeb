"""The least that an agent in CPython can do: blocking reads and writes, orjson, no event loop and no validation.

Turns are generators of encoded messages. They take turns too: each gives one message, up to a pipe full of them is
written at once, and between two writes the input is looked at, so that streams run side by side and can be cancelled.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from orjson import dumps, loads

BLOCK_BYTES: Final = 65536
FULL_BYTES: Final = 60_000
"""When to write: below what a pipe holds, for whoever writes more than that sleeps until the reader has made room."""

F_SETPIPE_SZ: Final = 1031
OPTIONS: Final = [
    {"optionId": "yes", "name": "Yes", "kind": "allow_once"},
    {"optionId": "no", "name": "No", "kind": "reject_once"},
]


class Turn:
    """A prompt that is being worked at. ``cancelled`` ends it; while it waits for an answer it is not in the round."""

    def __init__(self, request_id: object, session_id: str, text: str) -> None:
        self.cancelled = False
        self.waits_for: int | None = None
        self._ask_id = 0
        self._request_id = request_id
        self._session_id = session_id
        command, *numbers = text[:64].removeprefix("/test ").split() or [""]
        self.messages = self._work(command, numbers)

    def _work(self, command: str, numbers: list[str]) -> Iterator[bytes]:
        session_id = self._session_id
        if command == "stream":
            text = "x" * int(numbers[1])
            for _ in range(int(numbers[0])):
                if self.cancelled:
                    break
                content = {"type": "text", "text": text}
                update = {"sessionUpdate": "agent_message_chunk", "content": content}
                params = {"sessionId": session_id, "update": update}
                yield dumps({"jsonrpc": "2.0", "method": "session/update", "params": params}) + b"\n"
        elif command == "fs":
            where = {"sessionId": session_id, "path": "/a.txt"}
            for _ in range(int(numbers[0])):
                yield self._ask("fs/read_text_file", where)
        elif command == "perm":
            for number in range(int(numbers[0])):
                call = {"toolCallId": f"c{number}", "title": "Edit a file", "kind": "edit", "status": "pending"}
                question = {"sessionId": session_id, "toolCall": call, "options": OPTIONS}
                yield self._ask("session/request_permission", question)
        result = {"stopReason": "cancelled" if self.cancelled else "end_turn"}
        yield dumps({"jsonrpc": "2.0", "id": self._request_id, "result": result}) + b"\n"

    def _ask(self, method: str, params: dict[str, Any]) -> bytes:
        global asked
        asked += 1
        self.waits_for = asked
        return dumps({"jsonrpc": "2.0", "id": asked, "method": method, "params": params}) + b"\n"


asked = 0
opened = 0
turns: dict[str, Turn] = {}
waiting: dict[int, Turn] = {}
round_of: deque[Turn] = deque()


def take(line: bytes | bytearray) -> bytes:
    """Take one message and return what there is to be said at once."""
    global opened
    message = loads(line)
    method = message.get("method")
    if method is None:
        turn = waiting.pop(message["id"], None)
        if turn is not None:
            turn.waits_for = None
            round_of.append(turn)
        return b""
    params = message["params"]
    if method == "session/prompt":
        session_id = params["sessionId"]
        turn = turns[session_id] = Turn(message["id"], session_id, params["prompt"][0]["text"])
        round_of.append(turn)
        return b""
    if method == "session/cancel":
        turns[params["sessionId"]].cancelled = True
        return b""
    if method == "session/new":
        opened += 1
        answer: dict[str, Any] = {"result": {"sessionId": f"s{opened}"}}
    elif method == "initialize":
        answer = {"result": {"protocolVersion": 1, "agentCapabilities": {}}}
    else:
        answer = {"error": {"code": -32601, "message": "unknown method"}}
    return dumps({"jsonrpc": "2.0", "id": message["id"], **answer}) + b"\n"


def say() -> list[bytes]:
    """Go round the turns until there is enough to write or nobody has anything to say, and return what was said."""
    said = []
    size = 0
    take_next, put_back = round_of.popleft, round_of.append
    while round_of and size < FULL_BYTES:
        turn = take_next()
        message = next(turn.messages, None)
        if message is None:
            continue
        said.append(message)
        size += len(message)
        if turn.waits_for is None:
            put_back(turn)
        else:
            waiting[turn.waits_for] = turn
    return said


def write(data: bytes) -> None:
    """Write all of it."""
    written = os.write(1, data)
    while written < len(data):
        data = data[written:]
        written = os.write(1, data)


def widen() -> None:
    """Ask for a pipe of 1 MiB: a message that is longer than a pipe comes in fewer pieces."""
    import fcntl

    try:
        fcntl.fcntl(0, F_SETPIPE_SZ, 1 << 20)
    except OSError:
        pass


def main() -> None:
    """Serve until the end of the input."""
    poller = select.poll()
    poller.register(0, select.POLLIN)
    rest = bytearray()
    wide = False
    while True:
        answers: list[bytes] = []
        if not round_of or poller.poll(0):
            data = os.read(0, BLOCK_BYTES)
            if not data:
                return
            if b"\n" not in data:
                rest += data
                if not wide:
                    wide = True
                    widen()
                continue
            *lines, tail = data.split(b"\n")
            if rest:
                rest += lines[0]
                answers.append(take(rest))
                rest = bytearray()
                del lines[0]
            answers += map(take, lines)
            rest += tail
        answers += say()
        if answers:
            write(b"".join(answers))


if __name__ == "__main__":
    main()
