"""An ordinary agent, made to be varied: each scene changes one thing of it. Standard library only."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from conformance.client.wire import Message, Refusal, Unanswered, Wire

METHOD_NOT_FOUND, RESOURCE_NOT_FOUND = -32601, -32002
ANSWERED_WITH_NOTHING = ("authenticate", "logout", "session/close", "session/delete", "session/set_mode")
SESSION_ID = "conformance-session"
CALL_ID = "conformance-call"

OPTIONS: Sequence[Mapping[str, Any]] = (
    {"optionId": "allow-once", "name": "Allow", "kind": "allow_once"},
    {"optionId": "allow-always", "name": "Always allow", "kind": "allow_always"},
    {"optionId": "reject-once", "name": "Reject", "kind": "reject_once"},
    {"optionId": "reject-always", "name": "Always reject", "kind": "reject_always"},
)

SCENES: dict[str, type[Scene]] = {}
"""Name -> the scene, once the module `scenes` was imported."""


class Scene:
    """What the agent does in one run of the client; this one is ordinary, and advertises nothing optional.

    ``name`` is used on the command line. ``cancels``: it is played to the client that cancels its prompt.
    """

    name: ClassVar[str]
    cancels: ClassVar[bool] = False
    capabilities: ClassVar[Mapping[str, Any]] = {}
    auth_methods: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __init_subclass__(cls) -> None:
        if "name" in vars(cls):
            assert cls.name not in SCENES, cls.name
            SCENES[cls.name] = cls

    def __init__(self) -> None:
        self.cwd = ""

    # -- what the client asks

    def answer(self, wire: Wire, method: str, params: Mapping[str, Any]) -> Any:
        """The result of any request of the client."""
        if method == "initialize":
            offered = params.get("clientCapabilities")
            wire.client_capabilities = offered if isinstance(offered, dict) else {}
            return self.initialize(wire)
        if method == "session/new":
            self.cwd = str(params.get("cwd"))
            return self.new_session(wire)
        if method == "session/prompt":
            try:
                return self.prompt(wire)
            except Unanswered:
                return {"stopReason": "end_turn"}
        return self.other(wire, method, params)

    def initialize(self, wire: Wire) -> Any:
        return {
            "protocolVersion": 1,
            "agentCapabilities": copy.deepcopy(dict(self.capabilities)),
            "agentInfo": {"name": "conformance-agent", "title": "Scripted agent", "version": "1"},
            "authMethods": [dict(method) for method in self.auth_methods if self.may_list(wire, method)],
        }

    def may_list(self, wire: Wire, method: Mapping[str, Any]) -> bool:
        """Whether this client may be told of a login."""
        auth = wire.client_capabilities.get("auth")
        return method.get("type") != "terminal" or (isinstance(auth, dict) and auth.get("terminal") is True)

    def new_session(self, wire: Wire) -> Any:
        return {"sessionId": SESSION_ID}

    def prompt(self, wire: Wire) -> Any:
        self.before(wire)
        self.talk(wire)
        return {"stopReason": "end_turn"}

    def before(self, wire: Wire) -> None:
        """What is out of the ordinary."""

    def other(self, wire: Wire, method: str, params: Mapping[str, Any]) -> Any:
        """The result of a request that an ordinary client need not make."""
        results: Mapping[str, Any] = {
            "session/list": {"sessions": []},
            "session/load": {},
            "session/resume": {},
            "session/set_config_option": {"configOptions": []},
            **{method: {} for method in ANSWERED_WITH_NOTHING},
        }
        if method not in results:
            raise Refusal(METHOD_NOT_FOUND, "Method not found")
        return results[method]

    # -- what the agent says

    def talk(self, wire: Wire) -> None:
        """A turn in which the client has to show that it is there: it is asked for a permission."""
        self.update(wire, agent_message("Working on it. "))
        self.update(wire, self.call())
        self.ask_permission(wire, "question")
        self.update(wire, {"sessionUpdate": "tool_call_update", "toolCallId": CALL_ID, "status": "completed"})
        self.update(wire, agent_message("Done."))

    def call(self) -> Message:
        return {
            "sessionUpdate": "tool_call",
            "toolCallId": CALL_ID,
            "title": "Write a line",
            "kind": "edit",
            "status": "pending",
        }

    def ask_permission(self, wire: Wire, label: str) -> Message:
        return wire.ask("session/request_permission", self.question(), label)

    def question(self) -> Message:
        """The params of a question for permission."""
        return {
            "sessionId": SESSION_ID,
            "toolCall": {"toolCallId": CALL_ID, "title": "Write a line", "kind": "edit", "status": "pending"},
            "options": [dict(option) for option in OPTIONS],
        }

    def update(self, wire: Wire, update: Mapping[str, Any]) -> None:
        wire.notify("session/update", {"sessionId": SESSION_ID, "update": update})


def agent_message(text: str) -> Message:
    return {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
