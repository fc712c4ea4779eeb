"""Broken in what JSON-RPC asks of requests, answers and notifications."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from conformance.mutants.broken.lines import is_update
from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.wire import INVALID_PARAMS, INVALID_REQUEST, LATER, METHOD_NOT_FOUND, Json, Refused


@mutant("other-json-rpc", "rpc.envelope", "Says another version of JSON-RPC in its notifications.")
class OtherJsonRpc(Agent):
    def send(self, message: Json) -> None:
        if is_update(message, "available_commands_update"):
            message["jsonrpc"] = "1.0"
        super().send(message)


@mutant("no-json-rpc", "rpc.envelope", "Leaves the version of JSON-RPC out of its answers.")
class NoJsonRpc(Agent):
    def answer(self, request_id: Any, method: str, result: Any) -> None:
        self.send({"id": request_id, "result": result})


@mutant("result-and-error", "rpc.envelope", "Sends a null error along with the result of a login.")
class ResultAndError(Agent):
    def refuse(self, request_id: Any, code: int, message: str) -> None:
        error = {"code": code, "message": message}
        both = {"jsonrpc": "2.0", "id": request_id, "result": None, "error": error}
        self.send(both if code == METHOD_NOT_FOUND else {"jsonrpc": "2.0", "id": request_id, "error": error})


@mutant("error-without-message", "rpc.error-object", "Sends errors without a message.")
class ErrorWithoutMessage(Agent):
    def refuse(self, request_id: Any, code: int, message: str) -> None:
        self.send({"jsonrpc": "2.0", "id": request_id, "error": {"code": code}})


@mutant("error-with-null-message", "rpc.error-object", "Sends errors whose message is null.")
class ErrorWithNullMessage(Agent):
    def refuse(self, request_id: Any, code: int, message: str) -> None:
        self.send({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": None}})


@mutant("answers-nobody", "rpc.answer-has-the-id", "Answers a request that was never made.")
class AnswersNobody(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        self.afterwards.append(lambda: self.answer(4711, "session/new", {}))
        return super().session_new(params, request_id)


@mutant("ids-of-another-type", "rpc.answer-has-the-id", "Answers with the id as a text before it does so properly.")
class IdsOfAnotherType(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        self.answer(f"{request_id}", "session/new", {}) if isinstance(request_id, int) else None
        return super().session_new(params, request_id)


@mutant("answers-twice", "rpc.one-answer", "Answers session/new twice.")
class AnswersTwice(Agent):
    def answer(self, request_id: Any, method: str, result: Any) -> None:
        super().answer(request_id, method, result)
        if method == "session/new":
            super().answer(request_id, method, result)


@mutant("numbers-only", "rpc.text-ids", "Does not answer requests whose id is a text.")
class NumbersOnly(Agent):
    def request(self, request_id: Any, method: str, params: Any) -> None:
        if not isinstance(request_id, str):
            super().request(request_id, method, params)


@mutant("one-id-for-all", "rpc.own-ids", "Sends all its requests with the same id.")
class OneIdForAll(Agent):
    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[Json], None]] = []

    def ask(self, method: str, params: Json, answered: Callable[[Json], None]) -> Any:
        self.waiting.append(answered)
        return super().ask(method, params, lambda message: None)

    def response(self, message: Json) -> None:
        if self.waiting:
            self.waiting.pop(0)(message)

    def next_id(self) -> Any:
        return 7


@mutant("fractional-ids", "rpc.own-ids-plain", "Sends requests whose ids are fractions.")
class FractionalIds(Agent):
    def next_id(self) -> Any:
        self.ids += 1
        return self.ids + 0.5


@mutant("unknown-method-invalid", "rpc.unknown-method", "Says that the params of an unknown method are wrong.")
class UnknownMethodInvalid(Agent):
    def unknown_method(self, method: str) -> Any:
        if method.startswith("_"):
            return super().unknown_method(method)
        raise Refused(INVALID_PARAMS, "these params are wrong")


@mutant("unknown-method-silent", "rpc.unknown-method", "Does not answer unknown methods.")
class UnknownMethodSilent(Agent):
    def unknown_method(self, method: str) -> Any:
        return super().unknown_method(method) if method.startswith("_") else LATER


@mutant("custom-method-invalid", "rpc.custom-method", "Says that the params of a method of somebody's own are wrong.")
class CustomMethodInvalid(Agent):
    def unknown_method(self, method: str) -> Any:
        if method.startswith("_"):
            raise Refused(INVALID_PARAMS, "these params are wrong")
        return super().unknown_method(method)


@mutant("answers-unknown-notifications", "rpc.unknown-notification", "Answers unknown notifications.")
class AnswersUnknownNotifications(Agent):
    def unknown_notification(self, method: str) -> None:
        if not method.startswith("$/"):
            self.refuse(None, METHOD_NOT_FOUND, "there is no such method")


@mutant("dies-of-unknown-notifications", "rpc.unknown-notification", "Goes away at a notification of somebody's own.")
class DiesOfUnknownNotifications(Agent):
    def unknown_notification(self, method: str) -> None:
        if method.startswith("_"):
            os._exit(1)


@mutant("answers-dollar-notifications", "rpc.dollar-notification", "Answers notifications that begin with $/.")
class AnswersDollarNotifications(Agent):
    def unknown_notification(self, method: str) -> None:
        if method.startswith("$/"):
            self.refuse(None, METHOD_NOT_FOUND, "there is no such method")


@mutant("refuses-notifications", "rpc.known-notification-unanswered", "Answers a cancel whose params are wrong.")
class RefusesNotifications(Agent):
    def session_cancel(self, params: Json) -> None:
        super().session_cancel(params)
        if not isinstance(params.get("sessionId"), str):
            self.refuse(None, INVALID_PARAMS, "sessionId has to be a text")


@mutant("answers-strays", "rpc.stray-response", "Answers a response to nothing with an error.")
class AnswersStrays(Agent):
    def stray(self, message: Json) -> None:
        self.refuse(None, INVALID_REQUEST, "nobody asked")


@mutant("dies-of-strays", "rpc.stray-response", "Goes away at a response to nothing.")
class DiesOfStrays(Agent):
    def stray(self, message: Json) -> None:
        os._exit(1)


@mutant("forbids-unknown-fields", "rpc.unknown-fields", "Refuses params with keys that it does not know.")
class ForbidsUnknownFields(Agent):
    KNOWN = frozenset(
        {
            *("protocolVersion", "clientCapabilities", "clientInfo", "methodId", "cwd", "mcpServers", "configId"),
            *("additionalDirectories", "systemPrompt", "sessionId", "prompt", "cursor", "archived", "modeId"),
            *("type", "value", "title", "requestId", "_meta"),
        }
    )

    def look_at(self, method: str, params: Json) -> None:
        if not self.KNOWN.issuperset(params):
            raise Refused(INVALID_PARAMS, "there is a key too many")


@mutant("strict-meta", "rpc.meta-tolerated", "Refuses a _meta that is no object.")
class StrictMeta(Agent):
    def look_at(self, method: str, params: Json) -> None:
        if not isinstance(params.get("_meta"), dict | None):
            raise Refused(INVALID_PARAMS, "_meta has to be an object")


@mutant("empty-meta", "rpc.meta-accepted", "Refuses a _meta that holds something.")
class EmptyMeta(Agent):
    def look_at(self, method: str, params: Json) -> None:
        meta = params.get("_meta")
        if isinstance(meta, dict) and meta:
            raise Refused(INVALID_PARAMS, "this _meta is unknown")


@mutant("deaf-while-busy", "rpc.reads-while-busy", "Leaves requests lying while a prompt runs.")
class DeafWhileBusy(Agent):
    def __init__(self) -> None:
        super().__init__()
        self.lying: list[Json] = []

    def call_in(self, message: Json) -> None:
        busy = any(session.turns for session in self.sessions.values())
        if busy and message.get("id") is not None and not str(message["method"]).startswith("session/"):
            self.lying.append(message)
        else:
            super().call_in(message)

    def turn_ended(self, turn: Any, refused: Any) -> None:
        super().turn_ended(turn, refused)
        while self.lying:
            super().call_in(self.lying.pop(0))
