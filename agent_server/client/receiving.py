"""The client's connection: chunks of a message that differ in nothing but their text are read for half the price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import orjson

from agent_server.connection.connection import Connection
from agent_server.connection.router import Router
from agent_server.jsonrpc import Notification
from agent_server.protocol.method import validator
from agent_server.protocol.v1.methods import SESSION_UPDATE
from agent_server.protocol.v1.updates import AgentMessageChunk, AgentThoughtChunk
from agent_server.transport.port import Transport

MAX_TRIES: Final = 8
"""So many chunks of a message are looked at: an agent that writes none like the other must not cost us more."""

Chunk: TypeAlias = AgentMessageChunk | AgentThoughtChunk

_CHUNKS: Final = {"agent_message_chunk": AgentMessageChunk, "agent_thought_chunk": AgentThoughtChunk}
_KEYS: Final = {"sessionUpdate", "content", "messageId"}
_PROBE: Final = "no agent says this\0"


class ClientConnection(Connection):
    """A connection to an agent."""

    def __init__(
        self, transport: Transport, router: Router, root: object, find_session: Callable[[str], object]
    ) -> None:
        super().__init__(transport, router, root, find_session)
        self._chunks = ChunkReader()

    def _take_several(self, frames: list[bytes | bytearray]) -> None:
        receive, read, route = self._peer.receive, self._chunks.read, self._router.route(SESSION_UPDATE.name)
        for frame in frames:
            params = read(frame)
            if params is not None and route is not None:
                self._in_order(route, params)
                continue
            message = receive(frame)
            self._take(message)
            if type(message) is Notification:
                self._chunks.learn(frame, message)


class PlainUpdate:
    """Reads like a SessionNotification."""

    __slots__ = ("session_id", "update")

    meta: Final = None

    def __init__(self, session_id: str, update: Chunk) -> None:
        self.session_id = session_id
        self.update = update


class ChunkReader:
    """Reads frames that are, byte by byte, one that was decoded before, but for the text of its chunk.

    Between the same bytes, any JSON string makes the same message with another text. Whatever stands there instead is
    left to those who read the whole frame. The update itself is validated like any other.
    """

    def __init__(self) -> None:
        self._before = self._behind = b"\n"  # no frame is like that
        self._session_id = ""
        self._update: dict[str, Any] = {}
        self._content: dict[str, Any] = {}
        self._validate: Callable[..., Chunk] | None = None
        self._message: object = None
        self._tries = 0

    def read(self, frame: bytes | bytearray) -> PlainUpdate | None:
        """The params of a notification that is known but for its text, else None."""
        before, behind, validate = self._before, self._behind, self._validate
        if validate is None or not (frame.startswith(before) and frame.endswith(behind)):
            return None
        try:
            text = orjson.loads(frame[len(before) : -len(behind)])
            if type(text) is not str:
                return None
            self._content["text"] = text
            return PlainUpdate(self._session_id, validate(self._update, by_alias=True, by_name=False))
        except ValueError:
            return None

    def learn(self, frame: bytes | bytearray, message: Notification) -> None:
        """Know this frame from now on if it is the second chunk of a message, or one of the next few.

        The params of the message are used up.
        """
        params = message.params
        if message.method != SESSION_UPDATE.name or not _is_plain_chunk(params):
            return
        update = params["update"]
        whose = (params["sessionId"], update["sessionUpdate"], update.get("messageId"))
        if whose != self._message:
            self._message, self._tries = whose, 0
        elif self._tries < MAX_TRIES:
            self._tries += 1
            self._try(frame, params)

    def _try(self, frame: bytes | bytearray, params: dict[str, Any]) -> None:
        update: dict[str, Any] = params["update"]
        content = update["content"]
        before, found, behind = bytes(frame).partition(orjson.dumps(content["text"]))
        if not found:
            return
        content["text"] = _PROBE
        try:
            if orjson.loads(before + orjson.dumps(_PROBE) + behind)["params"] != params:
                return  # something else reads like the text
        except ValueError:
            return
        self._before, self._behind, self._session_id = before, behind, params["sessionId"]
        self._update, self._content = update, content
        self._validate = validator(_CHUNKS[update["sessionUpdate"]])
        self._tries = MAX_TRIES


def _is_plain_chunk(params: Any) -> bool:
    if type(params) is not dict or len(params) != 2 or type(params.get("sessionId")) is not str:
        return False
    update = params.get("update")
    if type(update) is not dict or not update.keys() <= _KEYS:
        return False
    kind, content = update.get("sessionUpdate"), update.get("content")
    if type(kind) is not str or kind not in _CHUNKS or type(content) is not dict or len(content) != 2:
        return False
    return type(content.get("text")) is str and content.get("type") == "text"
