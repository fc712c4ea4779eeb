"""The scenes about messages, questions and logins; importing this registers all scenes. Standard library only."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import Any, ClassVar

from conformance.client import service_scenes
from conformance.client.scene import CALL_ID, OPTIONS, SESSION_ID, Scene, agent_message
from conformance.client.wire import INTERNAL_ERROR, Message, Refusal, Wire

__all__ = ["service_scenes"]

AUTH_REQUIRED = -32000
FUTURE_VERSION = 99
LISTEN_S = 0.15
LONG_CHARACTERS = 1024 * 1024
STRANGE_KEYS: Message = {"conformanceUnknown": {"a": [1, None]}, "conformance_unknown": True}
SEPARATED = "Write\u2028a\u2029line\u0085now"
EVERYTHING: Mapping[str, Any] = {
    "loadSession": True,
    "promptCapabilities": {"image": True, "audio": True, "embeddedContext": True},
    "mcpCapabilities": {"http": True, "sse": True},
    "sessionCapabilities": {
        **{name: {} for name in ("list", "delete", "resume", "close", "additionalDirectories")},
        "systemPrompt": {"mode": {"override": {}}},
    },
    "auth": {"logout": {}},
}


class Plain(Scene):
    """Nothing is out of the ordinary; what comes before the answer to initialize comes too early."""

    name = "plain"

    def initialize(self, wire: Wire) -> Any:
        wire.listen(LISTEN_S)
        return super().initialize(wire)


class EverythingOffered(Scene):
    """All that is optional is advertised."""

    name = "everything"
    capabilities = EVERYTHING


class NullForEmpty(EverythingOffered):
    """Null stands where the result is an empty object."""

    name = "null-results"

    def other(self, wire: Wire, method: str, params: Mapping[str, Any]) -> Any:
        return super().other(wire, method, params) or None


class FutureVersion(Scene):
    """The agent speaks a version that nobody speaks."""

    name = "future-version"

    def initialize(self, wire: Wire) -> Any:
        return {**super().initialize(wire), "protocolVersion": FUTURE_VERSION}


# -- what a client does not know


class UnknownRequest(Scene):
    name = "unknown-request"

    def before(self, wire: Wire) -> None:
        wire.ask("conformance/unknown", {}, "unknown-method")


class CustomRequest(Scene):
    name = "custom-request"

    def before(self, wire: Wire) -> None:
        wire.ask("_conformance/unknown", {"sessionId": SESSION_ID}, "custom-method")


class UnknownNotifications(Scene):
    name = "unknown-notifications"

    def before(self, wire: Wire) -> None:
        for method in ("conformance/unknown", "_conformance/unknown", "$/conformance/unknown"):
            wire.notify(method, {"sessionId": SESSION_ID, "answer": 42})


class UnknownUpdate(Scene):
    name = "unknown-update"

    def before(self, wire: Wire) -> None:
        self.update(wire, {"sessionUpdate": "conformance_made_up", "answer": 42, "content": ["?"]})


class UnknownFields(Scene):
    """Every message of the agent has keys that nobody knows, wherever there is an object of the protocol."""

    name = "unknown-fields"

    def initialize(self, wire: Wire) -> Any:
        answer = super().initialize(wire)
        answer["agentCapabilities"] = {"sessionCapabilities": dict(STRANGE_KEYS), **STRANGE_KEYS}
        answer["agentInfo"] |= STRANGE_KEYS
        return {**answer, **STRANGE_KEYS}

    def new_session(self, wire: Wire) -> Any:
        return {**super().new_session(wire), **STRANGE_KEYS}

    def prompt(self, wire: Wire) -> Any:
        return {**super().prompt(wire), **STRANGE_KEYS}

    def before(self, wire: Wire) -> None:
        self.update(wire, {**agent_message("One. "), "messageId": "m", **STRANGE_KEYS})
        text = {"type": "text", "text": "Two. ", **STRANGE_KEYS}
        self.update(wire, {"sessionUpdate": "agent_message_chunk", "content": text})

    def call(self) -> Message:
        return super().call() | STRANGE_KEYS

    def question(self) -> Message:
        question = super().question()
        question["toolCall"] |= STRANGE_KEYS
        question["options"] = [{**option, **STRANGE_KEYS} for option in OPTIONS]
        return question | STRANGE_KEYS


class MalformedFields(Scene):
    """Fields that the schema forgives hold values of the wrong type."""

    name = "malformed-fields"

    def initialize(self, wire: Wire) -> Any:
        capabilities = {"loadSession": "perhaps", "promptCapabilities": 7, "sessionCapabilities": {"close": "yes"}}
        malformed = {"agentCapabilities": capabilities, "agentInfo": 7, "authMethods": [7], "_meta": 7}
        return {**super().initialize(wire), **malformed}

    def new_session(self, wire: Wire) -> Any:
        return {**super().new_session(wire), "modes": "none", "configOptions": [7]}

    def before(self, wire: Wire) -> None:
        text = {"type": "text", "text": "One. ", "annotations": 7, "_meta": []}
        self.update(wire, {"sessionUpdate": "agent_message_chunk", "content": text, "messageId": 7})
        strange = {"kind": "unheard of", "status": 7, "content": [7], "locations": "here", "name": []}
        self.update(wire, self.call() | strange)
        self.update(wire, {"sessionUpdate": "tool_call_update", "toolCallId": CALL_ID, "status": "lost", "title": 7})


# -- how messages arrive


class TextIds(Scene):
    """A question whose id is a text that looks like a number."""

    name = "text-ids"

    def ask_permission(self, wire: Wire, label: str) -> Message:
        return wire.ask("session/request_permission", self.question(), label, request_id="1")


class Separators(Scene):
    """A question with characters that some take for the end of a line."""

    name = "separators"

    def question(self) -> Message:
        question = super().question()
        question["toolCall"]["title"] = SEPARATED
        return question


class LongLine(Scene):
    """A question of more than a mebibyte."""

    name = "long-line"

    def question(self) -> Message:
        question = super().question()
        text = {"type": "text", "text": "x" * LONG_CHARACTERS}
        question["toolCall"]["content"] = [{"type": "content", "content": text}]
        return question


class Pieces(Scene):
    """A question that comes in many pieces, cut inside characters too, after two messages in one."""

    name = "pieces"

    def ask_permission(self, wire: Wire, label: str) -> Message:
        request_id = wire.next_id()
        question = self.question()
        question["toolCall"]["title"] = "ä€😀" * 3
        message = {"id": request_id, "method": "session/request_permission", "params": question}
        updates = [{"sessionId": SESSION_ID, "update": agent_message(text)} for text in ("One. ", "Two. ")]
        together = b"".join(wire.encoded({"method": "session/update", "params": params}) for params in updates)
        line = wire.encoded(message, label)
        middle = line.index("ä€😀".encode())
        borders = [0, 1, 20, *range(middle, middle + 27, 2), len(line) - 1, len(line)]
        wire.send_raw([together, *(line[a:b] for a, b in itertools.pairwise(borders))], pause_s=0.01)
        return wire.wait_for(request_id)


# -- questions for permission


class StrangeOptions(Scene):
    """The options stand in another order, and their ids say the contrary of their kinds."""

    name = "strange-options"

    def question(self) -> Message:
        ids = {"allow_once": "reject", "allow_always": "9", "reject_once": "allow-once", "reject_always": "allow"}
        options = [{**option, "optionId": ids[option["kind"]]} for option in reversed(OPTIONS)]
        return {**super().question(), "options": options}


class UnannouncedCall(Scene):
    """The question is about a tool call of which nothing was said."""

    name = "unannounced-call"

    def question(self) -> Message:
        question = super().question()
        question["toolCall"]["toolCallId"] = "conformance-unannounced"
        return question


# -- logins


class Login(Scene):
    """No session without a login."""

    name = "login"
    auth_methods = ({"id": "conformance-login", "name": "Log in", "description": "Nothing has to be typed"},)

    def __init__(self) -> None:
        super().__init__()
        self.logged_in = False

    def new_session(self, wire: Wire) -> Any:
        if not self.logged_in:
            raise Refusal(AUTH_REQUIRED, "Authentication required")
        return super().new_session(wire)

    def other(self, wire: Wire, method: str, params: Mapping[str, Any]) -> Any:
        if method == "authenticate":
            self.logged_in = any(params.get("methodId") == known["id"] for known in self.auth_methods)
        return super().other(wire, method, params)


class NullLogin(Login):
    """As before; the answer to the login is null."""

    name = "null-login"

    def other(self, wire: Wire, method: str, params: Mapping[str, Any]) -> Any:
        return super().other(wire, method, params) or None


class TerminalLogin(Scene):
    """No session without a login that happens in a terminal, where the client offered to show one."""

    name = "terminal-login"
    auth_methods: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"type": "terminal", "id": "conformance-terminal", "name": "Log in", "args": ["--login"], "env": {}},
    )

    def new_session(self, wire: Wire) -> Any:
        auth = wire.client_capabilities.get("auth")
        if isinstance(auth, dict) and auth.get("terminal") is True and not wire.record.logged_in:
            raise Refusal(AUTH_REQUIRED, "Authentication required")
        return super().new_session(wire)


# -- bad ends, and cancelling


class PromptError(Scene):
    name = "prompt-error"

    def talk(self, wire: Wire) -> None:
        raise Refusal(INTERNAL_ERROR, "the prompt went wrong")


class AgentDies(Scene):
    name = "agent-dies"

    def talk(self, wire: Wire) -> None:
        self.update(wire, agent_message("Working on it. "))
        wire.record.note("the agent dies")
        os._exit(1)


class Cancel(Scene):
    """The prompt goes on until the client cancels it."""

    name = "cancel"
    cancels = True

    def prompt(self, wire: Wire) -> Any:
        self.update(wire, agent_message("Working until I am told to stop. "))
        self.hold(wire)
        cancelled = wire.serve(lambda: wire.heard("session/cancel"), wire.timeout_s)
        if cancelled:
            self.after(wire)
        return {"stopReason": "cancelled" if cancelled else "end_turn"}

    def hold(self, wire: Wire) -> None:
        """What is open when the client cancels."""

    def after(self, wire: Wire) -> None:
        """What comes between the cancel and the answer."""


class LateUpdates(Cancel):
    """Some updates come after the cancel."""

    name = "cancel-late"

    def hold(self, wire: Wire) -> None:
        self.update(wire, self.call())

    def after(self, wire: Wire) -> None:
        self.update(wire, agent_message("Stopping. "))
        self.update(wire, {"sessionUpdate": "tool_call_update", "toolCallId": CALL_ID, "status": "failed"})
        wire.listen(LISTEN_S)
        self.update(wire, agent_message("Stopped."))


class CancelAsking(Cancel):
    """A question is open when the client cancels, if it does not answer by itself."""

    name = "cancel-asking"

    def hold(self, wire: Wire) -> None:
        self.update(wire, self.call())
        self.asked = wire.start("session/request_permission", self.question(), "question")

    def after(self, wire: Wire) -> None:
        wire.wait_for(self.asked)
