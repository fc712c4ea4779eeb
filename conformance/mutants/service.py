"""The agent of the mutants: small, complete and correct. Every method of the protocol is a method of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from conformance.mutants.mcp import Server
from conformance.mutants.prompts import Prompts
from conformance.mutants.state import (
    MODES,
    Session,
    check_block,
    check_system_prompt,
    path_of,
    roots_of,
    servers_of,
    text_of,
)
from conformance.mutants.turns import Turn
from conformance.mutants.wire import INVALID_PARAMS, INVALID_REQUEST, LATER, METHOD_NOT_FOUND, NOT_FOUND, Json, Refused

VERSION = 1
NEWEST = 65535
PAGE_SIZE = 2
TITLE_CHARACTERS = 40
COMMANDS = [{"name": "read", "description": "Read a file"}, {"name": "test", "description": "Try something"}]


class Agent(Prompts):
    """Serves one connection until its input ends."""

    METHODS: ClassVar = {
        "initialize": "initialize",
        "authenticate": "authenticate",
        "logout": "logout",
        "session/new": "session_new",
        "session/load": "session_load",
        "session/resume": "session_resume",
        "session/list": "session_list",
        "session/close": "session_close",
        "session/delete": "session_delete",
        "session/prompt": "session_prompt",
        "session/set_mode": "session_set_mode",
        "session/set_config_option": "session_set_config_option",
    }
    UNSTABLE_METHODS: ClassVar = {
        "auth/status": "auth_status",
        "session/archive": "session_archive",
        "session/unarchive": "session_unarchive",
        "session/status": "session_status",
        "session/set_title": "session_set_title",
        "session/fork": "session_fork",
    }
    NOTIFICATIONS: ClassVar = {"session/cancel": "session_cancel", "$/cancel_request": "cancel_request"}

    def __init__(self) -> None:
        super().__init__()
        self.opened = False
        self.logged_in = False
        self.sessions: dict[str, Session] = {}
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.readers: dict[int, Callable[[bytes], None]] = {}

    # -- the life of the process, which `conformance.mutants.agent` runs

    def began(self) -> None:
        """Before the first byte is read."""

    def took(self, data: bytes) -> None:
        """A read brought this."""
        self.feed(data)

    def ended(self) -> int:
        """The input has ended; the exit status."""
        return 0

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        self.timers.append((seconds, what))

    # -- who serves what

    def serve(self, request_id: Any, method: str, params: Any) -> Any:
        if not self.opened and method != "initialize":
            raise Refused(INVALID_REQUEST, "initialize comes first")
        name = self.METHODS.get(method) or (self.UNSTABLE_METHODS.get(method) if self.unstable else None)
        if name is None:
            return self.unknown_method(method)
        if not isinstance(params, dict | None):
            raise Refused(INVALID_PARAMS, "params have to be an object")
        self.look_at(method, params or {})
        return getattr(self, name)(params or {}, request_id)

    def unknown_method(self, method: str) -> Any:
        raise Refused(METHOD_NOT_FOUND, f"there is no method {method}")

    def look_at(self, method: str, params: Json) -> None:
        """Sees the params of every request that is served."""

    def notification(self, method: str, params: Any) -> None:
        name = self.NOTIFICATIONS.get(method)
        if name is None:
            self.unknown_notification(method)
        elif self.opened:
            getattr(self, name)(params if isinstance(params, dict) else {})

    def unknown_notification(self, method: str) -> None:
        """Nobody knows it."""

    # -- the connection

    def initialize(self, params: Json, request_id: Any) -> Any:
        asked = params.get("protocolVersion")
        if isinstance(asked, bool) or not isinstance(asked, int) or not 0 <= asked <= NEWEST:
            raise Refused(INVALID_PARAMS, "protocolVersion has to be a number")
        offered = params.get("clientCapabilities")
        self.offered = offered if isinstance(offered, dict) else {}
        self.opened = True
        return {
            "protocolVersion": self.version_for(asked),
            "agentCapabilities": self.capabilities(),
            "authMethods": self.auth_methods(),
            "agentInfo": {"name": "mutant", "version": "1.0.0"},
        }

    def version_for(self, asked: int) -> int:
        return VERSION

    def capabilities(self) -> Json:
        session: Json = {"list": {}, "delete": {}, "resume": {}, "close": {}, "additionalDirectories": {}}
        session["systemPrompt"] = {"mode": {"override": {}}}
        auth: Json = {"logout": {}}
        if self.unstable:
            session |= {"fork": {}, "archive": {}, "status": {}, "title": {}}
            auth["status"] = {}
        return {
            "loadSession": True,
            "promptCapabilities": {"image": True, "audio": True, "embeddedContext": True},
            "sessionCapabilities": session,
            "auth": auth,
        }

    def auth_methods(self) -> list[Json]:
        methods: list[Json] = [{"id": "key", "name": "With a key"}]
        if self.offers("auth", "terminal"):
            methods.append({"type": "terminal", "id": "terminal", "name": "In a terminal", "args": ["--login"]})
        return methods

    def authenticate(self, params: Json, request_id: Any) -> Any:
        if text_of(params, "methodId") != "key":
            raise Refused(INVALID_PARAMS, "there is no such way to log in")
        self.logged_in = True
        return {}

    def logout(self, params: Json, request_id: Any) -> Any:
        self.logged_in = False
        return {}

    def auth_status(self, params: Json, request_id: Any) -> Any:
        return {"state": "authenticated" if self.logged_in else "not_required"}

    # -- sessions

    def session_new(self, params: Json, request_id: Any) -> Any:
        check_system_prompt(params)
        session = Session(self.new_session_id(), path_of(params, "cwd"))
        servers = servers_of(params, needed=True)
        session.roots = roots_of(params)
        self.sessions[session.id] = session
        for server in servers:
            self.connect(session, server)
        self.afterwards.append(lambda: self.tell_commands(session))
        return self.made(session)

    def new_session_id(self) -> str:
        return self.fresh("session")

    def made(self, session: Session) -> Json:
        return {"sessionId": session.id, **self.setup(session)}

    def setup(self, session: Session) -> Json:
        return {"modes": session.modes(), "configOptions": self.options(session)}

    def options(self, session: Session) -> list[Json]:
        return session.options(booleans=self.offers("session", "configOptions", "boolean"))

    def connect(self, session: Session, server: Json) -> None:
        Server(self.readers, server, session.cwd)

    def tell_commands(self, session: Session) -> None:
        self.update(session, "available_commands_update", availableCommands=COMMANDS)

    def known(self, params: Json) -> Session:
        """The session that the params name, live or not."""
        session = self.sessions.get(text_of(params, "sessionId"))
        if session is None:
            raise Refused(NOT_FOUND, "there is no such session")
        return session

    def live(self, params: Json) -> Session:
        session = self.known(params)
        if not session.live:
            raise Refused(NOT_FOUND, "the session is closed")
        return session

    def come_back(self, params: Json, *, servers_needed: bool) -> Session:
        session = self.known(params)
        check_system_prompt(params)
        if path_of(params, "cwd") != session.cwd:
            raise Refused(INVALID_PARAMS, "the session has another directory")
        servers = servers_of(params, needed=servers_needed)
        session.roots = roots_of(params)
        session.live = True
        for server in servers:
            self.connect(session, server)
        return session

    def session_load(self, params: Json, request_id: Any) -> Any:
        session = self.come_back(params, servers_needed=True)
        for update in session.history:
            self.replay(session, update)
        self.tell_commands(session)
        return self.setup(session)

    def replay(self, session: Session, update: Json) -> None:
        self.notify("session/update", {"sessionId": session.id, "update": update})

    def session_resume(self, params: Json, request_id: Any) -> Any:
        session = self.come_back(params, servers_needed=False)
        self.afterwards.append(lambda: self.tell_commands(session))
        return self.setup(session)

    def session_list(self, params: Json, request_id: Any) -> Any:
        start = self.start_of_page(params.get("cursor"))
        rows = self.listed(params)
        page: Json = {"sessions": [self.row(session) for session in rows[start : start + PAGE_SIZE]]}
        if len(rows) > start + PAGE_SIZE:
            page["nextCursor"] = f"from-{start + PAGE_SIZE}"
        return page

    def start_of_page(self, cursor: Any) -> int:
        if cursor is None:
            return 0
        head, _, number = cursor.partition("-") if isinstance(cursor, str) else ("", "", "")
        if head != "from" or not number.isdecimal():
            raise Refused(INVALID_PARAMS, "this cursor is not ours")
        return int(number)

    def listed(self, params: Json) -> list[Session]:
        self.check_filter(params)
        rows = [session for session in reversed(self.sessions.values()) if self.in_archive(session, params)]
        cwd = params.get("cwd")
        return [session for session in rows if cwd is None or session.cwd == cwd]

    def check_filter(self, params: Json) -> None:
        if self.unstable and params.get("archived") not in (None, "exclude", "include", "only"):
            raise Refused(INVALID_PARAMS, "this filter is unknown")

    def in_archive(self, session: Session, params: Json) -> bool:
        wanted = params.get("archived") if self.unstable else None
        return wanted == "include" or session.archived == (wanted == "only")

    def row(self, session: Session) -> Json:
        return {**session.info(), "archived": session.archived} if self.unstable else session.info()

    def session_close(self, params: Json, request_id: Any) -> Any:
        session = self.live(params)
        self.stop(session)
        session.live = False
        return {}

    def stop(self, session: Session) -> None:
        """Cancel whatever the session does; the prompts are answered."""
        for turn in reversed(list(session.turns)):
            turn.cancel()

    def session_delete(self, params: Json, request_id: Any) -> Any:
        session = self.sessions.get(text_of(params, "sessionId"))
        if session is not None:
            self.stop(session)
            self.forget(session)
        return {}

    def forget(self, session: Session) -> None:
        self.sessions.pop(session.id, None)

    # -- what is no part of the protocol yet

    def session_archive(self, params: Json, request_id: Any) -> Any:
        session = self.known(params)
        self.stop(session)
        session.live = False
        session.archived = True
        return {}

    def session_unarchive(self, params: Json, request_id: Any) -> Any:
        self.known(params).archived = False
        return {}

    def session_status(self, params: Json, request_id: Any) -> Any:
        return {"status": "open" if self.known(params).live else "saved"}

    def session_set_title(self, params: Json, request_id: Any) -> Any:
        session, title = self.known(params), text_of(params, "title").strip()
        if not title:
            raise Refused(INVALID_PARAMS, "a title is not empty")
        session.title = title
        self.update(session, "session_info_update", title=title)
        return {"title": title}

    def session_fork(self, params: Json, request_id: Any) -> Any:
        original = self.known(params)
        fork = Session(self.new_session_id(), path_of(params, "cwd"))
        fork.roots = roots_of(params)
        fork.history = list(original.history)
        fork.values = dict(original.values)
        self.sessions[fork.id] = fork
        self.afterwards.append(lambda: self.tell_commands(fork))
        return self.made(fork)

    # -- modes and options

    def session_set_mode(self, params: Json, request_id: Any) -> Any:
        session, mode = self.live(params), text_of(params, "modeId")
        if mode not in MODES:
            raise Refused(INVALID_PARAMS, "there is no such mode")
        session.values["mode"] = mode
        self.update(session, "config_option_update", configOptions=self.options(session))
        return {}

    def session_set_config_option(self, params: Json, request_id: Any) -> Any:
        session, option_id = self.live(params), text_of(params, "configId")
        option = next((row for row in self.options(session) if row["id"] == option_id), None)
        if option is None:
            raise Refused(INVALID_PARAMS, "there is no such option")
        self.set_option(session, option, params.get("value"))
        return {"configOptions": self.options(session)}

    def set_option(self, session: Session, option: Json, value: Any) -> None:
        listed = (True, False) if option["type"] == "boolean" else [row["value"] for row in option["options"]]
        if type(value) is not type(listed[0]) or value not in listed:
            raise Refused(INVALID_PARAMS, "this value is not listed")
        session.values[option["id"]] = value
        if option["id"] == "mode":
            self.update(session, "current_mode_update", currentModeId=value)

    # -- prompts

    def session_prompt(self, params: Json, request_id: Any) -> Any:
        session, blocks = self.live(params), params.get("prompt")
        if not isinstance(blocks, list) or not blocks:
            raise Refused(INVALID_PARAMS, "prompt has to be an array of content blocks")
        for block in blocks:
            check_block(block)
        text = "\n".join(block["text"] for block in blocks if block["type"] == "text")
        turn = Turn(self, session, request_id, lambda turn: self.work(turn, blocks, text))
        session.turns.append(turn)
        if session.turns[0] is turn:
            turn.start()
        return LATER

    def work(self, turn: Turn, blocks: list[Json], text: str) -> Any:
        """The whole turn: the prompt is noted, its script runs, and the session gets a title."""
        message_id = self.fresh("asked")
        for block in blocks:
            self.note(turn.session, {"sessionUpdate": "user_message_chunk", "content": block, "messageId": message_id})
        yield from self.script(turn, text)
        self.give_title(turn, text)

    def note(self, session: Session, update: Json) -> None:
        """What is shown only when the session is loaded."""
        session.history.append(update)

    def give_title(self, turn: Turn, text: str) -> None:
        session = turn.session
        if session.title is None and text.strip():
            session.title = text.strip()[:TITLE_CHARACTERS]
            self.tell(turn, "session_info_update", title=session.title)

    def turn_ended(self, turn: Turn, refused: Refused | None) -> None:
        session = turn.session
        session.turns.remove(turn)
        if turn.cancelled:
            self.answer_cancelled(turn)
        elif refused is not None:
            self.refuse(turn.request_id, refused.code, refused.message)
        else:
            self.answer(turn.request_id, "session/prompt", {"stopReason": "end_turn"})
        if session.turns and not turn.cancelled:
            session.turns[0].start()

    def answer_cancelled(self, turn: Turn) -> None:
        self.answer(turn.request_id, "session/prompt", {"stopReason": "cancelled"})

    def session_cancel(self, params: Json) -> None:
        session = self.sessions.get(str(params.get("sessionId")))
        if session is not None:
            self.stop(session)
        else:
            self.cancelled_nothing(params)

    def cancelled_nothing(self, params: Json) -> None:
        """A cancel for a session that is not there."""

    def cancel_request(self, params: Json) -> None:
        wanted = params.get("requestId")
        for session in self.sessions.values():
            for turn in session.turns:
                if turn.request_id == wanted and type(turn.request_id) is type(wanted):
                    turn.cancel()
                    return
