"""Broken in how sessions are made."""

from __future__ import annotations

import os
from typing import Any

from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.state import Session
from conformance.mutants.turns import Ask, Turn
from conformance.mutants.wire import INTERNAL_ERROR, INVALID_PARAMS, NOT_FOUND, Json, Refused


@mutant("no-session", "session.new", "Makes no session.")
class NoSession(Agent):
    def made(self, session: Session) -> Json:
        self.afterwards.clear()
        raise Refused(INTERNAL_ERROR, "there is no room for a session")


@mutant("sessions-share-an-id", "session.unique-ids", "Gives the third session the id of the second.")
class SessionsShareAnId(Agent):
    def new_session_id(self) -> str:
        made = self.fresh("session")
        return made if made == "session-1" else "session-2"

    def tell_commands(self, session: Session) -> None:
        if session.id == "session-1":
            super().tell_commands(session)


@mutant("commands-too-early", "session.nothing-before-its-id", "Lists commands before the client knows the session.")
class CommandsTooEarly(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        made = super().session_new(params, request_id)
        while self.afterwards:
            self.afterwards.pop(0)()
        return made


@mutant("any-cwd", "session.relative-cwd", "Accepts a relative directory.")
class AnyCwd(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        cwd = params.get("cwd")
        if isinstance(cwd, str) and not cwd.startswith("/"):
            params = {**params, "cwd": os.path.abspath(cwd)}
        return super().session_new(params, request_id)


@mutant("own-cwd", "session.missing-cwd", "Takes its own directory where none is given.")
class OwnCwd(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        return super().session_new({"cwd": "/", **params}, request_id)


@mutant("missing-cwd-is-internal", "session.missing-cwd", "Calls a missing directory an internal error.")
class MissingCwdIsInternal(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        if "cwd" not in params:
            raise Refused(INTERNAL_ERROR, "KeyError: 'cwd'")
        return super().session_new(params, request_id)


@mutant("no-servers-needed", "session.missing-mcp-servers", "Takes missing mcpServers for none.")
class NoServersNeeded(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        return super().session_new({"mcpServers": [], **params}, request_id)


@mutant("wrong-types-are-internal", "session.wrong-types", "Calls params of the wrong type an internal error.")
class WrongTypesAreInternal(Agent):
    def look_at(self, method: str, params: Json) -> None:
        for key, kind in (("cwd", str), ("sessionId", str), ("mcpServers", list), ("prompt", list)):
            if key in params and not isinstance(params[key], kind):
                raise Refused(INTERNAL_ERROR, f"TypeError: {key}")


@mutant("works-in-its-own-directory", "session.cwd-is-used", "Reads files in the directory that it was started in.")
class WorksInItsOwnDirectory(Agent):
    def ask(self, method: str, params: Json, answered: Any) -> Any:
        if method.startswith("fs/"):
            params = {**params, "path": os.path.join(os.getcwd(), os.path.basename(params["path"]))}
        return super().ask(method, params, answered)


@mutant("no-mcp", "session.stdio-mcp-accepted", "Refuses MCP servers on stdio.")
class NoMcp(Agent):
    def connect(self, session: Session, server: Json) -> None:
        raise Refused(INVALID_PARAMS, "there is no MCP here")


@mutant("forgets-mcp", "session.stdio-mcp-connected", "Accepts MCP servers and never starts them.")
class ForgetsMcp(Agent):
    def connect(self, session: Session, server: Json) -> None:
        pass


@mutant("unknown-session-made", "session.unknown", "Makes the session where a prompt names one that does not exist.")
class UnknownSessionMade(Agent):
    def live(self, params: Json) -> Session:
        session_id = params.get("sessionId")
        if isinstance(session_id, str) and session_id not in self.sessions and "prompt" in params:
            self.sessions[session_id] = Session(session_id, "/")
        return super().live(params)

    def update(self, session: Session, kind: str, /, **fields: Any) -> None:
        if session.cwd != "/":
            super().update(session, kind, **fields)


@mutant("unknown-session-internal", "session.unknown-code", "Calls an unknown session an internal error.")
class UnknownSessionInternal(Agent):
    def known(self, params: Json) -> Session:
        try:
            return super().known(params)
        except Refused as refused:
            raise Refused(INTERNAL_ERROR if refused.code == NOT_FOUND else refused.code, refused.message) from None


@mutant("any-roots", "session.relative-roots", "Accepts additional directories that are relative.")
class AnyRoots(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        roots = params.get("additionalDirectories")
        if isinstance(roots, list):
            params = {**params, "additionalDirectories": [f"/{root}" for root in roots]}
        return super().session_new(params, request_id)


@mutant("no-roots", "session.roots-accepted", "Advertises additional directories, and refuses them.")
class NoRoots(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        if params.get("additionalDirectories"):
            raise Refused(INVALID_PARAMS, "one directory is enough")
        return super().session_new(params, request_id)


@mutant("one-at-a-time", "session.side-by-side", "Refuses a prompt while another session works.")
class OneAtATime(Agent):
    def session_prompt(self, params: Json, request_id: Any) -> Any:
        session = self.live(params)
        if any(other.turns for other in self.sessions.values() if other is not session):
            raise Refused(INTERNAL_ERROR, "another session works")
        return super().session_prompt(params, request_id)


@mutant("tells-of-others", "session.updates-name-known-sessions", "Sends an update for a session of somebody else.")
class TellsOfOthers(Agent):
    def tell_commands(self, session: Session) -> None:
        super().tell_commands(session)
        super().tell_commands(Session("somebody-else", "/"))


@mutant("no-system-prompt", "session.system-prompt", "Advertises system prompts, and refuses them.")
class NoSystemPrompt(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        prompt = params.get("systemPrompt")
        if isinstance(prompt, dict) and prompt.get("mode") in ("append", "override"):
            raise Refused(INTERNAL_ERROR, "there is a system prompt already")
        return super().session_new(params, request_id)


@mutant("any-system-prompt", "session.system-prompt-unknown-mode", "Takes an unknown mode for append.")
class AnySystemPrompt(Agent):
    def session_new(self, params: Json, request_id: Any) -> Any:
        prompt = params.get("systemPrompt")
        if isinstance(prompt, dict):
            params = {**params, "systemPrompt": {**prompt, "mode": "append"}}
        return super().session_new(params, request_id)


@mutant("files-without-session", "fs.used-with-a-known-session", "Asks for a file for a session that nobody knows.")
class FilesWithoutSession(Agent):
    def files(self, turn: Turn, text: str) -> Any:
        script = super().files(turn, text)
        wanted = next(script)
        for one in wanted:
            if isinstance(one, Ask):
                one.params["sessionId"] = "somebody-else"
        answers = yield wanted
        try:
            script.send(answers)
        except StopIteration:
            return
