"""A small agent with a durable log, in one file and on the standard library alone, that can be broken in one way.

    python -I -S agent_with_log.py --store-dir DIR [--broken HOW]

It keeps a log per session, a line for each update, ``crc32hex SP json LF``, written before the update is sent, synced
at the end of a turn and before a tool's side effect. ``HOW`` is one of `BREAKS`.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

BREAKS = {
    "": "not broken",
    "sends first": "an update is sent before it is written",
    "writes late": "what is streamed is written at the end of the turn",
    "rewrites": "the whole log is rewritten in place for each update",
    "never syncs": "nothing is ever synced",
    "no crc": "a torn line is read as if it were whole",
    "dies of torn lines": "a torn line makes the session unreadable",
    "writes blindly": "short writes go unnoticed, and errors end the agent",
    "drops when full": "what cannot be written is forgotten",
    "no end": "calls that were interrupted are left open",
    "no lock": "two processes may write one session",
    "one page": "a list ends with its first page",
    "forgets deletions": "a deletion lasts as long as the process",
}
STEPS = {"stream": 60, "long": 300, "short": 3, "write": 20, "run": 10, "read": 5}
PAUSE_S = 0.0005
RETRY_S = 0.2
PAGE = 50
STARTED = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Busy(Exception):
    pass


class Log:
    """The log of one session. What cannot be written waits in memory and is tried again with the next append."""

    def __init__(self, path: str, broken: str, *, new: bool) -> None:
        self.path, self.broken = path, broken
        self.fd = os.open(path, os.O_RDWR | os.O_APPEND | (os.O_CREAT if new else 0), 0o600)
        if broken != "no lock":
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self.fd)
                raise Busy(*Path(f"{path}.owner").read_text().split()) from None
            self.tell_owner()
        self.updates, whole = self.read()
        if whole < os.path.getsize(path):
            os.ftruncate(self.fd, whole)
        self.size = whole
        self.unsaved = b""
        self.late: list[Json] = []

    def tell_owner(self) -> None:
        try:
            Path(f"{self.path}.owner").write_text(f"{os.getpid()} {STARTED}")
        except OSError:
            pass  # the disk is full

    def read(self) -> tuple[list[Json], int]:
        data = Path(self.path).read_bytes()
        updates: list[Json] = []
        whole = 0
        while (end := data.find(b"\n", whole)) >= 0:
            line = data[whole:end]
            try:
                good = self.broken == "no crc" or int(line[:8], 16) == zlib.crc32(line[9:])
            except ValueError:
                good = False
            if not good:
                break
            updates.append(json.loads(line[9:]))
            whole = end + 1
        if whole < len(data) and self.broken in ("dies of torn lines", "rewrites"):
            raise ValueError("the log is damaged")
        return updates, whole

    def append(self, update: Json) -> None:
        self.updates.append(update)
        if self.broken == "writes late" and update.get("sessionUpdate") == "agent_message_chunk":
            self.late.append(update)
            return
        late, self.late = [*self.late, update], []
        self.write(b"".join(line(one) for one in late))

    def write(self, data: bytes) -> None:
        if self.broken == "rewrites":
            data = b"".join(line(one) for one in self.updates)
            fd = os.open(self.path, os.O_WRONLY | os.O_TRUNC)
            os.write(fd, data)
            os.close(fd)
        elif self.broken == "writes blindly":
            os.write(self.fd, data)
        else:
            self.unsaved += data
            self.flush()

    def flush(self) -> bool:
        try:
            written = os.write(self.fd, self.unsaved)
            if written < len(self.unsaved):
                raise OSError(28, "a short write")
            self.size += written
            self.unsaved = b""
        except OSError:
            os.ftruncate(self.fd, self.size)
            if self.broken == "drops when full":
                self.unsaved = b""
            return False
        return True

    def sync(self) -> None:
        if self.broken != "never syncs":
            os.fdatasync(self.fd)


def line(update: Json) -> bytes:
    body = json.dumps(update).encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


class Agent:
    def __init__(self, store: str, broken: str) -> None:
        self.store, self.broken = store, broken
        os.makedirs(store, mode=0o700, exist_ok=True)
        self.logs: dict[str, Log] = {}
        self.turns: dict[str, Iterator[None]] = {}
        self.asked: set[str] = set()
        self.told: set[str] = set()
        self.deleted: set[str] = set()
        self.buffer = b""

    def serve(self) -> None:
        while True:
            waiting = [log for log in self.logs.values() if log.unsaved]
            ready, _, _ = select.select([0], [], [], PAUSE_S if self.turns else RETRY_S if waiting else None)
            if not ready and not self.turns:
                for log in waiting:
                    log.flush()
            if ready:
                data = os.read(0, 65536)
                if not data:
                    break
                *lines, self.buffer = (self.buffer + data).split(b"\n")
                for each in lines:
                    self.take(json.loads(each))
            for session_id in list(self.turns):
                self.go_on(session_id)
        for log in self.logs.values():
            log.flush()
            log.sync()

    def send(self, message: Json) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        while data:
            data = data[os.write(1, data) :]

    def update(self, session_id: str, update: Json) -> None:
        frame = {"method": "session/update", "params": {"sessionId": session_id, "update": update}}
        if self.broken == "sends first":
            self.send(frame)
        log = self.logs[session_id]
        log.append(update)
        if log.unsaved and session_id not in self.told:
            self.told.add(session_id)
            self.send({"method": "_log/session/save_failed", "params": {"sessionId": session_id}})
        elif not log.unsaved:
            self.told.discard(session_id)
        if self.broken != "sends first":
            self.send(frame)

    def take(self, message: Json) -> None:
        if "method" not in message:
            self.asked.discard(message["id"])
            return
        if "id" not in message:
            return
        method = "on_" + message["method"].replace("/", "_")
        try:
            result = getattr(self, method)(message.get("params") or {}, message["id"])
        except Busy as busy:
            pid, started = busy.args
            data = {"reason": "session_busy", "pid": int(pid), "startedAt": started}
            self.send({"id": message["id"], "error": {"code": -32010, "message": "busy", "data": data}})
        except (AttributeError, KeyError, FileNotFoundError, ValueError) as error:
            self.send({"id": message["id"], "error": {"code": -32002, "message": repr(error)}})
        else:
            if result is not None:
                self.send({"id": message["id"], "result": result})

    def on_initialize(self, params: Json, request_id: object) -> Json:
        able = {"loadSession": True, "sessionCapabilities": {"list": {}, "delete": {}}}
        return {"protocolVersion": 1, "agentCapabilities": able}

    def on_session_new(self, params: Json, request_id: object) -> Json:
        session_id = uuid.uuid4().hex
        self.logs[session_id] = Log(self.path(session_id), self.broken, new=True)
        if self.broken != "never syncs":
            directory = os.open(self.store, os.O_RDONLY)
            os.fsync(directory)
            os.close(directory)
        return {"sessionId": session_id}

    def path(self, session_id: str) -> str:
        if not session_id.isalnum():
            raise KeyError(session_id)
        return os.path.join(self.store, session_id + ".log")

    def on_session_list(self, params: Json, request_id: object) -> Json:
        names = sorted(name[:-4] for name in os.listdir(self.store) if name.endswith(".log"))
        names = [name for name in names if name not in self.deleted]
        first = int(params.get("cursor") or 0)
        last = 0 if self.broken == "one page" else len(names)
        page: Json = {"sessions": [{"sessionId": name, "cwd": "/"} for name in names[first : first + PAGE]]}
        return {**page, "nextCursor": str(first + PAGE)} if first + PAGE < last else page

    def on_session_delete(self, params: Json, request_id: object) -> Json:
        session_id = params["sessionId"]
        if self.broken == "forgets deletions":
            self.deleted.add(session_id)
        else:
            os.unlink(self.path(session_id))
        return {}

    def on_session_load(self, params: Json, request_id: object) -> Json:
        session_id = params["sessionId"]
        if session_id not in self.logs:
            log = self.logs[session_id] = Log(self.path(session_id), self.broken, new=False)
            last: dict[str, str] = {}
            for update in log.updates:
                if "toolCallId" in update:
                    last[update["toolCallId"]] = update["status"]
            for call_id, status in last.items():
                if status not in ("completed", "failed") and self.broken != "no end":
                    log.append({"sessionUpdate": "tool_call_update", "toolCallId": call_id, "status": "failed"})
        for update in self.logs[session_id].updates:
            self.send({"method": "session/update", "params": {"sessionId": session_id, "update": update}})
        return {}

    def on_session_prompt(self, params: Json, request_id: object) -> None:
        session_id, text = params["sessionId"], params["prompt"][0]["text"]
        log = self.logs[session_id]
        number = sum(update["sessionUpdate"] == "user_message_chunk" for update in log.updates)
        content = {"type": "text", "text": text}
        log.append({"sessionUpdate": "user_message_chunk", "content": content, "messageId": f"u{number}"})
        self.turns[session_id] = self.turn(session_id, text.split()[0], number, request_id)

    def turn(self, session_id: str, kind: str, number: int, request_id: object) -> Iterator[None]:
        for step in range(STEPS.get(kind, 3)):
            content = {"type": "text", "text": f"{step:05d} "}
            self.update(
                session_id, {"sessionUpdate": "agent_message_chunk", "content": content, "messageId": f"m{number}"}
            )
            if step % 4 == 0:
                yield
        if kind in ("write", "run"):
            yield from self.call(session_id, f"call{number}", kind)
        log = self.logs[session_id]
        if log.unsaved:
            log.flush()
        log.sync()
        self.send({"id": request_id, "result": {"stopReason": "end_turn"}})

    def call(self, session_id: str, call_id: str, kind: str) -> Iterator[None]:
        call = {"sessionUpdate": "tool_call", "toolCallId": call_id, "title": kind, "status": "pending"}
        self.update(session_id, call)
        asked = uuid.uuid4().hex
        self.asked.add(asked)
        options = [{"optionId": "yes", "name": "Yes", "kind": "allow_once"}]
        params = {"sessionId": session_id, "toolCall": {"toolCallId": call_id}, "options": options}
        self.send({"id": asked, "method": "session/request_permission", "params": params})
        while asked in self.asked:
            yield
        self.logs[session_id].sync()
        going = {"sessionUpdate": "tool_call_update", "toolCallId": call_id, "status": "in_progress"}
        self.update(session_id, going)
        yield
        self.update(session_id, {**going, "status": "completed", "content": []})

    def go_on(self, session_id: str) -> None:
        try:
            next(self.turns[session_id])
        except StopIteration:
            del self.turns[session_id]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--store-dir", required=True)
    parser.add_argument("--broken", default="", choices=BREAKS)
    given = parser.parse_args()
    Agent(given.store_dir, given.broken).serve()
