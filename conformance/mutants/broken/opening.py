"""Broken in the opening of a connection, in its end, and in logging in."""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar

from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.wire import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Json, Refused

KNOWN_CAPABILITIES = {"fs", "terminal", "auth", "elicitation", "session", "plan", "subagents", "_meta"}
LONG_S = 30.0
CHATTER = b"a line for the log\n" * 16384


@mutant("answers-version-zero", "init.same-version", "Answers version 0 to a client that asks for 1.")
class AnswersVersionZero(Agent):
    def version_for(self, asked: int) -> int:
        return 0 if asked == 1 else 1


@mutant("echoes-version", "init.own-newest-version", "Answers whatever version it is asked for.")
class EchoesVersion(Agent):
    def version_for(self, asked: int) -> int:
        return asked


@mutant("nameless", "init.agent-info", "Does not say who it is.")
class Nameless(Agent):
    def initialize(self, params: Json, request_id: Any) -> Any:
        answer = super().initialize(params, request_id)
        del answer["agentInfo"]
        return answer


@mutant("says-nothing-of-itself", "init.capabilities", "Does not say what it can do.")
class SaysNothingOfItself(Agent):
    METHODS: ClassVar = {
        key: value
        for key, value in Agent.METHODS.items()
        if key not in ("logout", *(f"session/{name}" for name in ("load", "resume", "list", "close", "delete")))
    }

    def initialize(self, params: Json, request_id: Any) -> Any:
        answer = super().initialize(params, request_id)
        del answer["agentCapabilities"]
        return answer


@mutant("needs-client-info", "init.no-capabilities", "Refuses a client that does not say its name.")
class NeedsClientInfo(Agent):
    def initialize(self, params: Json, request_id: Any) -> Any:
        text = params.get("clientInfo")
        if "clientCapabilities" not in params and text is None and "protocolVersion" in params:
            raise Refused(INVALID_PARAMS, "clientInfo is missing")
        return super().initialize(params, request_id)


@mutant("knows-all-capabilities", "init.unknown-capabilities", "Refuses a capability that it does not know.")
class KnowsAllCapabilities(Agent):
    def initialize(self, params: Json, request_id: Any) -> Any:
        if not KNOWN_CAPABILITIES.issuperset(params.get("clientCapabilities") or {}):
            raise Refused(INVALID_PARAMS, "this capability is unknown")
        return super().initialize(params, request_id)


@mutant("strict-capabilities", "init.malformed-capabilities", "Refuses a capability with a value of the wrong type.")
class StrictCapabilities(Agent):
    def initialize(self, params: Json, request_id: Any) -> Any:
        offered = params.get("clientCapabilities") or {}
        right = isinstance(offered, dict) and isinstance(offered.get("fs"), dict | None)
        if not right or not isinstance(offered.get("terminal"), bool | None):
            raise Refused(INVALID_PARAMS, "this capability is malformed")
        return super().initialize(params, request_id)


@mutant("guesses-version", "init.missing-version", "Guesses the version where it is missing.")
class GuessesVersion(Agent):
    def initialize(self, params: Json, request_id: Any) -> Any:
        return super().initialize({"protocolVersion": 1, **params}, request_id)


@mutant("dies-before-initialize", "init.request-before", "Goes away at a request that comes before initialize.")
class DiesBeforeInitialize(Agent):
    def serve(self, request_id: Any, method: str, params: Any) -> Any:
        if not self.opened and method != "initialize":
            os._exit(1)
        return super().serve(request_id, method, params)


@mutant("sulks-before-initialize", "init.request-before", "Refuses an initialize that is not the first request.")
class SulksBeforeInitialize(Agent):
    early = False

    def serve(self, request_id: Any, method: str, params: Any) -> Any:
        self.early = self.early or (not self.opened and method != "initialize")
        if self.early:
            raise Refused(INVALID_REQUEST, "this connection began wrongly")
        return super().serve(request_id, method, params)


@mutant("unadvertised-logout", "init.optional-methods-are-advertised", "Serves a method that it does not advertise.")
class UnadvertisedLogout(Agent):
    def capabilities(self) -> Json:
        capabilities = super().capabilities()
        del capabilities["auth"]["logout"]
        return capabilities


@mutant("terminal-login-for-all", "auth.terminal-only-when-offered", "Lists its login in a terminal for everybody.")
class TerminalLoginForAll(Agent):
    def auth_methods(self) -> list[Json]:
        self.offered, offered = {**self.offered, "auth": {"terminal": True}}, self.offered
        methods = super().auth_methods()
        self.offered = offered
        return methods


@mutant("same-login-ids", "auth.unique-ids", "Lists two ways to log in with the same id.")
class SameLoginIds(Agent):
    def auth_methods(self) -> list[Json]:
        return [*super().auth_methods(), {"id": "key", "name": "With another key"}]


@mutant("any-login", "auth.unknown-method", "Accepts every id of a login.")
class AnyLogin(Agent):
    def authenticate(self, params: Json, request_id: Any) -> Any:
        return {}


@mutant("no-logout", "auth.logout", "Advertises to log out, and fails to.")
class NoLogout(Agent):
    def logout(self, params: Json, request_id: Any) -> Any:
        raise Refused(INTERNAL_ERROR, "the key cannot be forgotten")


@mutant("stays-alive", "end.exits", "Stays alive after the end of its input.")
class StaysAlive(Agent):
    def ended(self) -> int:
        if not any(session.turns for session in self.sessions.values()):
            time.sleep(LONG_S)
        return 0


@mutant("stays-alive-while-busy", "end.exits-while-busy", "Stays alive after the end of its input while a prompt runs.")
class StaysAliveWhileBusy(Agent):
    def ended(self) -> int:
        if any(session.turns for session in self.sessions.values()):
            time.sleep(LONG_S)
        return 0


@mutant("exits-with-one", "end.exits-cleanly", "Exits with status 1 at the end of its input.")
class ExitsWithOne(Agent):
    def ended(self) -> int:
        return 1


@mutant("blocks-on-stderr", "end.undrained-stderr", "Stops when nobody reads what it writes to stderr.")
class BlocksOnStderr(Agent):
    def session_prompt(self, params: Json, request_id: Any) -> Any:
        os.write(2, CHATTER)
        return super().session_prompt(params, request_id)
