"""Broken in how sessions are listed, brought back, closed and deleted."""

from __future__ import annotations

import functools
from typing import Any

from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.state import Session, path_of
from conformance.mutants.turns import Turn
from conformance.mutants.wire import INTERNAL_ERROR, INVALID_PARAMS, NOT_FOUND, Json, Refused

AGENT_SAID = ("agent_message_chunk", "agent_thought_chunk")


@mutant("list-of-none-is-null", "list.array", "Lists no sessions as null.", "frame.schema")
class ListOfNoneIsNull(Agent):
    def session_list(self, params: Json, request_id: Any) -> Any:
        page = super().session_list(params, request_id)
        return page if page["sessions"] else {**page, "sessions": None}


@mutant("list-needs-params", "list.without-params", "Refuses to list sessions without params.")
class ListNeedsParams(Agent):
    def serve(self, request_id: Any, method: str, params: Any) -> Any:
        if method == "session/list" and params is None:
            raise Refused(INVALID_PARAMS, "params are missing")
        return super().serve(request_id, method, params)


@mutant("list-ignores-cwd", "list.cwd-filter", "Lists all sessions whatever directory is asked for.")
class ListIgnoresCwd(Agent):
    def listed(self, params: Json) -> list[Session]:
        rows = super().listed({**params, "cwd": None})
        return rows if any(session.cwd == params.get("cwd") for session in rows) or not params.get("cwd") else []


@mutant("list-without-end", "list.pages-end", "Gives the last page a cursor back to the first.")
class ListWithoutEnd(Agent):
    def session_list(self, params: Json, request_id: Any) -> Any:
        page = super().session_list(params, request_id)
        return page if page["sessions"] == [] else {"nextCursor": "from-0", **page}


@mutant("list-overlaps", "list.pages-end", "Lists the last session of a page on the next one again.")
class ListOverlaps(Agent):
    def start_of_page(self, cursor: Any) -> int:
        return max(0, super().start_of_page(cursor) - 1)


@mutant("any-cursor", "list.invalid-cursor", "Takes a cursor that it does not know for the first page.")
class AnyCursor(Agent):
    def start_of_page(self, cursor: Any) -> int:
        try:
            return super().start_of_page(cursor)
        except Refused:
            return 0


@mutant("load-forgets-the-agent", "load.replays", "Loads what the user said, and not what the agent said.")
class LoadForgetsTheAgent(Agent):
    def replay(self, session: Session, update: Json) -> None:
        if update["sessionUpdate"] not in AGENT_SAID:
            super().replay(session, update)


@mutant("load-forgets-the-user", "load.replays", "Loads what the agent said, and not what the user said.")
class LoadForgetsTheUser(Agent):
    def replay(self, session: Session, update: Json) -> None:
        if update["sessionUpdate"] != "user_message_chunk":
            super().replay(session, update)


@mutant("load-answers-first", "load.answers-last", "Answers a load before the history.")
class LoadAnswersFirst(Agent):
    def session_load(self, params: Json, request_id: Any) -> Any:
        session = self.come_back(params, servers_needed=True)
        self.afterwards += [functools.partial(self.replay, session, update) for update in session.history]
        return self.setup(session)


@mutant("load-answers-in-between", "load.answers-last", "Answers a load before the last message of the history.")
class LoadAnswersInBetween(Agent):
    def session_load(self, params: Json, request_id: Any) -> Any:
        session = self.come_back(params, servers_needed=True)
        for update in session.history[:-1]:
            self.replay(session, update)
        if session.history:
            self.afterwards.append(lambda: self.replay(session, session.history[-1]))
        return self.setup(session)


@mutant("load-shortens", "load.same-text", "Loads the first letter of every message of the agent.")
class LoadShortens(Agent):
    def replay(self, session: Session, update: Json) -> None:
        if update["sessionUpdate"] in AGENT_SAID:
            update = {**update, "content": {"type": "text", "text": update["content"]["text"][:1]}}
        super().replay(session, update)


@mutant("load-needs-a-turn", "load.without-a-turn", "Cannot load a session without a prompt.")
class LoadNeedsATurn(Agent):
    def session_load(self, params: Json, request_id: Any) -> Any:
        if not self.known(params).history:
            raise Refused(NOT_FOUND, "there is nothing to load")
        return super().session_load(params, request_id)


@mutant("load-makes-it", "load.unknown", "Makes a session where it should load one that does not exist.")
class LoadMakesIt(Agent):
    def session_load(self, params: Json, request_id: Any) -> Any:
        session_id = params.get("sessionId")
        if isinstance(session_id, str) and session_id not in self.sessions:
            self.sessions[session_id] = Session(session_id, path_of(params, "cwd"))
        return super().session_load(params, request_id)


@mutant("load-to-read-only", "load.goes-on", "Takes no prompt in a loaded session.")
class LoadToReadOnly(Agent):
    def session_load(self, params: Json, request_id: Any) -> Any:
        answer = super().session_load(params, request_id)
        self.known(params).live = False
        return answer


@mutant("load-repeats-notices", "load.no-notices", "Loads the notices, too.")
class LoadRepeatsNotices(Agent):
    NOT_REPLAYED = Agent.NOT_REPLAYED - {"notice"}


@mutant("resume-replays", "resume.no-replay", "Sends the history at a resume, too.")
class ResumeReplays(Agent):
    def session_resume(self, params: Json, request_id: Any) -> Any:
        answer = super().session_resume(params, request_id)
        session = self.known(params)
        for update in session.history:
            self.replay(session, update)
        return answer


@mutant("resume-needs-a-turn", "resume.without-a-turn", "Cannot resume a session without a prompt.")
class ResumeNeedsATurn(Agent):
    def session_resume(self, params: Json, request_id: Any) -> Any:
        if not self.known(params).history:
            raise Refused(NOT_FOUND, "there is nothing to resume")
        return super().session_resume(params, request_id)


@mutant("resume-makes-it", "resume.unknown", "Makes a session where it should resume one that does not exist.")
class ResumeMakesIt(Agent):
    def session_resume(self, params: Json, request_id: Any) -> Any:
        session_id = params.get("sessionId")
        if isinstance(session_id, str) and session_id not in self.sessions:
            self.sessions[session_id] = Session(session_id, path_of(params, "cwd"))
        return super().session_resume(params, request_id)


@mutant("resume-to-read-only", "resume.goes-on", "Takes no prompt in a resumed session.")
class ResumeToReadOnly(Agent):
    def session_resume(self, params: Json, request_id: Any) -> Any:
        answer = super().session_resume(params, request_id)
        self.known(params).live = False
        return answer


@mutant("cannot-close", "close.answers", "Fails to close a session that does nothing.")
class CannotClose(Agent):
    def session_close(self, params: Json, request_id: Any) -> Any:
        busy = bool(self.live(params).turns)
        answer = super().session_close(params, request_id)
        if not busy:
            raise Refused(INTERNAL_ERROR, "the lock is stuck")
        return answer


@mutant("close-lets-it-run", "close.cancels-the-prompt", "Closes a session, and lets its prompt run.")
class CloseLetsItRun(Agent):
    def session_close(self, params: Json, request_id: Any) -> Any:
        self.live(params).live = False
        return {}


@mutant("close-ends-the-turn", "close.cancels-the-prompt", "Ends the prompt of a closed session as if it were done.")
class CloseEndsTheTurn(Agent):
    closing = False

    def session_close(self, params: Json, request_id: Any) -> Any:
        self.closing = True
        answer = super().session_close(params, request_id)
        self.closing = False
        return answer

    def answer_cancelled(self, turn: Turn) -> None:
        reason = "end_turn" if self.closing else "cancelled"
        self.answer(turn.request_id, "session/prompt", {"stopReason": reason})


@mutant("close-answers-first", "close.answers-after-the-prompt", "Answers a close before the prompt that it ends.")
class CloseAnswersFirst(Agent):
    def session_close(self, params: Json, request_id: Any) -> Any:
        session = self.live(params)
        session.live = False
        self.afterwards.append(lambda: self.stop(session))
        return {}


@mutant("talks-after-close", "close.nothing-after", "Tells the commands of a session that is closed.")
class TalksAfterClose(Agent):
    def session_close(self, params: Json, request_id: Any) -> Any:
        session = self.live(params)
        self.afterwards.append(lambda: self.tell_commands(session))
        return super().session_close(params, request_id)


@mutant("deleted-is-listed", "delete.not-listed", "Lists sessions that are deleted.")
class DeletedIsListed(Agent):
    def forget(self, session: Session) -> None:
        session.live = False


@mutant("delete-needs-one", "delete.unknown", "Refuses to delete what does not exist.")
class DeleteNeedsOne(Agent):
    def session_delete(self, params: Json, request_id: Any) -> Any:
        self.known(params)
        return super().session_delete(params, request_id)
